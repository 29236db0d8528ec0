"""Batches as JSON lines with Elastic Common Schema names, one object per line whatever came in.

```json
{"@timestamp":"2026-01-31T23:59:59.123456789Z","message":"…",
 "event":{"sequence":7,"dataset":"docker.logs"},"stream":"stdout",
 "log":{"level":"error","flags":["truncated"]},
 "container":{"id":"…","name":"shop-api-1","runtime":"docker",
              "image":{"name":"shop/api","tag":"1.4"},"labels":{"com_docker_compose_project":"shop"}},
 "host":{"name":"web-1"},
 "orchestrator":{"type":"compose","namespace":"shop","resource":{"type":"service","name":"api"}},
 "ecs":{"version":"8.17.0"},"status":500,"fields":{"host":"a parsed field of a taken name"}}
```

- What is not known is left out: `stream` of events, `log.level` of unparsed lines, `orchestrator`
  of a container that neither Compose nor Swarm started, `container.image` where nobody tells it.
- What other sources than Docker bring has their type in `event.dataset`: `forward.logs`,
  `syslog.logs`, `nats.logs`; and no `container.runtime`, since its `container` stands for whatever
  sent it. Containers that another dockline or Docker's fluentd driver tells of are as Docker's.
- `log.level` is one of our eight words (see
  `level`); the field it was taken from stays as it was.
- Parsed fields stand at the top level. One whose name, or name up to the first dot, is one of
  `RESERVED` is kept under `fields` instead.
- Dots in names of labels become `_`: as objects, `a` and `a.b` could not both exist.
- Bytes that are not UTF-8 become U+FFFD.
- One of the entries that another was split into has `"event":{"sequence":7,"part":2,…}`.

A batch is one `%`: a template with all that its entries share, repeated, and the columns. Messages
are quoted together, as one string. Figures are in `benchmarks/bench_encode_json`.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, Final

import msgspec
import orjson

from pipeline import native
from pipeline.encode.ecs import Names, kinds_of, shared_facts
from pipeline.encode.joined import joined
from pipeline.model.batch import Batch
from pipeline.model.dumps import dumps
from pipeline.model.encode_cache import Part
from pipeline.model.pieces import gathered
from pipeline.model.records import RESERVED, Records
from pipeline.model.rendered import RENDERED

SEPARATOR: Final = b"\x7f"
"""DEL stands between messages while they are quoted together: JSON does not escape it, and no
quoting of anything else produces it."""

_CLOSE: Final = b"}"

_BETWEEN: Final = b"},{"
"""Stands between objects in a list. Inside of one it may stand, too; then there are too many."""

_BETWEEN_LINES: Final = b"}\n{"
"""Stands between objects that are lines; and nowhere else, since no text has a line feed in it."""

_Key = tuple[Hashable, ...]

Rows = tuple[tuple[bytes, ...], tuple[native.Column, ...]]
"""Literals and columns of `native.Loops.interleave`."""


class JsonEncoder:
    """Batches as JSON lines, for one destination."""

    def __init__(self, *, host: str = "") -> None:
        """`host` is that of containers that do not tell theirs."""
        self._loops = native.loops
        self._host = host
        self._encoding = "json", host
        self._names = Names(RESERVED)
        self._names_bare = Names(RESERVED - {"message"})

    def encode(self, batches: Sequence[Batch]) -> bytes:
        """One object for each entry, in order, each ended by LF."""
        return b"".join(self._parts(batches))

    def pieces(self, batches: Sequence[Batch]) -> list[bytes]:
        """The same in pieces."""
        return gathered(self._parts(batches))

    def _parts(self, batches: Sequence[Batch]) -> list[bytes]:
        return [batch.encoded_once(self._encoding, self._part)[0] for batch in joined(batches)]

    def _part(self, batch: Batch) -> Part:
        return self._encode(batch), 0

    def _encode(self, batch: Batch) -> bytes:
        if self._loops is not None and (data := self._in_c(self._loops, batch)) is not None:
            return data
        columns: list[Sequence[Any]] = [batch.times]
        if not batch.bare:
            columns.append(quoted(batch.lines))
        columns.append(batch.sequences if batch.parts is None else _with_parts(batch))
        together = False
        if batch.parsed is not None:
            parsed, together = self._parsed(batch)
            columns.append(parsed)
        width = len(columns)
        arguments: list[Any] = [None] * (width * len(batch))
        for place, column in enumerate(columns):
            arguments[place::width] = column
        return self._template(batch, together) % tuple(arguments)

    def _in_c(self, loops: native.Loops, batch: Batch) -> bytes | None:
        """None where lines differ in more than their columns, or these have to be looked at one by
        one."""
        rows = self.rows(batch)
        return None if rows is None else loops.interleave(*rows, len(batch))

    def rows(self, batch: Batch) -> Rows | None:
        """The lines of a batch as `native.Loops.interleave` takes them; None where they are not all
        of one form. The batch has entries."""
        together = batch.parsed is not None
        if batch.flags or batch.parts is not None:
            return None
        columns: list[native.Column] = [batch.times]
        if not batch.bare:
            columns.append((batch.lines,))
        columns.append(batch.sequences)
        kinds = kinds_of(batch)
        if kinds.count(kinds[0]) == len(kinds):
            literals = self._literals(batch, kinds[0], "", together)
        else:
            literals, facts = self._choices(batch, kinds, len(columns))
            columns.append((kinds, facts))
        if together:
            try:
                columns.append(self._parsed_together(batch))
            except (TypeError, ValueError, RecursionError):
                return None
        return literals, tuple(columns)

    def _choices(
        self, batch: Batch, kinds: bytes, place: int
    ) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
        """Literals for entries of several kinds, and by kind what stands in the column `place`
        instead of the literal there."""
        together = batch.parsed is not None
        forms = {kind: self._literals(batch, kind, "", together) for kind in set(kinds)}
        *before, facts = forms[kinds[0]][: place + 1]
        comma = facts[-1:] if together else b""  # left out before an entry without fields
        after = forms[kinds[0]][place + 1 :]
        found = [forms[kind][place] if kind in forms else b"" for kind in range(max(kinds) + 1)]
        return (*before, b"", comma, *after), tuple(each.removesuffix(b",") for each in found)

    def _parsed_together(self, batch: Batch) -> tuple[bytes, bytes]:
        """All entries' fields, without the first brace and the last, and what stands between two.
        Raises for what JSON does not have."""
        names, records = self._names_bare if batch.bare else self._names, batch.parsed
        if type(records) is Records and names.are_free(records.shape):
            return _written(records)[1:-2], _BETWEEN_LINES
        return orjson.dumps(names.settle(batch.fields or []))[2:-2], _BETWEEN

    def _parsed(self, batch: Batch) -> tuple[list[bytes], bool]:
        """Each entry's fields as the rest of its line; or, where they could be written together,
        without the comma before them and the brace behind."""
        names, records = self._names_bare if batch.bare else self._names, batch.parsed
        if type(records) is Records and names.are_free(records.shape):
            try:
                return _records(records)
            except (TypeError, ValueError, RecursionError):
                pass
        fields = names.settle(batch.fields or [])
        try:
            pieces = orjson.dumps(fields)[2:-2].split(_BETWEEN)
            if len(pieces) == len(fields) and b"" not in pieces:
                return pieces, True
        except (TypeError, RecursionError):
            pass
        return self._one_by_one(fields), False

    def _one_by_one(self, fields: list[dict[str, Any]]) -> list[bytes]:
        try:
            quick = orjson.dumps  # what it returns is copied at once: see the benchmark
            return [b"," + quick(entry)[1:] if entry else _CLOSE for entry in fields]
        except (TypeError, RecursionError):
            return [b"," + dumps(entry)[1:] if entry else _CLOSE for entry in fields]

    # -- what the lines of a container share -----------------------------------------------

    def _template(self, batch: Batch, together: bool) -> bytes:
        """Takes, for each entry in turn, the columns of `_encode`; `together` as `_parsed` says."""
        kinds = kinds_of(batch)
        first = kinds[0]
        if batch.flags is None and kinds.count(first) == len(kinds):
            return self._line(batch, first, "", together) * len(kinds)
        flags = batch.flags or {}
        lines: dict[tuple[int, str], bytes] = {}
        for kind, sequence in zip(kinds, batch.sequences, strict=True):
            if (key := (kind, flags.get(sequence, ""))) not in lines:
                lines[key] = self._line(batch, *key, together)
        pairs = zip(kinds, batch.sequences, strict=True)
        return b"".join([lines[kind, flags.get(sequence, "")] for kind, sequence in pairs])

    def _key(self, batch: Batch, kind: int, flag: str, together: bool) -> _Key:
        """All that a line depends on beside its container and columns; every encoder makes the same
        of it."""
        nothing = batch.parsed is None, batch.parts is None
        return "json", self._host, kind, batch.source, batch.bare, *nothing, flag, together

    def _literals(self, batch: Batch, kind: int, flag: str, together: bool) -> tuple[bytes, ...]:
        """What stands between the columns of `_encode`."""
        key = self._key(batch, kind, flag, together)
        return RENDERED.once(
            batch.container,
            key,
            lambda: self._render(batch, kind, flag, together),
            lambda literals: sum(map(len, literals)),
        )

    def _line(self, batch: Batch, kind: int, flag: str, together: bool) -> bytes:
        """The same for `%`."""
        key = "%", self._key(batch, kind, flag, together)

        def make() -> bytes:
            number = (1 if batch.bare else 2) if batch.parts is None else None
            return _template_of(self._render(batch, kind, flag, together), number)

        return RENDERED.once(batch.container, key, make, len)

    def _render(self, batch: Batch, kind: int, flag: str, together: bool) -> tuple[bytes, ...]:
        shared = shared_facts(batch.container, kind, flag, self._host)
        dataset = b',"dataset":' + dumps(batch.dataset) + b"},"
        before = [b'{"@timestamp":"', b'","event":{"sequence":']
        if not batch.bare:
            before.insert(1, b'","message":"')
        facts = dataset + dumps(shared)[1:-1]
        if batch.parsed is None:
            return (*before, facts + b"}\n")
        if together:
            return (*before, facts + b",", b"}\n")
        return (*before, facts, b"\n")


def _template_of(literals: Sequence[bytes], number: int | None) -> bytes:
    """For `%`: bytes between them, but for what stands in the place `number`."""
    first, *others = (literal.replace(b"%", b"%%") for literal in literals)
    return first + b"".join(
        [(b"%d" if place == number else b"%b") + other for place, other in enumerate(others)]
    )


def _with_parts(batch: Batch) -> list[bytes]:
    """Each sequence number, and behind it which part it is, where it is one."""
    return [
        b'%d,"part":%d' % (sequence, part) if part else b"%d" % sequence
        for sequence, part in zip(batch.sequences, batch.parts or (), strict=True)
    ]


def _records(records: Records) -> tuple[list[bytes], bool]:
    """As `JsonEncoder._parsed`. Raises what msgspec does for what JSON does not have."""
    pieces = _written(records)[1:-2].split(_BETWEEN_LINES)
    if b"" in pieces:
        return [b"," + piece + _CLOSE if piece else _CLOSE for piece in pieces], False
    return pieces, True


_written: Final = msgspec.json.Encoder().encode_lines


def quoted_together(lines: list[bytes]) -> bytes:
    """`SEPARATOR` stands between two, if none has one in it."""
    return orjson.dumps(SEPARATOR.join(lines).decode("utf-8", "replace"))[1:-1]


def quoted(lines: list[bytes]) -> list[bytes]:
    """Each line as the inside of a JSON string, without the quotes. Bytes that are not UTF-8 become
    U+FFFD."""
    quoted = quoted_together(lines).split(SEPARATOR)
    if len(quoted) == len(lines):
        return quoted
    return [orjson.dumps(line.decode("utf-8", "replace"))[1:-1] for line in lines]
