"""What a running agent does at the moment, small enough to be asked for every second (`dockline
top`).

Counters begin at 0 when the agent starts; clients compute rates from two answers. With 1,000
containers the answer has 100 KB and takes 15 ms, half of a scrape without containers' stats. The
event loop runs in between, every few milliseconds.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import msgspec
import prometheus_client

from pipeline.accounting.ledger import ContainerAccount, Ledger, SinkAccount
from pipeline.model import plain
from pipeline.model.metrics import Metrics
from pipeline.observe.waiting import Holding, Waiting
from pipeline.support.selector import Pause
from pipeline.topology.output import SinkNow

TOGETHER = 1000
"""Values of a counter that are looked at between two pauses: 0.3 ms."""


class SourceNow(msgspec.Struct, omit_defaults=True):
    """The state of a source other than Docker."""

    name: str
    type: str
    problem: str = ""
    messages: int = 0
    """Messages taken."""
    entries: int = 0
    """Entries in those messages."""
    open: int = 0
    """Messages that aren't settled."""
    open_bytes: int = 0
    containers: int = 0
    """Containers that entries came from lately."""
    refused: dict[str, int] = {}
    """Messages refused, by reason."""


class RouteNow(msgspec.Struct, omit_defaults=True):
    """What one route did so far."""

    name: str
    taken: int = 0
    filtered: dict[str, int] = {}
    """Entries filtered out, by stage."""
    made: int = 0
    """Entries made, by splitting others."""


class ContainerNow(msgspec.Struct, omit_defaults=True):
    """The state of one container."""

    id: str
    name: str
    lines: int = 0
    """Lines read of its log."""
    bytes: int = 0
    dropped: int = 0
    """Entries dropped at any sink."""
    waiting: int = 0
    """Entries not delivered yet, counted once per sink."""
    lag: float = 0.0
    """Age in seconds of its oldest undelivered entry. If that is on disk or far back in a long
    buffer, the sink's oldest entry counts instead."""


class Overview(msgspec.Struct, omit_defaults=True):
    """What `GET /top` answers, as JSON."""

    host: str
    began: float
    """When the agent started, in seconds since the epoch."""
    clock: float
    """Seconds of a monotonic clock, to compute rates from two answers."""
    problem: str
    """Why the Engine doesn't answer; empty while it does. Sinks and sources have fields of their
    own."""
    containers: list[ContainerNow]
    routes: list[RouteNow]
    sinks: list[SinkNow]
    sources: list[SourceNow] = []


class Observer:
    """Makes overviews."""

    def __init__(
        self,
        ledger: Ledger,
        metrics: Metrics,
        routes: Sequence[str],
        sinks: Callable[[], Sequence[SinkNow]],
        buffers: Mapping[str, Holding],
        spooled: Callable[[], Collection[SinkAccount]] = frozenset,
        host: str = "",
        sources: Callable[[], list[SourceNow]] = list,
    ) -> None:
        """`routes`: names. `sinks` returns the sinks' states without counters, which are added
        here. `buffers`: by sink. `spooled` returns the accounts with entries on disk. `host`: this
        host's name. `sources` returns the sources' states."""
        self._ledger = ledger
        self._metrics = metrics
        self._routes = routes
        self._sinks = sinks
        self._buffers = buffers
        self._spooled = spooled
        self._host = host
        self._sources = sources
        self._began = time.time()

    def change(self, routes: Sequence[str], buffers: Mapping[str, Holding]) -> None:
        """Uses other routes and buffers from now on, after a reload."""
        self._routes, self._buffers = routes, buffers

    def sinks(self) -> list[SinkNow]:
        """The state of each sink, with its counters."""
        sinks = list(self._sinks())
        self._count(sinks)
        return sinks

    async def overview(self, problem: str) -> Overview:
        """Makes an overview; lets the event loop run every few milliseconds.

        `problem`: why the Engine doesn't answer; empty if it does.
        """
        clock = time.monotonic()
        sinks = self.sinks()
        routes = {name: RouteNow(name) for name in self._routes}
        for (route, stage), count in _values(self._metrics.filtered, "route", "stage").items():
            if count and route in routes:
                routes[route].filtered[stage] = count
        for (route, _), count in _values(self._metrics.made, "route", "stage").items():
            if route in routes:
                routes[route].made += count
        containers = await self._containers(routes)
        return Overview(
            self._host, self._began, clock, problem, containers, list(routes.values()), sinks,
            self._sources(),
        )  # fmt: skip

    def _count(self, sinks: Iterable[SinkNow]) -> None:
        metrics = self._metrics
        delivered, size, retried, dead_lettered = (
            _values(counter, "sink")
            for counter in (
                metrics.delivered, metrics.delivered_bytes, metrics.retried, metrics.dead_lettered,
            )
        )  # fmt: skip
        dropped = _values(metrics.dropped, "sink", "reason")
        for sink in sinks:
            key = (sink.name,)
            sink.delivered, sink.delivered_bytes = delivered.get(key, 0), size.get(key, 0)
            sink.retried, sink.dead_lettered = retried.get(key, 0), dead_lettered.get(key, 0)
            sink.dropped = {
                reason: count for (name, reason), count in dropped.items() if name == sink.name
            }

    async def _containers(self, routes: Mapping[str, RouteNow]) -> list[ContainerNow]:
        pause = Pause()
        found = []

        def add_taken(container_account: ContainerAccount) -> None:
            for route_account in container_account.routes.values():
                if route_account.route in routes:
                    routes[route_account.route].taken += route_account.taken

        def folding(container_account: ContainerAccount) -> None:
            del left[container_account]
            add_taken(container_account)

        with self._ledger.walk(folding) as left:
            if left.pop(self._ledger.removed, None) is not None:
                add_taken(self._ledger.removed)
            sizes = await _by_name(self._metrics.received_bytes, pause)
            waiting = await Waiting.find(self._buffers, self._spooled, pause)
            for container_account in list(left):
                await pause()
                if left.pop(container_account, None) is None:
                    continue  # it was closed meanwhile
                add_taken(container_account)
                if container_account.id and (container_account.followed or container_account.open):
                    size = sizes.get(container_account.name, 0)
                    found.append(self._container(container_account, size, waiting))
        return found

    @staticmethod
    def _container(account: ContainerAccount, size: int, waiting: Waiting) -> ContainerNow:
        name, read = plain.name(account.name), account.read.get("logs", 0)
        return ContainerNow(account.id[:12], name, read, size, *waiting.of(account))


async def _by_name(counter: prometheus_client.Counter, pause: Pause) -> dict[str, int]:
    """The values of a counter that has one label, by its value.

    `collect` would make samples of 10,000 in one go: 50 ms.
    """
    values = {}
    for number, ((name,), child) in enumerate(list(counter._metrics.items())):
        values[name] = int(child._value.get())  # type: ignore[attr-defined]
        if number % TOGETHER == 0:
            await pause()
    return values


def _values(counter: prometheus_client.Counter, *labels: str) -> Counter[tuple[str, ...]]:
    """A counter's values by the values of these labels; other labels are summed up."""
    values: Counter[tuple[str, ...]] = Counter()
    for metric in counter.collect():
        for sample in metric.samples:
            values[tuple(sample.labels[label] for label in labels)] += int(sample.value)
    return values
