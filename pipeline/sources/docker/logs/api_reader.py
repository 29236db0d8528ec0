"""Reads one container's log over the Engine's API: `GET /containers/{id}/logs`.

https://docs.docker.com/reference/api/engine/#tag/Container/operation/ContainerLogs
"""

from __future__ import annotations

import asyncio
import time
from typing import NamedTuple

from pipeline.model.timestamps import timestamp, to_since
from pipeline.sources.docker.decode.frames import Decoder, new_decoder
from pipeline.sources.docker.discovery.container import FollowedContainer
from pipeline.sources.docker.engine.client import Engine, NotFound
from pipeline.sources.docker.engine.stream import ByteStream
from pipeline.sources.docker.logs.container_state import ContainerState, RunState
from pipeline.sources.docker.logs.damage import MARGIN, Around, Before, way_around
from pipeline.sources.docker.logs.distributor import Distributor
from pipeline.sources.docker.logs.last_line import first_time
from pipeline.sources.docker.logs.report import LogReport
from pipeline.sources.docker.logs.skipped_files import SkippedFiles

DAEMON_SAYS = b"Error grabbing logs: "
"""How dockerd begins its own messages in the stream of a TTY, which has no frame types."""
GONE = "the Engine no longer has the line read last"
"""Why lines may be missing, where the line at the position is not in the log any more."""
DAMAGED = "the log is damaged"
"""Why lines may be missing, where dockerd cannot decode a part of the log."""
LEFT_OUT = "Podman has left out lines at the container's end"
"""Why lines may be missing, where Podman followed a container that did not run any more."""
AT_ITS_END = 0.1
"""Seconds after a container's end, as it is noticed here, during which Podman leaves out none."""


class End(NamedTuple):
    """How a stream has ended."""

    decoder: Decoder | None = None
    """None when the stream gave nothing at all."""
    damaged: bool = False
    """Whether dockerd reported that it could read no further."""
    jumped: bool = False
    """Whether the next lines may not be those that follow, so that the log has to be opened
    again."""


class ApiReader:
    """Reads one container's log in streams, one after another."""

    def __init__(
        self,
        engine: Engine,
        container: FollowedContainer,
        state: ContainerState,
        lines: Distributor,
        report: LogReport,
        *,
        max_line: int,
        opening: asyncio.Semaphore,
    ) -> None:
        """`state` is told of the container's starts and end. `lines` takes the decoded lines, and
        knows the position. `max_line` is the number of bytes to which lines are cut. `opening`
        bounds the number of streams that are being opened at once.
        """
        self.listening: float | None = None
        """Since when the stream has been silent, by `time.monotonic`. None when there is no stream,
        or its last bytes are still being handled."""
        self._engine = engine
        self._container = container
        self._id = container.facts.id
        self._state = state
        self._lines = lines
        self._batcher = lines.batcher
        self._report = report
        self._max_line = max_line
        self._opening = opening
        self._skipped: SkippedFiles | None = None
        self._damaged = 0
        """How many times in a row the log could not be read from the position on."""
        self._stream: ByteStream | None = None

    def reopen(self) -> None:
        """Closes the stream, so that `read` ends and the next one begins at the position."""
        if self._stream is not None:
            self._stream.close()

    async def read(self) -> bool:
        """Reads from the position to the end of the log. Returns whether the container has ended,
        too.

        When it hasn't, call it again. Raises `NotFound`, `Unreadable`, `EngineError`, `FrameError`
        and `OSError`.
        """
        batcher, starts = self._batcher, self._state.starts
        before = batcher.position
        way = await self._way_around()
        read = self._read_podman if self._engine.podman else self._read_docker
        end, found = await read(way)
        if end.decoder is None and found.ended and self._state.opened < starts:
            self._state.opened = starts
            self._report.maybe_missed()
        behind_all = way is not None and not (way.exact or way.lines)
        if end.damaged or (found.ended and not behind_all and await self._has_more()):
            self._damaged = 0 if batcher.position != before else self._damaged + 1
            return False
        self._damaged = 0
        if found.ended and behind_all:
            await self._lines.end_with_gap(DAMAGED)
        next_run = starts != self._state.starts and not self._engine.podman
        if end.decoder is not None and (found.ended or next_run):
            await self._lines.take_unfinished(end.decoder.flush())
        if found.ended:
            batcher.end(found.started)
        return found.ended

    async def _has_more(self) -> bool:
        """Whether the log of an ended container has a line that was not read.

        dockerd reports damage in only one reading of two (measured). This finds it in the others.
        """
        if self._state.gone or self._engine.podman or not self._batcher.has_read:
            return False
        try:
            last = await first_time(self._engine, self._id)(1)
        except NotFound:
            return False
        return last is None or last > self._batcher.newest

    async def _read_docker(self, way: Around | None) -> tuple[End, RunState]:
        """Follows the log. Returns how the last stream ended, and the container's state then."""
        end = await self._read_stream(way)
        while end.jumped:
            end = await self._read_stream(None)
        return end, await self._state.ask()

    # ---------------------------------------------------------------------------- Podman
    # A stream that follows gives all lines while the container runs. From 0.25 s after its end on,
    # or at once if it is paused or being stopped or has ended when the stream is opened, Podman
    # leaves out lines at random: of 100,000 it gave 37,000 (measured, 5.4.2). A stream that doesn't
    # follow gives all that are written.

    async def _read_podman(self, way: Around | None) -> tuple[End, RunState]:
        """Follows the log while the container runs, and reads the rest without following.

        Returns as `_read_docker`.
        """
        found, batcher = await self._state.ask(), self._batcher
        run = found.started if found.steady else ""
        end = await self._read_stream(way, run=run, follow=found.steady)
        position = None
        while position != batcher.position:  # a connection that breaks looks like the log's end
            position = batcher.position
            # Before the read: what a container writes between that and its end is read next time.
            found = await self._state.ask()
            if found.steady:
                break
            rest = await self._read_rest()
            if rest.decoder is not None:
                end = rest
            elif self._state.gone and self._state.opened == self._state.starts:
                self._report.maybe_missed()
        return end, found._replace(ended=found.ended or self._state.gone)

    async def _rest_of(self, run: str) -> End | None:
        """Reads the rest of a log without following, once the run has ended that began at `run`.

        None when that run goes on. An `End` without a decoder when there is no log any more.
        """
        found, followed = await self._state.ask(), self._stream
        if found.steady and found.started == run:
            return None
        try:
            return await self._read_rest()
        finally:
            self._stream = followed

    async def _read_rest(self) -> End:
        """Reads what is written by now. An `End` without a decoder when there is no log."""
        try:
            return await self._read_stream(None, follow=False)
        except NotFound:
            await self._state.ask()
            return End()

    # ------------------------------------------------------------------------ one stream

    async def _read_stream(
        self, way: Around | None, until: bytes = b"", *, run: str = "", follow: bool = True
    ) -> End:
        """Reads one stream from the position on: to its end, or to the time `until`.

        Its end is that of the run, or unless `follow`, of what is written by now. `run`: when the
        run began that Podman follows.
        """
        since = self._batcher.position.since
        parameters = {"stdout": "1", "stderr": "1", "timestamps": "1"}
        if until:
            parameters["until"] = to_since(until)
        elif follow:
            parameters["follow"] = "1"
        if way is not None:
            parameters["tail"] = str(way.lines)
        elif since:
            parameters["since"] = to_since(since.encode())
        asked = timestamp(time.time() + self._engine.clock_offset)
        async with self._opening:
            stream = await self._engine.logs(self._id, **parameters)
        starts, before = self._state.starts, self._batcher.position
        was_there = end = None
        try:
            was_there = bool(until) or await self._container.learn() is not None
            self._stream = stream
            if run:
                self._state.doubt()  # it may have ended before the stream was opened
            end = await self._follow(stream, way, self._search_for_jumps(asked), run)
            return end
        finally:
            self._stream = self.listening = None
            stream.close()
            # The file of a damaged log may be gone already.
            was_there = was_there and not (end is not None and end.damaged)
            if was_there or self._batcher.position != before:
                self._state.opened = starts

    async def _follow(
        self, stream: ByteStream, way: Around | None, skipped: SkippedFiles | None, run: str
    ) -> End:
        data = await self._next(stream)
        if not data:
            return End()
        engine, lines = self._engine, self._lines
        decoder = new_decoder(
            data, self._max_line, podman=engine.podman, one_time=engine.lines_have_one_time
        )
        exact = way is not None and way.exact
        self._batcher.resume(
            DAMAGED if way else GONE,
            from_before=exact,
            behind_gap=way is not None and not exact,
            left_out=LEFT_OUT if engine.podman else "",
        )
        gone, left_out = 0.0, False
        while data:
            left_out = left_out or 0 < gone < time.monotonic() - AT_ITS_END
            if run and self._state.doubted and (rest := await self._rest_of(run)) is not None:
                if rest.decoder is not None:
                    return rest
                gone = (
                    gone or time.monotonic()
                )  # what is left comes from this stream, or not at all
            decoded, errors = decoder.feed(data), decoder.errors()
            times = decoded.times
            if times and not times[-1] and decoded.lines[-1].startswith(DAEMON_SAYS):
                errors.append(decoded.lines[-1])
                decoded = decoded.first(len(times) - 1)
            jump = skipped.find(decoded, len(data), self._batcher.read_again) if skipped else None
            if jump is not None:
                decoded = decoded.first(jump)
            new = await lines.take(decoded)
            if new is not None and skipped and jump is None:
                skipped.resumed(new.times[0])
            if jump is not None:
                return End(decoder, jumped=True)
            if errors:
                # No line follows, and dockerd may keep the stream of an ended container open.
                self._report.trouble("daemon", errors[0][:300].decode(errors="replace"))
                await lines.take_rest(whole=False)
                return End(decoder, damaged=True)
            data = await self._next(stream)
        await lines.take_rest(whole=False)
        if left_out:
            await lines.end_with_gap(LEFT_OUT)
        return End(decoder)

    async def _next(self, stream: ByteStream) -> bytes:
        self.listening = time.monotonic()
        try:
            return await stream.read()
        finally:
            self.listening = None

    # ------------------------------------------------------- files that dockerd skipped

    def _search_for_jumps(self, asked: bytes) -> SkippedFiles | None:
        """Prepares the search for skipped files in a stream that was just opened. None without
        rotation.
        """
        rotation = self._container.rotation
        if rotation is None or self._engine.podman:
            return None
        if self._skipped is None or self._skipped.rotation != rotation:
            self._skipped = SkippedFiles(rotation)
        self._skipped.opened(asked, self._engine.clock_offset)
        return self._skipped

    async def _way_around(self) -> Around | None:
        """Returns how to read the log where it is damaged at the position; None where it is not."""
        if not self._damaged:
            return None
        first = first_time(self._engine, self._id)
        batcher, margin = self._batcher, MARGIN
        if self._damaged > 1:
            margin = 1
        way = await way_around(batcher.position, batcher.newest, first, margin=margin, exact=True)
        if way.exact and self._damaged <= 2:
            return way
        await self._read_up_to_the_damage(way if way.exact else None)
        return await way_around(batcher.position, batcher.newest, first, margin=1, exact=False)

    async def _read_up_to_the_damage(self, way: Around | None) -> None:
        """Reads the lines before the damaged place. `way` begins before the position."""
        now = timestamp(time.time() + self._engine.clock_offset)
        before = Before(self._batcher.position.since.encode(), now)
        while not before.done:
            end = await self._read_stream(way, before.middle)
            before.read(damaged=end.damaged)
