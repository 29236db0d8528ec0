"""Drops the entries for which an expression is true, and keeps all others.

    { drop = "level == 'debug' or message.startswith('GET /health')" }

A comparison with a field that is missing is false, so what could not be parsed is kept.
"""

from __future__ import annotations

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
        self._kept = compile_predicate(config, negated=True)

    def __call__(self, batch: Batch) -> Batch | None:
        kept = self._kept(batch)
        return batch.select(kept) if False in kept else batch

    def effect(self) -> component.Effect:
        text = self._kept.text
        return component.Effect(fields_read(text), frozenset(), condition=opposite(text))
