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
from typing import Protocol

import msgspec

from pipeline.batch import Batch, Container
from pipeline.checkpoint import Position
from pipeline.errors import EngineError
from pipeline.metrics import Metrics
from pipeline.settlement import Account
from pipeline.sources.docker.cursor import Cursor, Replay
from pipeline.sources.docker.engine import Engine, NotFound, Unreadable
from pipeline.sources.docker.frames import Columns, Decoder, FrameError, new_decoder, no_columns
from pipeline.sources.docker.stream import ByteStream
from pipeline.timestamps import NO_TIME, timestamp, to_since

log = logging.getLogger(__name__)

FIRST_WAIT, LONGEST_WAIT = 0.2, 10.0
"""Seconds between attempts to open a stream that should be there."""


class Subject(Protocol):
    """The container that a tail reads, as its source knows it."""

    container: Container
    """May be replaced while it is followed (a rename)."""

    async def learn(self) -> None:
        """Asks the Engine for the container's full facts, unless they are known. Never raises."""

    async def distribute(self, batch: Batch) -> None:
        """Takes a batch through the container's lanes."""


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
        self._started = asyncio.Event()
        self._news = asyncio.Event()
        self.gone = False
        """The container is removed."""
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
            return True
        except Unreadable as error:
            self._trouble("unreadable", str(error))
            await self._subject.learn()
            return None
        except (EngineError, OSError, FrameError) as error:
            self._trouble("stream", str(error))
            return False

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
        """From the cursor to the stream's end. True when that was the container's end too."""
        position = self._cursor.position
        parameters = {"stdout": "1", "stderr": "1", "timestamps": "1", "follow": "1"}
        if position.since:
            parameters["since"] = to_since(position.since.encode())
        async with self._opening:
            stream = await self._engine.logs(self._id, **parameters)
        try:
            await self._subject.learn()
            decoder = await self._follow(stream, position)
        finally:
            stream.close()
        try:
            state = (await self._engine.get(f"/containers/{self._id}/json"))["State"]
        except NotFound:
            state, self.gone = {}, True
        ended = not (state.get("Running") or state.get("Restarting"))
        if decoder is not None and (ended or starts != self._starts):
            await self._give_up_on_open_lines(decoder)
        if ended:
            self._note_end(str(state.get("StartedAt", "")))
        return ended

    async def _follow(self, stream: ByteStream, position: Position) -> Decoder | None:
        data = await stream.read()
        if not data:
            return None
        decoder = new_decoder(data, self._max_line, podman=self._engine.podman)
        replay = Replay(position)
        self._cursor = cursor = Cursor(position)
        while data:
            columns = decoder.feed(data)
            cursor.see(columns, decoder)
            if not replay.done:
                columns = self._replayed(replay, columns, decoder)
            if columns.lines:
                await self._emit(columns, cursor.advance(columns, decoder))
            for error in decoder.errors():
                self._trouble("daemon", error[:300].decode(errors="replace"))
            data = await stream.read()
        if not replay.done and (columns := replay.filter(no_columns(), last=True)).lines:
            await self._emit(columns, cursor.advance(columns, decoder))
        return decoder

    def _replayed(self, replay: Replay, columns: Columns, decoder: Decoder) -> Columns:
        columns = replay.filter(columns, decoder.open_partials())
        if replay.done and replay.gap:
            self._metrics.source_errors.labels("gap").inc()
            log.warning(
                "logs of %s: the line read last has been rotated away; lines between it and the "
                "oldest one kept may be lost",
                self._subject.container.name,
            )
        return columns

    async def _give_up_on_open_lines(self, decoder: Decoder) -> None:
        columns = decoder.flush()
        if columns.lines:
            await self._emit(columns, self._cursor.flushed(len(columns.lines)))

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
