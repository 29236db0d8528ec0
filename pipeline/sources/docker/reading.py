"""One container's log over the Engine's API: `GET /containers/{id}/logs`.

https://docs.docker.com/reference/api/engine/#tag/Container/operation/ContainerLogs
"""

from __future__ import annotations

import asyncio
import time
from typing import NamedTuple, cast

from pipeline.sources.docker.cursor import Decoded, Replay
from pipeline.sources.docker.damage import MARGIN, Around, Before, way_around
from pipeline.sources.docker.emission import Emission, Subject
from pipeline.sources.docker.engine import Engine, NotFound
from pipeline.sources.docker.frames import Decoder, new_decoder
from pipeline.sources.docker.glance import first_time
from pipeline.sources.docker.leaps import Leaps
from pipeline.sources.docker.life import Life
from pipeline.sources.docker.partly import up_to
from pipeline.sources.docker.pieces import Columns, no_columns
from pipeline.sources.docker.stream import ByteStream
from pipeline.timestamps import timestamp, to_since

DAEMON_SAYS = b"Error grabbing logs: "
"""How dockerd begins what it says of itself in a terminal's stream, which has no types."""


class End(NamedTuple):
    """How a stream has ended."""

    decoder: Decoder | None = None
    """None when it gave nothing at all."""
    damaged: bool = False
    """The daemon said that it could read no further."""
    leapt: bool = False
    """The lines that come next may not be those that follow. It is to be opened again."""


class StreamReading:
    """Reads one container's log in streams, one after another."""

    def __init__(
        self,
        engine: Engine,
        subject: Subject,
        life: Life,
        emission: Emission,
        *,
        max_line: int,
        opening: asyncio.Semaphore,
    ) -> None:
        """`opening` bounds streams being opened."""
        self._engine = engine
        self._subject = subject
        self._id = subject.container.id
        self._life = life
        self._emission = emission
        self._max_line = max_line
        self._opening = opening
        self._leaps: Leaps | None = None
        self._damaged = 0
        """How often in a row the log could not be read from the cursor on."""
        self._stream: ByteStream | None = None
        self.listening: float | None = None
        """Since when the stream has been silent (`time.monotonic`); None when there is none, or
        what it gave is still being worked on."""

    def reopen(self) -> None:
        """Gives up the stream, and opens another one at the cursor."""
        if self._stream is not None:
            self._stream.close()

    async def read(self) -> bool:
        """From the cursor to the log's end. True when that was the container's end too.

        Raises `NotFound`, `Unreadable`, `EngineError`, `FrameError` and `OSError`."""
        emission, starts = self._emission, self._life.starts
        before = emission.position
        way = await self._way_around()
        end = await self._read_stream(way)
        while end.leapt:
            end = await self._read_stream(None)
        state = await self._life.ask()
        if end.decoder is None and state.ended and self._life.opened < starts:
            self._life.opened = starts
            emission.doubt_emptiness()
        behind_all = way is not None and not (way.exact or way.lines)
        if end.damaged or (state.ended and not behind_all and await self._has_more()):
            self._damaged = 0 if emission.position != before else self._damaged + 1
            return False
        self._damaged = 0
        if state.ended and behind_all:
            emission.note_gap_at_end("the log is damaged")
        if end.decoder is not None and (state.ended or starts != self._life.starts):
            await emission.give_up_on(end.decoder.flush())
        if state.ended:
            emission.note_end(state.started)
        return state.ended

    async def _has_more(self) -> bool:
        """Whether the log of a container that has ended has a line that was not read. That the
        log is damaged is something that dockerd says only in one reading of two (measured)."""
        if self._life.gone or self._engine.podman or not self._emission.has_read:
            return False
        try:
            last = await first_time(self._engine, self._id)(1)
        except NotFound:
            return False
        return last is None or last > self._emission.newest

    # ------------------------------------------------------------------------ one stream

    async def _read_stream(self, way: Around | None, until: bytes = b"") -> End:
        """One stream, from the cursor on, and up to the log's end and beyond, or to a time."""
        since = self._emission.position.since
        parameters = {"stdout": "1", "stderr": "1", "timestamps": "1"}
        parameters |= {"until": to_since(until)} if until else {"follow": "1"}
        if way is not None:
            parameters["tail"] = str(way.lines)
        elif since:
            parameters["since"] = to_since(since.encode())
        asked = timestamp(time.time() + self._engine.clock_offset)
        async with self._opening:
            stream = await self._engine.logs(self._id, **parameters)
        life, starts, opened = self._life, self._life.starts, self._life.opened
        before = self._emission.position
        try:
            if until or await self._subject.learn() is not None:
                life.opened = starts
            self._stream = stream
            leaps = self._watch_for_leaps(asked)
            end = await self._follow(stream, way, leaps)
            if self._emission.position != before:
                life.opened = starts
            elif end.damaged:
                life.opened = opened  # its file may be gone already
            return end
        finally:
            self._stream = self.listening = None
            stream.close()

    async def _follow(self, stream: ByteStream, way: Around | None, leaps: Leaps | None) -> End:
        data = await self._next(stream)
        if not data:
            return End()
        engine, emission = self._engine, self._emission
        decoder = new_decoder(
            data, self._max_line, podman=engine.podman, one_time=engine.lines_have_one_time
        )
        exact = way is not None and way.exact
        replay = Replay(
            emission.position, from_before=exact, behind_gap=way is not None and not exact
        )
        emission.begin()
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
            emission.cursor.see(columns, seen)
            if not replay.done:
                columns = self._replayed(replay, columns, decoder, way)
            if columns.lines:
                if leaps and leap is None:
                    leaps.resumed(columns.times[0])
                await emission.take(columns, seen)
            if leap is not None:
                return End(decoder, leapt=True)
            if errors:
                # Nothing comes behind it, and that of an ended container may be kept open.
                emission.trouble("daemon", errors[0][:300].decode(errors="replace"))
                damaged = True
                break
            data = await self._next(stream)
        if not replay.done and (columns := replay.filter(no_columns(), last=True)).lines:
            await emission.take(columns, decoder)
        return End(decoder, damaged=damaged)

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
        if replay.done:
            why = "the log is damaged" if way else "the Engine no longer has the line read last"
            self._emission.note_replayed(replay, columns, why)
        return columns

    # ---------------------------------------------------------- what a follow passes over

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
        emission, margin = self._emission, MARGIN
        if self._damaged > 1:
            margin = 1
        way = await way_around(emission.position, emission.newest, first, margin=margin, exact=True)
        if way.exact and self._damaged <= 2:
            return way
        await self._read_up_to_the_damage(way if way.exact else None)
        return await way_around(emission.position, emission.newest, first, margin=1, exact=False)

    async def _read_up_to_the_damage(self, way: Around | None) -> None:
        """`way`: around one before the cursor."""
        now = timestamp(time.time() + self._engine.clock_offset)
        before = Before(self._emission.position.since.encode(), now)
        while not before.done:
            end = await self._read_stream(way, before.middle)
            before.read(damaged=end.damaged)
