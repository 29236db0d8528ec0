"""The sum of many containers' parts of the ledger's report."""

from __future__ import annotations

import operator
from operator import attrgetter

from pipeline.accounting.audit import ContainerPart, RoutePart, SinkPart
from pipeline.accounting.ledger import add_all

ALL = "(all)"
"""The name of the sum."""

_COUNTS = (
    "routed", "letters", "carried", "known", "delivered", "dead_lettered", "left", "buffered",
    "unaccounted",
)  # fmt: skip
_counts_of = attrgetter(*_COUNTS)


class Total:
    """Adds up containers, by route and sink."""

    def __init__(self) -> None:
        self._read: dict[str, int] = {}
        self._routes: dict[tuple[str, str], _RouteTotal] = {}

    def add(self, part: ContainerPart) -> None:
        """Adds a container."""
        add_all(self._read, part.read)
        for route in part.routes:
            key = route.source, route.route
            total = self._routes.get(key)
            if total is None:
                total = self._routes[key] = _RouteTotal()
            total.add(route)

    @property
    def part(self) -> ContainerPart:
        """The sum so far, as one container. Differences with opposite signs cancel each other."""
        routes = [total.part(*key) for key, total in self._routes.items()]
        return ContainerPart("", ALL, self._read, routes)


class _RouteTotal:
    def __init__(self) -> None:
        self._taken = self._unaccounted = self._held = 0
        self._filtered: dict[str, int] = {}
        self._handed: dict[str, int] = {}
        self._made: dict[str, int] = {}
        self._fed = False
        self._sinks: dict[str, tuple[list[int], dict[str, int]]] = {}
        """By sink: the counts, and what was dropped by reason."""

    def add(self, route: RoutePart) -> None:
        self._taken += route.taken
        self._unaccounted += route.unaccounted
        self._held += route.held
        self._fed = self._fed or route.fed
        add_all(self._filtered, route.filtered)
        add_all(self._handed, route.handed)
        add_all(self._made, route.made)
        for sink in route.sinks:
            counts, dropped = self._sinks.get(sink.sink) or self._sinks.setdefault(
                sink.sink, ([0] * len(_COUNTS), {})
            )
            counts[:] = map(operator.add, counts, _counts_of(sink))
            add_all(dropped, sink.dropped)

    def part(self, source: str, route: str) -> RoutePart:
        sinks = [
            SinkPart(sink, dropped=dropped, **dict(zip(_COUNTS, counts, strict=True)))
            for sink, (counts, dropped) in self._sinks.items()
        ]
        return RoutePart(
            route, source, self._taken, sinks, self._filtered, self._unaccounted, self._fed,
            self._handed, self._held, self._made,
        )  # fmt: skip
