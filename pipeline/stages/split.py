"""Makes several entries of one that holds a list.

    { split = "records" }
    { split = { field = "http.batch", into = "record", most = 100 } }
    { split = "message" }

Each element of the list becomes an entry with the time, the stream and the `event.sequence` of the
one that it was in, and a copy of its other fields; `event.part` counts them from 1 on, and the two
together tell each from all others. The fields of an element that is an object become fields of its
entry, before others of the same name; any other element becomes the value of the list's own field.
With `into`, every element becomes the value of the field of that name. `message` is not a field
here but the message, where that is one JSON list.

The message of each is its element, a text as it is and all else as JSON, where the message was that
list, or a JSON object, as `parse = "json"` leaves it. Any other message, such as one that `set` has
made, stays with each of them.

An entry without such a list, or with an empty one, goes on as it is; so does a message of more than
64 KiB with more than 20,000 values. Beyond `most` elements, those
that are left stay together in one more entry, as a list; and so they do earlier where what is
copied to each would be more than 1 MiB in all. A remark such as `truncated` is on all that were
made of one. `dockline audit` shows all but one of those as `made by split`, and
`dockline_made_entries_total` counts them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from pipeline.expression.paths import Path, names
from pipeline.model import component
from pipeline.model.batch import Batch
from pipeline.model.dumps import dumps
from pipeline.model.errors import at
from pipeline.model.records import MISSING, NOT_JSON, Fields, Records
from pipeline.parsing.json import is_heavy, parse_one

MOST_COPIED: Final = 2**20
"""Bytes that the copies of what entries have in common may take together, for one entry."""


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which list to split, and what its elements become."""

    field: Annotated[str, Meta(min_length=1, examples=["records"])]
    """The field that holds the list, or `message`."""
    into: Annotated[str | None, Meta(examples=["record"])] = None
    """The field that each element becomes. Without it, the fields of an element become fields of
    its
    entry."""
    most: Annotated[int, Meta(ge=1, le=10_000)] = 1000
    """How many entries one is split into, beside one with the remaining elements."""


Config = Annotated[
    Annotated[str, Meta(min_length=1)] | Options,
    Meta(examples=["records", {"field": "records", "into": "record"}]),
]


class Stage(component.Stage):
    """Finds the lists of a batch, and makes new columns if there are any."""

    def __init__(self, config: str | Options) -> None:
        options = Options(field=config) if isinstance(config, str) else config
        self._key = key = "" if isinstance(config, str) else "field"
        self._of_message = options.field == "message"
        with at(key):
            self._list = Path.parse(options.field)
        with at("into"):
            self._into = Path.target(options.into) if options.into is not None else None
        self._most = options.most

    def effect(self) -> component.Effect:
        makes = None if self._into is None else names((self._into,))
        if self._of_message:
            return component.Effect(makes=makes, renews_message=True)
        use = component.FieldUse(str(self._list.keys[0]), self._list.flat, self._key)
        return component.Effect((use,), makes)

    def __call__(self, batch: Batch) -> Batch | None:
        lists = self._lists_of_messages(batch) if self._of_message else self._lists_of_fields(batch)
        if not any(lists):
            return batch if batch.parts is None else self._numbered_anew(batch)
        return self._split(batch, lists)

    # ---------------------------------------------------------------------- what is found

    def _lists_of_messages(self, batch: Batch) -> Sequence[list[Any] | None]:
        return () if batch.bare else [_elements(line) for line in batch.lines]

    def _lists_of_fields(self, batch: Batch) -> Sequence[list[Any] | None]:
        path, parsed = self._list, batch.parsed
        if parsed is None:
            return ()
        if type(parsed) is Records:
            first, names_ = str(path.keys[0]), parsed.shape.attributes
            if first not in names_ and path.flat not in names_:
                return ()
            columns = zip(parsed.column(first), parsed.column(path.flat), strict=True)
            found = [path.below(value, flat) for value, flat in columns]
        else:
            found = [path.get(fields) for fields in parsed]
        return [value if type(value) is list else None for value in found]

    # ------------------------------------------------------------------ what is made of it

    def _split(self, batch: Batch, lists: Sequence[list[Any] | None]) -> Batch:
        lines: list[bytes] = []
        fields: list[Fields] = []
        indexes: list[int] = []
        parts: list[int] = []
        before = batch.fields or [{} for _ in batch.lines]
        of = batch.parts or [0] * len(batch)
        for index, elements in enumerate(lists):
            line, own, part = batch.lines[index], before[index], of[index]
            if not elements:
                lines.append(line)
                fields.append(own)
                indexes.append(index)
                parts.append(self._number(part, 1) if part else 0)
                continue
            for number, (message, new) in enumerate(self._entries(batch, line, own, elements), 1):
                lines.append(message)
                fields.append(new)
                indexes.append(index)
                parts.append(self._number(part, number))
        return batch.replace(
            lines=lines,
            times=[batch.times[index] for index in indexes],
            streams=bytes([batch.streams[index] for index in indexes]),
            sequences=[batch.sequences[index] for index in indexes],
            parts=parts,
            fields=None if batch.parsed is None and not any(fields) else fields,
        )

    def _entries(
        self, batch: Batch, line: bytes, own: Fields, elements: list[Any]
    ) -> Iterator[tuple[bytes, Fields]]:
        """The message and the fields of each entry that an entry is split into."""
        common = dict(own)
        if self._of_message:
            most = self._as_many_as(len(dumps(common)))
            yield from (self._of_raw(bytes(raw), common) for raw in elements[:most])
            if rest := elements[most:]:
                yield b"[" + b",".join(map(bytes, rest)) + b"]", common
            return
        self._list.pop(common)
        replaced = batch.bare or line.lstrip()[:1] == b"{"
        most = self._as_many_as(len(dumps(common)) + (0 if replaced else len(line)))
        rest = elements[most:]
        for element in elements[:most]:
            message = _message(batch, element) if replaced else line
            yield message, self._with(own, common, element)
        if rest:
            yield _message(batch, rest) if replaced else line, _put(own, self._list, rest)

    def _as_many_as(self, size: int) -> int:
        """How many entries may share so many bytes."""
        return min(self._most, max(1, MOST_COPIED // max(size, 1)))

    def _of_raw(self, raw: bytes, common: Fields) -> tuple[bytes, Fields]:
        """An element as it is written in the message."""
        fields = dict(common)
        value = MISSING if raw[:1] == b"{" and self._into is None else _value(raw)
        if self._into is not None:
            self._into.put(fields, value)
        elif value is MISSING:
            fields.update(parse_one(raw))
        return (value.encode("utf-8", "replace") if type(value) is str else raw), fields

    def _with(self, own: Fields, common: Fields, element: Any) -> Fields:
        """The fields of the entry that an element becomes.

        `own`: those of the entry with the list. `common`: those without it.
        """
        if self._into is not None:
            return _put(common, self._into, element)
        if type(element) is dict:
            return {**common, **element}
        return _put(own, self._list, element)

    # -------------------------------------------------------------------------- its parts

    def _number(self, part: int, number: int) -> int:
        """The number of a part, made of a whole entry or of a part: unique, in order, and the same
        whenever the entry is read again."""
        return max(part - 1, 0) * (self._most + 1) + number

    def _numbered_anew(self, batch: Batch) -> Batch:
        """The numbers if the entries are parts already: other parts may be in another batch."""
        parts = [self._number(part, 1) if part else 0 for part in batch.parts or ()]
        return batch.replace(parts=parts)


_list: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_any: Final = msgspec.json.Decoder().decode

_BEFORE: Final = b" \t\r\n\xef\xbb\xbf"
"""White space, and the bytes of a byte order mark."""


def _elements(line: bytes) -> list[msgspec.Raw] | None:
    """The elements of a message that is a JSON list, each as it is written."""
    line = line.lstrip(_BEFORE)
    if not line.startswith(b"[") or is_heavy(line):
        return None
    try:
        return _list(line)
    except NOT_JSON:
        return None


def _value(raw: bytes) -> Any:
    """The value of an element; its text if it can't be decoded."""
    try:
        return _any(raw)
    except NOT_JSON:
        return raw.decode("utf-8", "replace")


def _put(fields: Fields, path: Path, value: Any) -> Fields:
    fields = dict(fields)
    path.put(fields, value)
    return fields


def _message(batch: Batch, element: Any) -> bytes:
    if batch.bare:
        return b""
    return element.encode("utf-8", "replace") if type(element) is str else dumps(element)
