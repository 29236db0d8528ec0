"""How far a spool has been delivered, in a file of one disk block.

    {"settled":12345,"given_up":[[200,300]]} 5f0c8a21        (and spaces up to 512 bytes)

It is written in place: that works on a full disk too, and a disk writes one block completely or not
at all. A cursor that is behind repeats entries, and never loses any.
"""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Iterable
from pathlib import Path

import msgspec

Range = tuple[int, int]
"""Numbers of entries `[first, last)`."""

BLOCK = 512
"""Bytes of the file."""

_SYNC = 1.0
"""Seconds of deliveries that a crash of the host may repeat, as without a spool."""

_MOST = 8
"""Ranges that are stored. There is rarely more than one."""


class _Content(msgspec.Struct):
    settled: int = 0
    given_up: list[Range] = []


class SpoolCursor:
    """Which entries of a spool are delivered, and which were dropped. Everything here may block."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "cursor"
        self.settled = 0
        """Entries below this number are delivered."""
        self.given_up: tuple[Range, ...] = ()
        """Entries that the policy dropped behind others that wait. They are counted already."""
        self._synced = 0.0
        """When the file was forced to the disk, by `time.monotonic`."""

    def load(self) -> bool:
        """Reads the file. False when there is none, or it is damaged. Raises `OSError`."""
        try:
            raw = self.path.read_bytes()
        except FileNotFoundError:
            return False
        try:
            text, crc = raw.split()
            if int(crc, 16) != zlib.crc32(text):
                return False
            content = msgspec.json.decode(text, type=_Content)
        except (ValueError, msgspec.MsgspecError):
            return False
        self.settled, self.given_up = content.settled, tuple(content.given_up)
        return True

    def store(self, *, sync: bool = False) -> None:
        """Writes the file, so that it survives a crash of the process. One of the host it survives
        with `sync`, and otherwise if the last time is a second ago.

        Raises `OSError`.
        """
        content = _Content(self.settled, list(self.given_up[-_MOST:]))
        text = msgspec.json.encode(content)
        block = b"%s %08x" % (text, zlib.crc32(text))
        now = time.monotonic()
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(descriptor, block.ljust(BLOCK - 1) + b"\n", 0)
            if sync or now - self._synced >= _SYNC:
                os.fdatasync(descriptor)
                self._synced = now
        finally:
            os.close(descriptor)

    def settle(self, number: int) -> None:
        """Notes that all entries below `number` are delivered. `store` writes it down."""
        self.settled = number
        self.given_up = tuple(one for one in self.given_up if one[1] > number)

    def give_up(self, first: int, last: int) -> None:
        """Notes that the policy drops the entries `[first, last)`. `store` writes it down."""
        ranges = list(self.given_up)
        if ranges and ranges[-1][1] == first:
            first = ranges.pop()[0]
        self.given_up = (*ranges, (first, last))

    def missing(self, first: int, last: int) -> int:
        """How many of the entries `[first, last)` are lost, that is not dropped by the policy."""
        return last - first - overlap(self.given_up, first, last)


def overlap(ranges: Iterable[Range], first: int, last: int) -> int:
    """How many numbers of `[first, last)` are in these ranges. The ranges must not overlap."""
    return sum(max(0, min(last, to) - max(first, since)) for since, to in ranges)
