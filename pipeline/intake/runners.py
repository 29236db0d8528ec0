"""All sources of an agent beside Docker: they begin, are changed while it runs, and end.

In order: `start`, any number of changes (`plan`, `apply`, `settle`), `stop`, `placed`, `finish`.
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
"""Seconds in which peers can be told of what is settled, when all else has ended."""
SWEEP = 60.0
"""Seconds between two looks for containers of which nothing comes any more."""


@dataclass(frozen=True)
class InletChange:
    """What another configuration makes of the sources. Nothing of it counts before `apply`."""

    runners: Mapping[str, SourceRunner]
    """All that there will be."""
    added: Collection[SourceRunner]
    """Those that are new, or have another configuration."""
    gone: list[SourceRunner] = field(default_factory=list)


class SourceRunners:
    """By name; iterated over, they are those included that are leaving."""

    def __init__(self, router: Router, metrics: Metrics, host: str) -> None:
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
        """Whether who sends entries of that container sends those again that were not settled; None
        where none come from here."""
        found = [one.source.repeats for one in self if container_id in one.intake.feeds]
        return all(found) if found else None

    def bring(self, container_id: str) -> bool:
        """Whether entries of that container came from here lately."""
        return any(container_id in one.intake.feeds for one in self)

    def not_ready(self) -> list[str]:
        return [line for runner in self.named.values() if (line := runner.not_ready())]

    def now(self) -> list[SourceNow]:
        return [runner.now() for runner in self.named.values()]

    def parts(self) -> list[SourcePart]:
        return [runner.part() for runner in self]

    # ------------------------------------------------------------------------- the beginning

    def start(self, tasks: asyncio.TaskGroup) -> None:
        """Begins to take, in `tasks`."""
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

    # --------------------------------------------------------------------------- the changes

    def plan(self, sources: Mapping[str, SourceConfig]) -> InletChange:
        """Prepares what is new or changed. Any thread may ask. Raises `DocklineError`."""
        runners, added = {}, []
        for name, config in sources.items():
            there = self.named.get(name)
            if there is None or not same(there.config, config):
                context = SourceContext(name, self._host)
                there = SourceRunner(config, context, self._router, self._metrics)
                added.append(there)
            runners[name] = there
        return InletChange(runners, added)

    def apply(self, change: InletChange) -> None:
        """From now on these are the sources. Those that are not among them take nothing more; those
        that are new begin with `settle`, when the ones before them have let go of their
        addresses."""
        gone = [one for name, one in self.named.items() if change.runners.get(name) is not one]
        change.gone.extend(gone)
        self._leaving += gone
        self.named = change.runners
        for runner in gone:
            runner.stop()

    def rebind(self) -> None:
        """Some routes are others than before."""
        for runner in self:
            runner.intake.feeds.rebind()

    async def settle(self, change: InletChange, within: float) -> None:
        """Lets those end that are gone, within so many seconds; then the new ones begin."""
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

    # ------------------------------------------------------------------------------- the end

    def stop(self) -> None:
        """Nothing more is taken."""
        self._stopping = True
        for runner in self:
            runner.stop()

    async def placed(self) -> None:
        """Waits until all that was taken is in the sinks' buffers."""
        for runner in self:
            await runner.intake.placed()

    async def finish(self) -> None:
        """What is not settled by now will not be. Peers are told of the rest."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        await self._end(list(self), 0)

    async def _end(self, runners: Collection[SourceRunner], within: float) -> None:
        """Whoever was cancelled in the middle of it may begin again."""
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
