"""Notices that the Engine may have skipped files of a log that it follows.

dockerd's follow goes from the end of a file to the newest file. If the log was rotated more than
once since it last looked, the files between are skipped, and the client is not told. All that can
be seen is a jump in the lines' times, which may also be a pause of the container. So a jump is only
a reason to open the log once more, at the line before it.

A reader that skips a file is behind: the last line before the jump or the first one after it
arrived late. And a skipped file took some time to fill. Both rule out most jumps in the log of a
container that is followed without delay (docs/decisions/0004).
"""

from __future__ import annotations

import time
from collections import deque

from pipeline.model.timestamps import to_seconds
from pipeline.sources.docker.decode.decoded import DecodedLines
from pipeline.sources.docker.discovery.rotation import Rotation

FASTEST = 250_000_000
"""Most bytes per second with which a log is written. Measured: 28 MB/s in short lines, and single
files of 1 MB in 1.8 to 8 ms in lines of 1 to 15 KB."""
SHARE = 4
"""A jump shorter than the time in which a file fills, divided by this, hides no file. Measured:
half of that time, when the writer was faster for a moment."""
OVERHEAD = 40
"""Bytes of a row in a json-file beyond those of its frame in a stream."""
MOST_WINDOW = 1 << 18
"""Bytes over which the writing speed is measured, unless a sixteenth of a file is less."""
WINDOWS = 8
"""How many measurements are kept. The fastest counts: on a busy machine the writer pauses in
some."""
SEVERAL = 4
"""How many jumps in a row are checked in vain before the checks become rarer."""
LONGER = 2
"""A jump this many times as long as the longest one that was only a pause is checked in any
case."""


class SkippedFiles:
    """Searches the lines of one container's streams, one stream after another, for jumps in
    time.
    """

    def __init__(self, rotation: Rotation) -> None:
        """`rotation` is how the log is rotated."""
        self.rotation = rotation
        self._shortest = rotation.size / FASTEST
        self._window = min(rotation.size // 16, MOST_WINDOW)
        self._fills: deque[float] = deque(maxlen=WINDOWS)
        """Seconds in which a file would fill, by the latest measurements."""
        self._filled = 0
        self._filled_since = 0.0
        self._opened = b""
        self._offset = 0.0
        self._quickest = 0.0
        """Shortest time from a line's timestamp to its arrival, in seconds; below 0 when a clock
        was set."""
        self._previous: bytes | None = None
        self._lag = 0.0
        self._jump = 0.0
        self._after_jump = b""
        """Time of the line after the jump that is being checked."""
        self._longest_pause = 0.0
        """The longest recent jump that was only a pause, in seconds."""
        self._in_vain = 0
        """How many jumps were checked in vain since one was real."""
        self._bytes_since_check = rotation.volume // 4
        self._patience = rotation.volume // 4

    def opened(self, at: bytes, offset: float) -> None:
        """Says that a stream was opened.

        `at` is the time by the Engine's clock, as in `Batch.times`; `offset` is how many seconds
        that clock is ahead. What was written before is read without gaps.
        """
        self._opened, self._offset = at, offset
        self._previous, self._lag, self._filled = None, 0.0, 0

    def find(self, decoded: DecodedLines, size: int, read: bytes = b"") -> int | None:
        """Returns the index of the first line after a jump that has to be checked; None without
        one.

        To be called with all lines, in order. `size` is the number of bytes in which they came just
        now. `read`: lines up to this time were read before, and come again.
        """
        times = decoded.times
        if not times:
            return None
        size += OVERHEAD * len(times)
        self._bytes_since_check += size
        previous, self._previous = self._previous or times[0], times[-1]
        if times[-1] <= self._opened:
            return None
        now = time.time() + self._offset
        before, last = to_seconds(previous or self._opened), to_seconds(times[-1])
        lag, self._lag = self._lag, self._behind(now - last)
        shortest = self._measure(before, last, size)
        if shortest is None or last - before <= shortest:
            return None
        first = to_seconds(times[0] or self._opened)
        if lag <= self._shortest and self._behind(now - first) <= self._shortest:
            return None
        return self._search(times, before, shortest, max(self._opened, read))

    def _behind(self, seconds: float) -> float:
        self._quickest = min(self._quickest, seconds)
        return seconds - self._quickest

    def _measure(self, before: float, last: float, volume: int) -> float | None:
        """Returns the shortest jump that may hide a file, in seconds; None when that is not known
        yet.
        """
        if not self._filled:
            self._filled_since = before
        self._filled += volume
        if self._filled >= self._window and last > self._filled_since:
            self._fills.append(self.rotation.size * (last - self._filled_since) / self._filled)
            self._filled = 0
        return max(self._shortest, min(self._fills) / SHARE) if self._fills else None

    def _search(
        self, times: list[bytes], before: float, shortest: float, known: bytes
    ) -> int | None:
        """`known`: up to this time there is no gap."""
        due = self._bytes_since_check >= self._patience
        least = shortest if due else max(shortest, LONGER * self._longest_pause)
        for index, stamp in enumerate(times):
            if not stamp:
                continue
            at = to_seconds(stamp)
            # The jump that is being checked is met again. Its lines are older than the stream, but
            # do not look so where the Engine's clock is ahead of what is known of it.
            if at - before > least and known < stamp != self._after_jump:
                self._jump, self._after_jump = at - before, stamp
                return index
            before = max(before, at)
        return None

    def resumed(self, first: bytes) -> None:
        """Tells how the log, opened again at the jump, goes on: `first` is the time of its next
        line.

        To be called for every line that may be the next one.
        """
        behind, self._after_jump = self._after_jump, b""
        if first == behind:
            # It was a pause. Each check makes dockerd read the whole log.
            self._longest_pause = max(self._longest_pause, self._jump)
            self._bytes_since_check = 0
            self._in_vain += 1
            if self._in_vain > SEVERAL:
                self._patience = min(self._patience * 2, self.rotation.volume)
        elif behind:
            self._longest_pause, self._in_vain, self._patience = 0.0, 0, self.rotation.volume // 4
            self._bytes_since_check = self._patience
