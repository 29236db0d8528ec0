"""The way around a damaged place in a container's log.

Reading a json-file, dockerd ends at the first thing that is no JSON, with a frame that says so, and
what is written behind it cannot be had by a reading that passes the place. It can by one that
begins behind it: `tail=N` looks for N ends of lines, from the log's end backwards, and decodes
nothing before. So the N is searched for with which the log begins where it is wanted. Each try
reads one frame, and there are about two for each doubling of the lines behind the place.

The error overtakes lines: of those before the place, up to 4096 that wait in dockerd are lost to a
reading that meets it. A reading with an `until` before the place does not, so that is searched for
as well (`Before`).
"""

from __future__ import annotations

from typing import NamedTuple

from pipeline.accounting.checkpoint import Position
from pipeline.model.timestamps import from_nanoseconds, nanoseconds
from pipeline.sources.docker.logs.last_line import FirstTime

MARGIN = 64
"""Lines before the position that an exact resumption begins with, where the damage is not among
them: the log may grow meanwhile, and two streams are out of order with each other."""
CLOSE = 1000
"""Nanoseconds between two lines that are as good as one."""
STEPS = 16
"""How often the search follows a log that grows by one line. Then it takes ever more at a time, and
may pass over some: it would never catch up with one that grows faster than it is looked at."""
MOST = 1 << 40
"""Lines of a log. No log has as many; it ends the search in one that answers nonsense."""


class Before:
    """Halves the time between the position and the damage, until nothing is left to be read."""

    def __init__(self, after: bytes, until: bytes) -> None:
        self._low = nanoseconds(after) if after else 0
        self._high = nanoseconds(until)

    @property
    def done(self) -> bool:
        return self._high - self._low < CLOSE

    @property
    def middle(self) -> bytes:
        """Until when to read next."""
        return from_nanoseconds((self._low + self._high) // 2)

    def read(self, *, damaged: bool) -> None:
        """That was read; it met the damage or not."""
        if damaged:
            self._high = (self._low + self._high) // 2
        else:
            self._low = (self._low + self._high) // 2


class Around(NamedTuple):
    """A reading that does not pass the damaged place."""

    lines: int
    """How many of the log's last lines it begins with (`tail`)."""
    exact: bool
    """Whether the line that the position is at is among them, so that nothing is missing."""


async def way_around(
    position: Position, newest: bytes, first: FirstTime, *, margin: int, exact: bool
) -> Around:
    """The reading that begins right behind the last line read, or the place that is damaged.
    `newest`: the newest time read so far. `exact`: one that begins before it, by `margin` lines, if
    there is one; else only where the line before those is the one read last, so that nothing is
    damaged between the two."""
    lines, before = await _grown(await _newer(newest, first), newest, first)
    if position.since and (exact or before == newest):
        since, lines_since = position.since.encode(), lines + position.skip
        more = await _including(since, lines_since + margin, first)
        if more is None and await first(lines_since) == since:  # close behind the damage
            more = lines_since
        if more is not None:
            return Around(more, exact=True)
    return Around(lines, exact=False)


async def _newer(newest: bytes, first: FirstTime) -> int:
    """How many of the last lines are newer, as far back as they can be read."""
    good, bad, beginning = 0, 1, _Beginning()
    while True:
        time = await first(bad)
        if not time or time <= newest:
            break
        if beginning.is_reached(time) or bad > MOST:
            return bad
        good, bad = bad, bad * 2
    while bad - good > 1:
        middle = (good + bad) // 2
        time = await first(middle)
        if time and time > newest:
            good = middle
        else:
            bad = middle
    return good


async def _grown(lines: int, newest: bytes, first: FirstTime) -> tuple[int, bytes | None]:
    """How many are newer, where the log has grown meanwhile; and the time of a line before them,
    which is the last one before but for a log that grows fast."""
    step, steps, beginning = 1, 0, _Beginning()
    time = await first(lines + step)
    while time and time > newest and not beginning.is_reached(time):
        lines, steps = lines + step, steps + 1
        if steps > STEPS:
            step *= 2
        time = await first(lines + step)
    return lines, time


async def _including(since: bytes, lines: int, first: FirstTime) -> int | None:
    """How many of the last lines reach back beyond `since`; None where that cannot be read."""
    beginning = _Beginning()
    while lines < MOST:
        time = await first(lines)
        if not time:
            return None
        if time < since or beginning.is_reached(time):
            return lines
        lines *= 4
    return None


class _Beginning:
    """A log's beginning is where the first of ever more lines is the same twice more. Once is no
    sign of it: the log may have grown by just as many lines between two looks."""

    def __init__(self) -> None:
        self._time = b""
        self._again = 0

    def is_reached(self, time: bytes) -> bool:
        self._again = self._again + 1 if time == self._time else 0
        self._time = time
        return self._again == 2
