"""Keeps the entries for which an expression is true, and drops all others.

    { keep = "at_least(level, 'error') or status >= 500" }

A comparison with a field that is missing is false, so what could not be parsed is dropped, unless
the expression says otherwise: `not (level == "debug")`.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from pipeline.expression import compile_predicate
from pipeline.expression.insight import fields_read, reads_entries
from pipeline.model import component
from pipeline.model.batch import Batch
from pipeline.stages._spoils import DROPS_LINES

Config = Annotated[str, Meta(examples=["at_least(level, 'error') or status >= 500"])]


class Stage(component.Stage):
    """Keeps the entries for which the expression is true."""

    def __init__(self, config: str) -> None:
        self._predicate = compile_predicate(config)

    def __call__(self, batch: Batch) -> Batch | None:
        return batch.select(self._predicate(batch))

    def effect(self) -> component.Effect:
        text = self._predicate.text
        spoils = {"join": DROPS_LINES} if reads_entries(text) else {}
        return component.Effect(fields_read(text), frozenset(), condition=text, spoils=spoils)
