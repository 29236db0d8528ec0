"""Entries that stages hold back: which acknowledgements wait for them, and who asks for them."""

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
"""Seconds between two looks at the stages that hold something back."""


class PendingAcks:
    """The acknowledgements of the batches of which a lane's stages hold entries.

    A position moves in order (see `settlement`), so what is let go need only wait with the oldest
    batch that it came from: no newer one is forgotten before.
    """

    __slots__ = ("_batches",)

    def __init__(self) -> None:
        self._batches: deque[tuple[int, Acknowledgement]] = deque()

    def add(self, last: int, acknowledgement: Acknowledgement) -> None:
        """Of a batch that ends with that entry. It is held."""
        acknowledgement.hold()
        self._batches.append((last, acknowledgement))

    def oldest_or(self, newest: Acknowledgement) -> Acknowledgement:
        return self._batches[0][1] if self._batches else newest

    def settle_before(self, first: int | None) -> None:
        """Entries are held from that one on; None where none are."""
        batches = self._batches
        while batches and (first is None or batches[0][0] < first):
            batches.popleft()[1].settle()


class HoldingLanes(Protocol):
    """Lanes of one container, of which some stage holds something back."""

    def flush(self, now: float) -> None:
        """Lets go of what has waited long enough; of all where `now` is `math.inf`. Does nothing
        while something of the same container waits for room."""


class Flusher:
    """Asks the stages of all containers, in turn, for what they have held back long enough."""

    def __init__(self) -> None:
        self.turns = StageBudget()
        """Of the loop that all of it runs in."""
        self.bugs, self.shortages = RateLimit(), RateLimit()
        """Of what is said of stages and of memory, whichever container's."""
        self._held: dict[HoldingLanes, None] = {}
        self._news = asyncio.Event()
        self._tasks: asyncio.TaskGroup | None = None
        self._putting: set[asyncio.Task[None]] = set()

    def note(self, lanes: HoldingLanes, *, holding: bool) -> None:
        """Whether they hold something now."""
        if not holding:
            self._held.pop(lanes, None)
        elif lanes not in self._held:
            self._held[lanes] = None
            self._news.set()

    def create_task(self, putting: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Something that was let go waits for room."""
        if self._tasks is None:
            raise RuntimeError("what is held back is let go by nobody: `run` does not run")
        task = self._tasks.create_task(putting, name="put held")
        self._putting.add(task)
        task.add_done_callback(self._putting.discard)
        return task

    async def run(self) -> None:
        """Until it is cancelled."""
        async with asyncio.TaskGroup() as self._tasks:
            while True:
                await self._news.wait()
                await asyncio.sleep(EVERY)
                await self._flush(asyncio.get_running_loop().time())
                if not self._held:
                    self._news.clear()

    async def finish(self) -> None:
        """Lets go of everything; returns when it has found room. Nothing may come any more."""
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
            except Exception:  # a bug; the others must not suffer for it
                log.exception("what was held back is not let go")
            self.turns.use(self.turns.clock() - began)
