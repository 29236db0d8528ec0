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

from pipeline.accounting.ledger import Ledger, SinkAccount
from pipeline.buffer import MemoryBuffer, SpooledBuffer
from pipeline.buffer.folders import orphans
from pipeline.model.component import Context, SinkConfig
from pipeline.model.metrics import Metrics
from pipeline.model.tables import same
from pipeline.support.plural import plural
from pipeline.topology.delivery import Delivery
from pipeline.topology.output import Output
from pipeline.topology.tap import Tap

log = logging.getLogger(__name__)

FINISHING = 10.0
"""Seconds that a disk has, after all else, to take what is left. One that hangs must not keep the
agent from ending."""

REMOVED = "sink_removed"
"""Why entries are dropped that a sink had not delivered when it was removed."""


@dataclass(frozen=True)
class OutputChange:
    """What another configuration makes of the sinks. Nothing of it counts before `apply`."""

    outputs: Mapping[str, Output]
    """All that there will be."""
    added: Collection[Output]
    successors: Mapping[str, tuple[SinkConfig, Delivery]]
    """Of those whose configuration has changed, by name."""


class Outputs:
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
        self.named: Mapping[str, Output] = {}
        self._metrics = metrics
        self._ledger = ledger
        self._state = state
        self._host = host
        self._alive = alive
        self._own = own
        self._tap = tap
        self._leaving: list[Output] = []
        self._tasks: asyncio.TaskGroup
        self._deliveries: dict[Output, asyncio.Task[None]] = {}
        self._keeping: dict[SpooledBuffer, asyncio.Task[None]] = {}

    def _make(self, name: str, config: SinkConfig) -> Output:
        context = Context(name, self._host, self._alive, self._own)
        return Output(config, context, self._metrics, self._ledger, self._state, self._tap)

    def __iter__(self) -> Iterator[Output]:
        yield from self.named.values()
        yield from self._leaving

    def buffered(self) -> Counter[SinkAccount]:
        """What is in the buffers, by whose account it is on."""
        counts: Counter[SinkAccount] = Counter()
        for output in self:
            counts.update(output.buffered())
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

    def _start(self, outputs: Iterable[Output]) -> None:
        for one in outputs:
            if one.spool is not None:
                self._keeping[one.spool] = self._tasks.create_task(
                    one.spool.run(), name=f"spool {one.name}"
                )
            self._deliveries[one] = self._tasks.create_task(one.run(), name=f"sink {one.name}")

    # --------------------------------------------------------------------------- the changes

    def plan(self, sinks: Mapping[str, SinkConfig]) -> OutputChange:
        """Prepares what is new and what is changed. Any thread may ask."""
        outputs, added, successors = {}, [], {}
        for name, config in sinks.items():
            there = self.named.get(name)
            if there is None:
                added.append(there := self._make(name, config))
            elif not same(config, there.config):
                successors[name] = config, there.successor(config)
            outputs[name] = there
        return OutputChange(outputs, added, successors)

    async def prepare(self, change: OutputChange) -> None:
        """Opens the spools of new sinks. Raises `DocklineError`, and then has let go of them."""
        try:
            await _open(change.added)
        except BaseException:
            for output in change.added:
                if output.spool is not None:
                    output.spool.disk.stop()
            raise

    def apply(self, change: OutputChange) -> None:
        """From now on these are the sinks. Those that are not among them take what is on its way
        to them until `settle`."""
        gone = [one for name, one in self.named.items() if name not in change.outputs]
        self.named = change.outputs
        self._leaving += gone
        for name, output in self.named.items():
            config = change.successors[name][0] if name in change.successors else output.config
            output.dead_letter = self.named[config.dead_letter] if config.dead_letter else None

    def begin(self, change: OutputChange) -> None:
        """New sinks begin to deliver."""
        self._start(change.added)

    async def settle(self, change: OutputChange, within: float) -> None:
        """Lets those take over that are changed, and those end that are removed, each within so
        many seconds."""
        async with asyncio.TaskGroup() as tasks:
            for name, (config, successor) in change.successors.items():
                tasks.create_task(self.named[name].replace(config, successor, within), name=name)
            if self._leaving:
                tasks.create_task(self._retire(list(self._leaving), within), name="removed sinks")

    async def _retire(self, leaving: Collection[Output], within: float) -> None:
        left = await self._drain(leaving, within, fed=True)
        for output in left:
            where = "left in its spool" if output.spool else "dropped"
            log.warning(
                "sink %s is removed, and %d %s could not be delivered in time (%s): %s",
                output.name,
                output.buffer.entries,
                plural(output.buffer.entries, "entry"),
                output.delivery.problem or "slow",
                where,
            )
        await self._end(leaving)
        for output in leaving:
            output.discard(REMOVED)
            self._leaving.remove(output)
            log.info("sink %s has ended", output.name)
        if any(output.spool for output in leaving):
            await asyncio.to_thread(self._report_strays)

    # ------------------------------------------------------------------------------- the end

    async def drain(
        self, within: float, first: Callable[[], Awaitable[object]] | None = None
    ) -> Collection[Output]:
        """Lets each sink finish, for so many seconds; those that have not, and have entries.
        `first`: what still puts something into them is waited for."""
        return await self._drain(list(self), within, first)

    async def _drain(
        self,
        outputs: Collection[Output],
        within: float,
        first: Callable[[], Awaitable[object]] | None = None,
        *,
        fed: bool = False,
    ) -> Collection[Output]:
        """Those that only take dead letters last. `fed`: somebody may wait for room in them."""
        left = set(outputs)
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                if first is not None:
                    await first()
                while left:
                    letterboxes = {output.dead_letter for output in left}
                    closing = (left - letterboxes) or left
                    for output in closing:
                        if fed:
                            await output.buffer.unblocked()
                        output.buffer.close()
                    await asyncio.wait([self._deliveries[output] for output in closing])
                    left -= closing
        return [output for output in left if output.buffer.entries]

    async def finish(self) -> None:
        """Stops all, and keeps what is left where there is a disk for it."""
        await self._end(list(self))

    async def _end(self, outputs: Collection[Output]) -> None:
        """Whoever was cancelled in the middle of it may begin again."""
        deliveries = [self._deliveries[output] for output in outputs]
        for task in deliveries:
            task.cancel()
        if deliveries:
            await asyncio.wait(deliveries)
        letterboxes = {output.dead_letter for output in outputs}
        # Those of dead letters first: what they have written is settled in the others.
        for some in (
            [one.spool for one in outputs if one.spool and one in letterboxes],
            [one.spool for one in outputs if one.spool and one not in letterboxes],
        ):
            await self._finish(some)
        for output in outputs:
            del self._deliveries[output]
            if output.spool is not None:
                del self._keeping[output.spool]

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
        ours = [output.name for output in self if output.spool]
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


async def _open(outputs: Iterable[Output]) -> None:
    for output in outputs:
        if output.spool is not None:
            await output.spool.open()
