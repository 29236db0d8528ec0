"""Requests of OTLP/HTTP, written directly as Protocol Buffers.

The library's objects cost several times as much (`benchmarks/bench_encode_otlp`); the tests have it
read what is written here.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain, groupby, repeat
from operator import attrgetter, itemgetter
from typing import Any, ClassVar, Final

from pipeline import native
from pipeline.encode.joined import joined
from pipeline.encode.otlp import records
from pipeline.encode.otlp.answers import fields
from pipeline.encode.otlp.metrics import CUMULATIVE, Metric, Point, measured, started
from pipeline.encode.otlp.records import SEVERITIES, Body
from pipeline.encode.otlp.resource import Resources
from pipeline.encode.otlp.values import Attributes, any_value, is_int64, pairs
from pipeline.encode.protobuf import (
    DELIMITED,
    FIXED64,
    delimited,
    double,
    integer,
    key,
    varint,
)
from pipeline.model.batch import STREAM_NAMES, Batch
from pipeline.model.cadvisor import Number
from pipeline.model.container import Container
from pipeline.model.pieces import gathered
from pipeline.model.records import MISSING, Records
from pipeline.model.rendered import RENDERED
from pipeline.model.utf8 import utf8_lines

_NUMBER: Final = delimited(1, b"event.sequence")
"""The name of the attribute that has the sequence number."""

_ATTRIBUTES: Final = 6
"""The field of a log record; in a point of a metric it is 7."""


class Heads(dict[int, bytes]):
    """What stands before a string or message in a field, by its length; remembered."""

    def __init__(self, *keys: int) -> None:
        """The keys of a field, and of a field in the message that it is, and so on."""
        self._keys = [key(field, DELIMITED) for field in keys]

    def __missing__(self, length: int) -> bytes:
        head = b""
        for one in reversed(self._keys):
            head = one + varint(length + len(head)) + head
        if length < 2**14:
            self[length] = head
        return head


class Requests:
    """Writes the requests of one destination, and divides them where the server refuses some."""

    content_type: ClassVar[str] = "application/x-protobuf"

    def __init__(self, resources: Resources, body: Body, version: str) -> None:
        """`version` is that of dockline, which requests have in their scope."""
        self._resources = resources
        self._body: Body = body
        self._scope = delimited(1, delimited(1, b"dockline") + delimited(2, version.encode()))
        self._key = "otlp", *resources.key
        self._attributes = Attributes(_ATTRIBUTES)
        self._record_heads = Heads(2)
        self._body_heads = Heads(5, 1)
        self._loops = native.loops

    def _resource(self, container: Container) -> bytes:
        def make() -> bytes:
            return delimited(1, pairs(self._resources.of(container)))

        return RENDERED.once(container, self._key, make, len)

    # -- logs ------------------------------------------------------------------------------------

    def logs(self, batches: Iterable[Batch], observed: int) -> bytes:
        """An `ExportLogsServiceRequest` with a log record for each entry. Batches of a container
        that follow each other share a `ResourceLogs`. `observed` is in nanoseconds since the
        epoch."""
        return b"".join(self.log_pieces(batches, observed))

    def log_pieces(self, batches: Iterable[Batch], observed: int) -> list[bytes]:
        """The same in pieces."""
        pieces: list[bytes] = []
        for container, some in groupby(batches, attrgetter("container")):
            resource = self._resource(container)
            found = [self._scope]
            for batch in joined(list(some)):
                found += self._records(batch, observed)
            size = sum(map(len, found))
            scope_logs = key(2, DELIMITED) + varint(size)
            size += len(resource) + len(scope_logs)
            pieces += (key(1, DELIMITED), varint(size), resource, scope_logs, *found)
        return gathered(pieces)

    def _records(self, batch: Batch, observed: int) -> Iterable[bytes]:
        """The records of a batch, each as a field of a `ScopeLogs`, in pieces."""
        if self._loops is not None and (data := self._in_c(self._loops, batch, observed)):
            return (data,)
        contents = list(map(b"".join, zip(*self._columns(batch, observed), strict=True)))
        sizes = map(self._record_heads.__getitem__, map(len, contents))
        return chain.from_iterable(zip(sizes, contents, strict=True))

    def _in_c(self, loops: native.Loops, batch: Batch, observed: int) -> bytes | None:
        """None where records have what is rare."""
        more, lines = None, None if batch.bare else batch.lines
        if batch.parts is not None or batch.flags is not None:
            return None
        if batch.parsed is not None:
            if self._body == "fields":
                return None
            fields = list(self._as_attributes(batch))
            more = list(map(b"".join, zip(*fields, strict=True))) if fields else None
        kinds, starts = self._starts(batch, observed)
        return loops.otlp(starts, kinds, batch.times, _NUMBER, batch.sequences, lines, more)

    def _starts(self, batch: Batch, observed: int) -> tuple[bytes, tuple[bytes, ...]]:
        """What records begin with, and which of it each does."""
        severities, streams = records.severities_of(batch), batch.streams
        count = len(batch)
        if severities.count(severities[0]) == streams.count(streams[0]) == count:
            return bytes(count), (self._start(severities[0], streams[0], observed),)
        pairs = list(zip(severities, streams, strict=True))
        different = {pair: kind for kind, pair in enumerate(set(pairs))}
        starts = tuple([self._start(*pair, observed) for pair in different])
        return bytes([different[pair] for pair in pairs]), starts

    def _columns(self, batch: Batch, observed: int) -> Iterator[Iterable[bytes]]:
        """Pieces of the batch's records; fields of a message may stand in any order."""
        yield self._shared(batch, observed)
        yield _each_fixed(records.times(batch))
        yield self._attributes["event.sequence"].counted(batch.sequences)
        if batch.parts is not None:
            yield [self._attributes["event.part"].one(part or MISSING) for part in batch.parts]
        if batch.flags is not None:
            flags = self._attributes["log.flags"]
            found = [batch.flags.get(sequence) for sequence in batch.sequences]
            yield [flags.one([flag]) if flag else b"" for flag in found]
        yield from self._told(batch)

    def _shared(self, batch: Batch, observed: int) -> Iterable[bytes]:
        """What many records begin with, up to the bytes of their time."""
        kinds, starts = self._starts(batch, observed)
        return [starts[kind] for kind in kinds]

    def _start(self, severity: int, stream: int, observed: int) -> bytes:
        number, word = SEVERITIES[severity]
        start = key(11, FIXED64) + observed.to_bytes(8, "little")
        if number:
            start += integer(2, number) + delimited(3, word.encode())
        if stream:
            start += self._attributes["log.iostream"].one(STREAM_NAMES[stream])
        return start + key(1, FIXED64)

    def _told(self, batch: Batch) -> Iterator[Iterable[bytes]]:
        """Message, fields and trace."""
        if batch.parsed is None:
            yield from self._messages(batch)
        elif self._body == "fields":
            yield from self._as_bodies(batch)
        else:
            yield from self._messages(batch)
            yield from self._as_attributes(batch)

    def _messages(self, batch: Batch) -> Iterator[Iterable[bytes]]:
        if not batch.bare:
            lines = utf8_lines(batch.lines)
            yield map(self._body_heads.__getitem__, map(len, lines))
            yield lines

    def _as_attributes(self, batch: Batch) -> Iterator[Iterable[bytes]]:
        parsed = batch.parsed
        if type(parsed) is Records and _as_they_are(parsed.shape.names):
            yield from self._columns_of(parsed)
            return
        rows = batch.fields or []
        names: set[Any] = set().union(*rows)
        known: Iterable[records.Traced] = repeat(("", ""))
        if records.tells_of_traces(names):
            known = records.traced(rows)
            yield [_trace(row, pair) for row, pair in zip(rows, known, strict=True)]
        if not _as_they_are(names) or not isinstance(known, repeat):
            rows = list(map(records.attributes, rows, known))
        of = self._attributes
        yield [b"".join([of[name].one(value) for name, value in row.items()]) for row in rows]

    def _columns_of(self, parsed: Records) -> Iterator[Iterable[bytes]]:
        """The same of records, a field at a time."""
        names = parsed.shape.names
        known: list[records.Traced] = []
        if records.tells_of_traces(names):
            rows = parsed.only(records.IDS)
            known = records.traced(rows)
            yield [_trace(row, pair) for row, pair in zip(rows, known, strict=True)]
        for name in names:
            values = parsed.column(name)
            if name in records.IDS:
                values = [
                    MISSING if name in pair else value
                    for value, pair in zip(values, known, strict=True)
                ]
            yield self._attributes[name].many(values)

    def _as_bodies(self, batch: Batch) -> Iterator[Iterable[bytes]]:
        """Entries of which nothing was parsed have their message as the body all the same."""
        original = self._attributes["log.record.original"].one
        rows = batch.fields or []
        if records.tells_of_traces(set().union(*rows)):
            known = records.traced(rows)
            yield [_trace(row, pair) for row, pair in zip(rows, known, strict=True)]
        bodies = []
        for row, line in zip(rows, utf8_lines(batch.lines), strict=True):
            told = records.body(row) if row else line.decode()
            body = b"" if batch.bare and not row else delimited(5, any_value(told))
            bodies.append(body if batch.bare or not row else body + original(line.decode()))
        yield bodies

    # -- metrics ---------------------------------------------------------------------------------

    def metrics(self, batches: Iterable[Batch]) -> bytes:
        """An `ExportMetricsServiceRequest` with a `ResourceMetrics` for each entry of `batches`,
        which all have samples."""
        return b"".join([self._reading(batch) * len(batch) for batch in batches])

    def _reading(self, batch: Batch) -> bytes:
        samples = batch.samples
        assert samples is not None
        times = _fixed(3, records.times(batch)[0])
        since = _fixed(2, started(samples)) if started(samples) else b""
        metrics = [
            delimited(2, _metric(metric, points, times, since))
            for metric, points in measured(samples)
        ]
        found = delimited(2, b"".join([self._scope, *metrics]))
        return delimited(1, self._resource(batch.container) + found)

    # -- dividing --------------------------------------------------------------------------------

    @staticmethod
    def split_logs(request: bytes) -> list[bytes]:
        """A request for each log record of one that `logs` has written, in order."""
        return [
            delimited(1, resource + delimited(2, scope + record))
            for resource, scope, found in _parts(request)
            for record in found
        ]

    @staticmethod
    def join_logs(requests: Iterable[bytes]) -> bytes:
        """One request of many; neighbours of the same container share a `ResourceLogs`."""
        parts = chain.from_iterable(map(_parts, requests))
        joined = []
        for (resource, scope), some in groupby(parts, itemgetter(0, 1)):
            found = chain.from_iterable(records for _, _, records in some)
            joined.append(delimited(1, resource + delimited(2, b"".join([scope, *found]))))
        return b"".join(joined)

    @staticmethod
    def split_metrics(request: bytes) -> list[bytes]:
        """A request for each reading of one that `metrics` has written, in order."""
        return [delimited(1, content) for _, content in _messages(request)]

    @staticmethod
    def join_metrics(requests: Iterable[bytes]) -> bytes:
        """One request with the readings of all."""
        return b"".join(requests)


def _metric(metric: Metric, points: Sequence[Point], time: bytes, since: bytes) -> bytes:
    counter = metric.kind == "counter"
    start = time + since if metric.kind != "gauge" else time
    data = [
        delimited(1, _point(attributes) + start + _figure(value)) for attributes, value in points
    ]
    if metric.kind != "gauge":
        data.append(integer(2, CUMULATIVE) + (integer(3, 1) if counter else b""))
    kind = 5 if metric.kind == "gauge" else 7
    return _named(metric.name, metric.unit) + delimited(kind, b"".join(data))


@lru_cache(256)
def _named(name: str, unit: str) -> bytes:
    return delimited(1, name.encode()) + delimited(3, unit.encode())


def _as_they_are(names: Collection[Any]) -> bool:
    """Whether fields of these names are attributes, each by itself."""
    return records.RESERVED.isdisjoint(names) and len(names) <= records.MOST_FIELDS


def _point(attributes: Mapping[str, str]) -> bytes:
    """The attributes of a point: most are those of the points of other containers."""
    if sum(map(len, attributes.values())) > 100:
        return pairs(attributes, field=7)
    return _short_point(tuple(attributes.items()))


@lru_cache(1024)
def _short_point(attributes: tuple[tuple[str, str], ...]) -> bytes:
    return pairs(dict(attributes), field=7)


def _figure(value: Number) -> bytes:
    if isinstance(value, int) and is_int64(value):
        return _fixed(6, value)
    return double(4, float(value))


def _fixed(field: int, value: int) -> bytes:
    return key(field, FIXED64) + (value & 2**64 - 1).to_bytes(8, "little")


def _each_fixed(values: list[int]) -> list[bytes]:
    together = struct.pack(f"<{len(values)}Q", *values)
    return [together[at : at + 8] for at in range(0, len(together), 8)]


def _trace(row: records.Fields, known: records.Traced) -> bytes:
    trace, span = known
    found = delimited(9, bytes.fromhex(row[trace])) if trace else b""
    return found + delimited(10, bytes.fromhex(row[span])) if span else found


def _parts(request: bytes) -> Iterator[tuple[bytes, bytes, list[bytes]]]:
    """Resource, scope and log records, each as a whole field."""
    for _, resource_logs in _messages(request):
        (_, resource), (_, scope_logs) = _messages(resource_logs)
        (_, scope), *found = _messages(scope_logs)
        yield delimited(1, resource), delimited(1, scope), [delimited(2, one) for _, one in found]


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The fields of what was written here, which are all messages at these levels."""
    return ((number, value) for number, value in fields(data) if isinstance(value, bytes))
