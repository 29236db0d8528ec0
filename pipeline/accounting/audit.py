"""The ledger's figures for users: what is in the report of `dockline audit` (see `auditor`), and
metrics for `/metrics`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import cast

import msgspec
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from pipeline.accounting.ledger import Ledger, SinkAccount
from pipeline.model import plain

MOST_SERIES = 1000
"""Containers that have their own series. The rest are added up as one, called `(others)`."""


class SinkPart(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one sink got of one container over one route, and what became of it. All counts are
    entries."""

    sink: str
    routed: int = 0
    """Came over the route."""
    letters: int = 0
    """Came as dead letters of other sinks."""
    carried: int = 0
    """Came from the spool, where an earlier run of the agent wrote them."""
    known: int = 0
    """Read again after a restart, and the sink had them already."""
    delivered: int = 0
    dropped: dict[str, int] = {}
    """By reason."""
    dead_lettered: int = 0
    left: int = 0
    """Still on disk, for a sink that was removed from the configuration."""
    buffered: int = 0
    unaccounted: int = 0
    """Came to the sink and are missing. Below 0: counted twice."""


class RoutePart(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one route took of one container, and what became of it. All counts are entries."""

    route: str
    source: str
    taken: int
    sinks: list[SinkPart]
    filtered: dict[str, int] = {}
    """Filtered out, by stage."""
    unaccounted: int = 0
    """Taken or made by a stage, but not filtered, held back or routed to the sinks."""
    fed: bool = False
    """Whether the route takes what other routes hand on, instead of what is read."""
    handed: dict[str, int] = {}
    """Handed on to other routes, by route."""
    held: int = 0
    """Held back by stages that wait for what comes next, such as `join`."""
    made: dict[str, int] = {}
    """Made by each stage by splitting entries: an entry split into three counts as two made."""


class ContainerPart(msgspec.Struct, frozen=True):
    """What was read of one container, and what its routes took."""

    id: str
    """The container's id. Empty for the sum of removed containers, and for the sum of those beyond
    the ledger's limit."""
    name: str
    read: dict[str, int]
    """Entries read, by source (`logs`, `events`, `stats`)."""
    routes: list[RoutePart]


class SourcePart(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one configured source (other than Docker) took. All counts are messages."""

    source: str
    taken: int = 0
    settled: int = 0
    """Settled by every sink, so the peer may forget them."""
    given_up: int = 0
    """Not settled when the agent stopped; the peer has to send them again."""
    open: int = 0
    """Taken, and not settled yet."""
    refused: dict[str, int] = {}
    """Not taken, by reason."""

    @property
    def unaccounted(self) -> int:
        """Taken and missing; 0 unless there is a bug."""
        return self.taken - self.settled - self.given_up - self.open


class AuditReport(msgspec.Struct, frozen=True):
    """The JSON answer of `GET /audit`."""

    balanced: bool
    """Whether every `unaccounted` is 0."""
    containers: list[ContainerPart]
    carried: dict[str, int]
    """By sink: entries on disk that an earlier run of the agent wrote. Their containers are known
    once they are sent."""
    sources: list[SourcePart] = []


class _Entries:
    """The samples of `dockline_container_entries_total`, each made when it is written.

    Counting 4,000 of them must happen in one turn of the event loop; writing them need not.
    """

    name = "dockline_container_entries"
    labels = ("container", "route", "sink", "outcome")

    def __init__(self, counts: Mapping[tuple[str, str, str, str], int]) -> None:
        self._counts = counts

    def __iter__(self) -> Iterator[Sample]:
        for values, count in self._counts.items():
            yield Sample(f"{self.name}_total", dict(zip(self.labels, values, strict=True)), count)


class LedgerMetrics(Collector):
    """A Prometheus collector: entries by container and outcome, and unaccounted entries by sink."""

    def __init__(
        self,
        ledger: Ledger,
        buffered: Callable[[], Mapping[str, int]],
        unseen: Callable[[], int] = int,
    ) -> None:
        """`buffered`: returns, by sink, the entries that the sink's buffer counts, without those
        that an earlier run left on disk. `unseen`: returns the number of entries that were read and
        have not been through any stage."""
        self._unseen = unseen
        self._ledger = ledger
        self._buffered = buffered

    def collect(self) -> Iterator[Metric]:
        """Yields the metric families, all taken at the same moment."""
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
                    # Written out: 40,000 of these run in one turn of the event loop.
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
            "Entries that came to a sink and are missing. Anything but 0 is a bug.",
            labels=["sink"],
        )
        for sink, buffered in self._buffered().items():
            unaccounted.add_metric([sink], open_[sink] - buffered)
        waiting = GaugeMetricFamily(
            "dockline_held_entries",
            "Entries that a stage holds back because it waits for what comes next.",
            labels=["route"],
        )
        for route, count in held.items():
            waiting.add_metric([route], count)
        unseen = GaugeMetricFamily(
            "dockline_waiting_entries",
            "Entries that were read and have not been through any stage yet: they wait for their "
            "turn, or for room for earlier entries.",
            value=self._unseen(),
        )
        yield from (
            entries,
            unaccounted,
            waiting,
            unseen,
        )  # all at the end: other tasks run between two of them


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
