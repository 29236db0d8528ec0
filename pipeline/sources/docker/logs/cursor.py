"""The position in one container's log, and how to resume from it exactly.

`since` is inclusive and compares times. But a log is in the order in which lines were written, and
a container's two streams are slightly out of order with each other. What does hold: a log that is
opened with the same `since` begins at the same frame, the first one at or after that time. So a
position is a time, and how many lines were consumed from that frame on (the anchor). When the log
is opened there again, exactly that many lines are skipped. No line is lost or repeated, at any
resolution of time: Podman's whole seconds with a thousand lines in each need nothing more.

The anchor is the newest time seen, but never after the beginning of a line that is still open: such
a line was not consumed, and has to be read again from its first piece.
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
    """The position in a stream that was opened at `position`. Moves over its lines."""

    def __init__(self, position: Position, *, before: int = 0) -> None:
        """`before` is how many lines of the stream come before the first one at the position's
        time; negative when the stream begins after that.
        """
        self.position = position
        self._anchor = (position.since.encode(), before)
        """A time, and how many lines the decoder had completed before the first frame at that
        time."""
        self._safe = self._anchor
        """The anchor before the oldest line that is still open."""
        self._newest = self._anchor[0]
        """The next anchor is newer than this: the newest time of a complete line."""
        self._begun = b""
        """Newest time of a line that is still open, of those that came without a complete one."""
        self._completed = 0
        self._place: FilePlace | None = None
        """Place in the files of the lines seen last."""

    @property
    def newest(self) -> bytes:
        """The newest time seen, as in `Batch.times`; empty when there is none."""
        return max(self._newest, self._begun)

    def gap(self) -> None:
        """Skips a number, to show that lines are missing before the next ones."""
        self.position = msgspec.structs.replace(self.position, sequence=self.position.sequence + 1)

    def see(self, decoded: DecodedLines) -> None:
        """Takes the lines that the decoder has just returned, whether they were consumed before or
        not.
        """
        self._completed, self._place = decoded.completed, decoded.place
        if not decoded.lines:
            self._begun = max([self._begun, *(partial.time for partial in decoded.open)])
            return
        first = decoded.completed - len(decoded.lines)
        partials = decoded.open
        before, was_newest = self._anchor, self._newest
        index = native.newest(decoded.times)
        newest = decoded.times[index]
        if not partials and not decoded.begun:
            if newest > self._newest:
                self._anchor, self._newest = (newest, first + index), newest
            self._safe = self._anchor
            return
        if partials:
            newest = max(newest, *(partial.time for partial in partials))
        if newest > self._newest:
            self._anchor = (newest, _first_at(newest, decoded, first, partials))
            self._newest = newest
        if decoded.cut:
            # Such a line counts, but is not in a stream that begins behind its last piece.
            before = self._safe
            if self._anchor[1] <= first + decoded.cut[-1]:
                self._anchor = before
        if not partials:
            self._safe = self._anchor
        elif partials[0].before >= first:
            newest, at = _newest_until_open(decoded, first, partials)
            # Not over a line that had begun: its last piece alone would be taken for another.
            moves = newest > was_newest and not decoded.begun and not decoded.cut
            self._safe = (newest, at) if moves else before

    def begins_behind(self, lines: int) -> None:
        """Says that the stream began before the position's time: `lines` come before its first line
        at that time.
        """
        since = self.position.since.encode()
        self._anchor, self._safe = (
            (since, lines) if one == (since, 0) else one for one in (self._anchor, self._safe)
        )

    def advance(self, decoded: DecodedLines) -> Position:
        """Moves over `decoded`, the last of the lines seen (at least one). Returns the position
        after them.
        """
        since, anchor = self._safe
        self.position = Position(
            since=since.decode(),
            skip=self._completed - anchor,
            mark=self._mark(decoded),
            sequence=self.position.sequence + len(decoded.lines),
            place=self._place,
        )
        return self.position

    def _mark(self, decoded: DecodedLines) -> int:
        """What a replay from the anchor has to find as the last of `decoded`."""
        last = len(decoded.lines) - 1
        comes_whole = last not in decoded.begun or decoded.times[last] >= self._safe[0]
        if comes_whole and last not in decoded.truncated:
            return fingerprint(decoded, last)
        return ANYTHING  # only its last piece comes again, or it is cut elsewhere the next time

    def flushed(self, count: int) -> Position:
        """Moves over `count` lines that were still open at the end of the stream. Returns the
        position.

        Only the number moves. If the log goes on these lines are read again, because their rest may
        come.
        """
        self.position = msgspec.structs.replace(
            self.position, sequence=self.position.sequence + count
        )
        return self.position


def _first_at(time: bytes, decoded: DecodedLines, first: int, partials: Sequence[OpenLine]) -> int:
    """How many lines were complete before the first frame at `time`, which one of these lines has.
    `first` were complete before all of these.
    """
    begins = [partial.before for partial in partials if partial.time == time]
    begins += [at for index, at in decoded.begun.items() if decoded.times[index] == time]
    if time in decoded.times:
        begins.append(first + decoded.times.index(time))
    return min(begins)


def _newest_until_open(
    decoded: DecodedLines, first: int, partials: Sequence[OpenLine]
) -> tuple[bytes, int]:
    """The newest time up to the first frame of the oldest line that is still open, and how many
    lines were complete before the first frame at that time. None of these lines came in pieces.
    """
    oldest = partials[0].before
    # Of two that began between the same lines, the one with the older time is not further on.
    opened = min(partial.time for partial in partials if partial.before == oldest)
    times = [*decoded.times[: oldest - first], opened]
    index = native.newest(times)
    return times[index], first + index


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
