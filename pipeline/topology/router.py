"""Matches containers with routes and binds their lanes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from pipeline.accounting.ledger import ContainerAccount, Ledger
from pipeline.accounting.offsets import NOTHING, Offsets
from pipeline.model.component import Stage
from pipeline.model.container import SOURCES, Container, EntryKind
from pipeline.model.metrics import Metrics
from pipeline.topology.container_lanes import ContainerLanes
from pipeline.topology.held_back import Flusher
from pipeline.topology.labels import TAG, Labels, Reported
from pipeline.topology.lane import Lane
from pipeline.topology.route import Route
from pipeline.topology.tap import Tap

DOCKER: Final = "docker"
"""Origin of everything that is read from the Docker Engine."""


@dataclass(frozen=True, slots=True)
class _Binding:
    """What the lanes of one container for one source are made from."""

    container: Container
    container_account: ContainerAccount
    source: EntryKind
    words: frozenset[str]
    """Source and origin, such as `{"logs", "docker"}`; a route takes the container if it names
    either."""
    offsets: Offsets | None
    there: Mapping[str, Lane]
    """The container's lanes before, by path (`Lane.way`)."""
    staying: set[Lane] = field(default_factory=set)
    """The ones among `there` that stay."""


class Router:
    """Binds each container to the routes that take it.

    All calls come from the event loop.
    """

    def __init__(
        self,
        routes: Sequence[Route],
        metrics: Metrics,
        ledger: Ledger,
        tap: Tap | None = None,
        labels: Labels | None = None,
    ) -> None:
        """`routes`: all routes of the configuration. `labels` reads what containers ask for with
        their labels; by default labels are ignored."""
        self._labels = labels or Labels(())
        self._reported = Reported(metrics)
        self.routes: Mapping[str, Route] = {route.name: route for route in routes}
        self._fed = {name for route in routes for name in route.feeds}
        self._metrics = metrics
        self._ledger = ledger
        self._tap = tap or Tap()
        self.flusher = Flusher()
        """Flushes what stages hold back. Run it while anything is read, then call its `finish`."""
        self._origins: dict[str, tuple[str, ...]] = {}
        """By container id: the sources of the configuration that bring its entries."""

    def change(self, routes: Sequence[Route], labels: Labels) -> None:
        """Uses other routes and labels for everything that is bound from now on.

        Lanes that exist keep their routes until the caller binds them again with `bind(before=…)`.
        An unchanged `Route` object may be passed again only if `labels` read the same labels as
        before: its lanes, and the stages in them, then stay.
        """
        self._labels = labels
        self.routes = {route.name: route for route in routes}
        self._fed = {name for route in routes for name in route.feeds}

    def bind(
        self,
        container: Container,
        offsets: Offsets | None,
        sequence: int = NOTHING,
        before: Mapping[EntryKind, ContainerLanes] | None = None,
        origin: str = DOCKER,
        sources: Iterable[EntryKind] = SOURCES,
    ) -> dict[EntryKind, ContainerLanes]:
        """Binds the lanes of a container and returns them by source.

        `offsets`: the sinks' positions in the container's log; None if reading it can't be resumed.
        `sequence`: the last entry of the log that was read. `before`: the lanes that the container
        has had so far, with the same container facts. They end, except those of routes that haven't
        changed. `origin`: name of the source in the configuration that brings the entries.
        `sources`: what to bind now; `bind_source` adds others later.
        """
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

    def bind_source(self, container: Container, source: EntryKind, origin: str) -> ContainerLanes:
        """Binds and returns the lanes of one more source of a container that is bound already.

        No entry of that source may have been read yet. It can't be resumed after a restart.
        """
        container_account = self._ledger.container(container.id, container.name)
        return self._lanes(container, container_account, source, None, None, origin)

    def forget(self, container_id: str, origin: str = DOCKER) -> None:
        """Call this when `origin` will bring nothing more of the container, such as when it was
        removed.

        When no other origin brings entries of it either, its figures move to those of all removed
        containers, and its metrics from stages end.
        """
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
        source: EntryKind,
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
            once = (
                before.first if binding.staying else once
            )  # the labels are the same: see `change`
        tagged = self._labels.of(container).tagged
        bound = ContainerLanes(
            container_account, source, lanes, self._metrics, self.flusher, self._tap, once, tagged
        )
        bound.begin(before)
        return bound

    def _lane(
        self, it: _Binding, route: Route, way: str, first: Sequence[tuple[str, Stage]] = ()
    ) -> Lane | None:
        """The container's lane for a route, with the lanes it feeds; None if it doesn't take the
        container.

        `way` is the path of route names that leads here, this route included.
        """
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
        self, container: Container, source: EntryKind, origin: str
    ) -> tuple[Sequence[tuple[str, Stage]], Sequence[tuple[str, Stage]]]:
        """The stages that the container's labels ask for: those for each lane, and those to run
        once before all lanes.

        A stage that joins lines holds entries back, which only a lane can acknowledge, and one that
        drops entries is counted by its route. So these, and all stages after them, run in each
        lane.
        """
        wish = self._labels.of(container)
        if source != "logs":
            return (), [(TAG, wish.tags)] if wish.tags else []
        # Entries of another source were sampled, if at all, where their container's log was read.
        stages = [one for one in wish.stages if one.does != "drop" or origin == DOCKER]
        changing = [one.does == "change" for one in stages]
        once = changing.index(False) if False in changing else len(stages)
        return (
            [(one.label, one.stage) for one in stages[once:]],
            [(one.label, one.stage.bind(container)) for one in stages[:once]],
        )
