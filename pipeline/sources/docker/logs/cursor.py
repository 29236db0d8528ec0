"""Where reading has come to in one container's log, and how to go on from there exactly.

`since` is inclusive and compares times, but a log is in the order in which lines were written, and
the two streams of a container are slightly out of order with each other. What does hold is that a
log opened with the same `since` begins at the same frame: the first one at or past it. So a
position is a time, and how many lines were consumed from the first frame at that time on: its
anchor. Opened there again, exactly those are skipped. No line is lost and none comes twice, at any
resolution of time: Podman's whole seconds, with a thousand lines in each, need nothing more.

The anchor is the newest time seen, but never behind the beginning of a line that is still open:
such a line was not consumed, and has to be read again from its first part.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Sequence

import msgspec

from pipeline import native
from pipeline.accounting.checkpoint import FilePlace, Position
from pipeline.model.batch import ENTRY_OVERHEAD
from pipeline.sources.docker.decode.decoded import DecodedLines, OpenLine, concatenated


class Cursor:
    """Moves over the lines of one stream, which was opened at `position`."""

    def __init__(self, position: Position, *, before: int = 0) -> None:
        """`before`: how many lines of the stream come before the first one at the position's time;
        fewer than none where the stream begins behind that."""
        self.position = position
        self._anchor = (position.since.encode(), before)
        """A time, and how many lines the decoder had completed before the first frame of it."""
        self._safe = self._anchor
        """The anchor before the oldest line that is still open."""
        self._completed = 0
        self._place: FilePlace | None = None
        """Of what was seen last."""

    @property
    def newest(self) -> bytes:
        """The newest time seen."""
        return self._anchor[0]

    def gap(self) -> None:
        """Lines are missing before those that come next: the numbers show it."""
        self.position = msgspec.structs.replace(self.position, sequence=self.position.sequence + 1)

    def see(self, decoded: DecodedLines) -> None:
        """Takes note of lines that the decoder has just given, consumed before or not."""
        self._completed, self._place = decoded.completed, decoded.place
        if not decoded.lines:
            return
        first = decoded.completed - len(decoded.lines)
        partials = decoded.open
        before = self._anchor
        index = native.newest(decoded.times)
        newest = decoded.times[index]
        if not partials and not decoded.begun:
            if newest > before[0]:
                self._anchor = (newest, first + index)
            self._safe = self._anchor
            return
        if partials:
            newest = max(newest, *(partial.time for partial in partials))
        if newest > before[0]:
            self._anchor = (newest, _first_at(newest, decoded, first, partials))
        if not partials:
            self._safe = self._anchor
        elif partials[0].before >= first:
            self._safe = before

    def begins_behind(self, lines: int) -> None:
        """The first line at the position's time turned out to come behind so many of the stream,
        which had begun before it."""
        since = self.position.since.encode()
        self._anchor, self._safe = (
            (since, lines) if one == (since, 0) else one for one in (self._anchor, self._safe)
        )

    def advance(self, decoded: DecodedLines) -> Position:
        """The position after these lines (one or more), the last of those seen."""
        since, anchor = self._safe
        self.position = Position(
            since=since.decode(),
            skip=self._completed - anchor,
            mark=fingerprint(decoded, len(decoded.lines) - 1),
            sequence=self.position.sequence + len(decoded.lines),
            place=self._place,
        )
        return self.position

    def flushed(self, count: int) -> Position:
        """The position after lines that were given up on at the end of a stream, still open. They
        are read again if the log goes on: the rest of such a line may yet come."""
        self.position = msgspec.structs.replace(
            self.position, sequence=self.position.sequence + count
        )
        return self.position


def _first_at(time: bytes, decoded: DecodedLines, first: int, partials: Sequence[OpenLine]) -> int:
    """How many lines were complete before the first frame at `time`, which some line here has.
    `first` of them were before these."""
    begins = [partial.before for partial in partials if partial.time == time]
    begins += [at for index, at in decoded.begun.items() if decoded.times[index] == time]
    if time in decoded.times:
        begins.append(first + decoded.times.index(time))
    return min(begins)


def fingerprint(decoded: DecodedLines, index: int) -> int:
    """Tells a line from its neighbours. Never 0."""
    seed = zlib.crc32(decoded.times[index], decoded.streams[index])
    return zlib.crc32(decoded.lines[index], seed) or 1


MOST_HELD = 4 << 20
"""Bytes of lines that a replay keeps while it counts. An anchor can lie far back, by millions of
lines: after the clock was set back, or beside a line that stayed open for long."""


class Replay:
    """Takes out of a reopened stream what had been consumed before it was opened."""

    def __init__(
        self, position: Position, *, from_before: bool = False, behind_gap: bool = False
    ) -> None:
        """`from_before`: the stream begins before the position's time, and not at it.
        `behind_gap`: it begins behind the position, with a line that is new."""
        self._position = position
        self._before = from_before
        self._behind = behind_gap
        self._held: deque[DecodedLines] = deque()
        self._held_bytes = 0
        self._count = 0
        self._passed = 0
        """Lines that were counted and are no longer held."""
        self.earlier: int | None = None
        """Lines of the stream that came before the position's time, once that has come."""
        self._earlier = 0
        self.done = not (position.skip or position.first or from_before or behind_gap)
        self.gap = False
        """The line at the position is no longer in the log: lines between may be missing."""
        self.inexact = False
        """It is not certain that the first line given is the one behind the position."""

    def filter(self, decoded: DecodedLines, *, last: bool = False) -> DecodedLines:
        """What of these lines is new. `last`: nothing more will come from this stream."""
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
        """Nothing was consumed before; whether these are the lines that were seen then."""
        first = self._position.first
        self.done = bool(decoded.lines)
        if first and decoded.lines and fingerprint(decoded, 0) != first:
            self.gap = self.inexact = True
        return decoded

    def _is_past(self, decoded: DecodedLines) -> bool:
        """Whether the stream begins behind the position. The line that it begins with may be
        complete after others, or not yet."""
        times = [*decoded.times, *(one.time for one in decoded.open)]
        if self._behind:
            return bool(decoded.times)
        if not self._position.skip:
            return False
        return bool(self._position.since and times) and min(times) > self._position.since.encode()

    def _from_position(self, decoded: DecodedLines) -> DecodedLines:
        """As the Engine's `since` would have it."""
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
        """How many are to be skipped. Where the count does not lead to the line it should, the
        log is not what it was (a driver that drops or merges lines), and the fingerprint of the
        last one consumed decides, if it is found. Where it should have been and is not, all of
        them are new."""
        skip = min(self._position.skip - self._passed, len(decoded.lines))
        mark = self._position.mark
        if not mark or not skip or fingerprint(decoded, skip - 1) == mark:
            return skip
        self.inexact = True
        for index in range(len(decoded.lines)):
            if fingerprint(decoded, index) == mark:
                return index + 1
        if self._position.since or self._count < self._position.skip:
            # It may have begun before the position, or the stream has ended before it.
            return skip
        self.gap = True
        return 0


def _size(decoded: DecodedLines) -> int:
    return sum(map(len, decoded.lines)) + ENTRY_OVERHEAD * len(decoded.lines)
