"""Drops the entries for which an expression is true, and keeps all others.

    { drop = "level == 'debug' or message.startswith('GET /health')" }

A comparison with a field that is missing is false, so what could not be parsed is kept.
"""

from __future__ import annotations

from operator import not_
from typing import Annotated

from msgspec import Meta

from pipeline.expression import compile_predicate
from pipeline.expression.insight import fields_read
from pipeline.expression.truth import opposite
from pipeline.model import component
from pipeline.model.batch import Batch

Config = Annotated[str, Meta(examples=["level == 'debug' or message.startswith('GET /health')"])]


class Stage(component.Stage):
    """Keeps the entries for which the expression is false."""

    def __init__(self, config: str) -> None:
        self._predicate = compile_predicate(config)

    def __call__(self, batch: Batch) -> Batch | None:
        dropped = self._predicate(batch)
        return batch.select(list(map(not_, dropped))) if True in dropped else batch

    def effect(self) -> component.Effect:
        text = self._predicate.text
        return component.Effect(fields_read(text), frozenset(), condition=opposite(text))
