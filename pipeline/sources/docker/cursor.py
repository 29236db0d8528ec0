"""Where reading has come to in one container's log, and how to go on from there exactly.

`since` is inclusive and compares times, but a log is in the order in which lines were written, and
the two streams of a container are slightly out of order with each other. What does hold is that a
log opened with the same `since` begins at the same line: the first one at or past it. So the cursor
is the newest time seen, and how many lines have been consumed from the first line at that time on.
Reopened there, exactly those are skipped. No line is lost and none comes twice, at any resolution
of time: Podman's whole seconds, with a thousand lines in each, need nothing more.

A line still open at a break was not consumed: the cursor then is no newer than its first part.
"""

from __future__ import annotations

import zlib

import msgspec

from pipeline.checkpoint import Position
from pipeline.sources.docker.frames import Columns, Decoder


class Cursor:
    """Moves over lines as they are consumed."""

    def __init__(self, position: Position) -> None:
        self._since = position.since.encode()
        self._skip = position.skip
        self.position = position

    def advance(self, columns: Columns, decoder: Decoder) -> Position:
        """The position after these lines (one or more), which `decoder` has just given."""
        times = columns.times
        newest = max(times)
        if newest > self._since:
            self._since = newest
            self._skip = len(times) - times.index(newest)
        else:
            self._skip += len(times)
        since, skip = self._since, self._skip
        partial = decoder.open_partial()
        if partial is not None and partial.time and partial.time <= since:
            since, skip = partial.time, decoder.completed - partial.before
        self.position = Position(
            since=since.decode(),
            skip=skip,
            mark=fingerprint(columns, len(times) - 1),
            sequence=self.position.sequence + len(times),
        )
        return self.position

    def flushed(self, count: int) -> Position:
        """The position after lines that were given up on at the end of a stream, still open. They
        are read again if the log goes on: the rest of such a line may yet come."""
        self.position = msgspec.structs.replace(
            self.position, sequence=self.position.sequence + count
        )
        return self.position


def fingerprint(columns: Columns, index: int) -> int:
    """Tells a line from its neighbours. Never 0."""
    seed = zlib.crc32(columns.times[index], columns.streams[index])
    return zlib.crc32(columns.lines[index], seed) or 1


class Replay:
    """Takes out of a reopened stream what had been consumed before it was opened."""

    def __init__(self, position: Position) -> None:
        self._position = position
        self._held: list[Columns] = []
        self._count = 0
        self.done = position.skip == 0
        self.gap = False
        """The line at the position is no longer in the log: lines between may be missing."""

    def filter(self, columns: Columns, *, last: bool = False) -> Columns:
        """What of these lines is new. `last`: nothing more will come from this stream."""
        if self.done or not (columns.lines or last):
            return columns
        first = self._held[0] if self._held else columns
        if first.times and first.times[0] > self._position.since.encode():
            self.gap = True
            return self._release(columns, 0)
        self._count += len(columns.lines)
        if self._count < self._position.skip and not last:
            self._held.append(columns)
            return Columns([], [], bytearray(), [])
        return self._release(columns, None)

    def _release(self, columns: Columns, skip: int | None) -> Columns:
        self.done = True
        together = _concatenated([*self._held, columns])
        self._held = []
        if skip is None:
            skip = self._consumed(together)
        return _without_first(together, skip)

    def _consumed(self, columns: Columns) -> int:
        """How many are to be skipped. The count is right but where lines of both streams share
        the nanosecond at which a partial began; there the last line's fingerprint decides."""
        skip, mark = min(self._position.skip, len(columns.lines)), self._position.mark
        if not mark or not skip or fingerprint(columns, skip - 1) == mark:
            return skip
        for index in range(len(columns.lines)):
            if fingerprint(columns, index) == mark:
                return index + 1
        return skip


def _concatenated(parts: list[Columns]) -> Columns:
    whole = Columns([], [], bytearray(), [])
    for part in parts:
        whole.truncated.extend(index + len(whole.lines) for index in part.truncated)
        whole.lines.extend(part.lines)
        whole.times.extend(part.times)
        whole.streams.extend(part.streams)
    return whole


def _without_first(columns: Columns, skip: int) -> Columns:
    if not skip:
        return columns
    cut = [index - skip for index in columns.truncated if index >= skip]
    return Columns(columns.lines[skip:], columns.times[skip:], columns.streams[skip:], cut)
