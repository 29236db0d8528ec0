"""The ledger as others see it: a report for `dockline audit`, and samples for `/metrics`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import cast

import msgspec
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from pipeline.accounting.ledger import Balance, ContainerAccount, Ledger, RouteAccount, SinkAccount
from pipeline.model import plain

MOST_SERIES = 1000
"""Containers with series of their own; what is left is added up as one, `(others)`."""


class SinkPart(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one sink had of one route and container. All figures are entries."""

    sink: str
    routed: int = 0
    """Came over the route."""
    letters: int = 0
    """Came as dead letters of other sinks."""
    carried: int = 0
    """Came from the spool of an earlier run."""
    known: int = 0
    """Read again after a restart, and the sink had them."""
    delivered: int = 0
    dropped: dict[str, int] = {}
    """By reason."""
    dead_lettered: int = 0
    left: int = 0
    """On the disk of a sink that was removed."""
    buffered: int = 0
    unaccounted: int = 0
    """Came and are nowhere; below 0, are in more places than one."""


class RoutePart(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one route took of one container."""

    route: str
    source: str
    taken: int
    sinks: list[SinkPart]
    filtered: dict[str, int] = {}
    """By stage."""
    unaccounted: int = 0
    """Read or made, and neither filtered nor held back nor given to a sink."""
    fed: bool = False
    """It takes what other routes hand on, and nothing that is read."""
    handed: dict[str, int] = {}
    """On to other routes."""
    held: int = 0
    """In stages that wait for what comes next, such as `join`."""
    made: dict[str, int] = {}
    """By stage: of what it split entries into, all but one each."""


class ContainerPart(msgspec.Struct, frozen=True):
    id: str
    """Empty for the sum of all that are removed, or beyond the ledger's bounds."""
    name: str
    read: dict[str, int]
    """By source."""
    routes: list[RoutePart]


class SourcePart(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one source beside Docker has taken. All figures are messages."""

    source: str
    taken: int = 0
    settled: int = 0
    """By every sink, so that the peer may forget them."""
    given_up: int = 0
    """Left to the peer to send again."""
    open: int = 0
    """On their way to the sinks."""
    refused: dict[str, int] = {}
    """Not taken, by reason."""

    @property
    def unaccounted(self) -> int:
        return self.taken - self.settled - self.given_up - self.open


class AuditReport(msgspec.Struct, frozen=True):
    """What `GET /audit` answers, as JSON."""

    balanced: bool
    containers: list[ContainerPart]
    carried: dict[str, int]
    """By sink: entries on disk that an earlier run has written, whose containers are known when
    they are sent."""
    sources: list[SourcePart] = []


def report(
    ledger: Ledger,
    buffered: Mapping[SinkAccount, int],
    carried: Mapping[str, int],
    sources: Sequence[SourcePart] = (),
) -> AuditReport:
    """At this moment; nothing may happen between looking into the buffers and this."""
    ledger.fold()
    lines = {line.account: line for line in ledger.lines(buffered)}
    containers = [_container(container_account, lines) for container_account in ledger]
    parts = [route for container in containers for route in container.routes]
    balanced = not any(
        route.unaccounted or any(sink.unaccounted for sink in route.sinks) for route in parts
    ) and not any(source.unaccounted for source in sources)
    left = {sink: n for sink, n in carried.items() if n}
    return AuditReport(balanced, containers, left, list(sources))


def _container(
    container_account: ContainerAccount, lines: Mapping[SinkAccount, Balance]
) -> ContainerPart:
    routes = [_route(route_account, lines) for route_account in container_account.routes.values()]
    return ContainerPart(
        container_account.id,
        plain.name(container_account.name),
        dict(container_account.read),
        routes,
    )


def _route(route_account: RouteAccount, lines: Mapping[SinkAccount, Balance]) -> RoutePart:
    return RoutePart(
        route_account.route,
        route_account.source,
        route_account.came,
        [_sink(lines[account]) for account in route_account.accounts.values()],
        {stage: count for stage, count in route_account.filtered.items() if count},
        route_account.unaccounted,
        route_account.fed is not None,
        {name: feed.handed for name, feed in route_account.feeds.items()},
        route_account.held,
        {stage: count for stage, count in route_account.made.items() if count},
    )


def _sink(line: Balance) -> SinkPart:
    account = line.account
    return SinkPart(
        account.sink,
        account.routed,
        account.letters,
        account.carried,
        account.known,
        account.delivered,
        {reason: count for reason, count in account.dropped.items() if count},
        account.dead_lettered,
        account.left,
        line.buffered,
        line.unaccounted,
    )


class _Entries:
    """The samples of `dockline_container_entries_total`, each made when it is asked for: counting
    4,000 of them must not be interrupted, writing them may be."""

    name = "dockline_container_entries"
    labels = ("container", "route", "sink", "outcome")

    def __init__(self, counts: Mapping[tuple[str, str, str, str], int]) -> None:
        self._counts = counts

    def __iter__(self) -> Iterator[Sample]:
        for values, count in self._counts.items():
            yield Sample(f"{self.name}_total", dict(zip(self.labels, values, strict=True)), count)


class LedgerMetrics(Collector):
    """Per container what became of its entries, and per sink what nobody can tell."""

    def __init__(
        self,
        ledger: Ledger,
        buffered: Callable[[], Mapping[str, int]],
        unseen: Callable[[], int] = int,
    ) -> None:
        """`buffered`: entries in each sink's buffer by the buffer's own count, without those that
        an earlier run has left on disk. `unseen`: those that no stage has seen yet."""
        self._unseen = unseen
        self._ledger = ledger
        self._buffered = buffered

    def collect(self) -> Iterator[Metric]:
        entries = CounterMetricFamily(
            _Entries.name,
            "Entries of a container, by what became of them at a sink.",
            labels=_Entries.labels,
        )
        self._ledger.fold()
        counts: Counter[tuple[str, str, str, str]] = Counter()
        others: dict[tuple[str, str], list[int]] = {}
        open_: Counter[str] = Counter()
        held: Counter[str] = Counter()
        for number, container_account in enumerate(self._ledger):
            name = plain.name(container_account.name) if number < MOST_SERIES else ""
            for route_account in container_account.routes.values():
                route = route_account.route
                held[route] += route_account.held
                for sink, account in route_account.accounts.items():
                    # Written out: 40,000 of these are one turn of the loop.
                    dropped = sum(account.dropped.values()) if account.dropped else 0
                    done = account.delivered + account.dead_lettered + dropped
                    came = account.routed + account.letters + account.carried
                    open_[sink] += came - done - account.known - account.left - account.waiting
                    if number < MOST_SERIES:
                        _count(counts, (name, route, sink), account, dropped)
                        continue
                    sums = others.get((route, sink)) or others.setdefault((route, sink), [0, 0, 0])
                    sums[0] += account.delivered
                    sums[1] += account.dead_lettered
                    sums[2] += dropped
        for (route, sink), sums in others.items():
            for outcome, count in zip(_OUTCOMES, sums, strict=True):
                if count or outcome == "delivered":
                    counts["(others)", route, sink, outcome] += count
        entries.samples = cast("list[Sample]", _Entries(counts))
        unaccounted = GaugeMetricFamily(
            "dockline_unaccounted_entries",
            "Entries that came to a sink and are nowhere: 0, or there is a bug.",
            labels=["sink"],
        )
        for sink, buffered in self._buffered().items():
            unaccounted.add_metric([sink], open_[sink] - buffered)
        waiting = GaugeMetricFamily(
            "dockline_held_entries",
            "Entries that a stage holds back, waiting for what comes next.",
            labels=["route"],
        )
        for route, count in held.items():
            waiting.add_metric([route], count)
        unseen = GaugeMetricFamily(
            "dockline_waiting_entries",
            "Entries that were read, and wait for their turn at the stages, or until the entries "
            "before them have found room.",
            value=self._unseen(),
        )
        yield from (
            entries,
            unaccounted,
            waiting,
            unseen,
        )  # not before: between two of them other things happen


_OUTCOMES = ("delivered", "dead_lettered", "dropped")


def _count(
    counts: Counter[tuple[str, str, str, str]],
    at: tuple[str, str, str],
    account: SinkAccount,
    dropped: int,
) -> None:
    counts[*at, "delivered"] += account.delivered
    if account.dead_lettered:
        counts[*at, "dead_lettered"] += account.dead_lettered
    if dropped:
        counts[*at, "dropped"] += dropped
