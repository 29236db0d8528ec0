"""One sampler for all viewers: takes a sample of what the agent does every two seconds.

It runs only while somebody watches, and a few seconds longer. A sample is made into JSON once, for
all viewers.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from typing import Any, Final

from pipeline.model.dumps import dumps
from pipeline.model.errors import DocklineError
from pipeline.page.sampling.agent_view import AgentView
from pipeline.page.sampling.counts import Counts, Rates, resident
from pipeline.page.sampling.now import describe
from pipeline.page.sampling.problems import Problems
from pipeline.page.sampling.table import Table

log = logging.getLogger(__name__)

EVERY: Final = 2.0
"""Seconds between two samples."""
SOON: Final = 0.5
"""Seconds between the first two: the first one can't tell a rate."""
LINGER: Final = 10.0
"""Seconds that it goes on after the last viewer has left: one who asks every few seconds needs no
new beginning each time."""
RELIST: Final = 30.0
"""Seconds between two requests for the Engine's list of all containers."""
AGAIN: Final = 5.0
"""Seconds until it tries again after a bug."""
MOST_VIEWERS: Final = 20
"""Viewers at the same time at most."""


class Sampler:
    """Looks at the agent for all viewers together."""

    def __init__(self, agent: AgentView) -> None:
        self._agent = agent
        self.table = Table(agent)
        self.version = 0
        """Number of the last complete sample. While one is taken, the table has rows of it
        already, and `table.version` is its number."""
        self.now: dict[str, Any] = {}
        """What it found last: the answer of `/api/now` without the table."""
        self.json = b"{}"
        """The same as JSON."""
        self._problems = Problems()
        self._viewers = 0
        self._wanted = asyncio.Event()
        """Set while somebody watches."""
        self._taken = asyncio.Condition()
        self._before: Counts | None = None

    # --------------------------------------------------------------------------- viewers

    def join(self) -> None:
        """Adds a viewer, who must `leave`. Raises `DocklineError` if there are too many."""
        if self._viewers >= MOST_VIEWERS:
            raise DocklineError(f"{MOST_VIEWERS} are watching already; close a page")
        self._viewers += 1
        self._wanted.set()

    def leave(self) -> None:
        """Removes a viewer."""
        self._viewers -= 1
        if not self._viewers:
            self._wanted.clear()

    async def after(self, version: int, *, rates: bool = False) -> None:
        """Waits for a complete sample later than `version` (0 for any).

        `rates`: waits for one that knows rates, which the first one doesn't.
        """
        async with self._taken:
            await self._taken.wait_for(
                lambda: self.now and self.version > version and (self._known or not rates)
            )

    @property
    def _known(self) -> bool:
        return self.now["totals"]["lines_per_second"] is not None

    # ---------------------------------------------------------------------------- samples

    async def run(self) -> None:
        """Takes samples while anybody watches, until it is cancelled."""
        while True:
            await self._wanted.wait()
            self._agent.watched = True
            try:
                listed = await self._first_list()
                async with asyncio.TaskGroup() as tasks:
                    refreshing = tasks.create_task(self._refresh(listed), name="page containers")
                    try:
                        await self._take_samples()
                    finally:
                        refreshing.cancel()
            except* Exception:  # a bug here must not end the agent
                log.exception("sampling for the page failed")
                await asyncio.sleep(AGAIN)
            self._forget()

    def _forget(self) -> None:
        """Frees what it knows: nobody watches."""
        version = self.table.version
        self.table = Table(self._agent, version)
        self.now, self.json, self._before = {}, b"{}", None
        self._agent.watched = False

    async def _take_samples(self) -> None:
        """Takes samples until nobody has watched for `LINGER` seconds."""
        loop = asyncio.get_running_loop()
        wait, until = SOON, loop.time() + LINGER
        while True:
            await self._take_sample()
            await asyncio.sleep(wait)
            wait = EVERY
            if self._viewers:
                until = loop.time() + LINGER
            elif loop.time() >= until:
                return

    async def _first_list(self) -> bool:
        """Whether the Engine has told its containers. Most need a hundredth of the time that they
        get."""
        with suppress(TimeoutError):
            async with asyncio.timeout(SOON):
                return await self._agent.refresh()
        return False

    async def _refresh(self, listed: bool) -> None:
        while True:
            await asyncio.sleep(RELIST if listed else EVERY)
            listed = await self._agent.refresh()

    async def _take_sample(self) -> None:
        agent, table, now = self._agent, self.table, time.time()
        before = self._before
        began = time.monotonic()
        elapsed = began - before.clock if before is not None else None
        await table.update(await agent.waiting(), elapsed, by_host=agent.by_host)
        memory = await asyncio.to_thread(resident)
        counts = Counts(agent.metrics, table.flows, table.lines, began)
        sinks, sources = agent.sinks(), agent.sources()
        problems = self._problems.of(agent.engine_problem(), sources, sinks, now)
        self.now = {
            "time": round(now, 3),
            "every": EVERY,
            "generation": agent.generation,
            "ready": agent.is_ready(),
            **describe(
                table,
                counts,
                Rates(counts, before),
                agent.routes,
                sinks,
                sources,
                problems,
                memory,
            ),
        }
        self.json = dumps(self.now)
        self.version = table.version
        self._before = counts
        async with self._taken:
            self._taken.notify_all()
