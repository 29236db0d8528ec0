"""Notices that the Engine may have passed over lines of a log that it is following.

A follow goes from the end of a file to the newest file. When the log was rotated more than once
since dockerd last looked, the files in between are passed over, and the client is not told. What
can be seen is a leap in the lines' times. It may as well be a pause of the container's, so a leap
is only ever a reason to look: to open the log once more, at the line before it.

What passes a file over is behind: the last line before the leap, or the first one behind it, came
late. And a file that was passed over took some time to fill. Both keep leaps in the log of a
container that is simply followed from being looked at (docs/decisions/0004).
"""

from __future__ import annotations

import time
from collections import deque

from pipeline.model.timestamps import to_seconds
from pipeline.sources.docker.decode.decoded import DecodedLines
from pipeline.sources.docker.discovery.rotation import Rotation

FASTEST = 250_000_000
"""Bytes per second that a log is written with at the most. Measured: 28 MB/s in short lines, and
single files of 1 MB in 1.8 to 8 ms in lines of 1 to 15 KB."""
SHARE = 4
"""A leap of less than this fraction of the time that a file takes to fill, as the log was written
just before, hides no file. Measured: half of it, when the writer was quicker for a moment."""
OVERHEAD = 40
"""Bytes of a line in a json-file, beyond those of its frame in a stream."""
MOST_WINDOW = 1 << 18
"""Bytes over which it is measured how fast a log is being written, or a sixteenth of a file."""
WINDOWS = 8
"""Of so many the quickest counts: on a busy machine the writer stands still in one or another."""
SEVERAL = 4
"""Looks that found nothing, after which the next one takes longer, and longer."""
LONGER = 2
"""A leap so many times as long as one that was none is looked at all the same."""


class SkippedFiles:
    """Looks at all lines of one container's streams, one stream after another."""

    def __init__(self, rotation: Rotation) -> None:
        self.rotation = rotation
        self._shortest = rotation.size / FASTEST
        self._window = min(rotation.size // 16, MOST_WINDOW)
        self._fills: deque[float] = deque(maxlen=WINDOWS)
        """Seconds in which a file would fill, by what came lately."""
        self._filled = 0
        self._filled_since = 0.0
        self._opened = b""
        self._offset = 0.0
        self._quickest = 0.0
        """Seconds from a line's time to its arrival here, at the best; below 0 for a clock that is
        not as it was."""
        self._previous: bytes | None = None
        self._lag = 0.0
        self._leap = 0.0
        self._behind_leap = b""
        """The time of the line behind the leap that is being looked at."""
        self._natural = 0.0
        """The longest leap lately that turned out to be none."""
        self._useless = 0
        """Looks that found nothing, since one did."""
        self._since_useless = rotation.volume // 4
        self._patience = rotation.volume // 4

    def opened(self, at: bytes, offset: float) -> None:
        """A stream was opened when the Engine's clock, `offset` seconds ahead of ours, said `at`.
        What had been written by then is read in one go, and nothing of it is passed over."""
        self._opened, self._offset = at, offset
        self._previous, self._lag, self._filled = None, 0.0, 0

    def find(self, decoded: DecodedLines, size: int) -> int | None:
        """The first line behind a leap that is to be looked at. `size`: bytes they came in, just
        now. Called for all that comes, in order."""
        times = decoded.times
        if not times:
            return None
        size += OVERHEAD * len(times)
        self._since_useless += size
        previous, self._previous = self._previous or times[0], times[-1]
        if times[-1] <= self._opened:
            return None
        now = time.time() + self._offset
        before, first, last = (
            to_seconds(one or self._opened) for one in (previous, times[0], times[-1])
        )
        lag, self._lag = self._lag, self._behind(now - last)
        shortest = self._measure(before, last, size)
        if shortest is None or last - before <= shortest:
            return None
        if lag <= self._shortest and self._behind(now - first) <= self._shortest:
            return None
        return self._search(times, before, shortest)

    def _behind(self, seconds: float) -> float:
        self._quickest = min(self._quickest, seconds)
        return seconds - self._quickest

    def _measure(self, before: float, last: float, volume: int) -> float | None:
        """How long a leap there must be here, by the time that a file took to fill before."""
        if not self._filled:
            self._filled_since = before
        self._filled += volume
        if self._filled >= self._window and last > self._filled_since:
            self._fills.append(self.rotation.size * (last - self._filled_since) / self._filled)
            self._filled = 0
        return max(self._shortest, min(self._fills) / SHARE) if self._fills else None

    def _search(self, times: list[bytes], before: float, shortest: float) -> int | None:
        due = self._since_useless >= self._patience
        least = shortest if due else max(shortest, LONGER * self._natural)
        for index, stamp in enumerate(times):
            if not stamp:
                continue
            at = to_seconds(stamp)
            if at - before > least and stamp > self._opened:
                self._leap, self._behind_leap = at - before, stamp
                return index
            before = max(before, at)
        return None

    def resumed(self, first: bytes) -> None:
        """Opened again at the leap found, the log goes on with a line of this time. Called for
        every line that may be the first."""
        behind, self._behind_leap = self._behind_leap, b""
        if first == behind:
            # The container had paused. Each look makes dockerd read all there is of the log.
            self._natural = max(self._natural, self._leap)
            self._since_useless = 0
            self._useless += 1
            if self._useless > SEVERAL:
                self._patience = min(self._patience * 2, self.rotation.volume)
        elif behind:
            self._natural, self._useless, self._patience = 0.0, 0, self.rotation.volume // 4
            self._since_useless = self._patience
