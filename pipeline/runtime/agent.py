"""The agent, which wires all parts together, starts them and stops them.

This is the only module that knows all the others.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import Metric

from pipeline.accounting.audit import AuditReport, LedgerMetrics
from pipeline.accounting.auditor import Auditor, Chosen, Take, everything
from pipeline.accounting.checkpoint import Checkpoint
from pipeline.accounting.ledger import Ledger
from pipeline.config import Config, ConfigFile, StageConfig
from pipeline.config.compare import Difference, compare
from pipeline.config.selection import Selection
from pipeline.intake.runner import SourceGauges
from pipeline.intake.runners import SourceRunners
from pipeline.model import registry
from pipeline.model.component import Stage, StageContext
from pipeline.model.container import Container
from pipeline.model.container_state import State
from pipeline.model.metrics import Metrics
from pipeline.model.samples import Samples
from pipeline.model.stage_metrics import Derived
from pipeline.model.tables import same
from pipeline.observe.metrics_page import Exposition
from pipeline.observe.overview import Observer, Overview
from pipeline.runtime.introduction import LOST, beginning, ending
from pipeline.runtime.reload import Reloader
from pipeline.sources.docker.discovery.own_container import own_container
from pipeline.sources.docker.discovery.watch import Event
from pipeline.sources.docker.disk import DiskPoller
from pipeline.sources.docker.engine.client import Engine
from pipeline.sources.docker.engine.endpoint import resolve
from pipeline.sources.docker.lifecycle.states import States, Told
from pipeline.sources.docker.source import DockerSource, FollowOptions
from pipeline.sources.docker.stats import StatsPoller, stats_batch
from pipeline.support.allocator import Allocator
from pipeline.support.elapsed import elapsed
from pipeline.support.garbage import Collector
from pipeline.support.plural import plural
from pipeline.topology import Route, Router
from pipeline.topology.output import Output, OutputGauges
from pipeline.topology.outputs import FINISHING, OutputChange, Outputs
from pipeline.topology.tap import Tap

if TYPE_CHECKING:
    from pipeline.observe.admin import Admin
    from pipeline.runtime.endpoints import Endpoints

log = logging.getLogger(__name__)

SAVE_EVERY = 1.0
"""Seconds between two saves of the checkpoint: what may be repeated after the host crashes. After a
crash of the process less is repeated (see `pipeline.accounting.journal`)."""


class Agent:
    """One agent, made from its configuration. Call `run` once."""

    def __init__(
        self,
        written: ConfigFile,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        """`environ`: for `DOCKER_HOST` and the like. Connects to nothing yet.

        Raises `DocklineError` if something in the configuration can't be used.
        """
        self.config = config = written.config
        """The present configuration: what `written` says, except for what needs a restart."""
        self.written = self._first = written
        """The configuration file as it was read last."""
        self.metrics = metrics = Metrics()
        self.ledger = Ledger()
        self.tap = Tap()
        self.tap.routes, self.tap.sinks = list(config.routes), list(config.sinks)
        self.engine = (
            Engine(resolve(config.engine.url, config.engine.tls, environ))
            if config.engine.enabled
            else None
        )
        if self.engine is None:  # otherwise the Engine would be shown as down
            metrics.registry.unregister(metrics.engine_up)
        self.checkpoint = Checkpoint(Path(config.state.directory))
        state = Path(config.state.directory)
        self.host = host = os.uname().nodename
        self.began = time.time()
        """When it was made, in seconds since the epoch."""
        self.started = False
        """Whether `source` is there, if the configuration has an Engine."""
        self.outputs = Outputs(
            metrics, self.ledger, state, host, self._alive, self.tap, self._own_metrics
        )
        self._change = change = self.outputs.plan(config.sinks)
        self.outputs.apply(change)
        metrics.registry.register(OutputGauges(self.outputs))
        metrics.registry.register(LedgerMetrics(self.ledger, self.outputs.entries, self._unseen))
        self.selection = Selection(config)
        """What the present configuration says about containers."""
        routes = _routes(config, change.outputs, self.selection, metrics, metrics.derived)
        self._router = Router(routes, metrics, self.ledger, self.tap, self.selection.labels)
        self.runners = SourceRunners(self._router, metrics, host)
        self._source_change = sources = self.runners.plan(config.sources)
        self.runners.apply(sources)
        metrics.registry.register(SourceGauges(self.runners))
        self._auditor = Auditor(
            self.ledger, self.outputs.snapshot, self.outputs.carried, self.runners.parts
        )
        self.states = States()
        """What the Engine says about each container."""
        self._poller = self._make_poller()
        self._collector = Collector()
        self.exposition = Exposition(
            labels=config.stats.labels,
            registry=metrics.registry,
            alive=self._alive,
            states=self._reported if self._poller is not None else None,
        )
        self._observer = Observer(
            self.ledger,
            metrics,
            list(config.routes),
            lambda: [output.now() for output in self.outputs.named.values()],
            self.outputs.buffers(),
            self.outputs.spooled,
            host,
            self.runners.now,
        )
        self._myself = own_container()
        self.source: DockerSource
        """Reads the Docker Engine. Set by `run`, if the configuration has an Engine."""
        self._endpoints = self._make_endpoints() if config.http.listen else None
        self._page = self._endpoints.page if self._endpoints is not None else None

    @property
    def admin(self) -> Admin | None:
        """The HTTP endpoints' server; None without `http.listen`."""
        return self._endpoints.admin if self._endpoints is not None else None

    # ------------------------------------------------------------------------------ wiring

    def _make_source(self, engine: Engine) -> DockerSource:
        """Makes the Docker source. It resumes at the checkpoint, which must be open."""
        return DockerSource(
            engine,
            self._router,
            self.checkpoint,
            self.metrics,
            self._reading(),
            stats=self._poller,
            myself=self._myself,
            connected=lambda: self.exposition.describe_machine(engine.info),
            removed=self._removed,
            observed=self._observed,
            states=self.states,
            keep_ended=float(self.config.stats.ended),
        )

    def _observed(self, event: Event, told: Told) -> None:
        if self._page is not None:
            self._page.view.observe(event, told)

    def _reported(self) -> Iterable[tuple[Container, State]]:
        """The containers whose states are on `/metrics`."""
        return self.source.reported if self.started else ()

    def _removed(self, container_id: str) -> None:
        self.exposition.remove(container_id)
        if self._page is not None:
            self._page.view.forget(container_id)

    def _make_endpoints(self) -> Endpoints:
        from pipeline.runtime.endpoints import Endpoints  # brings aiohttp

        return Endpoints(self)

    def _reading(self) -> FollowOptions:
        """What the configuration says about reading containers."""
        logs = self.config.logs
        return FollowOptions(
            start=logs.start,
            way=logs.read,
            max_line=int(logs.max_line),
            reconcile=float(logs.reconcile),
            selects=self.selection.follows,
            events=self.config.events.enabled,
            last_lines=self.config.events.last_lines,
        )

    def _make_poller(self) -> StatsPoller | None:
        every = self.config.stats.every
        if self.engine is None or not every:
            return None
        return StatsPoller(self.engine, float(every), self._publish, self.metrics, self.states.of)

    def _make_disk_poller(self) -> DiskPoller | None:
        every = self.config.stats.disk
        if self.engine is None or self._poller is None or not every:
            return None
        running = self._poller.containers
        return DiskPoller(self.engine, float(every), running, self.states.measured, self.metrics)

    def _publish(self, samples: Samples) -> None:
        """Passes a container's stats to `/metrics` and to the routes that take stats."""
        self.exposition.update(samples)
        if self._page is not None:
            self._page.view.note(samples)
        followed = self.source.followed.get(samples.container.id)
        if followed is not None and (container := followed.container).stats:
            container.readings += 1
            refused = container.stats.offer(stats_batch(samples, container.readings))
            if refused:
                self.metrics.source_errors.labels("stats_backlog").inc(refused)

    def _alive(self, container_id: str) -> bool:
        """Whether a container is running and so has stats.

        Of containers on other hosts it is only known that a source brought entries lately.
        """
        if self.engine is None:
            return True
        polled = self._poller is not None and self._poller.polls(container_id)
        return polled or self.runners.bring(container_id)

    def _own_metrics(self) -> Iterable[Metric]:
        """The agent's own metrics, as on `/metrics` without those of containers."""
        return self.exposition.agent()

    def not_ready(self) -> list[str]:
        """Everything that isn't ready, in a sentence each, for `/readyz`; an empty list if all
        is."""
        sinks = (output.not_ready() for output in self.outputs.named.values())
        lines = (self.engine_problem, *self.runners.not_ready(), *sinks)
        return [line for line in lines if line]

    def is_own(self, container: Container) -> bool:
        """Whether the agent runs in this container."""
        return container.id == self._myself

    @property
    def engine_problem(self) -> str | None:
        """Why the Engine doesn't answer; None if it does, or if there is none."""
        if self.engine is None:
            return None
        return self.source.watch.problem if self.started else "not connected yet"

    def _unseen(self) -> int:
        """Entries that were read and that no stage has seen yet."""
        return self._router.flusher.turns.entries

    async def audit(self, take: Take, chosen: Chosen = everything) -> AuditReport:
        """A report of the ledger: what became of every entry so far (see `Auditor.audit`)."""
        return await self._auditor.audit(take, chosen)

    def conceal(self, text: str) -> str:
        """A text of the configuration without what must not be shown: see `ConfigFile.starred`.

        Settings that need a restart are still those of the first configuration.
        """
        return self._first.starred(self.written.starred(text))

    async def overview(self) -> Overview:
        """What the agent does at the moment, for `GET /top`."""
        return await self._observer.overview(self.engine_problem or "")

    # --------------------------------------------------------------------------- reloading

    async def reload(self, written: ConfigFile) -> Difference:
        """Applies another configuration while the agent runs; call `finish_reload` afterwards.

        Settings that can't change without a restart keep their values. Returns what has changed,
        and the names of the settings that can't. Raises `DocklineError`, and then nothing has
        changed.
        """
        difference = compare(self.config, written.config)
        config = difference.config
        derived = self.metrics.derived.draft()
        change, selection, routes = await asyncio.to_thread(self._plan, config, derived)
        sources = await asyncio.to_thread(self.runners.plan, config.sources)
        await self.outputs.prepare(change)
        # No await from here on: no entry is read in between.
        self.config, self.written = config, written
        self.outputs.apply(change)
        self.outputs.begin(change)
        self.selection = selection
        self._router.change(routes, selection.labels)
        self.metrics.derived.adopt(derived)
        self.tap.routes, self.tap.sinks = list(config.routes), list(config.sinks)
        self._observer.change(list(config.routes), self.outputs.buffers())
        if self._page is not None:
            self._page.view.reloaded()
        if self.engine is not None:
            self.source.change(self._reading())
        self.runners.apply(sources)
        self.runners.rebind()
        self._change, self._source_change = change, sources
        return difference

    def _plan(
        self, config: Config, derived: Derived
    ) -> tuple[OutputChange, Selection, list[Route]]:
        change, selection = self.outputs.plan(config.sinks), Selection(config)
        routes = _routes(config, change.outputs, selection, self.metrics, derived)
        return change, selection, [self._as_before(route, config) for route in routes]

    def _as_before(self, route: Route, config: Config) -> Route:
        """The present route if `route` is the same, so that its stages keep their state; else
        `route`."""
        there = self._router.routes.get(route.name)
        if there is None or not there.is_like(route):
            return route
        old = self.config
        kept = same(old.labels, config.labels) and same(
            old.routes[route.name], config.routes[route.name]
        )
        return there if kept else route

    async def finish_reload(self) -> None:
        """Waits until changed and removed sources and sinks have ended, after `reload`."""
        within = float(self.config.agent.shutdown)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(
                self.runners.complete_change(self._source_change, within), name="sources"
            )
            tasks.create_task(self.outputs.complete_change(self._change, within), name="sinks")

    # ----------------------------------------------------------------------------- running

    async def run(self, stop: asyncio.Event, reloader: Reloader | None = None) -> bool:
        """Runs until `stop` is set, then delivers what was read. Returns True if all of it was
        delivered.

        `reloader` runs meanwhile and reloads the configuration. Raises `DocklineError` if the agent
        can't start.
        """
        await asyncio.to_thread(self.checkpoint.open)
        if self.engine is not None:
            self.source = self._make_source(self.engine)
        self.started = True
        for sentence in beginning(self.config, self.conceal):
            log.info("%s", sentence)
        try:
            self._collector.start()
            if self._endpoints is not None:
                await asyncio.to_thread(self._endpoints.take_token)
                await self._endpoints.admin.start()
                scheme = "https" if self.config.http.tls else "http"
                log.info("metrics on %s://%s/metrics", scheme, self._endpoints.admin.address)
            await self.outputs.open()
            async with asyncio.TaskGroup() as tasks:
                self.outputs.start(tasks)
                self.runners.start(tasks)
                beside = [tasks.create_task(self._router.flusher.run(), name="held entries")]
                if self.engine is not None:
                    beside.append(tasks.create_task(self._save(), name="checkpoint"))
                if self._page is not None:
                    beside.append(tasks.create_task(self._page.run(), name="page"))
                await self._read_until(stop, reloader)
                await self._drain()
                for task in beside:
                    task.cancel()
                await self.outputs.finish()
                await self.runners.finish()
            self._say_what_was_done()
            return not any(output.buffer.entries for output in self.outputs)
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(FINISHING):
                    await self.checkpoint.save()
            self.checkpoint.close()
            if self.engine is not None:
                await self.engine.close()
            if self._page is not None:
                self._page.close()
            if self._endpoints is not None:
                await self._endpoints.admin.close()
            self._collector.stop()

    def _say_what_was_done(self) -> None:
        for sentence in ending(self._observer.sinks()):
            log.info("%s", sentence)
        log.info("stopped after %s", elapsed(time.time() - self.began))

    async def _read_until(self, stop: asyncio.Event, reloader: Reloader | None) -> None:
        async with asyncio.TaskGroup() as tasks:
            reading = []
            if self.engine is not None:
                reading.append(tasks.create_task(self.source.run(), name="docker"))
            if reloader is not None:
                if self._endpoints is not None:
                    self._endpoints.reloading.reloader = reloader
                reading.append(tasks.create_task(reloader.run(self), name="reload"))
            if self._poller is not None:
                reading.append(tasks.create_task(self._poll(self._poller), name="stats"))
            if (disk := self._make_disk_poller()) is not None:
                reading.append(tasks.create_task(self._poll(disk), name="disk"))
            reading.append(tasks.create_task(Allocator().run(), name="allocator"))
            reading.append(tasks.create_task(self._collector.run(), name="garbage collector"))
            await stop.wait()
            log.info("stopping: delivering what has been read")
            self.runners.stop()
            for task in reading:
                task.cancel()

    async def _poll(self, poller: StatsPoller | DiskPoller) -> None:
        """Polls stats or disks. How many requests may run at once depends on the Engine, so it is
        asked first."""
        await self.source.watch.available()
        await poller.run()

    async def _save(self) -> None:
        """Saves the checkpoint, first as soon as the containers are known.

        Otherwise an agent that is killed in its first second would take containers that it had seen
        for new ones after the restart.
        """
        await self.source.watch.available()
        while True:
            await self.checkpoint.save()
            await asyncio.sleep(SAVE_EVERY)

    async def _drain(self) -> None:
        """Lets the sinks deliver what is left within `agent.shutdown`, and logs what they
        couldn't."""
        within = float(self.config.agent.shutdown)
        for output in await self.outputs.drain(within, self._let_go):
            lost = self._lost(output)
            entries = output.buffer.entries
            they = plural(entries, "it is", "they are")
            fate = "sent from its spool" if output.spool else self._again
            log.warning(
                "sink %s: %d %s could not be delivered in time (%s)%s",
                output.name,
                entries,
                plural(entries, "entry"),
                output.delivery.problem or "slow",
                f"; {they} {fate} after the next start" if lost.total() < entries else "",
            )
            self._note_lost(output, lost)

    @property
    def _again(self) -> str:
        """How undelivered entries come back after a restart, for a log message."""
        return "read again" if self.engine is not None else "sent again by their senders"

    async def _let_go(self) -> None:
        """Puts everything that was taken, and what stages hold back, into the sinks' buffers."""
        await self.runners.placed()
        await self._router.flusher.finish()

    def _lost(self, output: Output) -> Counter[str]:
        """Undelivered entries that can't be read or sent again, counted by reason."""
        lost: Counter[str] = Counter()
        if output.spool is not None:
            return lost
        followed = self.source.followed if self.engine is not None else {}
        for envelope in output.buffer.envelopes():
            batch = envelope.batch
            of = batch.container.id
            repeated = self.runners.repeat(of)
            if repeated:
                continue
            if batch.source == "stats":
                lost["stats cannot be read again"] += len(batch)
            elif repeated is not None:
                lost["their senders do not send them again"] += len(batch)
            elif of not in followed:
                lost["their containers were removed"] += len(batch)
        return lost

    def _note_lost(self, output: Output, lost: Counter[str]) -> None:
        for reason, entries in lost.items():
            self.metrics.dropped.labels(output.name, LOST).inc(entries)
            log.warning(
                "sink %s: %d of them %s lost, since %s; buffer.disk would have kept them",
                output.name,
                entries,
                plural(entries, "is", "are"),
                reason,
            )


def _routes(
    config: Config,
    outputs: Mapping[str, Output],
    selection: Selection,
    metrics: Metrics,
    derived: Derived,
) -> list[Route]:
    def stage(route: str, one: StageConfig) -> tuple[str, Stage]:
        errors = metrics.stage_errors
        context = StageContext(
            derived, failed=lambda count: errors.labels(route, one.name).inc(count)
        )
        return one.name, registry.stage(one.name, one.config, context)

    return [
        Route(
            name=name,
            sources=frozenset(route.sources),
            takes=selection.takes(name),
            stages=[stage(name, one) for one in route.stages],
            outputs=[outputs[sink] for sink in dict.fromkeys(route.sinks)],
            feeds=route.feeds,
        )
        for name, route in config.routes.items()
    ]
