"""Which routes a container's entries take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from pipeline.accounting.acks import NOTHING, Offsets
from pipeline.accounting.ledger import ContainerAccount, Ledger
from pipeline.model.component import Stage
from pipeline.model.container import SOURCES, Container, Source
from pipeline.model.metrics import Metrics
from pipeline.topology.container_lanes import ContainerLanes
from pipeline.topology.held_back import Flusher
from pipeline.topology.labels import Labels, Reported
from pipeline.topology.lane import Lane
from pipeline.topology.route import Route
from pipeline.topology.tap import Tap

DOCKER: Final = "docker"
"""The origin of what is read from the Engine."""


@dataclass(frozen=True, slots=True)
class _Binding:
    """What the lanes of a container for a source are bound of."""

    container: Container
    container_account: ContainerAccount
    source: Source
    words: frozenset[str]
    """Source and origin: what a route may take."""
    offsets: Offsets | None
    there: Mapping[str, Lane]
    """Lanes that there were before, by their way."""
    staying: set[Lane] = field(default_factory=set)
    """Those of them that go on."""


class Router:
    """Binds lanes."""

    def __init__(
        self,
        routes: Sequence[Route],
        metrics: Metrics,
        ledger: Ledger,
        tap: Tap | None = None,
        labels: Labels | None = None,
    ) -> None:
        self._labels = labels or Labels(())
        self._reported = Reported(metrics)
        self.routes: Mapping[str, Route] = {route.name: route for route in routes}
        self._fed = {name for route in routes for name in route.feeds}
        self._metrics = metrics
        self._ledger = ledger
        self._tap = tap or Tap()
        self.flusher = Flusher()
        """To be run while anything is read; and to be finished afterwards."""
        self._origins: dict[str, tuple[str, ...]] = {}
        """Who takes entries of each container."""

    def change(self, routes: Sequence[Route], labels: Labels) -> None:
        """For all that is bound from now on; whoever has lanes is to bind them anew. A route that
        there was before may be among `routes` where `labels` ask for the same as before."""
        self._labels = labels
        self.routes = {route.name: route for route in routes}
        self._fed = {name for route in routes for name in route.feeds}

    def bind(
        self,
        container: Container,
        offsets: Offsets | None,
        sequence: int = NOTHING,
        before: Mapping[Source, ContainerLanes] | None = None,
        origin: str = DOCKER,
        sources: Iterable[Source] = SOURCES,
    ) -> dict[Source, ContainerLanes]:
        """The lanes of a container from now on, for each of `sources`; others may be bound later,
        with `bind_source`. `offsets` is that of its log, where there is a position to resume at,
        `sequence` that of the entry of it that was read last. Those `before`, of the same facts,
        end, but for lanes of routes that are still the same. `origin`: who takes its entries, by
        the name in the configuration."""
        if offsets is not None:
            offsets.bind(sequence)
        container_account = self._ledger.container(container.id, container.name)
        container_account.unbind()
        container_account.followed = True
        if origin not in (origins := self._origins.get(container.id, ())):
            self._origins[container.id] = (*origins, origin)
        if origin == DOCKER:
            self._reported.note(container, self._labels.of(container).errors)
        bound = {}
        for source in sources:
            old = before[source] if before else None
            sink_offsets = offsets if source == "logs" else None
            bound[source] = self._lanes(
                container, container_account, source, sink_offsets, old, origin
            )
        return bound

    def bind_source(self, container: Container, source: Source, origin: str) -> ContainerLanes:
        """The lanes of one source more of a container that is bound, where there is no position to
        resume at. Nothing of it has come yet."""
        container_account = self._ledger.container(container.id, container.name)
        return self._lanes(container, container_account, source, None, None, origin)

    def forget(self, container_id: str, origin: str = DOCKER) -> None:
        """The container is removed, and nothing of it will be read any more: by that origin."""
        others = [one for one in self._origins.pop(container_id, ()) if one != origin]
        if others:
            self._origins[container_id] = tuple(others)
            return
        self._ledger.forget(container_id)
        self._metrics.derived.forget(container_id)
        self._reported.forget(container_id)

    def _lanes(
        self,
        container: Container,
        container_account: ContainerAccount,
        source: Source,
        offsets: Offsets | None,
        before: ContainerLanes | None,
        origin: str,
    ) -> ContainerLanes:
        first, once = self._labelled(container, source, origin)
        there = {one.way: one for root in before or () for one in root.with_feeds()}
        binding = _Binding(
            container, container_account, source, frozenset((source, origin)), offsets, there
        )
        roots = [route for route in self.routes.values() if route.name not in self._fed]
        lanes = [one for route in roots if (one := self._lane(binding, route, route.name, first))]
        if before is not None:
            before.end([one for one in there.values() if one not in binding.staying])
            once = before.first if binding.staying else once  # of the same labels: see `change`
        tagged = self._labels.of(container).tagged
        bound = ContainerLanes(
            container_account, source, lanes, self._metrics, self.flusher, self._tap, once, tagged
        )
        bound.begin(before)
        return bound

    def _lane(
        self, it: _Binding, route: Route, way: str, first: Sequence[tuple[str, Stage]] = ()
    ) -> Lane | None:
        """That of a route, with those that it leads to; None where it does not take the container.
        `way`: the routes over which entries come to it, itself included."""
        if route.sources.isdisjoint(it.words) or not route.takes(it.container):
            return None
        route_account = it.container_account.route(it.source, route.name)
        sinks = tuple(output.name for output in route.outputs)
        route_account.bind(sinks, fed=route.name in self._fed)
        routes = [self.routes[name] for name in route.feeds]
        feeds = [one for to in routes if (one := self._lane(it, to, f"{way}>{to.name}"))]
        route_account.bind_feeds(
            [it.container_account.route(it.source, one.route.name) for one in feeds]
        )
        old = it.there.get(way)
        if old is not None and old.fits(route, route_account):
            old.go_on(it.offsets, feeds)
            it.staying.add(old)
            return old
        return Lane(
            route,
            it.container,
            self._metrics,
            route_account,
            it.offsets,
            self._tap,
            first,
            way,
            feeds,
        )

    def _labelled(
        self, container: Container, source: Source, origin: str
    ) -> tuple[Sequence[tuple[str, Stage]], Sequence[tuple[str, Stage]]]:
        """What the container's labels ask for: in each lane, and once before them. One that joins
        lines holds them back and has to answer for them, as only a lane can; what is done after it
        is done there, too."""
        wish = self._labels.of(container)
        if source != "logs":
            return (), [("tag", wish.tags)] if wish.tags else []
        if wish.join is not None:
            return wish.stages, ()
        return (), [(name, stage.bind(container)) for name, stage in wish.stages]
