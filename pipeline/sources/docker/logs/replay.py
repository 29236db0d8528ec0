"""Which lines of a log that is opened at its position again are new, and how one is known again.
See `cursor`."""

from __future__ import annotations

import zlib
from collections import deque

from pipeline.accounting.checkpoint import Position
from pipeline.model.batch import ENTRY_OVERHEAD
from pipeline.sources.docker.decode.decoded import DecodedLines, concatenated

ANYTHING = 1
"""The mark of a line that may not be the same when it is read again."""


def fingerprint(decoded: DecodedLines, index: int) -> int:
    """Returns a checksum of a line's time, stream and text. Never 0."""
    seed = zlib.crc32(decoded.times[index], decoded.streams[index])
    return zlib.crc32(decoded.lines[index], seed) or 1


MOST_HELD = 4 << 20
"""Most bytes of lines that a replay keeps while it counts. An anchor can be millions of lines back:
after the clock was set back, or when a line stayed open for long."""


class Replay:
    """Skips the lines of a reopened stream that were consumed before."""

    def __init__(
        self, position: Position, *, from_before: bool = False, behind_gap: bool = False
    ) -> None:
        """`from_before`: the stream begins before the position's time instead of at it.
        `behind_gap`: it begins after the position, with a new line.
        """
        self._position = position
        self._before = from_before
        self._behind = behind_gap
        self._held: deque[DecodedLines] = deque()
        self._held_bytes = 0
        self._count = 0
        self._passed = 0
        """Lines that were counted and are no longer kept."""
        self.earlier: int | None = None
        """How many lines of the stream came before the position's time; None until that is
        known."""
        self._earlier = 0
        self._at_open = bool(position.mark and position.since and not position.skip)
        """Whether the position is before a line that was still open, so this has to come first."""
        self.done = not (
            position.skip or position.first or self._at_open or from_before or behind_gap
        )
        self.gap = False
        """Whether the line at the position is no longer in the log, so that lines may be
        missing."""
        self.inexact = False
        """Whether the first new line may not be the one after the position."""

    def filter(self, decoded: DecodedLines, *, last: bool = False) -> DecodedLines:
        """Returns the new ones of these lines. `last`: nothing more comes from this stream.

        May return lines later that it kept back.
        """
        if self.done or not (decoded.lines or last):
            return decoded
        if self._count == 0 and self._is_past(decoded):
            self.gap = self.inexact = True
            return self._release(decoded, 0)
        if self._before:
            decoded = self._from_position(decoded)
            if not (decoded.lines or last):
                return decoded
        if not self._position.skip:
            return self._begun(decoded)
        self._count += len(decoded.lines)
        if self._count < self._position.skip and not last:
            self._hold(decoded)
            return DecodedLines()
        return self._release(decoded, None)

    def _begun(self, decoded: DecodedLines) -> DecodedLines:
        """Handles a position before the first line: checks whether these are the lines that were
        seen then.
        """
        first = self._position.first
        self.done = bool(decoded.lines)
        if first and decoded.lines and fingerprint(decoded, 0) != first:
            self.gap = self.inexact = True
        return decoded

    def _is_past(self, decoded: DecodedLines) -> bool:
        """Whether the stream begins after the position. Its first line may be completed after
        others, or not yet.
        """
        times = [*decoded.times, *(one.time for one in decoded.open)]
        if self._behind:
            return bool(decoded.times)
        if not (self._position.skip or self._at_open):
            return False
        return bool(self._position.since and times) and min(times) > self._position.since.encode()

    def _from_position(self, decoded: DecodedLines) -> DecodedLines:
        """Drops the lines before the position's time, as `since` would."""
        since = self._position.since.encode()
        for index, time in enumerate(decoded.times):
            if time >= since:
                self._before = False
                self.earlier = self._earlier + index
                return decoded.without_first(index)
        self._earlier += len(decoded.lines)
        return DecodedLines()

    def _hold(self, decoded: DecodedLines) -> None:
        self._held.append(decoded)
        self._held_bytes += _size(decoded)
        while self._held_bytes > MOST_HELD and len(self._held) > 1:
            passed = self._held.popleft()
            self._held_bytes -= _size(passed)
            self._passed += len(passed.lines)

    def _release(self, decoded: DecodedLines, skip: int | None) -> DecodedLines:
        self.done = True
        together = concatenated([*self._held, decoded])
        self._held.clear()
        if skip is None:
            skip = self._consumed(together)
        return together.without_first(skip)

    def _consumed(self, decoded: DecodedLines) -> int:
        """Returns how many lines to skip.

        If the count does not lead to the expected line, the log has changed (some drivers drop or
        merge lines). Then the fingerprint of the last consumed line decides, if it is found. Where
        it must be and isn't, all lines are new: the log was emptied or rotated in the middle of a
        long line, whose other pieces have the time of the first.
        """
        skip = min(self._position.skip - self._passed, len(decoded.lines))
        mark = self._position.mark
        if mark in (0, ANYTHING) or not skip or fingerprint(decoded, skip - 1) == mark:
            return skip
        self.inexact = True
        for index in range(len(decoded.lines)):
            if fingerprint(decoded, index) == mark:
                return index + 1
        if self._passed or self._count < self._position.skip:
            return skip  # it may be among those no longer kept, or the stream ended before it
        self.gap = True
        return 0


def _size(decoded: DecodedLines) -> int:
    return sum(map(len, decoded.lines)) + ENTRY_OVERHEAD * len(decoded.lines)
