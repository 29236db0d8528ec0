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
from typing import Protocol

import msgspec

from pipeline import native
from pipeline.batch import ENTRY_OVERHEAD
from pipeline.checkpoint import Place, Position
from pipeline.sources.docker.pieces import Columns, Partial, no_columns


class Decoded(Protocol):
    """Of a decoder: how far it has come."""

    completed: int

    def open_partials(self) -> list[Partial]: ...


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

    @property
    def newest(self) -> bytes:
        """The newest time seen."""
        return self._anchor[0]

    def gap(self) -> None:
        """Lines are missing before those that come next: the numbers show it."""
        self.position = msgspec.structs.replace(self.position, sequence=self.position.sequence + 1)

    def see(self, columns: Columns, decoder: Decoded) -> None:
        """Takes note of lines that `decoder` has just given, consumed before or not."""
        if not columns.lines:
            return
        first = decoder.completed - len(columns.lines)
        partials = decoder.open_partials()
        before = self._anchor
        index = native.newest(columns.times)
        newest = columns.times[index]
        if not partials and not columns.begun:
            if newest > before[0]:
                self._anchor = (newest, first + index)
            self._safe = self._anchor
            return
        if partials:
            newest = max(newest, *(partial.time for partial in partials))
        if newest > before[0]:
            self._anchor = (newest, _first_at(newest, columns, first, partials))
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

    def advance(self, columns: Columns, decoder: Decoded, place: Place | None = None) -> Position:
        """The position after these lines (one or more), the last that `decoder` has given."""
        since, anchor = self._safe
        self.position = Position(
            since=since.decode(),
            skip=decoder.completed - anchor,
            mark=fingerprint(columns, len(columns.lines) - 1),
            sequence=self.position.sequence + len(columns.lines),
            place=place,
        )
        return self.position

    def flushed(self, count: int) -> Position:
        """The position after lines that were given up on at the end of a stream, still open. They
        are read again if the log goes on: the rest of such a line may yet come."""
        self.position = msgspec.structs.replace(
            self.position, sequence=self.position.sequence + count
        )
        return self.position


def _first_at(time: bytes, columns: Columns, first: int, partials: list[Partial]) -> int:
    """How many lines were complete before the first frame at `time`, which some line here has.
    `first` of them were before these."""
    begins = [partial.before for partial in partials if partial.time == time]
    begins += [at for index, at in columns.begun.items() if columns.times[index] == time]
    if time in columns.times:
        begins.append(first + columns.times.index(time))
    return min(begins)


def fingerprint(columns: Columns, index: int) -> int:
    """Tells a line from its neighbours. Never 0."""
    seed = zlib.crc32(columns.times[index], columns.streams[index])
    return zlib.crc32(columns.lines[index], seed) or 1


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
        self._held: deque[Columns] = deque()
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

    def filter(
        self, columns: Columns, partials: Sequence[Partial] = (), *, last: bool = False
    ) -> Columns:
        """What of these lines is new. `partials` are those still open, `last`: nothing more will
        come from this stream."""
        if self.done or not (columns.lines or last):
            return columns
        if self._count == 0 and self._is_past(columns, partials):
            self.gap = self.inexact = True
            return self._release(columns, 0)
        if self._before:
            columns = self._from_position(columns)
            if not (columns.lines or last):
                return columns
        if not self._position.skip:
            return self._begun(columns)
        self._count += len(columns.lines)
        if self._count < self._position.skip and not last:
            self._hold(columns)
            return no_columns()
        return self._release(columns, None)

    def _begun(self, columns: Columns) -> Columns:
        """Nothing was consumed before; whether these are the lines that were seen then."""
        first = self._position.first
        self.done = bool(columns.lines)
        if first and columns.lines and fingerprint(columns, 0) != first:
            self.gap = self.inexact = True
        return columns

    def _is_past(self, columns: Columns, partials: Sequence[Partial]) -> bool:
        """Whether the stream begins behind the position. The line that it begins with may be
        complete after others, or not yet."""
        times = [*columns.times, *(partial.time for partial in partials)]
        if self._behind:
            return bool(columns.times)
        if not self._position.skip:
            return False
        return bool(self._position.since and times) and min(times) > self._position.since.encode()

    def _from_position(self, columns: Columns) -> Columns:
        """As the Engine's `since` would have it."""
        since = self._position.since.encode()
        for index, time in enumerate(columns.times):
            if time >= since:
                self._before = False
                self.earlier = self._earlier + index
                return _without_first(columns, index)
        self._earlier += len(columns.lines)
        return no_columns()

    def _hold(self, columns: Columns) -> None:
        self._held.append(columns)
        self._held_bytes += _size(columns)
        while self._held_bytes > MOST_HELD and len(self._held) > 1:
            passed = self._held.popleft()
            self._held_bytes -= _size(passed)
            self._passed += len(passed.lines)

    def _release(self, columns: Columns, skip: int | None) -> Columns:
        self.done = True
        together = _concatenated([*self._held, columns])
        self._held.clear()
        if skip is None:
            skip = self._consumed(together)
        return _without_first(together, skip)

    def _consumed(self, columns: Columns) -> int:
        """How many are to be skipped. Where the count does not lead to the line it should, the
        log is not what it was (a driver that drops or merges lines), and the fingerprint of the
        last one consumed decides, if it is found. Where it should have been and is not, all of
        them are new."""
        skip = min(self._position.skip - self._passed, len(columns.lines))
        mark = self._position.mark
        if not mark or not skip or fingerprint(columns, skip - 1) == mark:
            return skip
        self.inexact = True
        for index in range(len(columns.lines)):
            if fingerprint(columns, index) == mark:
                return index + 1
        if self._position.since or self._count < self._position.skip:
            # It may have begun before the position, or the stream has ended before it.
            return skip
        self.gap = True
        return 0


def _size(columns: Columns) -> int:
    return sum(map(len, columns.lines)) + ENTRY_OVERHEAD * len(columns.lines)


def _concatenated(parts: list[Columns]) -> Columns:
    whole = no_columns()
    for part in parts:
        whole.begun.update({index + len(whole.lines): at for index, at in part.begun.items()})
        whole.truncated.extend(index + len(whole.lines) for index in part.truncated)
        whole.lines.extend(part.lines)
        whole.times.extend(part.times)
        whole.streams.extend(part.streams)
    return whole


def _without_first(columns: Columns, skip: int) -> Columns:
    if not skip:
        return columns
    return Columns(
        columns.lines[skip:],
        columns.times[skip:],
        columns.streams[skip:],
        [index - skip for index in columns.truncated if index >= skip],
        {index - skip: at for index, at in columns.begun.items() if index >= skip},
    )
