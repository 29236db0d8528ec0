"""Removes fields, or the message.

    { remove = ["password", "http.headers", "message"] }

`http.headers` is the field `headers` inside the object `http`. Without the message, JSON leaves it
out and text shows the fields in its place.

The message still has what fields were parsed from. To hide something, use `redact` with `keys`.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from pipeline.expression.paths import Path
from pipeline.model import component
from pipeline.model.batch import Batch
from pipeline.model.errors import at

Config = Annotated[list[str], Meta(min_length=1, examples=[["password", "http.headers"]])]


class Stage(component.Stage):
    """Removes fields of every entry."""

    def __init__(self, config: list[str]) -> None:
        self._bare = "message" in config
        self._paths: list[Path] = []
        for index, name in enumerate(config):
            if name == "message":
                continue
            with at(f"[{index}]"):
                self._paths.append(Path.parse(name))

    def __call__(self, batch: Batch) -> Batch | None:
        if self._paths and batch.fields is not None:
            for path in self._paths:
                path.pop_all(batch.fields)
        return batch.replace(bare=True) if self._bare else batch

    def effect(self) -> component.Effect:
        loses = {path.flat: "" for path in self._paths}
        spoils = {"parse": "the fields that it removes are read out of the message again"}
        return component.Effect(
            makes=frozenset(), loses=loses, spoils=spoils if loses else {}, removes=True
        )
