"""Batches as GELF 1.1, the Graylog Extended Log Format: one JSON object per entry.

```json
{"version":"1.1","host":"web-1","short_message":"…","timestamp":1769903999.123456789,
 "_event_sequence":7,"_status":500,"level":3,"_stream":"stderr","_container_id":"…",
 "_container_name":"shop-api-1","_container_image_name":"shop/api"}
```

- `short_message` is never empty: an entry without a message shows its fields, or `-`. That of an
  entry of several lines is the first that is not blank, and `full_message` all of them.
- `level` is a number of RFC 5424: the entry's level, or else 6 for stdout and 3 for stderr.
- Additional fields are the names that JSON has, `_` in front and in the place of dots and of all
  that a name may not have. Objects are taken apart, lists become JSON text, booleans `"true"` and
  `"false"`; what is null is left out. `_id` is forbidden, and becomes `_id_`; a parsed field whose
  name is like one of ours, such as `container_name`, has `_fields` in front.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from typing import Any, Final

from pipeline import native
from pipeline.encode.ecs import STREAMS, Forms, Names, shared_facts
from pipeline.encode.interleaved import interleaved
from pipeline.encode.json import quoted
from pipeline.encode.packed import Packer, Tail, tail
from pipeline.model.batch import Batch
from pipeline.model.dumps import dumps
from pipeline.model.records import RESERVED, Fields
from pipeline.model.timestamps import whole_seconds
from pipeline.support.deflate import Form

_BY_STREAM: Final = (6, 6, 3)
"""Severity for each number in `Batch.streams`, of entries that do not tell theirs."""

_DEEPEST: Final = 20
"""Levels of objects that are taken apart; what is below is JSON text."""
_UNFIT: Final = re.compile(r"[^A-Za-z0-9_.-]")
_LARGE: Final = 2**63
"""Integers from here on become text: Graylog has none so large."""
_NO_NAMES: Final = ("ecs",)
"""Of no use in a field of its own."""

_BETWEEN: Final = b'","timestamp":', b',"_event_sequence":'
_END: Final = b"\0"
"""Is in no JSON."""

_OURS: Final = tuple(f"_{name}_" for name in sorted(RESERVED - {"fields"}))
"""What our names begin with."""


class GelfEncoder:
    """Batches as GELF, for one destination."""

    def __init__(self, *, host: str = "", packing: Form | None = None) -> None:
        """`host` is that of containers that do not tell theirs. `packing` is what `packed` makes
        of messages."""
        self._loops = native.loops
        self._host = host
        self._names = Names(RESERVED)
        self._members: dict[str, str] = {}
        self._tails = Forms[bytes](("gelf", host), len)
        self._packed_tails = Forms[Tail](("packed gelf", host), _size_of_tail)
        self._packer = Packer(packing) if packing is not None else None

    def encode(self, batch: Batch) -> list[bytes]:
        """One JSON object for each entry, in order, without what ends it on the wire."""
        return self.joined(batch, _END).split(_END)[:-1]

    def joined(self, batch: Batch, end: bytes) -> bytes:
        """The same in one piece; `end` stands behind each."""
        if not len(batch):
            return b""
        tail = self._tails.of_all(batch, self._tail)
        if tail is not None:
            return self._fronts(batch, tail + end)
        return self._fronts(batch, end, self._tails.of(batch, self._tail))

    def packed(self, batch: Batch, longest: int) -> list[bytes]:
        """The same, compressed. One with more than `longest` bytes is as small as can be."""
        assert self._packer is not None
        if not len(batch):
            return []
        fronts = self._fronts(batch, _END).split(_END)[:-1]
        tails = self._packed_tails.of(batch, lambda *what: tail(self._tail(*what)))
        return self._packer.pack(fronts, tails, longest)

    def _fronts(self, batch: Batch, end: bytes, tails: list[bytes] | None = None) -> bytes:
        """What entries have of their own, and the tail of each where they are given. `end` stands
        behind each of them."""
        fields = self._names.settle(batch.fields or []) if batch.parsed is not None else []
        lines = batch.lines
        if batch.bare:
            lines = [dumps(one) if one else b"" for one in fields or [{}] * len(batch)]
        sequences = batch.sequences if batch.parts is None else _numbers(batch)
        columns: list[native.Column] = [_messages(lines), self._times(batch.times), sequences]
        if fields:
            columns.append([self._own(one) for one in fields])
        if tails is not None:
            columns.append(tails)
        between = [b""] * (len(columns) - 1 - len(_BETWEEN))
        literals = (self._head(batch), *_BETWEEN, *between, end)
        data = interleaved(self._loops, literals, tuple(columns), len(batch))
        assert data is not None
        return data

    def _times(self, times: list[bytes]) -> native.Column:
        found = self._loops.epochs(times, True) if self._loops is not None else None
        return timestamps(times) if found is None else (found, b"\n")

    def _own(self, fields: Fields) -> bytes:
        """An entry's fields as members of its object."""
        if not fields:
            return b""
        flat = {self._member(name): value for name, value in _flat(fields, "", _DEEPEST)}
        return b"," + dumps(flat)[1:-1] if flat else b""

    def _member(self, name: str) -> str:
        member = self._members.get(name)
        if member is None:
            if len(self._members) >= Names.MOST:
                self._members.clear()
            member = field_name(name)
            member = self._members[name] = "_fields" * member.startswith(_OURS) + member
        return member

    def _head(self, batch: Batch) -> bytes:
        container = batch.container
        host = container.host or self._host or container.name or container.short_id
        return dumps({"version": "1.1", "host": host})[:-1] + b',"short_message":"'

    def _tail(self, batch: Batch, kind: int, flag: str) -> bytes:
        """What entries share, from the level on."""
        level, stream = divmod(kind, STREAMS)
        shared: dict[str, Any] = {"event": {"dataset": batch.dataset}}
        shared |= shared_facts(batch.container, kind, flag, "")
        for name in _NO_NAMES:
            shared.pop(name, None)
        flat = {field_name(name): value for name, value in _flat(shared, "", _DEEPEST)}
        severity = level - 1 if level else _BY_STREAM[stream]
        return b',"level":%d,' % severity + dumps(flat)[1:]


def field_name(name: str) -> str:
    """The name of a parsed field as that of an additional field: `_` before it, and `_` in place of
    each character that it may not have, points included. `id` becomes `_id_`, as GELF forbids
    `_id`."""
    name = "_" + _UNFIT.sub("_", name).replace(".", "_")
    return "_id_" if name == "_id" else name


def _flat(fields: Mapping[Any, Any], prefix: str, levels: int) -> Iterator[tuple[str, Any]]:
    for key, value in fields.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and value and levels:
            yield from _flat(value, name + ".", levels - 1)
        elif isinstance(value, bool):
            yield name, "true" if value else "false"
        elif isinstance(value, str) or (isinstance(value, int) and -_LARGE <= value < _LARGE):
            yield name, value
        elif isinstance(value, float):
            if isfinite(value):
                yield name, value
        elif value is not None:
            yield name, dumps(value).decode()


# -- columns -----------------------------------------------------------------------------------


def _messages(lines: list[bytes]) -> native.Column:
    """Each as the inside of `short_message`, and what follows it where it has several lines."""
    if native.single(lines):
        return (lines,)
    return [_message(line, text) for line, text in zip(lines, quoted(lines), strict=True)]


def _message(line: bytes, text: bytes) -> bytes:
    if not line.strip():
        return b"-"
    if b"\n" not in line.strip():
        return text
    first = next(part for part in line.split(b"\n") if part.strip())
    return quoted([first.strip(b"\r")])[0] + b'","full_message":"' + text


def timestamps(times: Sequence[bytes]) -> list[bytes]:
    """Each time as seconds since the epoch, with nine digits behind the point."""
    found = []
    second, base = b"", b""
    for time in times:
        if time[:19] != second:
            second = time[:19]
            base = b"%d." % whole_seconds(second)
        found.append(base + time[20:29])
    return found


def _numbers(batch: Batch) -> list[bytes]:
    """Each sequence number, and behind it which part it is, where it is one."""
    return [
        b'%d,"_event_part":%d' % (sequence, part) if part else b"%d" % sequence
        for sequence, part in zip(batch.sequences, batch.parts or (), strict=True)
    ]


def _size_of_tail(one: Tail) -> int:
    return sum(map(len, one))
