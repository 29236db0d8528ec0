"""Reads around a damaged place in a container's json-file.

dockerd stops at the first bytes that are not JSON, with a frame that says so. A reading from before
the damage never gets past it. One that begins after it does: with `tail=N`, dockerd counts N ends
of lines from the end of the log backwards, and decodes nothing before. So a search finds the N with
which the log begins at the wanted line. Each try reads one frame, and the search takes about two
tries for each doubling of the lines after the damage.

The error overtakes lines: up to 4096 lines that wait in dockerd before the damage are lost to a
reading that meets it. A reading with an `until` before the damage doesn't lose them, so that time
is searched for, too (`Before`).
"""

from __future__ import annotations

from typing import NamedTuple

from pipeline.accounting.checkpoint import Position
from pipeline.model.timestamps import from_nanoseconds, nanoseconds
from pipeline.sources.docker.logs.last_line import FirstTime

MARGIN = 64
"""Lines before the position with which an exact resumption begins, if the damage is not among them.
The log may grow meanwhile, and two streams are out of order with each other."""
CLOSE = 1000
"""Nanoseconds between two times at which the search for a time ends."""
STEPS = 16
"""How many times the search follows a growing log by one line. Then it doubles its steps, and may
skip lines: it would never catch up with a log that grows faster than it is looked at."""
MOST = 1 << 40
"""Lines that no log has. Ends the search when the answers make no sense."""


class Before:
    """A binary search for the time of the damage, from the position's time to now.

    Read the log until `middle`, tell the result to `read`, and repeat until `done`.
    """

    def __init__(self, after: bytes, until: bytes) -> None:
        """`after` is the position's time, empty for the beginning; `until` is now. As in
        `Batch.times`.
        """
        self._low = nanoseconds(after) if after else 0
        self._high = nanoseconds(until)

    @property
    def done(self) -> bool:
        """Whether nothing is left to be read before the damage."""
        return self._high - self._low < CLOSE

    @property
    def middle(self) -> bytes:
        """The time until which to read next, as in `Batch.times`."""
        return from_nanoseconds((self._low + self._high) // 2)

    def read(self, *, damaged: bool) -> None:
        """Tells whether the reading until `middle` met the damage."""
        if damaged:
            self._high = (self._low + self._high) // 2
        else:
            self._low = (self._low + self._high) // 2


class Around(NamedTuple):
    """A reading that begins after the damaged place."""

    lines: int
    """With how many of the log's last lines it begins (`tail`)."""
    exact: bool
    """Whether the line at the position is among them, so that nothing is missing."""


async def way_around(
    position: Position, newest: bytes, first: FirstTime, *, margin: int, exact: bool
) -> Around:
    """Searches for the reading that begins right after the last line read, or after the damage.

    `newest` is the newest time read so far. `first` asks for the time of the first of the last N
    lines. With `exact`, a reading that begins `margin` lines before the position is wanted if there
    is one. Without, it is only used where the line before the new ones is the one read last, so
    that nothing between them is damaged. Raises what `first` raises.
    """
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
    """How many of the last lines are newer than `newest`, as far back as they can be read."""
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
    """Follows a log that has grown during the search. Returns how many lines are newer, and the
    time of a line before them.
    """
    step, steps, beginning = 1, 0, _Beginning()
    time = await first(lines + step)
    while time and time > newest and not beginning.is_reached(time):
        lines, steps = lines + step, steps + 1
        if steps > STEPS:
            step *= 2
        time = await first(lines + step)
    return lines, time


async def _including(since: bytes, lines: int, first: FirstTime) -> int | None:
    """How many of the last lines reach back beyond `since`; None when these cannot be read."""
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
    """Recognises the beginning of a log: a growing number of last lines begins with the same line
    three times. Twice is no proof, because the log may have grown by just as many lines between two
    looks.
    """

    def __init__(self) -> None:
        self._time = b""
        self._again = 0

    def is_reached(self, time: bytes) -> bool:
        """Takes the time with which the last lines begin, for a growing number of lines. Whether
        they begin at the log's beginning.
        """
        self._again = self._again + 1 if time == self._time else 0
        self._time = time
        return self._again == 2
