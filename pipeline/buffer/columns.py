"""Batches as bytes and back: columns packed with msgpack, compressed with zlib.

A payload is two msgpack values, one after the other:

1. who: the facts of each container, once; and for each batch the index of its container, its number
   of entries, its source and its route. To read this value alone costs a fraction of the whole.
2. the columns of each batch, in the order of `_columns`. Parts, the samples that stats were made of
   and the size of the tags come last, and only where there are any.

Some values that msgpack can't hold have a form of our own: integers beyond 64 bits, values nested
too deeply, lone surrogates. A value that no field should hold (see `Batch.fields`) becomes text.

The acknowledgement is not kept.
"""

from __future__ import annotations

import dataclasses
import weakref
import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgpack  # type: ignore[import-untyped]

from pipeline.buffer.flatten import flatten, unflatten
from pipeline.model import plain
from pipeline.model.batch import LARGEST_PIECE, Batch
from pipeline.model.container import DOCKER, Container
from pipeline.model.rendered import RENDERED
from pipeline.model.samples import Inspection, Samples
from pipeline.support import deflate

LEVEL = 1
"""Level of Deflate. Level 1 makes JSON lines ten times smaller, level 6 twelve times, for several
times the CPU (benchmarks/results/spool.md)."""

BIG, DEEP = 1, 2
"""Our extension types of msgpack. A DEEP value never stands inside another DEEP value."""

_PIECE = 16 * 1024


class Origin(NamedTuple):
    """Where entries came from: their container, source and route."""

    container_id: str
    container_name: str
    source: str
    route: str


NOWHERE = Origin("", "(unknown)", "logs", "")
"""The origin of damaged entries."""


def origin_of(batch: Batch) -> Origin:
    """Where the entries of a batch came from."""
    return Origin(batch.container.id, batch.container.name, batch.source, batch.route)


class ColumnCodec:
    """Encodes and decodes payloads. Use it from one thread at a time."""

    def __init__(self, *, foreign: bool = False) -> None:
        """`foreign`: whether payloads come from outside, so that names have to be made valid."""
        self._foreign = foreign
        self._options = _FOREIGN if foreign else _OPTIONS
        self._packer = msgpack.Packer(default=_unusual, unicode_errors="surrogatepass")
        self._containers: weakref.WeakValueDictionary[bytes, Container] = (
            weakref.WeakValueDictionary()
        )

    # ------------------------------------------------------------------------------ write

    def encode(self, batches: Sequence[Batch]) -> tuple[bytes, int]:
        """The payload, and its length before compression.

        If compression makes the payload no smaller, it isn't compressed: the lengths are equal.
        """
        indexes: dict[bytes, int] = {}
        who = [
            (
                indexes.setdefault(self._pack_container(batch.container), len(indexes)),
                len(batch),
                batch.source,
                batch.route,
            )
            for batch in batches
        ]
        plain = self._packer.pack((list(indexes), who))
        plain += self._pack_columns([_columns(batch) for batch in batches])
        payload = deflate.compress(plain, "zlib", LEVEL)
        return (payload if len(payload) < len(plain) else plain), len(plain)

    def _pack_container(self, container: Container) -> bytes:
        def make() -> bytes:
            it = container
            row = [it.id, it.name, it.image, dict(it.labels), it.host, it.tty]
            if it.module != DOCKER:
                row.append(it.module)
            return bytes(self._packer.pack(row))

        return RENDERED.once(container, "columns", make, len)

    def _pack_columns(self, rows: list[list[Any]]) -> bytes:
        try:
            return self._packer.pack(rows)  # type: ignore[no-any-return]
        except ValueError:  # nested too deeply
            for row in rows:
                for column in (_FIELDS, _SAMPLES):
                    if column < len(row):
                        flat = self._packer.pack(flatten(row[column]))
                        row[column] = msgpack.ExtType(DEEP, flat)
        return self._packer.pack(rows)  # type: ignore[no-any-return]

    # ------------------------------------------------------------------------------- read

    def decode(self, payload: bytes, plain: int) -> list[Batch]:
        """The batches of a payload. `plain`: its length before compression, from `encode`.

        Raises any kind of `Exception` for bytes that `encode` did not write. The caller makes sure
        that the bytes are unchanged, with a checksum.
        """
        unpacker = _unpacker(self._options, plain)
        unpacker.feed(payload if len(payload) == plain else zlib.decompress(payload, bufsize=plain))
        facts, who = unpacker.unpack()
        containers = [self._unpack_container(one) for one in facts]
        rows = unpacker.unpack()
        batches = [
            _batch(containers[index], way, row)
            for (index, _, *way), row in zip(who, rows, strict=True)
        ]
        if [len(batch) for batch in batches] != [entries for _, entries, *_ in who]:
            raise ValueError("a batch has not as many entries as it says")
        return batches

    def whose(self, payload: bytes, plain: int) -> list[tuple[Origin, int]]:
        """For each batch of a payload its origin and number of entries.

        `plain` and errors as in `decode`. Only the beginning is decompressed.
        """
        unpacker = _unpacker(self._options)
        if len(payload) == plain:
            unpacker.feed(payload)
            facts, who = unpacker.unpack()
        else:
            facts, who = _unpack_beginning(unpacker, payload)
        containers = [self._unpack_container(one) for one in facts]
        return [
            (Origin(containers[index].id, containers[index].name, *(way or _UNKNOWN)), entries)
            for index, entries, *way in who
        ]

    def _unpack_container(self, facts: bytes) -> Container:
        container = self._containers.get(facts)
        if container is None:
            id_, name, image, labels, host, tty, *module = msgpack.unpackb(facts, **self._options)
            if self._foreign:
                name, image, host = map(plain.name, (name, image, host))
                labels = plain.labels(labels)
            container = Container(id_, name, image, labels, host, tty, *module)
            self._containers[facts] = container
        return container


_FIELDS, _SAMPLES = 4, 8
_UNKNOWN = ("logs", "")


def _columns(batch: Batch) -> list[Any]:
    numbers = batch.sequences
    if isinstance(numbers, range):
        sequences: Sequence[Any] = (numbers.start, numbers.stop, numbers.step)
    else:
        sequences = (numbers,)
    lines, times, streams = batch.lines, batch.times, batch.streams
    rest = batch.bare, dict(batch.flags) if batch.flags else None
    parts = None if batch.parts is None else list(batch.parts)  # msgpack has no form for a range
    samples = None if batch.samples is None else _reading(batch.samples)
    more: list[Any] = [parts, samples, batch.tagged or None]
    while more and more[-1] is None:
        more.pop()
    return [lines, times, streams, sequences, batch.fields, *rest, *more]


def _reading(samples: Samples) -> list[Any]:
    inspection = {name: getattr(samples.inspection, name) for name in _INSPECTED}
    known = {name: value for name, value in inspection.items() if value is not None}
    return [samples.time, samples.stats, known]


_INSPECTED = tuple(field.name for field in dataclasses.fields(Inspection))


def _samples(container: Container, reading: Sequence[Any]) -> Samples:
    time, stats, known = reading
    if not isinstance(stats, dict):
        raise TypeError("a reading of stats is none")
    inspection = {name: value for name, value in known.items() if name in _INSPECTED}
    return Samples(container, float(time), stats, Inspection(**inspection))


def _batch(container: Container, way: Sequence[Any], row: Sequence[Any]) -> Batch:
    if not way:  # as it was written before routes were
        way, row = (row[0], ""), row[1:]
    source, route = way
    lines, times, streams, numbers, fields, bare, flags, *more = row
    sequences = range(*numbers) if len(numbers) == 3 else numbers[0]
    return Batch(
        container, lines, times, streams, sequences,
        parts=more[0] if more else None,
        source=source, fields=fields, bare=bare, flags=flags, route=route,
        samples=_samples(container, more[1]) if len(more) > 1 and more[1] is not None else None,
        tagged=_count(more[2]) if len(more) > 2 else 0,
    )  # fmt: skip


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= LARGEST_PIECE:
        raise TypeError("a number of bytes is none")
    return value


def _unusual(value: Any) -> Any:
    """The packer calls this for a value that msgpack can't hold."""
    if isinstance(value, int):
        size = value.bit_length() // 8 + 1
        return msgpack.ExtType(BIG, value.to_bytes(size, "little", signed=True))
    return str(value)


def _usual(code: int, data: bytes) -> Any:
    """The unpacker calls this for an extension type."""
    if code == DEEP:
        return unflatten(msgpack.unpackb(data, **_OPTIONS | {"ext_hook": _big}))
    return _big(code, data)


def _big(code: int, data: bytes) -> Any:
    """As `_usual`, without DEEP: a thousand inside each other would overflow the C stack."""
    if code == BIG:
        return int.from_bytes(data, "little", signed=True)
    raise ValueError(f"unknown extension type {code}")


_OPTIONS: dict[str, Any] = {
    "ext_hook": _usual,
    "strict_map_key": False,
    "timestamp": 1,  # as a number: we write none, and a field can't hold the class of msgpack
    "unicode_errors": "surrogatepass",
}


class _Foreign(int):
    """An integer that can't be the key of a map.

    Somebody may choose keys that all have one hash, and a map of n such keys takes n² steps.
    """

    __hash__ = None  # type: ignore[assignment]


def _foreign(code: int, data: bytes) -> Any:
    """As `_usual`, for a payload from outside."""
    if code == DEEP:
        return unflatten(msgpack.unpackb(data, **_FOREIGN | {"ext_hook": _foreign_big}))
    return _foreign_big(code, data)


def _foreign_big(code: int, data: bytes) -> Any:
    value = _big(code, data)
    return value if -(2**63) <= value < 2**64 else _Foreign(value)


_FOREIGN: dict[str, Any] = _OPTIONS | {"ext_hook": _foreign}


def _unpacker(options: dict[str, Any], plain: int = 0) -> Any:
    """An unpacker for `plain` bytes, which no length inside may exceed; 0 for any number."""
    return msgpack.Unpacker(max_buffer_size=plain, **options)


def _unpack_beginning(unpacker: Any, payload: bytes) -> Any:
    """The first value of a compressed payload."""
    stream = zlib.decompressobj()
    while payload:
        unpacker.feed(stream.decompress(payload, _PIECE))
        payload = stream.unconsumed_tail
        try:
            return unpacker.unpack()
        except msgpack.OutOfData:
            continue
    raise ValueError("a payload ends before its first value does")
