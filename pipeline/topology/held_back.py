"""Entries that stages hold back: the acknowledgements that wait for them, and the task that flushes
them."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import Coroutine
from typing import Any, Protocol

from pipeline.model.acknowledgement import Acknowledgement
from pipeline.support.rate_limit import RateLimit
from pipeline.topology.stage_budget import StageBudget

log = logging.getLogger(__name__)

EVERY = 0.1
"""Seconds between two flushes of the stages that hold something back."""


class PendingAcks:
    """Acknowledgements of the batches from which a lane's stages hold entries back.

    A container's offset moves in order (see `pipeline.accounting.acks`). So entries that are let go
    only have to hold the oldest batch that they may come from: no newer batch is acknowledged
    before it.
    """

    __slots__ = ("_batches",)

    def __init__(self) -> None:
        self._batches: deque[tuple[int, Acknowledgement]] = deque()

    def add(self, last: int, acknowledgement: Acknowledgement) -> None:
        """Holds the acknowledgement of a batch whose last entry has the sequence number `last`."""
        acknowledgement.hold()
        self._batches.append((last, acknowledgement))

    def oldest_or(self, newest: Acknowledgement) -> Acknowledgement:
        """The acknowledgement of the oldest batch that waits, or `newest` if none does."""
        return self._batches[0][1] if self._batches else newest

    def settle_before(self, first: int | None) -> None:
        """Settles all batches before the entry `first`, the oldest that is still held back; all if
        it is None."""
        batches = self._batches
        while batches and (first is None or batches[0][0] < first):
            batches.popleft()[1].settle()


class HoldingLanes(Protocol):
    """A container's lanes with stages that may hold entries back, as the `Flusher` sees them."""

    def flush(self, now: float) -> None:
        """Lets go of what was held back long enough by `now` (the loop's clock, in seconds).

        `math.inf` lets go of everything. Does nothing while a batch of the same container waits for
        room.
        """


class Flusher:
    """Flushes the stages of all containers, one container after the other."""

    def __init__(self) -> None:
        self.turns = StageBudget()
        """The CPU budget of all stages in this event loop."""
        self.bugs, self.shortages = RateLimit(), RateLimit()
        """Limit log messages about bugs in stages and about lack of memory, over all containers."""
        self._held: dict[HoldingLanes, None] = {}
        self._news = asyncio.Event()
        self._tasks: asyncio.TaskGroup | None = None
        self._putting: set[asyncio.Task[None]] = set()

    def note(self, lanes: HoldingLanes, *, holding: bool) -> None:
        """Tells whether these lanes hold anything back now, so that they are flushed or no longer
        are."""
        if not holding:
            self._held.pop(lanes, None)
        elif lanes not in self._held:
            self._held[lanes] = None
            self._news.set()

    def create_task(self, putting: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Starts a task that puts a flushed batch into a buffer which has no room yet.

        Raises `RuntimeError` unless `run` is running.
        """
        if self._tasks is None:
            raise RuntimeError("entries that are held back cannot be flushed: `run` is not running")
        task = self._tasks.create_task(putting, name="put held")
        self._putting.add(task)
        task.add_done_callback(self._putting.discard)
        return task

    async def run(self) -> None:
        """Flushes every `EVERY` seconds until it is cancelled."""
        async with asyncio.TaskGroup() as self._tasks:
            while True:
                await self._news.wait()
                await asyncio.sleep(EVERY)
                await self._flush(asyncio.get_running_loop().time())
                if not self._held:
                    self._news.clear()

    async def finish(self) -> None:
        """Flushes everything and waits until all of it is in the buffers. No entry may be read any
        more."""
        await self._flush(math.inf)
        while self._putting:
            await asyncio.wait(self._putting)
            await self._flush(math.inf)

    async def _flush(self, now: float) -> None:
        for lanes in list(self._held):
            if self.turns.over:
                await self.turns.wait()
            began = self.turns.clock()
            try:
                lanes.flush(now)
            except Exception:  # a bug; other containers must still be flushed
                log.exception("entries that stages hold back could not be flushed")
            self.turns.use(self.turns.clock() - began)
