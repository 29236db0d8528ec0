"""One container's log, from the Engine to the container's lanes.

Opened as soon as the container starts, before anything else is asked about it: what a container
that lives for a few milliseconds and is removed has written can be had only in that moment.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import NamedTuple, Protocol, cast

import msgspec

from pipeline.batch import Batch, Container
from pipeline.checkpoint import Position
from pipeline.errors import EngineError
from pipeline.metrics import Metrics
from pipeline.ratelimit import RateLimit
from pipeline.settlement import Account
from pipeline.sources.docker.cursor import Cursor, Decoded, Replay, fingerprint
from pipeline.sources.docker.damage import MARGIN, Around, Before, way_around
from pipeline.sources.docker.engine import Engine, NotFound, Unreadable
from pipeline.sources.docker.frames import Decoder, FrameError, new_decoder
from pipeline.sources.docker.glance import first_time
from pipeline.sources.docker.leaps import Leaps
from pipeline.sources.docker.partly import up_to
from pipeline.sources.docker.pieces import Columns, no_columns
from pipeline.sources.docker.rotation import Rotation
from pipeline.sources.docker.stream import ByteStream
from pipeline.timestamps import NO_TIME, timestamp, to_since

log = logging.getLogger(__name__)
_missed = RateLimit()

FIRST_WAIT, LONGEST_WAIT = 0.2, 10.0
"""Seconds between attempts to open a stream that should be there."""
DAEMON_SAYS = b"Error grabbing logs: "
"""How dockerd begins what it says of itself in a terminal's stream, which has no types."""


class Subject(Protocol):
    """The container that a tail reads, as its source knows it."""

    container: Container
    """May be replaced while it is followed (a rename)."""
    rotation: Rotation | None
    """How the Engine rotates its log, as far as it was learned."""

    async def learn(self) -> None:
        """Asks the Engine for the container's full facts, unless they are known. Never raises."""

    async def distribute(self, batch: Batch) -> None:
        """Takes a batch through the container's lanes."""

    def resumed_inexactly(self, sequence: int) -> None:
        """The lines after that one have other numbers than they had, or might have had, before."""


class End(NamedTuple):
    """How a stream has ended."""

    decoder: Decoder | None = None
    """None when it gave nothing at all."""
    damaged: bool = False
    """The daemon said that it could read no further."""
    leapt: bool = False
    """The lines that come next may not be those that follow. It is to be opened again."""


class Tail:
    """Reads until the container is gone. One task; cancelled, it loses nothing that is not settled.

    `start()` is called for every start of the container, `stop()` when it is gone.
    """

    def __init__(
        self,
        engine: Engine,
        subject: Subject,
        position: Position,
        account: Account[Position],
        metrics: Metrics,
        *,
        max_line: int,
        opening: asyncio.Semaphore,
        available: Callable[[], Awaitable[None]],
    ) -> None:
        """`available` waits until the Engine answers; `opening` bounds streams being opened."""
        self._engine = engine
        self._subject = subject
        self._id = subject.container.id
        self._cursor = Cursor(position)
        self._account = account
        self._metrics = metrics
        self._max_line = max_line
        self._opening = opening
        self._available = available
        self._starts = 0
        self._opened = 0
        """How many there were when its log was opened last."""
        self._started = asyncio.Event()
        self._news = asyncio.Event()
        self.gone = False
        """The container is removed."""
        self._leaps: Leaps | None = None
        self._damaged = 0
        """How often in a row the log could not be read from the cursor on."""
        self._stream: ByteStream | None = None
        self.listening: float | None = None
        """Since when the stream has been silent (`time.monotonic`); None when there is none, or
        what it gave is still being worked on."""
        self._said: str | None = None
        """The trouble that was told of last, until there are lines again."""
        self.count_as(subject.container.name)

    def count_as(self, name: str) -> None:
        """The container's name in the metrics from now on."""
        self._received = self._metrics.received.labels(name)
        self._received_bytes = self._metrics.received_bytes.labels(name)

    @property
    def idle(self) -> bool:
        """Whether it waits for the container's next start."""
        return not self._started.is_set()

    def start(self) -> None:
        self._starts += 1
        self._started.set()
        self._news.set()

    def stop(self) -> None:
        """The container is removed: ends after what can still be read."""
        self.gone = True
        self._started.set()
        self._news.set()

    async def run(self) -> None:
        wait = FIRST_WAIT
        while True:
            await self._started.wait()
            starts, before = self._starts, self._cursor.position
            began = time.monotonic()
            ended = await self._attempt(starts)
            if self.gone or ended is None:
                return
            if ended and starts == self._starts:
                self._started.clear()
                wait, self._said = FIRST_WAIT, None
                continue
            # A proxy cuts what is silent: that a stream has lasted is as good as lines from it.
            lasted = time.monotonic() - began > LONGEST_WAIT
            useful = lasted or self._cursor.position != before
            wait = FIRST_WAIT if useful else min(wait * 2, LONGEST_WAIT)
            if starts == self._starts:
                await self._pause(wait)

    async def _attempt(self, starts: int) -> bool | None:
        """Whether the log was read to the container's end; None where it can never be read."""
        try:
            await self._available()
            return await self._read_once(starts)
        except NotFound:
            if self._opened < starts:
                self._note_missed()
            return True
        except Unreadable as error:
            self._trouble("unreadable", str(error))
            await self._subject.learn()
            return None
        except (EngineError, OSError, FrameError) as error:
            self._trouble("stream", str(error))
            return False

    def _note_missed(self) -> None:
        """The container was removed before its log could be opened."""
        self._metrics.source_errors.labels("missed").inc()
        if count := _missed():
            log.warning(
                "%d containers were removed before their log could be opened, the last one %s: "
                "what they wrote is lost",
                count,
                self._subject.container.name,
            )

    async def _pause(self, wait: float) -> None:
        """Until there is news of the container, or it is time."""
        self._news.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await self._news.wait()

    def _trouble(self, kind: str, said: str) -> None:
        """Counts it, and says it once."""
        self._metrics.source_errors.labels(kind).inc()
        if said != self._said:
            self._said = said
            log.warning("logs of %s: %s", self._subject.container.name, said)

    # ------------------------------------------------------------------------ one stream

    async def _read_once(self, starts: int) -> bool:
        """From the cursor to the log's end. True when that was the container's end too."""
        before = self._cursor.position
        way = await self._way_around()
        end = await self._read_stream(way)
        while end.leapt:
            end = await self._read_stream(None)
        try:
            state = (await self._engine.get(f"/containers/{self._id}/json"))["State"]
        except NotFound:
            state, self.gone = {}, True
        ended = not (state.get("Running") or state.get("Restarting"))
        behind_all = way is not None and not (way.exact or way.lines)
        if end.damaged or (ended and not behind_all and await self._has_more()):
            moved = self._cursor.position != before
            self._damaged = 0 if moved else self._damaged + 1
            return False
        self._damaged = 0
        if ended and behind_all:
            self._note_gap(b"", "the log is damaged")
            self._subject.resumed_inexactly(self._cursor.position.sequence)
        if end.decoder is not None and (ended or starts != self._starts):
            await self._give_up_on_open_lines(end.decoder)
        if ended:
            self._note_end(str(state.get("StartedAt", "")))
        return ended

    async def _has_more(self) -> bool:
        """Whether the log of a container that has ended has a line that was not read. That the
        log is damaged is something that dockerd says only in one reading of two (measured)."""
        if self.gone or self._engine.podman or not self.has_read:
            return False
        try:
            last = await first_time(self._engine, self._id)(1)
        except NotFound:
            return False
        return last is None or last > self._newest_read

    async def _read_stream(self, way: Around | None, until: bytes = b"") -> End:
        """One stream, from the cursor on, and up to the log's end and beyond, or to a time."""
        position = self._cursor.position
        parameters = {"stdout": "1", "stderr": "1", "timestamps": "1"}
        parameters |= {"until": to_since(until)} if until else {"follow": "1"}
        if way is not None:
            parameters["tail"] = str(way.lines)
        elif position.since:
            parameters["since"] = to_since(position.since.encode())
        asked = timestamp(time.time() + self._engine.clock_offset)
        async with self._opening:
            stream = await self._engine.logs(self._id, **parameters)
        self._opened = self._starts
        try:
            if not until:
                await self._subject.learn()
            self._stream = stream
            leaps = self._watch_for_leaps(asked)
            return await self._follow(stream, position, way, leaps)
        finally:
            self._stream = self.listening = None
            stream.close()

    async def _follow(
        self, stream: ByteStream, position: Position, way: Around | None, leaps: Leaps | None
    ) -> End:
        data = await self._next(stream)
        if not data:
            return End()
        engine = self._engine
        decoder = new_decoder(
            data, self._max_line, podman=engine.podman, one_time=engine.lines_have_one_time
        )
        exact = way is not None and way.exact
        replay = Replay(position, from_before=exact, behind_gap=way is not None and not exact)
        self._cursor = cursor = Cursor(position)
        damaged = False
        while data:
            columns, seen = decoder.feed(data), cast(Decoded, decoder)
            errors = decoder.errors()
            if (
                columns.times
                and not columns.times[-1]
                and columns.lines[-1].startswith(DAEMON_SAYS)
            ):
                errors.append(columns.lines[-1])
                columns, seen = up_to(columns, decoder, len(columns.lines) - 1)
            leap = leaps.find(columns, len(data)) if leaps else None
            if leap is not None:
                columns, seen = up_to(columns, decoder, leap)
            cursor.see(columns, seen)
            if not replay.done:
                columns = self._replayed(replay, columns, decoder, way)
            if columns.lines:
                if leaps and leap is None:
                    leaps.resumed(columns.times[0])
                if not (cursor.position.mark or cursor.position.first):
                    self._note_beginning(columns)
                await self._emit(columns, cursor.advance(columns, seen))
            if leap is not None:
                return End(decoder, leapt=True)
            if errors:
                # Nothing comes behind it, and that of an ended container may be kept open.
                self._trouble("daemon", errors[0][:300].decode(errors="replace"))
                damaged = True
                break
            data = await self._next(stream)
        if not replay.done and (columns := replay.filter(no_columns(), last=True)).lines:
            await self._emit(columns, cursor.advance(columns, decoder))
        return End(decoder, damaged=damaged)

    def _note_beginning(self, columns: Columns) -> None:
        """So that, if the log is read again from here, it is known whether these lines come."""
        first = fingerprint(columns, 0)
        self._account.open(msgspec.structs.replace(self._cursor.position, first=first)).settle()

    async def _next(self, stream: ByteStream) -> bytes:
        self.listening = time.monotonic()
        try:
            return await stream.read()
        finally:
            self.listening = None

    def _replayed(
        self, replay: Replay, columns: Columns, decoder: Decoder, way: Around | None
    ) -> Columns:
        columns = replay.filter(columns, decoder.open_partials())
        if not replay.done:
            return columns
        if replay.gap:
            why = "the log is damaged" if way else "the Engine no longer has the line read last"
            self._note_gap(min(columns.times), why)
        if replay.inexact:
            self._subject.resumed_inexactly(self._cursor.position.sequence)
        return columns

    def _note_gap(self, until: bytes, why: str) -> None:
        """Lines may be missing between the cursor and `until` (empty for the log's end)."""
        since, self._said = self._cursor.position.since, None
        self._cursor.gap()
        name = self._subject.container.name
        self._metrics.log_gaps.labels(name).inc()
        log.warning(
            "logs of %s: lines between %s and %s may be lost: %s",
            name,
            since or "its beginning",
            until.decode() or "its end",
            why,
        )

    def _watch_for_leaps(self, asked: bytes) -> Leaps | None:
        """For the stream that was just opened."""
        rotation = self._subject.rotation
        if rotation is None or self._engine.podman:
            return None
        if self._leaps is None or self._leaps.rotation != rotation:
            self._leaps = Leaps(rotation)
        self._leaps.opened(asked, self._engine.clock_offset)
        return self._leaps

    async def _way_around(self) -> Around | None:
        """Where the log cannot be read from the cursor on, how it can."""
        if not self._damaged:
            return None
        first = first_time(self._engine, self._id)
        position, newest, margin = self._cursor.position, self._newest_read, MARGIN
        if self._damaged > 1:
            margin = 1
        way = await way_around(position, newest, first, margin=margin, exact=True)
        if way.exact and self._damaged <= 2:
            return way
        await self._read_up_to_the_damage(way if way.exact else None)
        position, newest = self._cursor.position, self._newest_read
        return await way_around(position, newest, first, margin=1, exact=False)

    async def _read_up_to_the_damage(self, way: Around | None) -> None:
        """`way`: around one before the cursor."""
        now = timestamp(time.time() + self._engine.clock_offset)
        before = Before(self._cursor.position.since.encode(), now)
        while not before.done:
            end = await self._read_stream(way, before.middle)
            before.read(damaged=end.damaged)

    @property
    def _newest_read(self) -> bytes:
        return max(self._cursor.newest, self._cursor.position.since.encode())

    # ------------------------------------------------------------------- seen from outside

    @property
    def container(self) -> Container:
        return self._subject.container

    @property
    def newest(self) -> bytes:
        """The newest time read; empty for none."""
        return self._cursor.newest

    @property
    def has_read(self) -> bool:
        """Whether any line of the log was ever read."""
        return self._cursor.position.mark != 0

    def reopen(self) -> None:
        """Gives up the stream, and opens another one at the cursor."""
        if self._stream is not None:
            self._stream.close()

    async def _give_up_on_open_lines(self, decoder: Decoder) -> None:
        columns = decoder.flush()
        if columns.lines:
            position = self._cursor.flushed(len(columns.lines))
            self._subject.resumed_inexactly(position.sequence)
            await self._emit(columns, position)

    def _note_end(self, started: str) -> None:
        """So that the next run of the agent need not read this log again to find nothing new."""
        ended = msgspec.structs.replace(self._cursor.position, ended=started)
        self._account.open(ended).settle()

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
            acknowledgement=receipt,
        )
        self._received.inc(count)
        self._received_bytes.inc(sum(map(len, lines)))
        try:
            await self._subject.distribute(batch)
        except Exception:  # a bug; what comes after must not suffer for it
            self._metrics.source_errors.labels("bug").inc()
            log.exception("%d lines of %s are lost", count, self._subject.container.name)
        receipt.settle()
