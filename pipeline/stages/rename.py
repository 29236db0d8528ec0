"""Gives fields other names; those that an entry does not have are left alone.

    { rename = { msg = "message", "http.status" = "status", host = "db_host" } }

`http.status` is the field `status` inside the object `http`. All renaming is done at once, so two
fields can change places. A field that becomes `message` replaces the message; `message` renamed
leaves the entry without one. A name that every entry has in the output, such as `container`, cannot
be the new name.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import Meta

from pipeline.expression import text_of
from pipeline.expression.paths import Path, flatten, names
from pipeline.model import component
from pipeline.model.batch import Batch
from pipeline.model.errors import ConfigError, at
from pipeline.model.records import MISSING

Config = Annotated[
    dict[str, str | dict[str, Any]],
    Meta(min_length=1, examples=[{"msg": "message", "http.status": "status"}]),
]

_MESSAGE: Final = Path(("message",))


class Stage(component.Stage):
    """Removes the old fields of all entries, then sets them with their new names."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._moves = [_move(old, new) for old, new in flatten(config)]
        self._from_message = any(old is _MESSAGE for old, _ in self._moves)

    def __call__(self, batch: Batch) -> Batch | None:
        fields = batch.fields
        if fields is None:
            if not self._from_message or batch.bare:
                return batch
            fields = [{} for _ in batch.lines]
        taken = [
            (_messages(batch) if old is _MESSAGE else old.pop_all(fields), new)
            for old, new in self._moves
        ]
        lines, bare = batch.lines, batch.bare or self._from_message
        for values, new in taken:
            if new is not _MESSAGE:
                new.put_all(fields, values)
            elif any(value is not MISSING for value in values):
                lines, bare = _replaced(lines, values), False
        return batch.replace(lines=lines, fields=fields, bare=bare)

    def effect(self) -> component.Effect:
        reads = [
            component.FieldUse(str(old.keys[0]), old.flat, old.flat)
            for old, _ in self._moves
            if old is not _MESSAGE
        ]
        made = names(new for _, new in self._moves if new is not _MESSAGE)
        loses = {
            old.flat: new.flat
            for old, new in self._moves
            if old is not _MESSAGE and old.flat not in made
        }
        renews = any(new is _MESSAGE for _, new in self._moves)
        return component.Effect(reads, made, loses=loses, renews_message=renews)


def _move(old: str, new: Any) -> tuple[Path, Path]:
    with at(old):
        if not isinstance(new, str):
            raise ConfigError("the new name must be a string")
        source = _MESSAGE if old == "message" else Path.parse(old)
        return source, _MESSAGE if new == "message" else Path.target(new)


def _messages(batch: Batch) -> list[Any]:
    if batch.bare:
        return [MISSING] * len(batch)
    return [line.decode("utf-8", "replace") for line in batch.lines]


def _replaced(lines: list[bytes], values: list[Any]) -> list[bytes]:
    return [
        line if value is MISSING else text_of(value).encode("utf-8", "replace")
        for line, value in zip(lines, values, strict=True)
    ]
