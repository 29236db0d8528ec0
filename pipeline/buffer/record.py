"""A record is a header and a payload. This module finds headers among damaged bytes, too.

    header  36 bytes, little-endian, twice: a single damaged bit never hides a record
    payload `length` bytes (see `columns`)

A header has the length of its payload, the number of its entries, and how many entries came before
it. So the records around a damaged one tell exactly how many entries are lost. The header's own
CRC-32 starts from the segment's salt, which no container knows, so no log line can look like a
header.
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
"""`read(offset, length)` returns bytes of a file; fewer at its end."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a record's header says."""

    number: int
    """Number of its first entry: how many entries were written to this spool before."""
    entries: int
    length: int
    """Bytes of the payload."""
    plain: int
    """Bytes of the payload before compression; the same as `length` if it isn't compressed."""
    size: int
    """Bytes of memory that its batches take (`Batch.size`), or 2³²-1 if it is more."""
    crc: int
    """CRC-32 of the payload as it stands in the file."""

    @property
    def end(self) -> int:
        """Number of the entry after its last one."""
        return self.number + self.entries


def pack(it: Header, salt: int) -> bytes:
    """The bytes of a header: both copies. `salt` is the segment's."""
    return b"".join(_pack(it, salt, copy) for copy in (1, 2))


def _pack(it: Header, salt: int, copy: int) -> bytes:
    size = min(it.size, 2**32 - 1)
    raw = _LAYOUT.pack(_MAGIC, copy, it.length, it.plain, it.entries, size, it.number, it.crc)
    return raw + _CRC.pack(zlib.crc32(raw, salt))


def _parse(raw: bytes, salt: int) -> tuple[Header, int] | None:
    """The header and which copy it is (1 or 2); None when the bytes are no header."""
    if len(raw) != _COPY or not raw.startswith(_MAGIC):
        return None
    _, copy, length, plain, entries, size, number, crc = _LAYOUT.unpack_from(raw)
    (own_crc,) = _CRC.unpack_from(raw, _LAYOUT.size)
    if zlib.crc32(raw[: _LAYOUT.size], salt) != own_crc:
        return None
    return Header(number, entries, length, plain, size, crc), copy


def first(read: Read, offset: int, size: int, salt: int) -> tuple[Header, int] | None:
    """The first complete record at or after `offset`, and the offset of its payload.

    `size`: bytes of the file. `salt`: the segment's. None when there is no more. Bytes that are no
    record are skipped. Raises what `read` raises.
    """
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
    """The header at the beginning of `raw`, from the first undamaged copy; None if both are."""
    for copy in (1, 2):
        found = _parse(raw[(copy - 1) * _COPY : copy * _COPY], salt)
        if found is not None and found[1] == copy:
            return found[0]
    return None


def _search(read: Read, offset: int, size: int, salt: int) -> int | None:
    """The offset of the record that has the next undamaged copy of a header from `offset` on."""
    for start, window in _windows(read, offset, size):
        at = window.find(_MAGIC)
        while at >= 0:
            found = _parse(window[at : at + _COPY], salt)
            if found is not None:
                return start + at - (found[1] - 1) * _COPY
            at = window.find(_MAGIC, at + 1)
    return None


def _windows(read: Read, offset: int, size: int) -> Iterator[tuple[int, bytes]]:
    """The bytes from `offset` on, in pieces that overlap, so that one piece has all of a header."""
    while offset < size:
        yield offset, read(offset, min(_WINDOW + _COPY - 1, size - offset))
        offset += _WINDOW
