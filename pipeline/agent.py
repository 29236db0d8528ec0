"""The agent: the only module that knows all the others. Wires them, starts them, stops them."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from pipeline import component
from pipeline.admin import Admin
from pipeline.audit import LedgerMetrics, Report, report
from pipeline.batch import Samples
from pipeline.buffer import SpooledBuffer
from pipeline.buffer.folders import orphans
from pipeline.checkpoint import Checkpoint
from pipeline.component import Context, StageContext
from pipeline.config import Config, RouteConfig
from pipeline.exposition import Exposition
from pipeline.ledger import Ledger, Tally
from pipeline.metrics import Metrics
from pipeline.outlet import Outlet, OutletGauges
from pipeline.overview import Observer, Overview
from pipeline.route import Route, Router
from pipeline.selection import Selection
from pipeline.sources.docker.endpoint import resolve
from pipeline.sources.docker.engine import Engine
from pipeline.sources.docker.myself import own_container
from pipeline.sources.docker.source import DockerSource, Reading
from pipeline.sources.docker.stats import StatsPoller, stats_batch
from pipeline.tap import Tap
from pipeline.tapping import Tapping

log = logging.getLogger(__name__)

FINISHING = 10.0
"""Seconds that a disk has, after all else, to take what is left. One that hangs must not keep the
agent from ending."""

SAVE_EVERY = 1.0
"""Seconds between two looks at whether the checkpoint has moved: what a crash of the host may
repeat. The end of the process costs less: see `journal`."""


class Agent:
    """One agent, from its configuration. `run` it once."""

    def __init__(self, config: Config, environ: Mapping[str, str] = os.environ) -> None:
        """Raises `DocklineError` where the configuration names what cannot be had."""
        self._config = config
        self.metrics = metrics = Metrics()
        self.ledger = Ledger()
        self.tap = Tap()
        self.tap.routes, self.tap.sinks = list(config.routes), list(config.sinks)
        self.engine = Engine(resolve(config.engine.url, config.engine.tls, environ))
        self.checkpoint = Checkpoint(Path(config.state.directory))
        self.outlets = self._make_outlets()
        metrics.registry.register(OutletGauges(self.outlets.values()))
        metrics.registry.register(LedgerMetrics(self.ledger, self._entries))
        self._selection = Selection(config)
        self._router = Router(
            [self._route(*item) for item in config.routes.items()],
            metrics,
            self.ledger,
            self.tap,
            self._selection.labels,
        )
        self._poller = self._make_poller()
        self.exposition = Exposition(
            labels=config.stats.labels, registry=metrics.registry, alive=self._alive
        )
        self._observer = Observer(
            self.ledger,
            metrics,
            list(config.routes),
            lambda: [outlet.now() for outlet in self.outlets.values()],
            {name: outlet.buffer for name, outlet in self.outlets.items()},
            self._spooled,
            os.uname().nodename,
        )
        self._myself = own_container()
        self.source: DockerSource
        """Once it runs."""
        self.admin = (
            Admin(
                config.http.listen,
                self.exposition,
                self.not_ready,
                self.audit,
                Tapping(self.tap, config.http.tap),
                self.overview,
            )
            if config.http.listen
            else None
        )

    # ------------------------------------------------------------------------------ wiring

    def _make_outlets(self) -> dict[str, Outlet]:
        state, host = Path(self._config.state.directory), os.uname().nodename
        outlets = {
            name: Outlet(
                sink,
                Context(name, host, self._alive),
                self.metrics,
                self.ledger,
                state,
                self.tap,
            )
            for name, sink in self._config.sinks.items()
        }
        for outlet in outlets.values():
            if outlet.config.dead_letter:
                outlet.dead_letter = outlets[outlet.config.dead_letter]
        return outlets

    def _route(self, name: str, config: RouteConfig) -> Route:
        stages = [
            (
                stage.name,
                component.stage(stage.name, stage.config, self._stage_context(name, stage.name)),
            )
            for stage in config.stages
        ]
        return Route(
            name=name,
            sources=frozenset(config.sources),
            takes=self._selection.takes(name),
            stages=stages,
            outlets=[self.outlets[sink] for sink in config.sinks],
            feeds=config.feeds,
        )

    def _stage_context(self, route: str, stage: str) -> StageContext:
        errors = self.metrics.stage_errors
        return StageContext(
            self.metrics.derived, failed=lambda count: errors.labels(route, stage).inc(count)
        )

    def _make_source(self) -> DockerSource:
        """It begins where the checkpoint is, so that has to be open."""
        return DockerSource(
            self.engine,
            self._router,
            self.checkpoint,
            self.metrics,
            self._reading(),
            stats=self._poller,
            myself=self._myself,
            connected=lambda: self.exposition.describe_machine(self.engine.info),
            removed=self.exposition.remove,
        )

    def _reading(self) -> Reading:
        logs = self._config.logs
        return Reading(
            start=logs.start,
            way=logs.read,
            max_line=int(logs.max_line),
            reconcile=float(logs.reconcile),
            selects=self._selection.follows,
            events=self._config.events.enabled,
            last_lines=self._config.events.last_lines,
        )

    def _make_poller(self) -> StatsPoller | None:
        every = self._config.stats.every
        return (
            StatsPoller(self.engine, float(every), self._publish, self.metrics) if every else None
        )

    def _publish(self, samples: Samples) -> None:
        """A container's stats: for `/metrics`, and for the routes that take them."""
        self.exposition.update(samples)
        followed = self.source.followed.get(samples.container.id)
        if followed is not None and followed.stats:
            followed.readings += 1
            refused = followed.stats.offer(stats_batch(samples, followed.readings))
            if refused:
                self.metrics.source_errors.labels("stats_backlog").inc(refused)

    def _alive(self, container_id: str) -> bool:
        """Whether the container runs, and so has stats."""
        return self._poller is not None and self._poller.polls(container_id)

    def not_ready(self) -> list[str]:
        """A line for each thing that is not ready, for `/readyz`."""
        engine = self.source.watch.problem
        sinks = (outlet.not_ready() for outlet in self.outlets.values())
        return [line for line in (engine, *sinks) if line]

    def audit(self) -> Report:
        """The ledger, as it stands."""
        buffered: Counter[Tally] = Counter()
        for outlet in self.outlets.values():
            buffered.update(outlet.buffered())
        return report(
            self.ledger, buffered, {one.name: one.carried for one in self.outlets.values()}
        )

    def _spooled(self) -> set[Tally]:
        """Those of which entries are on disk."""
        spools = [outlet.spool for outlet in self.outlets.values() if outlet.spool is not None]
        return {tally for spool in spools for tally, count in spool.disk.tallies.items() if count}

    async def overview(self) -> Overview:
        """What it does just now."""
        return await self._observer.overview(self.source.watch.problem or "")

    def _entries(self) -> Mapping[str, int]:
        return {one.name: one.buffer.entries - one.carried for one in self.outlets.values()}

    # ----------------------------------------------------------------------------- running

    async def run(self, stop: asyncio.Event) -> bool:
        """Until `stop` is set; then drains. True when everything that was read is delivered.

        Raises `DocklineError` when it cannot start.
        """
        await asyncio.to_thread(self.checkpoint.open)
        self.source = self._make_source()
        try:
            if self.admin is not None:
                await self.admin.start()
                log.info("metrics on http://%s/metrics", self.admin.address)
            gc.freeze()  # what was imported and built so far lives as long as the process
            gc.enable()
            spools = [outlet.spool for outlet in self.outlets.values() if outlet.spool]
            for spool in spools:
                await spool.open()
            await asyncio.to_thread(self._report_strays)
            async with asyncio.TaskGroup() as tasks:
                keeping = {
                    spool: tasks.create_task(spool.run(), name=f"spool {spool.disk.folder.name}")
                    for spool in spools
                }
                deliveries = {
                    outlet: tasks.create_task(outlet.delivery.run(), name=f"sink {outlet.name}")
                    for outlet in self.outlets.values()
                }
                flushing = tasks.create_task(self._router.flusher.run(), name="held entries")
                await self._read_until(stop)
                await self._drain(deliveries)
                flushing.cancel()
                await self._finish(keeping)
            return not any(outlet.buffer.entries for outlet in self.outlets.values())
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(FINISHING):
                    await self.checkpoint.save()
            self.checkpoint.close()
            await self.engine.close()
            if self.admin is not None:
                await self.admin.close()

    async def _read_until(self, stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as tasks:
            reading = [
                tasks.create_task(self.source.run(), name="docker"),
                tasks.create_task(self._save(), name="checkpoint"),
            ]
            if self._poller is not None:
                reading.append(tasks.create_task(self._poll(self._poller), name="stats"))
            await stop.wait()
            log.info("stopping: delivering what has been read")
            for task in reading:
                task.cancel()

    async def _poll(self, poller: StatsPoller) -> None:
        """How many requests at once there may be depends on what the Engine can do."""
        await self.source.watch.available()
        await poller.run()

    async def _save(self) -> None:
        """First as soon as the containers are known: an agent that is killed in its first second
        must not take those that it has met for new ones, nor new ones for old."""
        await self.source.watch.available()
        while True:
            await self.checkpoint.save()
            await asyncio.sleep(SAVE_EVERY)

    async def _drain(self, deliveries: Mapping[Outlet, asyncio.Task[None]]) -> None:
        """Has what stages hold back sent too, and lets each sink finish, those that only take dead
        letters last, until the deadline."""
        left = set(deliveries)
        try:
            async with asyncio.timeout(float(self._config.agent.shutdown)):
                await self._router.flusher.finish()
                while left:
                    letterboxes = {outlet.dead_letter for outlet in left}
                    closing = (left - letterboxes) or left
                    for outlet in closing:
                        outlet.buffer.close()
                    await asyncio.wait([deliveries[outlet] for outlet in closing])
                    left -= closing
        except TimeoutError:
            for outlet in filter(lambda outlet: outlet.buffer.entries, left):
                log.warning(
                    "sink %s: %d entries could not be delivered in time (%s); they are %s after "
                    "the next start",
                    outlet.name,
                    outlet.buffer.entries,
                    outlet.delivery.problem or "slow",
                    "sent from its spool" if outlet.spool else "read again",
                )
                self._note_lost(outlet)
        for task in deliveries.values():
            task.cancel()
        await asyncio.wait(deliveries.values())

    def _note_lost(self, outlet: Outlet) -> None:
        """What was not delivered, of containers that are gone, is nowhere any more."""
        if outlet.spool is not None:
            return
        followed = self.source.followed
        inside = outlet.buffer.batches()
        if lost := sum(len(one) for one in inside if one.container.id not in followed):
            self.metrics.dropped.labels(outlet.name, "stopped").inc(lost)
            log.warning(
                "sink %s: %d of them are lost, since their containers are removed; buffer.disk "
                "would have kept them",
                outlet.name,
                lost,
            )

    async def _finish(self, keeping: Mapping[SpooledBuffer, asyncio.Task[None]]) -> None:
        """Those of dead letters first: what they have written is settled in the others."""
        letterboxes = {outlet.dead_letter for outlet in self.outlets.values()}
        first = {outlet.spool for outlet in letterboxes if outlet is not None}
        for spools in (keeping.keys() & first, keeping.keys() - first):
            for spool in spools:
                spool.finish()
            tasks = [keeping[spool] for spool in spools]
            if tasks and (left := (await asyncio.wait(tasks, timeout=FINISHING))[1]):
                log.warning("%d spools do not come to an end: does their disk hang?", len(left))
                for task in left:
                    task.cancel()

    def _report_strays(self) -> None:
        """A spool whose sink was renamed or removed is kept, and not sent by anybody."""
        ours = [outlet.name for outlet in self.outlets.values() if outlet.spool]
        try:
            strays = orphans(Path(self._config.state.directory), ours)
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
