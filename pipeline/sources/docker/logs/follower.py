"""Reads one container's log, again and again until the container is removed.

The log is opened as soon as the container starts, before anything else is asked about it. What a
container has written that lives for some milliseconds and is removed can only be read at once.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from pipeline.accounting.acks import AckTracker
from pipeline.accounting.checkpoint import Position
from pipeline.model.container import Container
from pipeline.model.errors import EngineError
from pipeline.model.metrics import Metrics
from pipeline.sources.docker.decode.frames import FrameError
from pipeline.sources.docker.discovery.container import FollowedContainer
from pipeline.sources.docker.engine.client import Engine, NotFound, Unreadable
from pipeline.sources.docker.logs.api_reader import ApiReader
from pipeline.sources.docker.logs.batcher import Batcher
from pipeline.sources.docker.logs.container_state import ContainerState
from pipeline.sources.docker.logs.distributor import Distributor
from pipeline.sources.docker.logs.file_reader import FileReader, FromFiles
from pipeline.sources.docker.logs.report import LogReport
from pipeline.support.plural import plural
from pipeline.support.rate_limit import RateLimit

log = logging.getLogger(__name__)
_missed = RateLimit()

FIRST_WAIT, LONGEST_WAIT = 0.2, 10.0
"""Seconds between attempts to open a log that should exist: at first, and at most."""


class Follower:
    """Reads one container's log until the container is removed.

    `run` is run by one task. When it is cancelled, lines that were not settled are read again next
    time. `start` is called for each start of the container, `stop` when it is removed.
    """

    def __init__(
        self,
        engine: Engine,
        container: FollowedContainer,
        position: Position,
        acks: AckTracker[Position],
        metrics: Metrics,
        *,
        max_line: int,
        opening: asyncio.Semaphore,
        available: Callable[[], Awaitable[None]],
        files: FromFiles | None = None,
    ) -> None:
        """`position` is where to begin. `acks` gives batches their acknowledgements. `max_line` is
        the number of bytes to which lines are cut. `opening` bounds streams that are being opened
        at once. `available` waits until the Engine answers. `files`: the log is read from its files
        where possible; None for the API only.
        """
        container.sequence = container.resumed = position.sequence
        container.start_counting()
        self._container = container
        self._metrics = metrics
        self._available = available
        self._started = asyncio.Event()
        self._read_to = 0
        """Number of the start up to whose end the log was read."""
        self._missed = 0
        """Number of the start up to which the log could never be opened."""
        self._at_end = asyncio.Event()
        """Set and cleared whenever `_read_to` changes."""
        self._state = ContainerState(engine, container.facts.id)
        self._report = LogReport(container, metrics)
        self._batcher = Batcher(position, acks, lambda: time.time() + engine.clock_offset)
        self._lines = Distributor(container, self._batcher, self._report, metrics)
        read = engine, container, self._state, self._lines, self._report
        self._api = ApiReader(*read, max_line=max_line, opening=opening)
        self._files = FileReader(*read, files, max_line=max_line) if files is not None else None

    def start(self) -> None:
        """Says that the container was started."""
        self._state.start()
        self._started.set()

    def doubt(self) -> None:
        """Says that the container may have ended."""
        self._state.doubt()

    def stop(self) -> None:
        """Says that the container was removed. `run` ends after reading what can still be read."""
        self._state.stop()
        self._started.set()

    async def run(self) -> None:
        """Reads until the container is removed, or its log turns out to be unreadable.

        Waits for a start, reads to the end of that run, and so on. Errors of the Engine are
        reported, and it tries again.
        """
        state, wait = self._state, FIRST_WAIT
        while True:
            await self._started.wait()
            starts, before = state.starts, self._batcher.position
            began = time.monotonic()
            ended = await self._attempt(starts)
            if ended or state.gone:
                self._container.run_ended()
            if state.gone or ended is None:
                if ended is False:
                    self._note_missed(starts)
                return
            if ended and starts == state.starts:
                self._started.clear()
                wait = FIRST_WAIT
                self._report.untroubled()
                continue
            # A proxy closes idle streams: a stream that lasted counts as much as one with lines.
            lasted = time.monotonic() - began > LONGEST_WAIT
            useful = lasted or self._batcher.position != before
            wait = FIRST_WAIT if useful else min(wait * 2, LONGEST_WAIT)
            if starts == state.starts:
                state.forget_news()
                await state.until_news(wait)

    async def _attempt(self, starts: int) -> bool | None:
        """Reads once. Returns whether the log was read to the container's end; None if it is
        unreadable.
        """
        self._read_to = min(self._read_to, starts - 1)
        try:
            await self._available()
            ended = await self._files.read() if self._files is not None else None
            ended = await self._api.read() if ended is None else ended
        except NotFound:
            self._note_missed(starts)
            return True
        except Unreadable as error:
            self._report.trouble("unreadable", str(error))
            await self._container.learn()
            return None
        except (EngineError, OSError, FrameError) as error:
            self._report.trouble("stream", str(error))
            return False
        self._read_to = starts
        self._at_end.set()
        self._at_end.clear()
        return ended

    def cancel(self, task: asyncio.Task[None]) -> None:
        """Cancels `task`, which runs this follower: at once, or when the current lines were handed
        out.
        """
        if self._lines.busy:
            self._lines.afterwards = task.cancel
        else:
            task.cancel()

    def _note_missed(self, starts: int) -> None:
        """Counts a container that was removed, perhaps before its log could be opened after that
        start.
        """
        if max(self._state.opened, self._missed) >= starts:
            return
        self._missed = starts
        self._metrics.source_errors.labels("missed").inc()
        if count := _missed():
            log.warning(
                "%d %s removed before the log could be opened, the last one %s: what was written "
                "is lost",
                count,
                plural(count, "container was", "containers were"),
                self._container.facts.name,
            )

    # ------------------------------------------------------------------- seen from outside

    @property
    def container(self) -> Container:
        """Facts of the container by now."""
        return self._container.facts

    @property
    def gone(self) -> bool:
        """Whether the container is removed."""
        return self._state.gone

    @property
    def idle(self) -> bool:
        """Whether it waits for the container's next start."""
        return not self._started.is_set()

    @property
    def starts(self) -> int:
        """How many starts of the container it was told of."""
        return self._state.starts

    def has_read_to_end(self, start: int) -> bool:
        """Whether the log was read to the end of the run that began with that start (`starts`
        then).
        """
        return self._read_to >= start

    async def until_end(self, start: int) -> None:
        """Waits until the log was read to the end of the run that began with that start."""
        while not self.has_read_to_end(start):
            await self._at_end.wait()

    @property
    def newest(self) -> bytes:
        """The newest time read, as in `Batch.times`; empty when there is none."""
        return self._batcher.newest

    @property
    def has_read(self) -> bool:
        """Whether any line of the log was ever read."""
        return self._batcher.has_read

    @property
    def listening(self) -> float | None:
        """Since when its stream has been silent, by `time.monotonic`. None when there is no stream,
        or its last bytes are still being handled.
        """
        return self._api.listening

    def reopen(self) -> None:
        """Closes the stream and opens another one at the position."""
        self._api.reopen()
