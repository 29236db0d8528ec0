"""One sampler for all who look: every two seconds, what the agent does at the moment.

It runs only while somebody looks, and a few seconds longer. What it finds is made into JSON once,
for all viewers.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final, Protocol

from pipeline.model.dumps import dumps
from pipeline.model.errors import DocklineError
from pipeline.model.metrics import Metrics
from pipeline.observe.overview import SourceNow
from pipeline.observe.waiting import Waiting
from pipeline.page.counts import Counts, Rates, resident
from pipeline.page.now import RouteShape, describe
from pipeline.page.problems import Problems
from pipeline.page.rows import Facts
from pipeline.page.states import ContainerEvent
from pipeline.page.table import Containers, Table
from pipeline.topology.output import SinkNow

log = logging.getLogger(__name__)

EVERY: Final = 2.0
"""Seconds between two looks."""
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


class Observed(Containers, Protocol):
    """What the sampler asks of the agent."""

    watched: bool
    """Set by the sampler: whether somebody looks."""

    metrics: Metrics

    @property
    def generation(self) -> int:
        """Counts reloads of the configuration."""

    @property
    def by_host(self) -> bool:
        """Whether containers are grouped by their hosts instead of by projects."""

    @property
    def routes(self) -> dict[str, RouteShape]:
        """All routes of the configuration."""

    async def waiting(self) -> Waiting:
        """What waits in the buffers."""

    def sinks(self) -> Sequence[SinkNow]: ...

    def sources(self) -> Sequence[SourceNow]: ...

    def engine_problem(self) -> str:
        """Why the Engine doesn't answer; empty if it does."""

    def is_ready(self) -> bool: ...

    def find(self, name: str) -> Facts | None:
        """The container with that name, or with an id that begins so (six digits or more)."""

    def find_all(self, names: Sequence[str]) -> list[Facts]:
        """The containers with these names, ids, or first twelve digits of an id, in any order."""

    def events(self, container_id: str) -> Sequence[ContainerEvent]:
        """Its last events, and gaps in its log, oldest first."""

    async def refresh(self) -> bool:
        """Asks the Engine for all its containers; False if it doesn't answer."""


class Sampler:
    """Looks at the agent for all viewers together."""

    def __init__(self, observed: Observed) -> None:
        self._observed = observed
        self.table = Table(observed)
        self.version = 0
        """Number of the last look that is complete. While one goes on, the table has rows of it
        already, and `table.version` is its number."""
        self.now: dict[str, Any] = {}
        """What it found last: the answer of `/api/now` without the table."""
        self.json = b"{}"
        """The same as JSON."""
        self._problems = Problems()
        self._viewers = 0
        self._wanted = asyncio.Event()
        """Set while somebody looks."""
        self._looked = asyncio.Condition()
        self._before: Counts | None = None

    # --------------------------------------------------------------------------- viewers

    def join(self) -> None:
        """Adds a viewer, who must `leave`. Raises `DocklineError` if there are too many."""
        if self._viewers >= MOST_VIEWERS:
            raise DocklineError(f"{MOST_VIEWERS} are looking already; close a page")
        self._viewers += 1
        self._wanted.set()

    def leave(self) -> None:
        """Removes a viewer."""
        self._viewers -= 1
        if not self._viewers:
            self._wanted.clear()

    async def after(self, version: int, *, rates: bool = False) -> None:
        """Waits for a complete look later than `version` (0 for any).

        `rates`: waits for one that knows rates, which the first one doesn't.
        """
        async with self._looked:
            await self._looked.wait_for(
                lambda: self.now and self.version > version and (self._known or not rates)
            )

    @property
    def _known(self) -> bool:
        return self.now["totals"]["lines_per_second"] is not None

    # ------------------------------------------------------------------------------ looks

    async def run(self) -> None:
        """Samples while anybody looks, until it is cancelled."""
        while True:
            await self._wanted.wait()
            self._observed.watched = True
            try:
                listed = await self._first_list()
                async with asyncio.TaskGroup() as tasks:
                    refreshing = tasks.create_task(self._refresh(listed), name="page containers")
                    try:
                        await self._look_on()
                    finally:
                        refreshing.cancel()
            except* Exception:  # a bug here must not end the agent
                log.exception("sampling for the page failed")
                await asyncio.sleep(AGAIN)
            self._forget()

    def _forget(self) -> None:
        """Frees what it knows: nobody looks."""
        version = self.table.version
        self.table = Table(self._observed, version)
        self.now, self.json, self._before = {}, b"{}", None
        self._observed.watched = False

    async def _look_on(self) -> None:
        """Looks until nobody has wanted to see it for `LINGER` seconds."""
        loop = asyncio.get_running_loop()
        wait, until = SOON, loop.time() + LINGER
        while True:
            await self._look()
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
                return await self._observed.refresh()
        return False

    async def _refresh(self, listed: bool) -> None:
        while True:
            await asyncio.sleep(RELIST if listed else EVERY)
            listed = await self._observed.refresh()

    async def _look(self) -> None:
        observed, table, now = self._observed, self.table, time.time()
        before = self._before
        began = time.monotonic()
        elapsed = began - before.clock if before is not None else None
        await table.look(await observed.waiting(), elapsed, by_host=observed.by_host)
        memory = await asyncio.to_thread(resident)
        counts = Counts(observed.metrics, table.flows, table.lines, began)
        sinks, sources = observed.sinks(), observed.sources()
        problems = self._problems.of(observed.engine_problem(), sources, sinks, now)
        self.now = {
            "time": round(now, 3),
            "every": EVERY,
            "generation": observed.generation,
            "ready": observed.is_ready(),
            **describe(
                table,
                counts,
                Rates(counts, before),
                observed.routes,
                sinks,
                sources,
                problems,
                memory,
            ),
        }
        self.json = dumps(self.now)
        self.version = table.version
        self._before = counts
        async with self._looked:
            self._looked.notify_all()
