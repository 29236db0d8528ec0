"""Routes, and the lanes they have for each container.

Matching is done once per container, when its lanes are bound, and never per line.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, get_args

from prometheus_client import Counter as Series

from pipeline.batch import Acknowledgement, Batch, Container, Source
from pipeline.component import Stage
from pipeline.labels import PREFIX, Labels, Reported
from pipeline.ledger import Ledger, Page, Passage, Tally
from pipeline.metrics import Metrics
from pipeline.ratelimit import RateLimit
from pipeline.settlement import Progress, Reach
from pipeline.shared import Shared
from pipeline.tap import Tap

log = logging.getLogger(__name__)

SOURCES: tuple[Source, ...] = get_args(Source)


class Outlet(Protocol):
    """What a lane puts into: a sink's buffer."""

    name: str
    """The sink's, in the configuration."""

    def offer(self, batch: Batch) -> bool:
        """False when the batch has to wait for room; then it was not taken."""

    async def put(self, batch: Batch) -> None:
        """Waits for room."""


@dataclass(frozen=True)
class Route:
    """A way from containers, through stages, to sinks."""

    name: str
    sources: frozenset[Source]
    takes: Callable[[Container], bool]
    stages: Sequence[tuple[str, Stage]]
    outlets: Sequence[Outlet]


class Leg:
    """Where a lane ends: one sink, its part in the ledger, and how far it has come."""

    __slots__ = ("_reach", "_route", "outlet", "tally")

    def __init__(self, route: str, outlet: Outlet, tally: Tally, reach: Reach | None) -> None:
        """`reach` is None for what has no position to resume at (events, stats)."""
        self.outlet = outlet
        self.tally = tally
        self._route = route
        self._reach = reach

    def address(
        self, batch: Batch, until: int, behind: Acknowledgement, shared: Shared | None
    ) -> Batch | None:
        """What the stages have left, made this sink's own; None when the sink has all of it.

        `until` is the last entry before the stages, `behind` what waits for this sink too,
        `shared` is of all sinks that have the same entries."""
        self.tally.routed += len(batch)
        reach = self._reach
        if reach is None:
            behind.hold()
            return batch.addressed(self._route, self.tally, behind, shared)
        if batch.sequences[0] <= reach.known:
            new = batch.select([sequence > reach.known for sequence in batch.sequences])
            self.tally.known += len(batch) - (len(new) if new else 0)
            if new is None:
                reach.skip(until)
                return None
            if new is not batch:
                batch, shared = new, None
        behind.hold()
        receipt = reach.open(until, behind)
        return batch.addressed(self._route, self.tally, receipt, shared)

    def skip(self, until: int) -> None:
        """The stages have left nothing."""
        if self._reach is not None:
            self._reach.skip(until)


class Lane:
    """A route bound to one container. Its stages' state lives here."""

    def __init__(
        self,
        route: Route,
        container: Container,
        metrics: Metrics,
        passage: Passage,
        progress: Progress | None = None,
        tap: Tap | None = None,
        first: Sequence[tuple[str, Stage]] = (),
    ) -> None:
        """`progress` where what is read has a position to resume at. `first`: stages before the
        route's own."""
        self.route = route
        self._tap = tap or Tap()
        self.legs = [
            Leg(
                route.name,
                outlet,
                passage.tally(outlet.name),
                progress.of(route.name, outlet.name) if progress else None,
            )
            for outlet in route.outlets
        ]
        self._passage = passage
        self._steps: list[tuple[str, Stage, Series]] = [
            (name, stage.bind(container), metrics.filtered.labels(route.name, name))
            for name, stage in (*first, *route.stages)
        ]
        self._errors = metrics.stage_errors
        self._bugs = RateLimit()

    def process(self, batch: Batch) -> Batch | None:
        """What is left of a batch after all stages."""
        self._passage.taken += len(batch)
        if self._steps and batch.parsed is not None:
            batch = batch.owned()
        for name, stage, filtered in self._steps:
            try:
                result = stage(batch)
            except Exception:  # a stage never raises for bad data: this is a bug in it
                if self._bugs():
                    log.exception("stage %s of route %s failed: skipped", name, self.route.name)
                self._errors.labels(self.route.name, name).inc()
                continue
            left = 0 if result is None else len(result)
            if left < len(batch):
                filtered.inc(len(batch) - left)
                self._passage.filtered[name] += len(batch) - left
                if self._tap.tappers:
                    sinks = [leg.outlet.name for leg in self.legs]
                    self._tap.filtered(batch, result, self.route.name, name, sinks)
            if result is None:
                return None
            batch = result
        return batch


class Lanes:
    """All lanes of one container for one of its sources.

    Each place that a batch goes to holds its acknowledgement; the caller settles its own hold
    afterwards, and does not where it was cancelled: an entry that never reached a buffer must be
    read again.
    """

    def __init__(
        self,
        page: Page,
        source: Source,
        lanes: Sequence[Lane],
        metrics: Metrics,
        tap: Tap | None = None,
        first: Sequence[tuple[str, Stage]] = (),
    ) -> None:
        """`first`: what is done once, before any lane. It keeps all entries, and holds none."""
        self._first = first if lanes else ()
        self._stage_errors = metrics.stage_errors
        self._bugs = RateLimit()
        self._page = page
        self._binding = page.binding
        self._source = source
        self._lanes = lanes
        self._dropped = metrics.dropped
        self._tap = tap or Tap()
        self.waiting: Counter[Tally] = Counter()
        """Entries for which there was no room yet."""

    def __len__(self) -> int:
        return len(self._lanes)

    def __iter__(self) -> Iterator[Lane]:
        return iter(self._lanes)

    async def distribute(self, batch: Batch) -> None:
        """Takes a batch through all lanes and into their sinks' buffers.

        Buffers with room get it first, and full ones are waited for together, so that one which
        makes us wait delays no other."""
        waiting = self._not_taken(batch)
        for _, left in waiting:
            self._wait(left.tally, len(left))
        if len(waiting) == 1:
            await self._put(*waiting[0])
        elif waiting:
            async with asyncio.TaskGroup() as tasks:
                for place in waiting:
                    tasks.create_task(self._put(*place), name="put")

    def offer(self, batch: Batch) -> int:
        """Like `distribute`, without ever waiting: for what is worthless when it is late.

        Returns how many buffers had no room; those do not get it."""
        refused = self._not_taken(batch)
        for outlet, left in refused:
            self._drop(outlet, left, "backlog")
        return len(refused)

    def refuse(self, batch: Batch, reason: str) -> None:
        """A batch that no buffer was offered: all that it was meant for lose it."""
        for outlet, left in self._addressed(batch):
            self._drop(outlet, left, reason)

    def abandon(self, reason: str) -> None:
        """Gives up what waits for room; whoever waits with it is to be cancelled next."""
        for tally, count in list(self.waiting.items()):
            self._wait(tally, -count)
            tally.dropped[reason] += count
            self._dropped.labels(tally.sink, reason).inc(count)
            if self._tap.tappers:
                self._tap.lost(tally.sink, count, reason, tally.passage.route)

    def _wait(self, tally: Tally, count: int) -> None:
        tally.waiting += count
        self.waiting[tally] += count
        if not self.waiting[tally]:
            del self.waiting[tally]

    async def _put(self, outlet: Outlet, batch: Batch) -> None:
        """The batch counts as waiting; where this is cancelled, it goes on to: it is nowhere
        else."""
        await outlet.put(batch)
        self._wait(batch.tally, -len(batch))

    def _not_taken(self, batch: Batch) -> list[tuple[Outlet, Batch]]:
        waiting = []
        for outlet, left in self._addressed(batch):
            if self._tap.tappers:
                self._tap.passed(left, outlet.name)
            try:
                if not outlet.offer(left):
                    waiting.append((outlet, left))
            except Exception:  # a bug in one buffer; the others must not suffer for it
                log.exception("sink %s failed to take %d entries", outlet.name, len(left))
                self._drop(outlet, left, "bug")
        return waiting

    def _addressed(self, batch: Batch) -> Iterator[tuple[Outlet, Batch]]:
        """For every sink that is to have it, what the stages have left of a batch."""
        self._page.read[self._source] += len(batch)
        if self._binding != self._page.binding:
            routes = {lane.route.name for lane in self._lanes}
            self._page.read_late(self._source, len(batch), routes)
        until = batch.sequences[-1]
        for name, stage in self._first:
            batch = self._labelled(batch, name, stage)
        for lane in self._lanes:
            left, behind = lane.process(batch), batch.acknowledgement
            shared = Shared() if len(lane.legs) > 1 else None
            for leg in lane.legs:
                if left is None:
                    leg.skip(until)
                elif (own := leg.address(left, until, behind, shared)) is not None:
                    yield leg.outlet, own

    def _labelled(self, batch: Batch, name: str, stage: Stage) -> Batch:
        """As the container asks for with a label."""
        try:
            return stage(batch) or batch
        except Exception:  # a bug in it, as in a lane
            if self._bugs():
                log.exception("stage %s of label %s%s failed: skipped", name, PREFIX, name)
            self._stage_errors.labels("", name).inc()
            return batch

    def _drop(self, outlet: Outlet, batch: Batch, reason: str) -> None:
        batch.tally.dropped[reason] += len(batch)
        self._dropped.labels(outlet.name, reason).inc(len(batch))
        if self._tap.tappers:
            self._tap.dropped(batch, outlet.name, reason)
        batch.acknowledgement.settle()


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
        self._routes = routes
        self._metrics = metrics
        self._ledger = ledger
        self._tap = tap or Tap()

    def bind(self, container: Container, progress: Progress) -> dict[Source, Lanes]:
        """The lanes of a container from now on, for each source. `progress` is that of its log."""
        page = self._ledger.page(container.id, container.name)
        page.unbind()
        page.followed = True
        self._reported.note(container, self._labels.of(container).errors)
        return {
            source: self._lanes(container, page, source, progress if source == "logs" else None)
            for source in SOURCES
        }

    def forget(self, container_id: str) -> None:
        """The container is removed, and nothing of it will be read any more."""
        self._ledger.forget(container_id)
        self._metrics.derived.forget(container_id)
        self._reported.forget(container_id)

    def _lanes(
        self, container: Container, page: Page, source: Source, progress: Progress | None
    ) -> Lanes:
        first, once = self._labelled(container, source)
        lanes = []
        for route in self._routes:
            if source in route.sources and route.takes(container):
                passage = page.passage(source, route.name)
                passage.bind(tuple(outlet.name for outlet in route.outlets))
                lanes.append(
                    Lane(route, container, self._metrics, passage, progress, self._tap, first)
                )
        return Lanes(page, source, lanes, self._metrics, self._tap, once)

    def _labelled(
        self, container: Container, source: Source
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
