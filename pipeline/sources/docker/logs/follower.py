"""One container's log, read again and again until the container is gone.

Opened as soon as the container starts, before anything else is asked about it: what a container
that lives for a few milliseconds and is removed has written can be had only in that moment.
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
"""Seconds between attempts to open a log that should be there."""


class Follower:
    """Reads until the container is gone. One task; cancelled, it loses nothing that is not settled.

    `start()` is called for every start of the container, `stop()` when it is gone.
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
        """`available` waits until the Engine answers; `opening` bounds streams being opened.
        `files`: its log is read from its files where that can be."""
        container.sequence = position.sequence
        self._container = container
        self._metrics = metrics
        self._available = available
        self._started = asyncio.Event()
        self._read_to = 0
        """The start of the container up to whose end its log was read."""
        self._missed = 0
        """The start of the container up to which its log was never there."""
        self._at_end = asyncio.Event()
        """Set and cleared whenever that changes."""
        self._state = ContainerState(engine, container.facts.id)
        self._report = LogReport(container, metrics)
        self._batcher = Batcher(position, acks, lambda: time.time() + engine.clock_offset)
        self._lines = Distributor(container, self._batcher, self._report, metrics)
        read = engine, container, self._state, self._lines, self._report
        self._api = ApiReader(*read, max_line=max_line, opening=opening)
        self._files = FileReader(*read, files, max_line=max_line) if files is not None else None

    def start(self) -> None:
        self._state.start()
        self._started.set()

    def doubt(self) -> None:
        """There is reason to think that the container has ended."""
        self._state.doubt()

    def stop(self) -> None:
        """The container is removed: ends after what can still be read."""
        self._state.stop()
        self._started.set()

    async def run(self) -> None:
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
            # A proxy cuts what is silent: that a stream has lasted is as good as lines from it.
            lasted = time.monotonic() - began > LONGEST_WAIT
            useful = lasted or self._batcher.position != before
            wait = FIRST_WAIT if useful else min(wait * 2, LONGEST_WAIT)
            if starts == state.starts:
                state.forget_news()
                await state.until_news(wait)

    async def _attempt(self, starts: int) -> bool | None:
        """Whether the log was read to the container's end; None where it can never be read."""
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
        """Ends the task that runs this, at once or when what is being handed out is settled."""
        if self._lines.busy:
            self._lines.afterwards = task.cancel
        else:
            task.cancel()

    def _note_missed(self, starts: int) -> None:
        """The container is removed: perhaps before its log could be opened after that start."""
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
        """Whose log it is."""
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
        """How often the container was seen to start."""
        return self._state.starts

    def has_read_to_end(self, start: int) -> bool:
        """Whether the log was read as far as it went when the container ended after that start."""
        return self._read_to >= start

    async def until_end(self, start: int) -> None:
        """Waits for that."""
        while not self.has_read_to_end(start):
            await self._at_end.wait()

    @property
    def newest(self) -> bytes:
        """The newest time read; empty for none."""
        return self._batcher.newest

    @property
    def has_read(self) -> bool:
        """Whether any line of the log was ever read."""
        return self._batcher.has_read

    @property
    def listening(self) -> float | None:
        """Since when its stream has been silent (`time.monotonic`); None when there is none, or
        what it gave is still being worked on."""
        return self._api.listening

    def reopen(self) -> None:
        """Gives up the stream, and opens another one at the cursor."""
        self._api.reopen()
