"""A record: a header and a payload; and how headers are found among damaged bytes.

    header  36 bytes, little-endian, and the same once more: one damaged bit never hides a record
    payload `length` bytes (see `columns`)

A header says how long its payload is, how many entries it holds, and how many entries came before
it, so whatever cannot be read is counted exactly by what stands around it. Its own CRC-32 begins
from the segment's salt, which no container knows: bytes of a log line are never taken for a header.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_LAYOUT = struct.Struct("<3sBIIIIQI")
_CRC = struct.Struct("<I")
_MAGIC = b"dl1"
"""The last character is the version of this format."""
_COPY = _LAYOUT.size + _CRC.size

HEADER = 2 * _COPY
"""Bytes before a payload."""

_WINDOW = 64 * 1024

Read = Callable[[int, int], bytes]
"""`read(offset, length)`: bytes of a file, fewer where it ends."""


@dataclass(frozen=True, slots=True)
class Header:
    """What is known of a record without reading its payload."""

    number: int
    """Of its first entry: how many were written to this spool before."""
    entries: int
    length: int
    """Bytes of the payload."""
    plain: int
    """Bytes of the payload before compression; the same as `length` where it is not compressed."""
    size: int
    """`Batch.size` of all its batches: bytes of memory that reading it takes."""
    crc: int
    """CRC-32 of the payload as it stands in the file."""

    @property
    def end(self) -> int:
        """Number of the entry after its last one."""
        return self.number + self.entries


def pack(it: Header, salt: int) -> bytes:
    """Both copies."""
    return b"".join(_pack(it, salt, copy) for copy in (1, 2))


def _pack(it: Header, salt: int, copy: int) -> bytes:
    size = min(it.size, 2**32 - 1)
    raw = _LAYOUT.pack(_MAGIC, copy, it.length, it.plain, it.entries, size, it.number, it.crc)
    return raw + _CRC.pack(zlib.crc32(raw, salt))


def _parse(raw: bytes, salt: int) -> tuple[Header, int] | None:
    """A header and which copy it is, from its bytes; None when they are none."""
    if len(raw) != _COPY or not raw.startswith(_MAGIC):
        return None
    _, copy, length, plain, entries, size, number, crc = _LAYOUT.unpack_from(raw)
    (own_crc,) = _CRC.unpack_from(raw, _LAYOUT.size)
    if zlib.crc32(raw[: _LAYOUT.size], salt) != own_crc:
        return None
    return Header(number, entries, length, plain, size, crc), copy


def first(read: Read, offset: int, size: int, salt: int) -> tuple[Header, int] | None:
    """The first whole record at or after `offset` of a file of `size` bytes, with the offset of
    its payload; None when there is no more. What is no record is passed over."""
    while offset + HEADER <= size:
        found = header(read(offset, HEADER), salt)
        if found is not None and offset + HEADER + found.length <= size:
            return found, offset + HEADER
        following = _search(read, offset + (HEADER if found else 1), size, salt)
        if following is None:
            return None
        offset = following
    return None


def header(raw: bytes, salt: int) -> Header | None:
    """The header at the beginning of `raw`, by whichever copy is whole; None when neither is."""
    for copy in (1, 2):
        found = _parse(raw[(copy - 1) * _COPY : copy * _COPY], salt)
        if found is not None and found[1] == copy:
            return found[0]
    return None


def _search(read: Read, offset: int, size: int, salt: int) -> int | None:
    """Where the record begins whose header has its next whole copy at `offset` or after."""
    for start, window in _windows(read, offset, size):
        at = window.find(_MAGIC)
        while at >= 0:
            found = _parse(window[at : at + _COPY], salt)
            if found is not None:
                return start + at - (found[1] - 1) * _COPY
            at = window.find(_MAGIC, at + 1)
    return None


def _windows(read: Read, offset: int, size: int) -> Iterator[tuple[int, bytes]]:
    """The bytes from `offset` on, piece by piece, overlapping so that each header is whole in
    one of them."""
    while offset < size:
        yield offset, read(offset, min(_WINDOW + _COPY - 1, size - offset))
        offset += _WINDOW
