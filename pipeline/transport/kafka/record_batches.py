"""What a broker gives out of a partition: batches of records, as producers have written them.

https://kafka.apache.org/documentation/#recordbatch. Anybody who may write to a topic chooses what
is in a batch. Reading gives records or raises `ValueError`; memory is bounded by `LARGEST` for each
batch, whatever it claims to be.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from aiokafka.record.default_records import DefaultRecordBatch  # type: ignore[import-untyped]

from pipeline.model.extras import needed
from pipeline.support.varint import read_varint

LARGEST: Final = 64 << 20
"""Most bytes of a batch's records when they are decompressed."""
MOST_HEADERS: Final = 256
"""Headers of a record. They take a hundred times the memory that they have bytes."""
SMALL: Final = 1 << 20
"""Bytes of records that are read whatever they hold."""
GUESS: Final = 8
"""How many times the size of compressed records is tried first."""

_HEADER: Final = struct.Struct(">qiibIhiqqqhii")
_START: Final = struct.Struct(">qi")
_ATTRIBUTES: Final = 21
"""Where they stand in a header."""
_CODEC, _APPEND_TIME, _CONTROL = 0x07, 0x08, 0x20
_XERIAL: Final = b"\x82SNAPPY\x00"

Record = Any
"""aiokafka's: with `offset`, `timestamp` in milliseconds, `key`, `value` and `headers`."""


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """A batch as it is stored, which nobody has looked into yet."""

    data: bytes
    first: int
    """Offset of its first record."""
    until: int
    """Offset after its last record."""


@dataclass(frozen=True, slots=True)
class CutShort:
    """The last batch of an answer, where it isn't complete: brokers give as many bytes as they were
    asked for."""

    size: int
    """Bytes of the whole batch."""
    until: int
    """Offset after its last record; that after its first one if it is not known."""


def stored(data: bytes) -> tuple[list[StoredBatch], CutShort | None]:
    """The complete batches in an answer, and the one that is cut short. Raises `ValueError`."""
    found: list[StoredBatch] = []
    at = 0
    while len(data) - at >= _START.size:
        first, length = _START.unpack_from(data, at)
        end = at + _START.size + length
        if length < 0:
            raise ValueError(f"a batch of {length} bytes")
        until = first + _span(data, at)
        if end > len(data):
            return found, CutShort(end - at, until)
        found.append(StoredBatch(data[at:end], first, until))
        at = end
    return found, None


def _span(data: bytes, at: int) -> int:
    """How many offsets a batch has; one where it is too short to tell."""
    return max(0, int.from_bytes(data[at + 23 : at + 27], "big", signed=True)) + 1


class TooLarge(ValueError):
    """Records that are larger than they may be when they are decompressed."""


def records(batch: StoredBatch, most: int = LARGEST) -> Iterator[Record]:
    """The records of a batch, one at a time; none for what producers' transactions leave behind.

    Raises `ValueError` here, or while it is read, and `TooLarge` for more than `most` bytes.
    """
    data = batch.data
    if len(data) < _HEADER.size:
        raise ValueError("a batch is too short")
    magic, attributes = data[16], int.from_bytes(data[_ATTRIBUTES : _ATTRIBUTES + 2], "big")
    if magic != 2:
        raise ValueError(f"records of format {magic}; format 2 came with Kafka 0.11")
    if attributes & _CONTROL:
        return iter(())
    codec, body = attributes & _CODEC, memoryview(data)[_HEADER.size :]
    if codec:
        plain = decompressed(codec, bytes(body), most)
        bare = (attributes & ~_CODEC).to_bytes(2, "big")
        header = b"".join((data[:_ATTRIBUTES], bare, data[_ATTRIBUTES + 2 : _HEADER.size]))
        whole = header + plain
    else:
        whole = data
    if len(whole) > SMALL:
        _check(whole, _HEADER.unpack_from(whole)[12])
    return _each(whole)


def _each(whole: bytes) -> Iterator[Record]:
    try:
        yield from DefaultRecordBatch(whole)
    except MemoryError:
        raise
    except Exception as error:  # aiokafka raises many types
        raise ValueError(f"its records make no sense: {error!s:.100}") from error


def _check(whole: bytes, count: int) -> None:
    """Raises `ValueError` for a record with more headers than anybody has a use for."""
    at = _HEADER.size
    try:
        for _ in range(count):
            length, at = _varint(whole, at)
            end = at + length
            _, inside = _varint(whole, at + 1)
            _, inside = _varint(whole, inside)
            for _ in ("key", "value"):
                size, inside = _varint(whole, inside)
                inside += max(0, size)
            headers, _ = _varint(whole, inside)
            if headers > MOST_HEADERS:
                raise ValueError(f"a record has {headers} headers")
            if end <= at:
                raise ValueError("a record has no length")
            at = end
    except IndexError as error:
        raise ValueError("its records are cut short") from error


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number in ZigZag encoding, and where it ends. Raises as `read_varint` does.

    aiokafka's own reads wherever it is told to, beyond the data as well, which ends the process.

    https://protobuf.dev/programming-guides/encoding/#signed-ints
    """
    number, end = read_varint(data, at)
    return number >> 1 ^ -(number & 1), end


def decompressed(codec: int, data: bytes, most: int = LARGEST) -> bytes:
    """Decompresses the records of a batch. Raises `ValueError` for an unknown codec and for data
    that is not what it says, and `TooLarge` for more than `most` bytes."""
    try:
        if codec == 1:
            return _gunzipped(data, most)
        if codec == 2:
            return _unsnapped(data, most)
        if codec in (3, 4):
            cramjam: Any = needed("cramjam", "kafka", "decompression")
            return _into((cramjam.lz4 if codec == 3 else cramjam.zstd).decompress_into, data, most)
    except (MemoryError, ValueError):
        raise
    except Exception as error:  # cramjam raises its own, and others
        raise ValueError(f"not compressed as it says: {error!s:.100}") from error
    raise ValueError(f"compressed in an unknown way, number {codec}")


def _gunzipped(data: bytes, most: int) -> bytes:
    parts, room = [], most
    while data:
        stream = zlib.decompressobj(31)
        try:
            part = stream.decompress(data, room + 1)
        except zlib.error as error:
            raise ValueError(f"not compressed as it says: {error}") from error
        if not stream.eof and len(part) <= room:
            raise ValueError("not compressed as it says: it ends too early")
        room -= len(part)
        if room < 0:
            raise _too_large(most)
        parts.append(part)
        data = stream.unused_data
    return b"".join(parts)


def _into(decompress_into: Any, data: bytes, most: int) -> bytes:
    """Into a buffer that grows up to `most`: neither format has to say how much it will be."""
    size = min(most, max(1 << 16, GUESS * len(data)))
    while True:
        room = bytearray(size)
        try:
            length = decompress_into(data, room)
        except Exception as error:
            if "whole buffer" not in str(error):
                raise
            if size >= most:
                raise _too_large(most) from error
            size = min(most, size * GUESS)
        else:
            return bytes(memoryview(room)[:length])


def _unsnapped(data: bytes, most: int) -> bytes:
    snappy: Any = needed("cramjam", "kafka", "decompression").snappy
    blocks = []
    if data.startswith(_XERIAL):
        at = 16
        while at < len(data):
            length = int.from_bytes(data[at : at + 4], "big")
            blocks.append(data[at + 4 : at + 4 + length])
            at += 4 + length
    else:
        blocks.append(data)
    if sum(map(snappy.decompress_raw_len, blocks)) > most:
        raise _too_large(most)
    return b"".join(bytes(snappy.decompress_raw(block)) for block in blocks)


def _too_large(most: int) -> TooLarge:
    return TooLarge(f"more than {most >> 20} MiB when decompressed")
