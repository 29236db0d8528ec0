"""From a log's lines to the batches that go to its container's lanes, and what is said of them.

Whatever way a log is read, its lines end here: numbered, with a receipt that moves its position.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Protocol

import msgspec

from pipeline import native
from pipeline.acknowledgement import Acknowledgement
from pipeline.batch import Batch, Container
from pipeline.checkpoint import Place, Position
from pipeline.metrics import Metrics
from pipeline.plural import plural
from pipeline.settlement import Account
from pipeline.sources.docker.cursor import Cursor, Decoded, Replay, fingerprint
from pipeline.sources.docker.engine import Engine
from pipeline.sources.docker.pieces import Columns
from pipeline.sources.docker.rotation import Rotation
from pipeline.timestamps import NO_TIME, timestamp

log = logging.getLogger(__name__)

SHORTAGE = 1.0
"""Seconds after which lines are handed out again for which there was not enough memory."""
MOST_SHORTAGES = 60
"""How often."""


class Subject(Protocol):
    """The container whose log is read, as its source knows it."""

    container: Container
    """May be replaced while it is followed (a rename)."""
    rotation: Rotation | None
    """How the Engine rotates its log, as far as it was learned."""

    @property
    def unsettled(self) -> int:
        """Batches of its log that the quickest of its sinks has not settled."""

    async def learn(self) -> bool | None:
        """Asks the Engine for the container's full facts. Whether it runs; None where it is being
        removed, or there is no answer to tell. Never raises."""

    async def distribute(self, batch: Batch, ack: Acknowledgement) -> None:
        """Takes a batch through the container's lanes."""

    def ended(self) -> None:
        """All that a run of the container has written was distributed."""

    def resumed_inexactly(self, sequence: int) -> None:
        """The lines after that one have other numbers than they had, or might have had, before."""


class Emission:
    """Of one container."""

    def __init__(
        self,
        engine: Engine,
        subject: Subject,
        position: Position,
        account: Account[Position],
        metrics: Metrics,
    ) -> None:
        self.cursor = Cursor(position)
        self._engine = engine
        self._subject = subject
        self._account = account
        self._metrics = metrics
        self._said: str | None = None
        """The trouble that was told of last, until there are lines again."""
        self.count_as(subject.container.name)

    def count_as(self, name: str) -> None:
        """The container's name in the metrics from now on."""
        self._received = self._metrics.received.labels(name)
        self._received_bytes = self._metrics.received_bytes.labels(name)

    @property
    def position(self) -> Position:
        """Behind the last line that was handed out."""
        return self.cursor.position

    @property
    def unsettled(self) -> int:
        """Batches that were handed out and have not arrived at the quickest of the sinks."""
        return self._subject.unsettled

    @property
    def newest(self) -> bytes:
        """The newest time read, by this reading or before it; empty for none."""
        return max(self.cursor.newest, self.position.since.encode())

    @property
    def has_read(self) -> bool:
        """Whether any line of the log was ever read."""
        return self.position.mark != 0

    def begin(self, *, before: int = 0) -> None:
        """The log is read anew from its position on, or with that many of its lines before it."""
        self.cursor = Cursor(self.position, before=before)

    # ---------------------------------------------------------------------------- lines

    async def take(self, columns: Columns, decoder: Decoded, place: Place | None = None) -> None:
        """Hands out lines (one or more), the last that `decoder` has given and the cursor has
        seen. `place`: behind them."""
        if not (self.position.mark or self.position.first):
            self._note_beginning(columns)
        await self._emit(columns, self.cursor.advance(columns, decoder, place))

    async def give_up_on(self, columns: Columns) -> None:
        """Hands out lines that were still open at the container's end."""
        if columns.lines:
            position = self.cursor.flushed(len(columns.lines))
            self._subject.resumed_inexactly(position.sequence)
            await self._emit(columns, position)

    async def _emit(self, columns: Columns, position: Position) -> None:
        lines, times, streams, truncated, _ = columns
        count = len(lines)
        if NO_TIME in times:
            now = timestamp(time.time() + self._engine.clock_offset)
            times = [stamp or now for stamp in times]
        self._said = None
        first = position.sequence - count + 1
        receipt = self._account.open(position)
        batch = Batch(
            self._subject.container,
            lines,
            times,
            bytes(streams),
            range(first, first + count),
            flags={first + index: "truncated" for index in truncated} if truncated else None,
        )
        self._received.inc(count)
        self._received_bytes.inc(native.total(lines))
        try:
            await self._distribute(batch, receipt)
        except Exception:  # a bug; what comes after must not suffer for it
            self._metrics.source_errors.labels("bug").inc()
            name = self._subject.container.name
            log.exception("lost %d %s of %s", count, plural(count, "line"), name)
        receipt.settle()

    async def _distribute(self, batch: Batch, ack: Acknowledgement) -> None:
        """Tries again where there is not enough memory: sinks that have some of it by then get
        that once more."""
        for _ in range(MOST_SHORTAGES):
            try:
                await self._subject.distribute(batch, ack)
                return
            except MemoryError:
                self.trouble("memory", "there is not enough memory; allow the agent more")
            await asyncio.sleep(SHORTAGE)
        await self._subject.distribute(batch, ack)

    # ---------------------------------------------------------------------- what is noted

    def _note_beginning(self, columns: Columns) -> None:
        """So that, if the log is read again from here, it is known whether these lines come."""
        first = fingerprint(columns, 0)
        self._account.open(msgspec.structs.replace(self.position, first=first)).settle()

    def note_end(self, started: str) -> None:
        """So that the next run of the agent need not read this log again to find nothing new."""
        ended = msgspec.structs.replace(self.position, ended=started)
        self._account.open(ended).settle()

    def note_replayed(self, replay: Replay, columns: Columns, why: str) -> None:
        """`replay` is done, and these are the first lines behind the position. `why`: what a gap
        would come from."""
        if replay.gap:
            self.note_gap(min(columns.times, default=b""), why)
        if replay.inexact:
            self._subject.resumed_inexactly(self.position.sequence)

    def note_gap(self, until: bytes, why: str) -> None:
        """Lines may be missing between the cursor and `until` (empty for the log's end)."""
        since, self._said = self.position.since, None
        self.cursor.gap()
        name = self._subject.container.name
        self._metrics.log_gaps.labels(name).inc()
        log.warning(
            "logs of %s: lines between %s and %s may be lost: %s",
            name,
            since or "its beginning",
            until.decode() or "its end",
            why,
        )

    def note_gap_at_end(self, why: str) -> None:
        """Nothing comes behind it. The numbers of what may yet come are not to be relied on."""
        self.note_gap(b"", why)
        self._subject.resumed_inexactly(self.position.sequence)

    def doubt_emptiness(self) -> None:
        """The log gave nothing: either the container wrote nothing, or the log was removed a moment
        before it was opened. Counted, and no warning: most that live so briefly write nothing."""
        self._metrics.source_errors.labels("maybe_missed").inc()

    def trouble(self, kind: str, said: str) -> None:
        """Counts it, and says it once."""
        self._metrics.source_errors.labels(kind).inc()
        if said != self._said:
            self._said = said
            log.warning("logs of %s: %s", self._subject.container.name, said)

    def untroubled(self) -> None:
        """What is said next is news, even if it was said before."""
        self._said = None
