"""Entries as XADD commands: https://redis.io/docs/latest/commands/xadd/"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final

from pipeline import native
from pipeline.encode.ecs import Forms, Names, shared_facts
from pipeline.encode.identity import identities
from pipeline.encode.json import JsonEncoder
from pipeline.model.batch import Batch
from pipeline.model.dumps import dumps
from pipeline.model.records import RESERVED
from pipeline.model.timestamps import nanoseconds
from pipeline.transport.redis.resp import text

_ID: Final = text(b"event.id")
_JSON: Final = text(b"json")
_TIME: Final = text(b"@timestamp")
_DATASET: Final = text(b"event.dataset")
_SEQUENCE: Final = text(b"event.sequence")
_MESSAGE: Final = text(b"message")
_FIXED: Final = 5
"""Fields that each entry has; one that is bare has no message."""


@dataclass(frozen=True, slots=True)
class Trimming:
    """How long a stream may be: so many entries, or so many seconds."""

    length: int | None
    age: float | None
    exact: bool

    def arguments(self, batch: Batch) -> list[bytes]:
        """The arguments of XADD that trim the stream. An age is reckoned from the time of the last
        entry."""
        how = b"=" if self.exact else b"~"
        if self.length is not None:
            return [b"MAXLEN", how, b"%d" % self.length]
        try:
            newest = nanoseconds(batch.times[-1]) // 1_000_000
        except ValueError:  # such as the 31st of February
            return []
        return [b"MINID", how, b"%d" % max(0, newest - int((self.age or 0) * 1000))]


Rows = tuple[bytes, list[int]]
"""Commands in one piece, and where each ends."""


class Commands(Sequence[bytes]):
    """Commands as they are sent, one behind the other."""

    def __init__(self, parts: Sequence[Rows] = ()) -> None:
        self._data = b"".join([data for data, _ in parts])
        self._ends: list[int] = []
        start = 0
        for data, ends in parts:
            self._ends += [start + end for end in ends] if start else ends
            start += len(data)

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: Any) -> Any:
        return self.run((range(len(self))[index],))

    @property
    def size(self) -> int:
        """Bytes of all."""
        return len(self._data)

    def run(self, indexes: Sequence[int]) -> bytes:
        """The commands with these indexes, ascending, in one piece."""
        if not indexes:
            return b""
        first, last = indexes[0], indexes[-1]
        if last - first + 1 == len(indexes):
            return self._data[self._ends[first - 1] if first else 0 : self._ends[last]]
        return b"".join([self.run((index,)) for index in indexes])


class RedisEncoder:
    """Batches as XADD commands, for one destination."""

    def __init__(
        self,
        streams: Callable[[Batch], list[str]],
        *,
        flat: bool = False,
        trimming: Trimming | None = None,
        host: str = "",
    ) -> None:
        """`streams` names the stream of each entry of a batch. With `flat` each name of an entry is
        a field of its own; without it the entry is JSON in one field. `host` is that of containers
        that do not tell theirs."""
        self._streams = streams
        self._flat = flat
        self._trimming = trimming
        self._host = host
        self._json = JsonEncoder(host=host)
        self._names = Names(RESERVED)
        self._loops = native.loops
        self._shared = Forms[tuple[bytes, int]](("redis", host), lambda known: len(known[0]))

    def encode(self, batches: Sequence[Batch]) -> Commands:
        """One command for each entry, in order, as it is sent (RESP)."""
        rows = self._fields if self._flat else self._objects
        return Commands([rows(batch) for batch in batches if len(batch)])

    def _begun(self, batch: Batch) -> tuple[int, list[bytes]]:
        """How many arguments each command begins with, and for each entry what these are: all up
        to the `*` that stands for its id, and the name of the first field."""
        streams = self._streams(batch)
        trim = self._trimming.arguments(batch) if self._trimming else []
        begun: dict[str, bytes] = {}
        for stream in dict.fromkeys(streams):
            key = stream.encode("utf-8", "replace")
            begun[stream] = b"".join(map(text, [b"XADD", key, *trim, b"*"])) + _ID
        return 3 + len(trim), [begun[stream] for stream in streams]

    def _objects(self, batch: Batch) -> Rows:
        count, begun = self._begun(batch)
        literals = b"*%d\r\n" % (count + 4), b"", _JSON, b""
        columns = begun, identities(batch), self._json.encode([batch])
        return self._rows(literals, columns, b"\0\1\1", len(batch))

    def _fields(self, batch: Batch) -> Rows:
        count, begun = self._begun(batch)
        shared = self._shared.of(batch, self._facts)
        fixed = count + 2 * (_FIXED - batch.bare)
        counts, own = self._own(batch)
        pairs = zip(shared, counts, strict=True)
        sizes = [b"*%d\r\n" % (fixed + size + more) for (_, size), more in pairs]
        dataset = _DATASET + text(batch.dataset.encode()) + _SEQUENCE
        columns: list[Any] = [sizes, begun, identities(batch), batch.times, batch.sequences]
        literals = [b"", b"", b"", _TIME, dataset]
        if not batch.bare:
            columns.append(batch.lines)
            literals.append(_MESSAGE)
        columns += [own, [facts for facts, _ in shared]]
        texts = b"\0\0" + b"\1" * (len(columns) - 4) + b"\0\0"
        return self._rows((*literals, b"", b"", b""), tuple(columns), texts, len(batch))

    def _own(self, batch: Batch) -> tuple[list[int], list[bytes]]:
        """For each entry, how many arguments its parsed fields are, and these."""
        if batch.parsed is None and batch.parts is None:
            return [0] * len(batch), [b""] * len(batch)
        fields = batch.fields  # asked for once: it may be made of records each time
        parsed = self._names.settle(fields) if fields else [{}] * len(batch)
        parts = bytes(len(batch)) if batch.parts is None else batch.parts
        counts, found = [], []
        for part, entry in zip(parts, parsed, strict=True):
            own = {"event.part": b"%d" % part} if part else {}
            own |= _flat(entry)
            counts.append(2 * len(own))
            found.append(b"".join(map(_field, own.items())))
        return counts, found

    def _rows(
        self, literals: tuple[bytes, ...], columns: tuple[Any, ...], texts: bytes, count: int
    ) -> Rows:
        found = None
        if self._loops is not None:
            found = self._loops.counted(literals, columns, texts, count)
        return counted(literals, columns, texts) if found is None else found

    def _facts(self, batch: Batch, kind: int, flag: str) -> tuple[bytes, int]:
        """What entries of a container share, and how many arguments that is."""
        facts = _flat(_dotted(shared_facts(batch.container, kind, flag, self._host)))
        return b"".join(map(_field, facts.items())), 2 * len(facts)


def counted(literals: Sequence[bytes], columns: Sequence[Any], texts: bytes) -> Rows:
    """As `Loops.counted`, for columns that fit."""
    cells = [
        column.split(b"\n")[:-1] if isinstance(column, bytes) else column for column in columns
    ]
    written = [map(_written, texts, row) for row in zip(*cells, strict=True)]
    first, *others = (literal.replace(b"%", b"%%") for literal in literals)
    form = first + b"".join([b"%b" + other for other in others])
    rows = [form % tuple(row) for row in written]
    return b"".join(rows), list(accumulate(map(len, rows)))


def _written(is_text: int, cell: bytes | int) -> bytes:
    value = b"%d" % cell if isinstance(cell, int) else cell
    return text(value) if is_text else value


def _field(pair: tuple[str, bytes]) -> bytes:
    return text(pair[0].encode("utf-8", "replace")) + text(pair[1])


def _flat(fields: Mapping[Any, Any]) -> dict[str, bytes]:
    """Each name with its value as text: lists and objects as JSON, null as nothing."""
    return {str(name): _text(value) for name, value in fields.items()}


def _text(value: Any) -> bytes:
    if type(value) is str:
        return value.encode("utf-8", "replace")
    return b"" if value is None else dumps(value)


def _dotted(facts: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Objects inside of objects as names with dots."""
    found: dict[str, Any] = {}
    for name, value in facts.items():
        if isinstance(value, Mapping):
            found |= _dotted(value, f"{before}{name}.")
        else:
            found[before + name] = value
    return found
