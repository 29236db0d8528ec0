"""All sinks of an agent: they begin, are changed while it runs, and end.

In order: `open`, `start`, any number of changes (`prepare`, `apply`, `settle`), `drain`, `finish`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import Metric

from pipeline.accounting.ledger import Ledger, Tally
from pipeline.buffer import MemoryBuffer, SpooledBuffer
from pipeline.buffer.folders import orphans
from pipeline.model import Context, SinkConfig
from pipeline.model.metrics import Metrics
from pipeline.model.tables import same
from pipeline.support.plural import plural
from pipeline.topology.delivery import Delivery
from pipeline.topology.output import Outlet
from pipeline.topology.tap import Tap

log = logging.getLogger(__name__)

FINISHING = 10.0
"""Seconds that a disk has, after all else, to take what is left. One that hangs must not keep the
agent from ending."""

REMOVED = "sink_removed"
"""Why entries are dropped that a sink had not delivered when it was removed."""


@dataclass(frozen=True)
class Change:
    """What another configuration makes of the sinks. Nothing of it counts before `apply`."""

    outlets: Mapping[str, Outlet]
    """All that there will be."""
    added: Collection[Outlet]
    successors: Mapping[str, tuple[SinkConfig, Delivery]]
    """Of those whose configuration has changed, by name."""


class Outlets:
    """By name; iterated over, they are all that have entries, those included that are leaving."""

    def __init__(
        self,
        metrics: Metrics,
        ledger: Ledger,
        state: Path,
        host: str,
        alive: Callable[[str], bool],
        tap: Tap | None = None,
        own: Callable[[], Iterable[Metric]] = tuple,
    ) -> None:
        """`state` is the state directory, `alive` tells whether a container is, `own` are the
        agent's metrics."""
        self.named: Mapping[str, Outlet] = {}
        self._metrics = metrics
        self._ledger = ledger
        self._state = state
        self._host = host
        self._alive = alive
        self._own = own
        self._tap = tap
        self._leaving: list[Outlet] = []
        self._tasks: asyncio.TaskGroup
        self._deliveries: dict[Outlet, asyncio.Task[None]] = {}
        self._keeping: dict[SpooledBuffer, asyncio.Task[None]] = {}

    def _make(self, name: str, config: SinkConfig) -> Outlet:
        context = Context(name, self._host, self._alive, self._own)
        return Outlet(config, context, self._metrics, self._ledger, self._state, self._tap)

    def __iter__(self) -> Iterator[Outlet]:
        yield from self.named.values()
        yield from self._leaving

    def buffered(self) -> Counter[Tally]:
        """What is in the buffers, by whose account it is on."""
        counts: Counter[Tally] = Counter()
        for outlet in self:
            counts.update(outlet.buffered())
        return counts

    def buffers(self) -> dict[str, MemoryBuffer | SpooledBuffer]:
        """By sink."""
        return {name: one.buffer for name, one in self.named.items()}

    def entries(self) -> dict[str, int]:
        """By sink, without those that an earlier run has left on disk."""
        return {one.name: one.buffer.entries - one.carried for one in self}

    def carried(self) -> dict[str, int]:
        """By sink, those that it has."""
        return {one.name: one.carried for one in self}

    # ------------------------------------------------------------------------- the beginning

    async def open(self) -> None:
        """Takes the spools. Raises `DocklineError` where another agent has one."""
        await _open(self.named.values())
        await asyncio.to_thread(self._report_strays)

    def start(self, tasks: asyncio.TaskGroup) -> None:
        """Begins to deliver, in `tasks`."""
        self._tasks = tasks
        self._start(self.named.values())

    def _start(self, outlets: Iterable[Outlet]) -> None:
        for one in outlets:
            if one.spool is not None:
                self._keeping[one.spool] = self._tasks.create_task(
                    one.spool.run(), name=f"spool {one.name}"
                )
            self._deliveries[one] = self._tasks.create_task(one.run(), name=f"sink {one.name}")

    # --------------------------------------------------------------------------- the changes

    def plan(self, sinks: Mapping[str, SinkConfig]) -> Change:
        """Prepares what is new and what is changed. Any thread may ask."""
        outlets, added, successors = {}, [], {}
        for name, config in sinks.items():
            there = self.named.get(name)
            if there is None:
                added.append(there := self._make(name, config))
            elif not same(config, there.config):
                successors[name] = config, there.successor(config)
            outlets[name] = there
        return Change(outlets, added, successors)

    async def prepare(self, change: Change) -> None:
        """Opens the spools of new sinks. Raises `DocklineError`, and then has let go of them."""
        try:
            await _open(change.added)
        except BaseException:
            for outlet in change.added:
                if outlet.spool is not None:
                    outlet.spool.disk.stop()
            raise

    def apply(self, change: Change) -> None:
        """From now on these are the sinks. Those that are not among them take what is on its way
        to them until `settle`."""
        gone = [one for name, one in self.named.items() if name not in change.outlets]
        self.named = change.outlets
        self._leaving += gone
        for name, outlet in self.named.items():
            config = change.successors[name][0] if name in change.successors else outlet.config
            outlet.dead_letter = self.named[config.dead_letter] if config.dead_letter else None

    def begin(self, change: Change) -> None:
        """New sinks begin to deliver."""
        self._start(change.added)

    async def settle(self, change: Change, within: float) -> None:
        """Lets those take over that are changed, and those end that are removed, each within so
        many seconds."""
        async with asyncio.TaskGroup() as tasks:
            for name, (config, successor) in change.successors.items():
                tasks.create_task(self.named[name].replace(config, successor, within), name=name)
            if self._leaving:
                tasks.create_task(self._retire(list(self._leaving), within), name="removed sinks")

    async def _retire(self, leaving: Collection[Outlet], within: float) -> None:
        left = await self._drain(leaving, within, fed=True)
        for outlet in left:
            where = "left in its spool" if outlet.spool else "dropped"
            log.warning(
                "sink %s is removed, and %d %s could not be delivered in time (%s): %s",
                outlet.name,
                outlet.buffer.entries,
                plural(outlet.buffer.entries, "entry"),
                outlet.delivery.problem or "slow",
                where,
            )
        await self._end(leaving)
        for outlet in leaving:
            outlet.discard(REMOVED)
            self._leaving.remove(outlet)
            log.info("sink %s has ended", outlet.name)
        if any(outlet.spool for outlet in leaving):
            await asyncio.to_thread(self._report_strays)

    # ------------------------------------------------------------------------------- the end

    async def drain(
        self, within: float, first: Callable[[], Awaitable[object]] | None = None
    ) -> Collection[Outlet]:
        """Lets each sink finish, for so many seconds; those that have not, and have entries.
        `first`: what still puts something into them is waited for."""
        return await self._drain(list(self), within, first)

    async def _drain(
        self,
        outlets: Collection[Outlet],
        within: float,
        first: Callable[[], Awaitable[object]] | None = None,
        *,
        fed: bool = False,
    ) -> Collection[Outlet]:
        """Those that only take dead letters last. `fed`: somebody may wait for room in them."""
        left = set(outlets)
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                if first is not None:
                    await first()
                while left:
                    letterboxes = {outlet.dead_letter for outlet in left}
                    closing = (left - letterboxes) or left
                    for outlet in closing:
                        if fed:
                            await outlet.buffer.unblocked()
                        outlet.buffer.close()
                    await asyncio.wait([self._deliveries[outlet] for outlet in closing])
                    left -= closing
        return [outlet for outlet in left if outlet.buffer.entries]

    async def finish(self) -> None:
        """Stops all, and keeps what is left where there is a disk for it."""
        await self._end(list(self))

    async def _end(self, outlets: Collection[Outlet]) -> None:
        """Whoever was cancelled in the middle of it may begin again."""
        deliveries = [self._deliveries[outlet] for outlet in outlets]
        for task in deliveries:
            task.cancel()
        if deliveries:
            await asyncio.wait(deliveries)
        letterboxes = {outlet.dead_letter for outlet in outlets}
        # Those of dead letters first: what they have written is settled in the others.
        for some in (
            [one.spool for one in outlets if one.spool and one in letterboxes],
            [one.spool for one in outlets if one.spool and one not in letterboxes],
        ):
            await self._finish(some)
        for outlet in outlets:
            del self._deliveries[outlet]
            if outlet.spool is not None:
                del self._keeping[outlet.spool]

    async def _finish(self, spools: Collection[SpooledBuffer]) -> None:
        for spool in spools:
            spool.finish()
        tasks = [self._keeping[spool] for spool in spools]
        if tasks and (left := (await asyncio.wait(tasks, timeout=FINISHING))[1]):
            what = plural(len(left), "spool does", "spools do")
            log.warning("%d %s not come to an end: does the disk hang?", len(left), what)
            for task in left:
                task.cancel()

    def _report_strays(self) -> None:
        """A spool whose sink was renamed or removed is kept, and not sent by anybody."""
        ours = [outlet.name for outlet in self if outlet.spool]
        try:
            strays = orphans(self._state, ours)
        except OSError as error:
            log.warning("the spools cannot be looked through: %s", error)
            return
        for sink, size in strays.items():
            log.warning(
                "the spool of %s holds %d bytes, and no sink of that name has a buffer on disk: "
                "they wait until one has",
                sink,
                size,
            )


async def _open(outlets: Iterable[Outlet]) -> None:
    for outlet in outlets:
        if outlet.spool is not None:
            await outlet.spool.open()
