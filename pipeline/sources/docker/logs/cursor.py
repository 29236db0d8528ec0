"""The position in one container's log, and how to resume from it exactly.

`since` is inclusive and compares times. But a log is in the order in which lines were written, and
a container's two streams are slightly out of order with each other. What does hold: a log that is
opened with the same `since` begins at the same frame, the first one at or after that time. So a
position is a time, and how many lines were consumed from that frame on (the anchor). When the log
is opened there again, exactly that many lines are skipped. No line is lost or repeated, at any
resolution of time: Podman's whole seconds with a thousand lines in each need nothing more.

The anchor is the newest time seen, but never after the beginning of a line that is still open: such
a line was not consumed, and has to be read again from its first piece. Nor is it a time that came
with a later piece of a line (on Podman): a stream that begins there begins in the middle of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pipeline import native
from pipeline.accounting.checkpoint import FilePlace, Position
from pipeline.sources.docker.decode.decoded import DecodedLines, OpenLine
from pipeline.sources.docker.logs.replay import ANYTHING, fingerprint


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
            self._newest = max(self._newest, decoded.late)
            return
        first = decoded.completed - len(decoded.lines)
        partials = decoded.open
        before, was_newest = self._anchor, self._newest
        index = native.newest(decoded.times)
        newest = decoded.times[index]
        if decoded.late > self._newest:
            self._newest = was_newest = decoded.late
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
