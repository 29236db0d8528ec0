"""Batches as GELF 1.1, the Graylog Extended Log Format: one JSON object per entry.

```json
{"version":"1.1","host":"web-1","short_message":"…","timestamp":1769903999.123456789,"level":3,
 "_event_sequence":7,"_stream":"stderr","_container_id":"…","_container_name":"shop-api-1",
 "_container_image_name":"shop/api","_status":500}
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

from pipeline.encode.ecs import STREAMS, Forms, Names, shared_facts
from pipeline.encode.json import quoted
from pipeline.model.batch import Batch
from pipeline.model.dumps import dumps
from pipeline.model.records import RESERVED, Fields
from pipeline.model.timestamps import whole_seconds

_BY_STREAM: Final = (6, 6, 3)
"""Severity for each number in `Batch.streams`, of entries that do not tell theirs."""

_DEEPEST: Final = 20
"""Levels of objects that are taken apart; what is below is JSON text."""
_UNFIT: Final = re.compile(r"[^A-Za-z0-9_.-]")
_LARGE: Final = 2**63
"""Integers from here on become text: Graylog has none so large."""
_NO_NAMES: Final = ("ecs",)
"""Of no use in a field of its own."""

_OURS: Final = tuple(f"_{name}_" for name in sorted(RESERVED - {"fields"}))
"""What our names begin with."""


class GelfEncoder:
    """Batches as GELF, for one destination."""

    def __init__(self, *, host: str = "") -> None:
        """`host` is that of containers that do not tell theirs."""
        self._host = host
        self._templates = Forms[bytes](("gelf", host), len)
        self._names = Names(RESERVED)
        self._members: dict[str, str] = {}

    def encode(self, batch: Batch) -> list[bytes]:
        """One JSON object for each entry, in order, without what ends it on the wire."""
        if not len(batch):
            return []
        fields = self._names.settle(batch.fields or []) if batch.parsed is not None else []
        lines = batch.lines
        if batch.bare:
            lines = [dumps(one) if one else b"" for one in fields or [{}] * len(batch)]
        own = [self._own(one) for one in fields] or [b""] * len(batch)
        times, events = timestamps(batch.times), _events(batch)
        columns = self._templates.of(batch, self._render), _messages(lines), times, events, own
        return [
            template % (message, time, event, members)
            for template, message, time, event, members in zip(*columns, strict=True)
        ]

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

    def _render(self, batch: Batch, kind: int, flag: str) -> bytes:
        container, (level, stream) = batch.container, divmod(kind, STREAMS)
        host = container.host or self._host or container.name or container.short_id
        shared: dict[str, Any] = {"event": {"dataset": batch.dataset}}
        shared |= shared_facts(container, kind, flag, "")
        for name in _NO_NAMES:
            shared.pop(name, None)
        flat = {field_name(name): value for name, value in _flat(shared, "", _DEEPEST)}
        start = dumps({"version": "1.1", "host": host})[:-1].replace(b"%", b"%%")
        rest = dumps(flat)[1:-1].replace(b"%", b"%%")
        severity = level - 1 if level else _BY_STREAM[stream]
        message = b',"short_message":"%b","timestamp":%b'
        return start + message + b',"level":%d%%b,%b%%b}' % (severity, rest)


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


def _messages(lines: Sequence[bytes]) -> list[bytes]:
    """Each as the inside of `short_message`, and what follows it where it has several lines."""
    found = quoted(list(lines))
    joined = b"".join(lines)
    if b"\n" in joined or b"" in lines or any(map(bytes.isspace, lines)):
        return [_message(line, text) for line, text in zip(lines, found, strict=True)]
    return found


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


def _events(batch: Batch) -> list[bytes]:
    if batch.parts is None:
        return [b',"_event_sequence":%d' % sequence for sequence in batch.sequences]
    return [
        b',"_event_sequence":%d,"_event_part":%d' % (sequence, part)
        if part
        else b',"_event_sequence":%d' % sequence
        for sequence, part in zip(batch.sequences, batch.parts, strict=True)
    ]
