"""From a log's decoded lines to numbered batches, each with an acknowledgement that moves the
position from which the log is resumed.

Whatever way a log is read, its lines come through here, and nothing else moves its cursor.
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
from pipeline.sources.docker.logs.cursor import Cursor, Replay, fingerprint


class Gap(NamedTuple):
    """Lines that may be missing."""

    since: str
    """Time of the last line before them, as in `Batch.times`; empty for the log's beginning."""
    until: bytes
    """Time of the first line behind them; empty for the log's end."""
    why: str


class Numbered(NamedTuple):
    """New lines, on their way to the lanes, and what is to be said of them before."""

    batch: Batch | None = None
    """None where only something is to be said."""
    ack: Acknowledgement = UNTRACKED
    """The batch's. To be settled once it has been handed to everybody who is to have it."""
    gap: Gap | None = None
    """Lines that may be missing before these."""
    doubtful_from: int | None = None
    """Lines with a higher `event.sequence` than this have other numbers than they had when they
    were read before, or would have if they were read again; None where numbers are certain."""


class Batcher:
    """Of one log. It takes what a decoder gives, in order, and calls nobody but `acks`."""

    def __init__(
        self, position: Position, acks: AckTracker[Position], clock: Callable[[], float] = time.time
    ) -> None:
        """`position`: behind the last line consumed. `acks` are told of each position behind a
        batch, and say when it may be saved. `clock`: seconds since the epoch, as the Engine has
        them, for lines that come without a time."""
        self._cursor = Cursor(position)
        self._replay = Replay(position)
        self._acks = acks
        self._clock = clock
        self._why_lost = ""
        self.missing = ""
        """Why lines in front of the next one may be missing; empty where none are. Said with that
        line, or by `end`."""

    @property
    def position(self) -> Position:
        """Behind the last line that was given out."""
        return self._cursor.position

    @property
    def newest(self) -> bytes:
        """The newest time read, by this reading or before it; empty for none."""
        return self._cursor.newest

    @property
    def has_read(self) -> bool:
        """Whether any line of the log was ever read."""
        return self.position.mark != 0

    # ------------------------------------------------------------------- where it is opened

    def resume(self, why_lost: str, *, from_before: bool = False, behind_gap: bool = False) -> None:
        """The log is opened anew: with `since`, as the position has it, so that what was consumed
        comes again and is taken out. `from_before`: it begins before that. `behind_gap`: it begins
        behind it, with a line that is new. `why_lost`: what is said where the line at the position
        is not there any more."""
        self._cursor = Cursor(self.position)
        self._replay = Replay(self.position, from_before=from_before, behind_gap=behind_gap)
        self._why_lost, self.missing = why_lost, ""

    def resume_at_place(self, why_lost: str) -> None:
        """The log is opened anew at the position's place in its files."""
        position = self.position
        assert position.place is not None
        beyond = position.place.beyond
        self._cursor = Cursor(position, before=beyond - position.skip)
        self._replay = Replay(msgspec.structs.replace(position, since="", first=0, skip=beyond))
        self._why_lost, self.missing = why_lost, ""

    # ------------------------------------------------------------------------------- lines

    def take(self, decoded: DecodedLines, container: Container) -> Numbered | None:
        """What is new of the lines that a decoder has just given; None where nothing is.
        `container`: whose log it is, with the facts that it has by now."""
        self._cursor.see(decoded)
        if self._replay.done:
            return self._numbered(decoded, container) if decoded.lines else None
        new = self._replay.filter(decoded)
        if self._replay.earlier is not None:
            self._cursor.begins_behind(self._replay.earlier)
        said = self._replayed(new) if self._replay.done else None
        return self._numbered(new, container, said) if new.lines else said

    def take_rest(self, container: Container, *, whole: bool) -> Numbered | None:
        """Nothing more comes of what was opened: what is new of the lines that waited until all
        that was consumed had come again. `whole`: the log was read to its end, so that what was
        not found is not there."""
        if self._replay.done:
            return None
        new = self._replay.filter(DecodedLines(), last=True)
        said = self._replayed(new) if whole and self._replay.done else None
        return self._numbered(new, container, said) if new.lines else said

    def take_unfinished(self, decoded: DecodedLines, container: Container) -> Numbered | None:
        """Lines that were still open at the container's end. If the log goes on, they are read
        again: the rest of such a line may yet come."""
        if not decoded.lines:
            return None
        position = self._cursor.flushed(len(decoded.lines))
        return self._batch(decoded, container, position, None, position.sequence)

    def _replayed(self, new: DecodedLines) -> Numbered | None:
        """The replay is done, and these are the first lines behind the position: what is to be said
        of it, if anything is."""
        replay = self._replay
        if not (replay.gap or replay.inexact):
            return None
        gap = self._gap(min(new.times, default=b""), self._why_lost) if replay.gap else None
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
            # If the log is read again from here, it is known then whether these lines come.
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
        """The log was read to the end of a run of its container, which had begun at `started`: the
        next run of the agent need not read it again to find nothing new."""
        self._acks.open(msgspec.structs.replace(self.position, ended=started)).settle()

    def gap_at_end(self, why: str) -> Numbered:
        """Lines may be missing at the log's end; the numbers of what may yet come are not certain.
        `why`: what is said of it, where `missing` says nothing."""
        gap, self.missing = self._gap(b"", self.missing or why), ""
        return Numbered(gap=gap, doubtful_from=self.position.sequence)
