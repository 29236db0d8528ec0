"""Cuts what is too long, too many or too deep, so that an entry is not larger than a destination
accepts.

    { truncate = "8KiB" }
    { truncate = { message = "8KiB", fields = "1KiB", fields_count = 100, depth = 5 } }

Texts are cut between two characters of UTF-8. An entry that lost something is marked `truncated`
(in JSON `log.flags`), like an entry whose line was longer than `logs.max_line`. Nothing is limited
by default. A size by itself is the limit of the message.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from pipeline.model import component
from pipeline.model.batch import Batch
from pipeline.model.component import Size
from pipeline.model.dumps import dumps
from pipeline.model.errors import ConfigError
from pipeline.model.records import Fields

_FLAG = "truncated"


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The limits, each of which may be left out."""

    message: Annotated[Size | None, msgspec.Meta(ge=1, examples=["8KiB"])] = None
    """Most bytes of the message."""
    fields: Annotated[Size | None, msgspec.Meta(ge=1, examples=["1KiB"])] = None
    """Most bytes of each text in the fields, and of each name."""
    fields_count: Annotated[int | None, msgspec.Meta(ge=1, examples=[100])] = None
    """Most fields, those inside objects included. The first ones stay."""
    depth: Annotated[int | None, msgspec.Meta(ge=1, le=100, examples=[5])] = None
    """Most levels of objects and lists, the fields themselves being the first. Deeper values become
    JSON text. 200, if something else of the fields is limited."""


Config = Annotated[
    Size | Options, msgspec.Meta(examples=["8KiB", {"message": "8KiB", "fields": "1KiB"}])
]


class Stage(component.Stage):
    """Cuts the messages of a batch, then the fields of each entry."""

    def __init__(self, config: Size | Options) -> None:
        options = config if isinstance(config, Options) else Options(message=config)
        limits = (options.message, options.fields, options.fields_count, options.depth)
        if limits == (None,) * 4:
            raise ConfigError('write what to limit, such as message = "8KiB"')
        self._message = options.message
        self._fields = _FieldLimits(options) if any(limits[1:]) else None

    def __call__(self, batch: Batch) -> Batch | None:
        columns: dict[str, Any] = {}
        cut: set[int] = set()
        limit = self._message
        if limit is not None and max(map(len, batch.lines)) > limit:
            columns["lines"] = [cut_bytes(line, limit) for line in batch.lines]
            cut.update(n for n, line in enumerate(batch.lines) if len(line) > limit)
        if self._fields is not None and batch.fields is not None:
            fields = list(map(self._fields.within, batch.fields))
            lost = [n for n, (_, is_cut) in enumerate(fields) if is_cut]
            if lost:
                columns["fields"] = [one for one, _ in fields]
                cut.update(lost)
        if not cut:
            return batch
        flags = dict(batch.flags or {})
        for index in cut:
            flags.setdefault(batch.sequences[index], _FLAG)
        return batch.replace(**columns, flags=flags)

    def effect(self) -> component.Effect:
        makes = None if self._fields else frozenset[str]()
        spoils = {"parse": "a line that was cut is not JSON any more, and has no fields then"}
        return component.Effect(
            makes=makes, spoils={} if self._message is None else spoils, removes=True
        )


class _FieldLimits:
    """The limits of the fields of an entry."""

    def __init__(self, options: Options) -> None:
        self._bytes = options.fields or 2**62
        self._short = self._bytes // 4
        """Characters that never take more bytes than the limit."""
        self._count = options.fields_count or 2**62
        self._depth = options.depth or _NO_DEPTH
        self._left = 0
        self._cut = False

    def within(self, fields: Fields) -> tuple[Fields, bool]:
        """The fields within the limits, and whether something was cut."""
        self._left, self._cut = self._count, False
        new = self._object(fields, self._depth)
        return (new, True) if self._cut else (fields, False)

    def _object(self, fields: Fields, levels: int) -> Fields:
        new: Fields = {}
        for name, value in fields.items():
            if not self._left:
                self._cut = True
                break
            self._left -= 1
            new[self._text(name)] = self._value(value, levels - 1)
        return new

    def _value(self, value: Any, levels: int) -> Any:
        kind = type(value)
        if kind is str:
            return self._text(value)
        if kind is not dict and kind is not list:
            return value
        if not levels:
            self._cut = True
            return self._text(dumps(value).decode())
        if kind is dict:
            return self._object(value, levels)
        return [self._value(one, levels - 1) for one in value]

    def _text(self, text: str) -> str:
        if len(text) <= self._short:
            return text
        data = text.encode("utf-8", "surrogatepass")
        if len(data) <= self._bytes:
            return text
        self._cut = True
        return cut_bytes(data, self._bytes).decode("utf-8", "surrogatepass")


_NO_DEPTH = 200
"""The depth without a limit: as deep as the walk goes that cuts."""


def cut_bytes(text: bytes, limit: int) -> bytes:
    """The beginning of a text, at most `limit` bytes, without a part of a character at its end.

    If the text isn't UTF-8, at most three more bytes are cut for that.
    """
    if len(text) <= limit:
        return text
    end = limit
    while end > max(0, limit - 3) and text[end] & 0xC0 == 0x80:
        end -= 1
    return text[:end] if text[end] & 0xC0 != 0x80 else text[:limit]
