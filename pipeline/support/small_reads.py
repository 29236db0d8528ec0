"""A rate limit for small reads: what exceeds it is made up for by rests.

A read of two or three lines costs nearly as much as one of thirty. So where many logs grow a little
at a time, a log that was just read is not read for a while, and its lines pile up.
"""

from __future__ import annotations

BURST = 30
"""Small reads that may come at once without a rest."""
LONGEST_REST = 0.25
"""Longest rest in seconds: each of however many logs is read four times a second."""
LONGEST_OWED = 2 * LONGEST_REST
"""Most that is owed, in seconds: logs that rest together are read together, too, and the first of
them says how long all will rest next. No rest can be longer."""


class SmallReads:
    """The small reads of many logs, counted together."""

    def __init__(self, rate: float, longest: float = LONGEST_REST) -> None:
        """`rate` is how many there may be per second. `longest`: the longest rest in seconds, where
        `read` is told no other."""
        self._rate = rate
        self._longest = longest
        self._most = BURST + 2 * longest * rate
        self._last = 0.0
        self._over = 0.0
        """Small reads that are not yet allowed for by the rate."""

    def read(self, now: float, longest: float | None = None) -> float:
        """Counts a small read. Returns for how many seconds its log should rest, at most `longest`.

        `now` is in seconds, and never goes back.
        """
        over = max(0.0, self._over - (now - self._last) * self._rate) + 1
        self._over = min(over, self._most)
        self._last = now
        return min(longest or self._longest, max(0.0, self._over - BURST) / self._rate)
