"""All sinks of an agent: starts them, changes them while it runs, and ends them.

Call in this order: `open`, `start`, any number of changes (`prepare`, `apply`, `begin`,
`complete_change`), `drain`, `finish`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from prometheus_client import Metric

from pipeline.accounting.auditor import BufferSnapshot
from pipeline.accounting.ledger import Ledger, SinkAccount
from pipeline.buffer import MemoryBuffer, SpooledBuffer
from pipeline.buffer.folders import orphans
from pipeline.model.component import SinkConfig, SinkContext
from pipeline.model.metrics import Metrics
from pipeline.model.tables import same
from pipeline.support.plural import plural
from pipeline.topology.delivery import Delivery
from pipeline.topology.output import Output
from pipeline.topology.tap import Tap

log = logging.getLogger(__name__)

FINISHING = 10.0
"""Seconds that disks get to write what is left, after everything else. A disk that hangs can't keep
the agent from ending."""

REMOVED = "sink_removed"
"""Reason for dropping entries that a sink hadn't delivered when it was removed from the
configuration."""


@dataclass(frozen=True)
class OutputChange:
    """What another configuration changes in the sinks. It has no effect before `apply`."""

    outputs: Mapping[str, Output]
    """All outputs after the change, by name."""
    added: Collection[Output]
    successors: Mapping[str, tuple[SinkConfig, Delivery]]
    """The new configuration and delivery of each sink that changes, by name."""


class Outputs:
    """The sinks of an agent. Iterates over all that have entries, including those that are being
    removed."""

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
        """`state`: the state directory. `host`: this host's name. `alive`: whether the container
        with that id is running. `own`: returns the agent's metrics, for sinks that send them."""
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
        context = SinkContext(name, self._host, self._alive, self._own)
        return Output(config, context, self._metrics, self._ledger, self._state, self._tap)

    def __iter__(self) -> Iterator[Output]:
        yield from self.named.values()
        yield from self._leaving

    def snapshot(self) -> BufferSnapshot:
        """What is in all buffers now. 100,000 batches take 1 to 3 ms."""
        spools = [one.spool for one in self if one.spool is not None]
        return BufferSnapshot(
            list(chain.from_iterable(one.buffer.envelopes() for one in self)),
            [spool.disk.accounts for spool in spools],
        )

    def spooled(self) -> set[SinkAccount]:
        """Accounts with entries on disk."""
        spools = [output.spool for output in self if output.spool is not None]
        return {
            account for spool in spools for account, count in spool.disk.accounts.items() if count
        }

    def buffers(self) -> dict[str, MemoryBuffer | SpooledBuffer]:
        """The buffers of the configured sinks, by name."""
        return {name: one.buffer for name, one in self.named.items()}

    def entries(self) -> dict[str, int]:
        """Entries in the buffers by sink, without those that an earlier run left on disk."""
        return {one.name: one.buffer.entries - one.carried for one in self}

    def carried(self) -> dict[str, int]:
        """By sink, entries on disk that an earlier run left there."""
        return {one.name: one.carried for one in self}

    # --------------------------------------------------------------------------------- start

    async def open(self) -> None:
        """Opens the spools. Raises `DocklineError` if another agent uses one of them."""
        await _open(self.named.values())
        await asyncio.to_thread(self._report_strays)

    def start(self, tasks: asyncio.TaskGroup) -> None:
        """Starts to deliver, in tasks of `tasks`."""
        self._tasks = tasks
        self._start(self.named.values())

    def _start(self, outputs: Iterable[Output]) -> None:
        for one in outputs:
            if one.spool is not None:
                self._keeping[one.spool] = self._tasks.create_task(
                    one.spool.run(), name=f"spool {one.name}"
                )
            self._deliveries[one] = self._tasks.create_task(one.run(), name=f"sink {one.name}")

    # ------------------------------------------------------------------------------- changes

    def plan(self, sinks: Mapping[str, SinkConfig]) -> OutputChange:
        """Prepares what a configuration adds and changes. Any thread may call this.

        `sinks`: all of the new configuration, by name. Raises `DocklineError` if one can't be used.
        """
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
        """Opens the spools of new sinks.

        Raises `DocklineError` if another agent uses one; then all of them are closed again.
        """
        try:
            await _open(change.added)
        except BaseException:
            for output in change.added:
                if output.spool is not None:
                    output.spool.disk.stop()
            raise

    def apply(self, change: OutputChange) -> None:
        """Makes these the sinks. Removed ones still take what is on its way to them, until
        `complete_change`."""
        gone = [one for name, one in self.named.items() if name not in change.outputs]
        self.named = change.outputs
        self._leaving += gone
        for name, output in self.named.items():
            config = change.successors[name][0] if name in change.successors else output.config
            output.dead_letter = self.named[config.dead_letter] if config.dead_letter else None

    def begin(self, change: OutputChange) -> None:
        """Starts to deliver to the new sinks."""
        self._start(change.added)

    async def complete_change(self, change: OutputChange, within: float) -> None:
        """Completes a change: hands over to changed sinks, and ends removed ones.

        Each gets `within` seconds to deliver what it has. What a removed sink can't deliver stays
        on its disk or is dropped.
        """
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

    # ----------------------------------------------------------------------------------- end

    async def drain(
        self, within: float, first: Callable[[], Awaitable[object]] | None = None
    ) -> Collection[Output]:
        """Lets each sink deliver what it has, for at most `within` seconds over all.

        `first`: awaited before, such as for batches that still wait for room. Returns the sinks
        that haven't finished and have entries left.
        """
        return await self._drain(list(self), within, first)

    async def _drain(
        self,
        outputs: Collection[Output],
        within: float,
        first: Callable[[], Awaitable[object]] | None = None,
        *,
        fed: bool = False,
    ) -> Collection[Output]:
        """Closes sinks that only take dead letters last. `fed`: tasks may still wait for room in
        them."""
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
        """Ends all sinks. What is left stays on disk where there is one."""
        await self._end(list(self))

    async def _end(self, outputs: Collection[Output]) -> None:
        """Ends deliveries and spools. May be called again after it was cancelled."""
        deliveries = [self._deliveries[output] for output in outputs]
        for task in deliveries:
            task.cancel()
        if deliveries:
            await asyncio.wait(deliveries)
        letterboxes = {output.dead_letter for output in outputs}
        # Spools of dead letters first: what they have written is settled in the others.
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
            log.warning("%d %s not finish in time: does the disk hang?", len(left), what)
            for task in left:
                task.cancel()

    def _report_strays(self) -> None:
        """Warns of spools whose sink was renamed or removed. They are kept, and nobody sends
        them."""
        ours = [output.name for output in self if output.spool]
        try:
            strays = orphans(self._state, ours)
        except OSError as error:
            log.warning("the folder of the spools cannot be read: %s", error)
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
