"""Decodes messages of a queue into entries: those of another agent (`encode.columns`,
`encode.json`) and any others.

Anybody may have written them. Decoding gives entries or raises `ValueError` with what is wrong.
Sizes are limited before anything is allocated.
"""

from __future__ import annotations

import hashlib
import math
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, Final

import msgpack  # type: ignore[import-untyped]
import msgspec

from pipeline.buffer.columns import ColumnCodec
from pipeline.encode.columns import LARGEST as LARGEST_COLUMNS
from pipeline.intake.weight import SMALL, weight, whole
from pipeline.model import plain
from pipeline.model.batch import STREAM_NAMES, Batch
from pipeline.model.cadvisor import number
from pipeline.model.container import (
    DATASETS,
    DOCKER,
    LONGEST_NAME,
    SOURCES,
    Container,
    EntryKind,
)
from pipeline.model.label_limits import MOST_LABELS
from pipeline.model.records import NOT_JSON, RESERVED
from pipeline.model.samples import Samples
from pipeline.model.timestamps import from_nanoseconds, split_timestamp, whole_seconds

LARGEST: Final = 64 << 20
"""Most bytes of a message."""
HEAVIEST: Final = 128 << 20
"""Most bytes of memory that one message may take when decoded, beside the data itself."""

FORMAT: Final = "Dockline-Format"
"""The header that says how an agent has written a message."""
MOST_CONTAINERS: Final = 1000
"""Containers of JSON messages that are known from one message to the next."""
USUAL: Final = 1 << 16
"""Bytes of a JSON message whose container's facts are kept for the next."""

_SORTS: Final = frozenset(SOURCES)
_TIMES: Final = re.compile(rb"(?:\d{4}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\d\.\d{9}Z)*")
_IDS: Final = re.compile("[0-9a-f]{64}")
_WIDTH: Final = 30
_HOUR: Final = 13
_LAST: Final = 1 << 63
"""Sequence numbers are below: most destinations can't store larger ones."""
_OF_JSON: Final = 64
"""Bytes of memory for a comma or a bracket in JSON: each has a value."""
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode
_STREAMS: Final = {name: number for number, name in enumerate(STREAM_NAMES)}


class Received:
    """Decodes messages. Use one per source: containers with the same facts are then the same
    object."""

    def __init__(self) -> None:
        self._columns = ColumnCodec(foreign=True)
        self._containers: dict[str, tuple[Any, Container]] = {}
        """Those of JSON, with the facts that each was made of."""

    def message(self, headers: Mapping[str, str], body: bytes) -> tuple[list[Batch], int] | None:
        """Decodes a message as its headers say. Returns its batches, and the bytes to account for;
        None if another program than an agent has written it. Raises `ValueError` if it is
        malformed."""
        form = headers.get(FORMAT)
        if form is None:
            return None
        if form == "columns/1":
            length = _header_number(headers, "Dockline-Size")
            return self.columns(body, length, _header_number(headers, "Dockline-Entries"))
        if form == "json/1":
            return [self.json(body)], len(body)
        raise ValueError(f"a format of a later version: {form:.50}")

    def columns(self, body: bytes, plain: int, entries: int) -> tuple[list[Batch], int]:
        """Decodes a `columns/1` message. Returns its batches and their size in memory, in bytes.

        `plain`: bytes after decompression. `entries`: number of entries. Both are from the
        message's headers, and are checked. Raises `ValueError` if the message is wrong in any way.
        """
        if not 0 < plain <= LARGEST_COLUMNS or len(body) > LARGEST_COLUMNS:
            raise ValueError(f"larger than {LARGEST_COLUMNS >> 20} MiB")
        if len(body) != plain:
            body = _decompressed(body, plain)
        try:
            whole(body)
            size = weight(body, HEAVIEST) if plain > SMALL else plain
            _check_facts(body)
            batches = self._columns.decode(body, plain)
            if plain <= SMALL and any(map(_is_free, batches)):
                size = weight(body, HEAVIEST)
        except MemoryError:  # the message is sent again
            raise
        except Exception as error:  # msgpack raises many types
            raise ValueError(f"no columns: {error!r:.100}") from error
        if sum(map(len, batches)) != entries:
            raise ValueError("its number of entries is not what its header says")
        for batch in batches:
            if not _is_one(batch):
                raise ValueError("its columns are not those of a batch")
        return [_fit(batch) for batch in batches if len(batch)], size

    def json(self, body: bytes) -> Batch:
        """Decodes a `json/1` message: one entry, as another agent writes it. Raises
        `ValueError`."""
        if len(body) > LARGEST or sum(map(body.count, b",[{")) * _OF_JSON > HEAVIEST:
            raise ValueError("larger than an entry may be")
        try:
            entry = msgspec.json.decode(body, type=dict[str, Any])
            batch = self._entry(entry, usual=len(body) < USUAL)
        except NOT_JSON as error:
            raise ValueError(f"no JSON: {error!s:.100}") from error
        if not _is_one(batch):
            raise ValueError("no entry of a dockline")
        return batch

    def entries(self, bodies: Sequence[bytes]) -> tuple[list[Batch], list[int]]:
        """Decodes `json/1` messages as batches, those of each container in the same order.

        What is checked of each message by `json` is checked of each batch: that is what a message
        costs most. Returns the indexes of messages that are no entries, too.
        """
        found: list[Batch | Rows] = []
        latest: dict[str, Rows] = {}
        bad: list[int] = []
        for index, body in enumerate(bodies):
            row = self._row(body)
            if row is None:
                try:
                    batch = self.json(body)
                except ValueError:
                    bad.append(index)
                    continue
                found.append(batch)
                latest.pop(batch.container.id, None)
                continue
            container, source, *cells = row
            rows = latest.get(container.id)
            if rows is None or not rows.takes(container, source, cells[3]):
                latest[container.id] = rows = Rows(container, source)
                found.append(rows)
            rows.add(index, cells)
        batches: list[Batch] = []
        for one in found:
            if isinstance(one, Batch):
                batches.append(one)
            elif _is_fine(batch := one.batch()):
                batches.append(batch)
            else:
                for index in one.indexes:
                    try:
                        batches.append(self.json(bodies[index]))
                    except ValueError:
                        bad.append(index)
        return batches, sorted(bad)

    def _row(self, body: bytes) -> tuple[Any, ...] | None:
        """The cells of a usual entry, not yet checked; None for any other."""
        if len(body) >= USUAL:
            return None
        try:
            entry = _decode(body)
            event, container, message = entry["event"], entry["container"], entry["message"]
            time, sequence = entry["@timestamp"], event["sequence"]
            module, source = DATASETS[event["dataset"]]
            if len(time) != _WIDTH or type(message) is not str or not container["id"]:
                return None
            if "part" in event or "fields" in entry or "flags" in entry.get("log", ()):
                return None
            parsed = {name: value for name, value in entry.items() if name not in RESERVED}
            stream = _STREAMS.get(_string(entry, "stream"), 0)
            line, stamp = message.encode(), time.encode()
            of = self._container(container, entry, module)
            return of, source, line, stamp, stream, sequence, parsed
        except (*NOT_JSON, LookupError, TypeError, AttributeError, ValueError):
            return None

    def _entry(self, entry: dict[str, Any], *, usual: bool) -> Batch:
        event, container = _table(entry, "event"), _table(entry, "container")
        time, rest = split_timestamp(_string(entry, "@timestamp").encode())
        sequence, part = event.get("sequence"), event.get("part")
        module, source = DATASETS.get(_string(event, "dataset"), (DOCKER, "logs"))
        if not time or rest or type(sequence) is not int or not _string(container, "id"):
            raise ValueError("no entry of a dockline")
        flag = _flag(_table(entry, "log").get("flags"))
        message = entry.get("message")
        parsed = {name: value for name, value in entry.items() if name not in RESERVED}
        parsed.update(_table(entry, "fields"))
        return Batch(
            (self._container if usual else _made)(container, entry, module),
            [_text(message)],
            [time],
            bytes([_STREAMS.get(_string(entry, "stream"), 0)]),
            [sequence],
            parts=[part] if type(part) is int else None,
            source=source,
            fields=[parsed] if parsed else None,
            bare=message is None,
            flags={sequence: flag} if flag else None,
        )

    def _container(
        self, container: Mapping[str, Any], entry: Mapping[str, Any], module: str
    ) -> Container:
        facts = container, entry.get("host"), module
        key = _string(container, "id")
        known = self._containers.get(key)
        if known is not None and known[0] == facts:
            return known[1]
        made = _made(container, entry, module)
        if len(self._containers) >= MOST_CONTAINERS:
            self._containers.clear()
        self._containers[key] = facts, made
        return made

    def foreign(self, body: bytes, stream: str, subject: str, time: int, sequence: int) -> Batch:
        """Makes one entry of any other message. Raises `ValueError` if it is too large.

        `time`: nanoseconds since the epoch when the stream stored it. `sequence`: its number in the
        stream.
        """
        if len(body) > LARGEST:
            raise ValueError(f"larger than {LARGEST >> 20} MiB")
        container = others("nats", f"{stream}:{subject}", subject)
        return Batch(container, [line_of(body)], [from_nanoseconds(time)], b"\0", [sequence])


class Rows:
    """Entries of one container that are to be a batch."""

    def __init__(self, container: Container, source: EntryKind) -> None:
        self._container = container
        self._source = source
        self.indexes: list[int] = []
        """Which messages they are."""
        self._cells: list[list[Any]] = []
        self._last: Any = -1

    def takes(self, container: Container, source: EntryKind, sequence: Any) -> bool:
        """Whether an entry may be the next one."""
        if container is not self._container or source != self._source:
            return False
        return type(sequence) is int and sequence > self._last

    def add(self, index: int, cells: list[Any]) -> None:
        self.indexes.append(index)
        self._cells.append(cells)
        self._last = cells[3]

    def batch(self) -> Batch:
        lines, times, streams, sequences, parsed = map(list, zip(*self._cells, strict=True))
        return Batch(
            self._container,
            lines,
            times,
            bytes(streams),
            sequences,
            source=self._source,
            fields=parsed if any(parsed) else None,
        )


def _is_fine(batch: Batch) -> bool:
    try:
        return _is_one(batch)
    except ValueError:  # a day that there is not
        return False


def _made(container: Mapping[str, Any], entry: Mapping[str, Any], module: str) -> Container:
    image, labels = _table(container, "image"), _table(container, "labels")
    tag = f":{_string(image, 'tag')}" if image.get("tag") else ""
    return Container(
        _id(_string(container, "id")),
        plain.name(_string(container, "name")),
        plain.name(f"{_string(image, 'name')}{tag}"),
        plain.labels({name: _string(labels, name) for name in labels}),
        plain.name(_string(_table(entry, "host"), "name")),
        module=module,
    )


def others(module: str, identity: str, name: str) -> Container:
    """What stands for the container of messages that no agent has written. `module`: the source's
    type. `identity`: what tells it from all others of that type."""
    return Container(_id(f"{module}:{identity}"), plain.name(name), "", module=module)


def line_of(body: bytes) -> bytes:
    """A message's body without the end of its line."""
    return body.removesuffix(b"\n").removesuffix(b"\r")


def _header_number(headers: Mapping[str, str], name: str) -> int:
    value = headers.get(name, "")
    if not value.isdecimal() or len(value) > 12:
        raise ValueError(f"its header {name} is not a number")
    return int(value)


def _decompressed(body: bytes, plain: int) -> bytes:
    """Decompresses zlib data. Raises `ValueError` unless it has exactly `plain` bytes."""
    stream = zlib.decompressobj()
    try:
        data = stream.decompress(body, plain + 1)
    except zlib.error as error:
        raise ValueError(f"not compressed as it says: {error}") from error
    if len(data) != plain or not stream.eof:
        raise ValueError("its length is not what its header says")
    return data


def _check_facts(body: bytes) -> None:
    """Checks the container's facts before they are decoded. May raise any `Exception`."""
    unpacker = msgpack.Unpacker(max_buffer_size=len(body), unicode_errors="surrogatepass")
    unpacker.feed(body)
    ((facts,), _) = unpacker.unpack()
    if len(facts) > MOST_LABELS + 8 * LONGEST_NAME:
        raise ValueError("its container has too many labels")
    whole(facts)


def _is_free(batch: Batch) -> bool:
    """Whether the batch has columns whose values may be nested; the others are plain values."""
    return batch.parsed is not None or batch.samples is not None


def _is_one(batch: Batch) -> bool:
    """Whether the batch's columns have the types and lengths that lanes, stages and encoders rely
    on."""
    try:
        return _has_columns(batch)
    except (TypeError, ValueError, LookupError, AttributeError, OverflowError):
        return False


def _has_columns(batch: Batch) -> bool:
    it = batch.container
    texts = (it.id, it.name, it.image, it.host, batch.route)
    labels = it.labels
    count = len(batch)
    parsed = batch.fields
    numbers = batch.sequences
    return bool(
        all(type(text) is str and len(text) <= LONGEST_NAME for text in texts)
        and re.fullmatch("[0-9a-f]{64}", it.id)
        and type(it.tty) is type(batch.bare) is bool
        and plain.is_module(it.module)
        and type(labels) is dict
        and all(type(k) is str and type(v) is str for k, v in labels.items())
        and sum(map(len, (*labels, *labels.values()))) <= MOST_LABELS
        and batch.source in _SORTS
        and type(batch.lines) is type(batch.times) is list
        and all(type(line) is bytes for line in batch.lines)
        and all(type(time) is bytes and len(time) == _WIDTH for time in batch.times)
        and len(batch.times) == count
        and _are_times(batch.times)
        and type(batch.streams) is bytes
        and len(batch.streams) == count
        and max(batch.streams, default=0) < len(STREAM_NAMES)
        and _are_numbers(numbers, count)
        and (batch.parts is None or _are_numbers(batch.parts, count))
        and (parsed is None or type(parsed) is list)
        and (parsed is None or (len(parsed) == count and all(map(_is_fields, parsed))))
        and (batch.flags is None or _are_flags(batch.flags))
        and (batch.samples is None or (batch.source == "stats" and _is_reading(batch.samples)))
    )


def _fit(batch: Batch) -> Batch:
    """The same batch with only such values as JSON has, and flags that are known."""
    if batch.fields is not None:
        batch.parsed = list(map(plain.fields, batch.fields))
    if batch.flags:
        batch.flags = {number: flag for number, flag in batch.flags.items() if flag in plain.FLAGS}
    if (it := batch.samples) is not None:
        # the path tells the metrics of two containers apart
        own = _IDS.findall(it.inspection.cgroup.rpartition("/")[2]) == [batch.container.id]
        inspection = replace(it.inspection, cgroup=plain.text(it.inspection.cgroup) if own else "")
        batch.samples = replace(it, stats=plain.fields(dict(it.stats)), inspection=inspection)
    return batch


def _flag(flags: Any) -> str:
    """The first flag if it is a known one, else an empty text."""
    return flags[0] if isinstance(flags, list) and flags and flags[0] in plain.FLAGS else ""


def _are_times(times: list[bytes]) -> bool:
    """Whether all are timestamps. Raises `ValueError` if a day or an hour doesn't exist."""
    if not _TIMES.fullmatch(b"".join(times)):
        return False
    hours = {min(times)[:_HOUR], max(times)[:_HOUR]} if times else set()
    if len(hours) > 1:
        hours = {time[:_HOUR] for time in times}
    for hour in hours:
        whole_seconds(hour + b":00:00")
    return True


def _are_numbers(numbers: Sequence[Any], count: int) -> bool:
    if isinstance(numbers, range):
        ends = (numbers[0], numbers[-1]) if numbers else ()
        return len(numbers) == count and all(0 <= end < _LAST for end in ends)
    return (
        type(numbers) is list
        and len(numbers) == count
        and all(type(one) is int and 0 <= one < _LAST for one in numbers)
    )


def _is_reading(samples: Samples) -> bool:
    it = samples.inspection
    numbers = [getattr(it, one.name) for one in fields(it) if one.name not in _TEXTS]
    return (
        math.isfinite(samples.time)
        and all(type(getattr(it, name)) is str for name in _TEXTS)
        and all(one is None or number(one) is not None for one in numbers)
        and _is_json(samples.stats)
    )


def _is_json(value: Any) -> bool:
    """Whether the value consists of what the Engine's JSON answers consist of."""
    todo = [value]
    while todo:
        one = todo.pop()
        kind = type(one)
        if kind is dict:
            if not all(type(key) is str for key in one):
                return False
            todo += one.values()
        elif kind is list:
            todo += one
        elif kind is int:
            if not -_LAST <= one < 2 * _LAST:
                return False
        elif kind not in (str, float, bool, type(None)):
            return False
    return True


_TEXTS: Final = ("cgroup", "health")


def _is_fields(parsed: Any) -> bool:
    """Whether it is a dictionary. Its values may be anything, as in users' JSON lines."""
    return type(parsed) is dict


def _are_flags(flags: Any) -> bool:
    return type(flags) is dict and all(
        type(sequence) is int and type(flag) is str for sequence, flag in flags.items()
    )


def _table(value: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def _string(value: Mapping[str, Any], key: str) -> str:
    """The text under a key; a number's digits; an empty text otherwise."""
    found = value.get(key)
    if type(found) is int or type(found) is float:
        return str(found)
    return found if isinstance(found, str) else ""


def _text(message: Any) -> bytes:
    if message is None:
        return b""
    text = message if isinstance(message, str) else msgspec.json.encode(message).decode()
    return text.encode("utf-8", "surrogatepass")


def _id(container_id: str) -> str:
    """The id itself if it is a container's, else a hash that stands for it."""
    if re.fullmatch("[0-9a-f]{64}", container_id):
        return container_id
    return hashlib.sha256(container_id.encode("utf-8", "surrogatepass")).hexdigest()
