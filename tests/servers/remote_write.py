"""Requests of Prometheus' remote write 1.0, read without the code that writes them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

import cramjam

STALE = 0x7FF0000000000002


class Sample(NamedTuple):
    time: int
    """Milliseconds since the epoch."""
    value: float
    bits: int
    """Of the value."""


class Series(NamedTuple):
    labels: list[tuple[str, str]]
    """As they stand there."""
    samples: list[Sample]

    @property
    def name(self) -> str:
        return dict(self.labels)["__name__"]

    @property
    def stale(self) -> bool:
        return self.samples[-1].bits == STALE


def decoded(body: bytes) -> list[Series]:
    """The series of a compressed request."""
    return series(bytes(cramjam.snappy.decompress_raw(body)))


def series(request: bytes) -> list[Series]:
    """Those of one that is not compressed."""
    found = []
    for field, content in _fields(request):
        assert field == 1 and isinstance(content, bytes)
        parts = list(_fields(content))
        labels = [_label(part) for number, part in parts if number == 1]
        found.append(Series(labels, [_sample(part) for number, part in parts if number == 2]))
        assert len(parts) == len(labels) + len(found[-1].samples)
    return found


def _label(message: bytes | int) -> tuple[str, str]:
    assert isinstance(message, bytes)
    fields = dict(_fields(message))
    name, value = fields[1], fields[2]
    assert isinstance(name, bytes) and isinstance(value, bytes)
    return name.decode(), value.decode()


def _sample(message: bytes | int) -> Sample:
    assert isinstance(message, bytes)
    fields = dict(_fields(message))
    bits, time = fields[1], fields.get(2, 0)
    assert isinstance(bits, int) and isinstance(time, int)
    return Sample(time, struct.unpack("<d", struct.pack("<Q", bits))[0], bits)


def _fields(message: bytes) -> Iterator[tuple[int, bytes | int]]:
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(message, at)
            yield key >> 3, value
        elif kind == 1:
            yield key >> 3, struct.unpack_from("<Q", message, at)[0]
            at += 8
        else:
            assert kind == 2
            length, at = _varint(message, at)
            assert at + length <= len(message)
            yield key >> 3, message[at : at + length]
            at += length


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
