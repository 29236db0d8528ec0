"""Lines of a log that are kept while it streams by: the newest, or one in so many."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from pipeline.model.timestamps import from_nanoseconds

MOST_RETURNED: Final = 4 << 20
"""Bytes of the lines that are returned, together."""


class Line(NamedTuple):
    """A line of the log."""

    time: bytes
    """As in `Batch.times`."""
    stream: int
    """An index into `STREAM_NAMES`."""
    text: bytes
    cut: bool = False
    """Whether it was longer, and is cut."""


class Newest:
    """The newest lines of a stream before a time, of at most `MOST_RETURNED` bytes."""

    def __init__(self, end: int, most: int) -> None:
        """`most` is how many are kept."""
        self.lines: deque[Line] = deque()
        self.count = 0
        """Lines that came."""
        self.first = b""
        """Time of the first one that came, and below of the last one."""
        self.last = b""
        self._end, self._most = from_nanoseconds(end), most
        self._bytes = 0

    @property
    def overflows(self) -> bool:
        """Whether some of the lines that came are not kept."""
        return self.count > len(self.lines)

    def take(self, lines: Sequence[Line]) -> bool:
        kept, end = self.lines, self._end
        if lines:
            self.last = lines[-1].time
        for line in lines:
            if line.time >= end:
                continue
            self.count += 1
            self.first = self.first or line.time
            kept.append(line)
            self._bytes += len(line.text)
            while kept and (len(kept) > self._most or self._bytes > MOST_RETURNED):
                self._bytes -= len(kept.popleft().text)
        return True

    def without_torn(self, limit: int) -> list[Line]:
        """The last `limit` lines of a tail, without those whose beginning may be before it: the
        first, and of the other stream one that is older."""
        lines = list(self.lines)
        if len(lines) == self.count:
            del lines[0]
        return [line for line in lines if line.time >= self.first][-limit:]


class Sample:
    """One in so many lines, evenly: when there are too many, every second one is let go."""

    def __init__(self, most: int) -> None:
        self.lines: list[Line] = []
        self.count = 0
        self.one_in = 1
        self.newest = b""
        self._most = most
        self._bytes = 0

    def add(self, lines: Sequence[Line]) -> None:
        for line in lines:
            if self.count % self.one_in == 0:
                self.lines.append(line)
                self._bytes += len(line.text)
                while len(self.lines) > self._most or self._bytes > MOST_RETURNED:
                    self.lines = self.lines[::2]
                    self.one_in *= 2
                    self._bytes = sum(len(one.text) for one in self.lines)
            self.count += 1
            self.newest = line.time


def fitting(lines: Iterable[Line]) -> tuple[list[Line], bool]:
    """As many of the lines, from the first, as have `MOST_RETURNED` bytes; whether some are left
    out."""
    kept: list[Line] = []
    size = 0
    for line in lines:
        size += len(line.text)
        if size > MOST_RETURNED and kept:
            return kept, True
        kept.append(line)
    return kept, False
