"""Makes a log's decoded lines into numbered batches, each with an acknowledgement.

Once a batch is acknowledged, the position from which the log is resumed moves over it. All lines go
through here, however the log is read, and nothing else moves its position.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from pipeline.accounting.acks import AckTracker
from pipeline.accounting.checkpoint import Position
from pipeline.model.acknowledgement import UNTRACKED, Acknowledgement
from pipeline.model.batch import Batch
from pipeline.model.container import Container
from pipeline.model.timestamps import NO_TIME, timestamp
from pipeline.sources.docker.decode.decoded import DecodedLines
from pipeline.sources.docker.logs.cursor import Cursor
from pipeline.sources.docker.logs.replay import Replay, fingerprint


class Gap(NamedTuple):
    """A place in the log where lines may be missing."""

    since: str
    """Time of the last line before it, as in `Batch.times`; empty for the beginning of the log."""
    until: bytes
    """Time of the first line after it; empty for the end of the log."""
    why: str
    """The reason, for the agent's own log."""


class Numbered(NamedTuple):
    """New lines for the lanes, and what is to be reported before they are handed out."""

    batch: Batch | None = None
    """None when there is only something to report."""
    ack: Acknowledgement = UNTRACKED
    """The batch's acknowledgement. To be settled once the batch was handed to all lanes."""
    gap: Gap | None = None
    """Lines that may be missing before this batch."""
    doubtful_from: int | None = None
    """Number (`event.sequence`) after which entries may have other numbers than when they were read
    before, or when they are read again. None when numbers are certain."""


class Batcher:
    """Numbers the lines of one log.

    It takes what a decoder returns, in order, and calls nothing but `acks`.
    """

    def __init__(
        self, position: Position, acks: AckTracker[Position], clock: Callable[[], float] = time.time
    ) -> None:
        """`position` is behind the last line that was consumed. `acks` gives each batch its
        acknowledgement, and is told the position behind it. `clock` returns seconds since the epoch
        by the Engine's clock, for lines without a timestamp.
        """
        self._cursor = Cursor(position)
        self._replay = Replay(position)
        self._acks = acks
        self._clock = clock
        self._why_lost = ""
        self._left_out = ""
        self.missing = ""
        """Why lines before the next one may be missing; empty when none are. Reported with the next
        line, or by `gap_at_end`."""

    @property
    def position(self) -> Position:
        """The position behind the last line that was returned."""
        return self._cursor.position

    @property
    def newest(self) -> bytes:
        """The newest time read, now or by an earlier agent, as in `Batch.times`; empty when there
        is none.
        """
        return self._cursor.newest

    @property
    def has_read(self) -> bool:
        """Whether any line of the log was ever read."""
        return self.position.mark != 0

    @property
    def read_again(self) -> bytes:
        """While lines that were consumed come again: the newest time of those. Else empty."""
        return b"" if self._replay.done else self.position.since.encode()

    # ------------------------------------------------------------------- where it is opened

    def resume(
        self,
        why_lost: str,
        *,
        from_before: bool = False,
        behind_gap: bool = False,
        left_out: str = "",
    ) -> None:
        """Says that the log was opened again with the position's time as `since`.

        Lines that were consumed come again and are skipped. `from_before`: it begins before that
        time. `behind_gap`: it begins after the position, with a new line. `why_lost` is reported if
        the line at the position is not in the log any more; `left_out`, unless it is empty, if that
        is at another place than before.
        """
        self._cursor = Cursor(self.position)
        self._replay = Replay(self.position, from_before=from_before, behind_gap=behind_gap)
        self._why_lost, self._left_out, self.missing = why_lost, left_out, ""

    def resume_at_place(self, why_lost: str) -> None:
        """Says that the log was opened again at the position's place in its files.

        `why_lost` is reported if the line at the position is not there any more.
        """
        position = self.position
        assert position.place is not None
        beyond = position.place.beyond
        self._cursor = Cursor(position, before=beyond - position.skip)
        self._replay = Replay(msgspec.structs.replace(position, since="", first=0, skip=beyond))
        self._why_lost, self._left_out, self.missing = why_lost, "", ""

    # ------------------------------------------------------------------------------- lines

    def take(self, decoded: DecodedLines, container: Container) -> Numbered | None:
        """Takes the lines that a decoder has just returned. Returns those that are new, or None.

        `container` is the container with the facts it has now, for the batch.
        """
        self._cursor.see(decoded)
        if self._replay.done:
            return self._numbered(decoded, container) if decoded.lines else None
        new = self._replay.filter(decoded)
        if self._replay.earlier is not None:
            self._cursor.begins_behind(self._replay.earlier)
        said = self._replayed(new) if self._replay.done else None
        return self._numbered(new, container, said) if new.lines else said

    def take_rest(self, container: Container, *, whole: bool) -> Numbered | None:
        """Says that nothing more comes of what was opened. Returns new lines that were kept back
        until now.

        Lines are kept back until all that was consumed has come again. `whole`: the log was read to
        its end, so what has not come again is not in the log any more.
        """
        if self._replay.done:
            return None
        new = self._replay.filter(DecodedLines(), last=True)
        said = self._replayed(new) if whole and self._replay.done else None
        return self._numbered(new, container, said) if new.lines else said

    def take_unfinished(self, decoded: DecodedLines, container: Container) -> Numbered | None:
        """Takes lines that were still open when the container ended.

        If the container is started again they are read again, because their rest may come then.
        """
        if not decoded.lines:
            return None
        position = self._cursor.flushed(len(decoded.lines))
        return self._batch(decoded, container, position, None, position.sequence)

    def _replayed(self, new: DecodedLines) -> Numbered | None:
        """Returns what is to be reported when all consumed lines have come again, if anything is.
        `new` are the first lines after them.
        """
        replay = self._replay
        if not (replay.gap or replay.inexact):
            return None
        why = self._why_lost if replay.gap else self._left_out
        gap = self._gap(min(new.times, default=b""), why) if why else None
        return Numbered(gap=gap, doubtful_from=self.position.sequence if replay.inexact else None)

    def _gap(self, until: bytes, why: str) -> Gap:
        gap = Gap(self.position.since, until, why)
        self._cursor.gap()
        return gap

    def _numbered(
        self, new: DecodedLines, container: Container, said: Numbered | None = None
    ) -> Numbered:
        gap, doubtful_from = (said.gap, said.doubtful_from) if said else (None, None)
        if self.missing:
            gap = gap or self._gap(new.times[0], self.missing)
            self.missing = ""
        if not (self.position.mark or self.position.first):
            # Saved at once: if the log is read again, this tells whether the same lines come.
            first = msgspec.structs.replace(self.position, first=fingerprint(new, 0))
            self._acks.open(first).settle()
        return self._batch(new, container, self._cursor.advance(new), gap, doubtful_from)

    def _batch(
        self,
        new: DecodedLines,
        container: Container,
        position: Position,
        gap: Gap | None,
        doubtful_from: int | None,
    ) -> Numbered:
        times, count = new.times, len(new.lines)
        if NO_TIME in times:
            now = timestamp(self._clock())
            times = [stamp or now for stamp in times]
        first = position.sequence - count + 1
        cut = {first + index: "truncated" for index in new.truncated} if new.truncated else None
        numbers = range(first, first + count)
        batch = Batch(container, new.lines, times, bytes(new.streams), numbers, flags=cut)
        return Numbered(batch, self._acks.open(position), gap, doubtful_from)

    # --------------------------------------------------------------------------- the end

    def end(self, started: str) -> None:
        """Says that the log was read to the end of a run of its container, which had begun at
        `started` (as the Engine writes it). The next start of the agent need not read the log
        again.
        """
        self._acks.open(msgspec.structs.replace(self.position, ended=started)).settle()

    def gap_at_end(self, why: str) -> Numbered:
        """Reports that lines may be missing at the log's end. The numbers of later lines are not
        certain.

        `why` is the reason, unless `missing` gives one.
        """
        gap, self.missing = self._gap(b"", self.missing or why), ""
        return Numbered(gap=gap, doubtful_from=self.position.sequence)
