"""The agent: the only module that knows all the others. Wires them, starts them, stops them."""

from __future__ import annotations

import asyncio
import logging
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from prometheus_client import Metric

from pipeline.accounting.audit import AuditReport, LedgerMetrics, report
from pipeline.accounting.checkpoint import Checkpoint
from pipeline.accounting.ledger import Ledger, SinkAccount
from pipeline.config import Config, StageConfig
from pipeline.config.compare import Difference, compare
from pipeline.intake.runner import SourceGauges
from pipeline.intake.runners import SourceRunners
from pipeline.model import registry
from pipeline.model.component import Stage, StageContext
from pipeline.model.metrics import Metrics
from pipeline.model.samples import Samples
from pipeline.model.stage_metrics import Derived
from pipeline.model.tables import same
from pipeline.observe import token
from pipeline.observe.access import Gate
from pipeline.observe.admin import Admin
from pipeline.observe.metrics_page import Exposition
from pipeline.observe.overview import Observer, Overview
from pipeline.observe.server import parse_listen
from pipeline.observe.tap_stream import Tapping
from pipeline.runtime.reload import Reloader
from pipeline.runtime.reload_on_request import Reloading
from pipeline.runtime.selection import Selection
from pipeline.sources.docker.discovery.own_container import own_container
from pipeline.sources.docker.engine.client import Engine
from pipeline.sources.docker.engine.endpoint import resolve
from pipeline.sources.docker.source import DockerSource, FollowOptions
from pipeline.sources.docker.stats import StatsPoller, stats_batch
from pipeline.support.allocator import Allocator
from pipeline.support.garbage import Collector
from pipeline.support.plural import plural
from pipeline.topology import Route, Router
from pipeline.topology.output import Output, OutputGauges
from pipeline.topology.outputs import FINISHING, OutputChange, Outputs
from pipeline.topology.tap import Tap

log = logging.getLogger(__name__)

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
        self.engine = (
            Engine(resolve(config.engine.url, config.engine.tls, environ))
            if config.engine.enabled
            else None
        )
        if self.engine is None:  # else it would be said to be down
            metrics.registry.unregister(metrics.engine_up)
        self.checkpoint = Checkpoint(Path(config.state.directory))
        state, host = Path(config.state.directory), os.uname().nodename
        self.outputs = Outputs(
            metrics, self.ledger, state, host, self._alive, self.tap, self._own_metrics
        )
        self._change = change = self.outputs.plan(config.sinks)
        self.outputs.apply(change)
        metrics.registry.register(OutputGauges(self.outputs))
        metrics.registry.register(LedgerMetrics(self.ledger, self.outputs.entries, self._unseen))
        self._selection = Selection(config)
        routes = _routes(config, change.outputs, self._selection, metrics, metrics.derived)
        self._router = Router(routes, metrics, self.ledger, self.tap, self._selection.labels)
        self.runners = SourceRunners(self._router, metrics, host)
        self._inlet_change = sources = self.runners.plan(config.sources)
        self.runners.apply(sources)
        metrics.registry.register(SourceGauges(self.runners))
        self._poller = self._make_poller()
        self._collector = Collector()
        self.exposition = Exposition(
            labels=config.stats.labels, registry=metrics.registry, alive=self._alive
        )
        self._observer = Observer(
            self.ledger,
            metrics,
            list(config.routes),
            lambda: [output.now() for output in self.outputs.named.values()],
            self.outputs.buffers(),
            self._spooled,
            host,
            self.runners.now,
        )
        self._myself = own_container()
        self.source: DockerSource
        """Once it runs, where there is an Engine."""
        self._reloading = Reloading(config.http.reload)
        self._gate = self._make_gate()
        self.admin = (
            Admin(
                config.http.listen,
                self._gate,
                self.exposition,
                self.not_ready,
                self.audit,
                Tapping(self.tap, config.http.tap),
                self.overview,
                self._reloading.handle,
                lambda reason: self.metrics.http_ended.labels(reason).inc(),
            )
            if config.http.listen
            else None
        )

    # ------------------------------------------------------------------------------ wiring

    def _make_source(self, engine: Engine) -> DockerSource:
        """It begins where the checkpoint is, so that has to be open."""
        return DockerSource(
            engine,
            self._router,
            self.checkpoint,
            self.metrics,
            self._reading(),
            stats=self._poller,
            myself=self._myself,
            connected=lambda: self.exposition.describe_machine(engine.info),
            removed=self.exposition.remove,
        )

    def _reading(self) -> FollowOptions:
        logs = self._config.logs
        return FollowOptions(
            start=logs.start,
            way=logs.read,
            max_line=int(logs.max_line),
            reconcile=float(logs.reconcile),
            selects=self._selection.follows,
            events=self._config.events.enabled,
            last_lines=self._config.events.last_lines,
        )

    def _make_gate(self) -> Gate:
        """Without the token that is kept, which is had when the agent runs."""
        http = self._config.http
        hosts = [*http.hosts, *([parse_listen(http.listen)[0]] if http.listen else [])]
        return Gate(
            http.token and http.token.strip(),
            hosts,
            metrics=http.metrics == "open",
            refused=lambda reason: self.metrics.http_refused.labels(reason).inc(),
        )

    def _take_token(self) -> None:
        """That of the state folder, where the configuration sets none. Without one, what needs it
        is closed. Blocks."""
        if self._gate.token is not None:
            return
        why = "[state] directory cannot be used"
        if folder := self.checkpoint.folder:
            try:
                self._gate.token = token.kept(folder)
                return
            except OSError as error:
                why = f"{folder / token.NAME}: {error.strerror}"
        log.warning(
            "no token can be kept (%s), so nobody can be let in to /tap, /top, /audit and "
            "/-/reload: give the agent a folder that it can write to, or set http.token",
            why,
        )

    def _make_poller(self) -> StatsPoller | None:
        every = self._config.stats.every
        if self.engine is None or not every:
            return None
        return StatsPoller(self.engine, float(every), self._publish, self.metrics)

    def _publish(self, samples: Samples) -> None:
        """A container's stats: for `/metrics`, and for the routes that take them."""
        self.exposition.update(samples)
        followed = self.source.followed.get(samples.container.id)
        if followed is not None and (container := followed.container).stats:
            container.readings += 1
            refused = container.stats.offer(stats_batch(samples, container.readings))
            if refused:
                self.metrics.source_errors.labels("stats_backlog").inc(refused)

    def _alive(self, container_id: str) -> bool:
        """Whether the container runs, and so has stats. Those of other hosts may, for all that can
        be told of what a source brings: their readings get old."""
        if self.engine is None:
            return True
        polled = self._poller is not None and self._poller.polls(container_id)
        return polled or self.runners.bring(container_id)

    def _own_metrics(self) -> Iterable[Metric]:
        """As they are on `/metrics`, without the containers'."""
        return self.exposition.agent()

    def not_ready(self) -> list[str]:
        """A line for each thing that is not ready, for `/readyz`."""
        sinks = (output.not_ready() for output in self.outputs.named.values())
        lines = (self._engine_problem, *self.runners.not_ready(), *sinks)
        return [line for line in lines if line]

    @property
    def _engine_problem(self) -> str | None:
        return None if self.engine is None else self.source.watch.problem

    def _unseen(self) -> int:
        return self._router.flusher.turns.entries

    def audit(self) -> AuditReport:
        """The ledger, as it stands."""
        buffered, carried = self.outputs.buffered(), self.outputs.carried()
        return report(self.ledger, buffered, carried, self.runners.parts())

    def _spooled(self) -> set[SinkAccount]:
        """Those of which entries are on disk."""
        spools = [output.spool for output in self.outputs if output.spool is not None]
        return {
            account for spool in spools for account, count in spool.disk.accounts.items() if count
        }

    async def overview(self) -> Overview:
        """What it does just now."""
        return await self._observer.overview(self._engine_problem or "")

    # --------------------------------------------------------------------------- reloading

    async def reload(self, config: Config) -> Difference:
        """Goes on with another configuration; `settle` is to follow. What cannot change while the
        agent runs stays as it is, and is named in what is returned.

        Raises `DocklineError`, and then nothing has changed.
        """
        difference = compare(self._config, config)
        config = difference.config
        derived = self.metrics.derived.draft()
        change, selection, routes = await asyncio.to_thread(self._plan, config, derived)
        sources = await asyncio.to_thread(self.runners.plan, config.sources)
        await self.outputs.prepare(change)
        # From here to the end at once: no entry is read in between.
        self._config = config
        self.outputs.apply(change)
        self.outputs.begin(change)
        self._selection = selection
        self._router.change(routes, selection.labels)
        self.metrics.derived.adopt(derived)
        self.tap.routes, self.tap.sinks = list(config.routes), list(config.sinks)
        self._observer.change(list(config.routes), self.outputs.buffers())
        if self.engine is not None:
            self.source.change(self._reading())
        self.runners.apply(sources)
        self.runners.rebind()
        self._change, self._inlet_change = change, sources
        return difference

    def _plan(
        self, config: Config, derived: Derived
    ) -> tuple[OutputChange, Selection, list[Route]]:
        change, selection = self.outputs.plan(config.sinks), Selection(config)
        routes = _routes(config, change.outputs, selection, self.metrics, derived)
        return change, selection, [self._as_before(route, config) for route in routes]

    def _as_before(self, route: Route, config: Config) -> Route:
        """The route that there is, where this one is no other: its stages go on as they are."""
        there = self._router.routes.get(route.name)
        if there is None or not there.is_like(route):
            return route
        old = self._config
        kept = same(old.labels, config.labels) and same(
            old.routes[route.name], config.routes[route.name]
        )
        return there if kept else route

    async def settle(self) -> None:
        """Waits until the sources and sinks that were changed or removed have given way."""
        within = float(self._config.agent.shutdown)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.runners.settle(self._inlet_change, within), name="sources")
            tasks.create_task(self.outputs.settle(self._change, within), name="sinks")

    # ----------------------------------------------------------------------------- running

    async def run(self, stop: asyncio.Event, reloader: Reloader | None = None) -> bool:
        """Until `stop` is set; then drains. True when everything that was read is delivered.
        `reloader` is asked for other configurations meanwhile.

        Raises `DocklineError` when it cannot start.
        """
        await asyncio.to_thread(self.checkpoint.open)
        if self.engine is not None:
            self.source = self._make_source(self.engine)
        try:
            self._collector.start()
            if self.admin is not None:
                await asyncio.to_thread(self._take_token)
                await self.admin.start()
                log.info("metrics on http://%s/metrics", self.admin.address)
            await self.outputs.open()
            async with asyncio.TaskGroup() as tasks:
                self.outputs.start(tasks)
                self.runners.start(tasks)
                flushing = tasks.create_task(self._router.flusher.run(), name="held entries")
                await self._read_until(stop, reloader)
                await self._drain()
                flushing.cancel()
                await self.outputs.finish()
                await self.runners.finish()
            return not any(output.buffer.entries for output in self.outputs)
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(FINISHING):
                    await self.checkpoint.save()
            self.checkpoint.close()
            if self.engine is not None:
                await self.engine.close()
            if self.admin is not None:
                await self.admin.close()
            self._collector.stop()

    async def _read_until(self, stop: asyncio.Event, reloader: Reloader | None) -> None:
        async with asyncio.TaskGroup() as tasks:
            reading = []
            if self.engine is not None:
                reading.append(tasks.create_task(self.source.run(), name="docker"))
                reading.append(tasks.create_task(self._save(), name="checkpoint"))
            if reloader is not None:
                self._reloading.reloader = reloader
                reading.append(tasks.create_task(reloader.run(self), name="reload"))
            if self._poller is not None:
                reading.append(tasks.create_task(self._poll(self._poller), name="stats"))
            reading.append(tasks.create_task(Allocator().run(), name="allocator"))
            reading.append(tasks.create_task(self._collector.run(), name="garbage collector"))
            await stop.wait()
            log.info("stopping: delivering what has been read")
            self.runners.stop()
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

    async def _drain(self) -> None:
        """Has what stages hold back sent too."""
        within = float(self._config.agent.shutdown)
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
        """How what was not delivered comes back."""
        return "read again" if self.engine is not None else "sent again by those who sent them"

    async def _let_go(self) -> None:
        """All that was taken goes to the sinks' buffers."""
        await self.runners.placed()
        await self._router.flusher.finish()

    def _lost(self, output: Output) -> Counter[str]:
        """How much of what was not delivered is nowhere any more, by the reason."""
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
                lost["readings of stats cannot be taken again"] += len(batch)
            elif repeated is not None:
                lost["nobody sends them again"] += len(batch)
            elif of not in followed:
                lost["their containers are removed"] += len(batch)
        return lost

    def _note_lost(self, output: Output, lost: Counter[str]) -> None:
        for reason, entries in lost.items():
            self.metrics.dropped.labels(output.name, "stopped").inc(entries)
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
            outputs=[outputs[sink] for sink in route.sinks],
            feeds=route.feeds,
        )
        for name, route in config.routes.items()
    ]
