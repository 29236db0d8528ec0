"""All sources of an agent other than Docker: starts them, changes them while it runs, and ends
them.

Call in this order: `start`, any number of changes (`plan`, `apply`, `complete_change`), `stop`,
`placed`, `finish`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from pipeline.accounting.audit import SourcePart
from pipeline.intake.runner import SourceRunner
from pipeline.model.component import SourceConfig, SourceContext
from pipeline.model.metrics import Metrics
from pipeline.model.tables import same
from pipeline.observe.overview import SourceNow
from pipeline.topology import Router

log = logging.getLogger(__name__)

ANSWERING = 2.0
"""Seconds in which sources may still acknowledge messages at the end, after everything else."""
SWEEP = 60.0
"""Seconds between two looks for containers that nothing comes from any more."""


@dataclass(frozen=True)
class SourceChange:
    """What another configuration changes in the sources. It has no effect before `apply`."""

    runners: Mapping[str, SourceRunner]
    """All runners after the change, by name."""
    added: Collection[SourceRunner]
    """Runners that are new or have another configuration; `complete_change` starts them."""
    gone: list[SourceRunner] = field(default_factory=list)


class SourceRunners:
    """The sources of an agent. Iterates over all of them, including those that are being
    removed."""

    def __init__(self, router: Router, metrics: Metrics, host: str) -> None:
        """`router` binds lanes for their containers. `host`: this host's name."""
        self.named: Mapping[str, SourceRunner] = {}
        self._router = router
        self._metrics = metrics
        self._host = host
        self._leaving: list[SourceRunner] = []
        self._stopping = False
        self._tasks: asyncio.TaskGroup
        self._running: dict[SourceRunner, asyncio.Task[None]] = {}
        self._sweeping: asyncio.Task[None] | None = None

    def __iter__(self) -> Iterator[SourceRunner]:
        yield from self.named.values()
        yield from self._leaving

    def repeat(self, container_id: str) -> bool | None:
        """Whether peers send entries of the container again that weren't acknowledged.

        None if no source brings entries of it.
        """
        found = [one.source.repeats for one in self if container_id in one.intake.feeds]
        return all(found) if found else None

    def bring(self, container_id: str) -> bool:
        """Whether a source brought entries of the container lately."""
        return any(container_id in one.intake.feeds for one in self)

    def not_ready(self) -> list[str]:
        """A sentence for `/readyz` for each source that takes no entries."""
        return [line for runner in self.named.values() if (line := runner.not_ready())]

    def now(self) -> list[SourceNow]:
        """The configured sources' states, for `GET /top`."""
        return [runner.now() for runner in self.named.values()]

    def parts(self) -> list[SourcePart]:
        """Each source's part in the ledger's report (`dockline audit`)."""
        return [runner.part() for runner in self]

    # --------------------------------------------------------------------------------- start

    def start(self, tasks: asyncio.TaskGroup) -> None:
        """Starts to take entries, in tasks of `tasks`."""
        self._tasks = tasks
        self._sweeping = tasks.create_task(self._sweep(), name="idle containers")
        for runner in self.named.values():
            self._start(runner)

    def _start(self, runner: SourceRunner) -> None:
        runner.intake.tasks = self._tasks
        self._running[runner] = self._tasks.create_task(runner.run(), name=f"source {runner.name}")

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP)
            for runner in self:
                runner.intake.feeds.sweep()

    # ------------------------------------------------------------------------------- changes

    def plan(self, sources: Mapping[str, SourceConfig]) -> SourceChange:
        """Prepares what a configuration adds and changes. Any thread may call this.

        `sources`: all of the new configuration, by name. Raises `DocklineError` if one can't be
        used.
        """
        runners, added = {}, []
        for name, config in sources.items():
            there = self.named.get(name)
            if there is None or not same(there.config, config):
                context = SourceContext(name, self._host)
                there = SourceRunner(config, context, self._router, self._metrics)
                added.append(there)
            runners[name] = there
        return SourceChange(runners, added)

    def apply(self, change: SourceChange) -> None:
        """Makes these the sources. Removed and changed ones stop taking entries at once.

        New ones start in `complete_change`, when the old ones have released their addresses.
        """
        gone = [one for name, one in self.named.items() if change.runners.get(name) is not one]
        change.gone.extend(gone)
        self._leaving += gone
        self.named = change.runners
        for runner in gone:
            runner.stop()

    def rebind(self) -> None:
        """Call this after the routes have changed: binds the lanes of all containers again."""
        for runner in self:
            runner.intake.feeds.rebind()

    async def complete_change(self, change: SourceChange, within: float) -> None:
        """Completes a change: lets removed sources end within `within` seconds, then starts the new
        ones."""
        await self._end(change.gone, within)
        for runner in change.gone:
            runner.intake.feeds.end()
            self._leaving.remove(runner)
            if runner.name not in self.named:
                self._metrics.forget_source(runner.name)
                log.info("source %s has ended", runner.name)
        if not self._stopping:
            for runner in change.added:
                self._start(runner)

    # ----------------------------------------------------------------------------------- end

    def stop(self) -> None:
        """Makes all sources stop taking entries."""
        self._stopping = True
        for runner in self:
            runner.stop()

    async def placed(self) -> None:
        """Waits until everything that was taken is in the sinks' buffers."""
        for runner in self:
            await runner.intake.placed()

    async def finish(self) -> None:
        """Gives up messages that aren't settled yet, acknowledges the rest, and ends all
        sources."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        await self._end(list(self), 0)

    async def _end(self, runners: Collection[SourceRunner], within: float) -> None:
        """Ends runners. May be called again after it was cancelled."""
        tasks = [self._running[runner] for runner in runners if runner in self._running]
        if tasks and within:
            await asyncio.wait(tasks, timeout=within)
        for runner in runners:
            runner.give_up()
        if tasks:
            await asyncio.wait(tasks, timeout=ANSWERING)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        for runner in runners:
            self._running.pop(runner, None)
