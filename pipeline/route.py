"""Routes, and the lanes they have for each container.

Matching is done once per container, when its lanes are bound, and never per line.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, get_args

from prometheus_client import Counter as Series

from pipeline.batch import UNTRACKED, Acknowledgement, Batch, Container, Source
from pipeline.component import Stage
from pipeline.holding import Flusher, Owed
from pipeline.labels import PREFIX, Labels, Reported
from pipeline.ledger import Ledger, Page, Passage, Tally
from pipeline.metrics import Metrics
from pipeline.ratelimit import RateLimit
from pipeline.settlement import NOTHING, Progress, Reach
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
    feeds: Sequence[str] = ()
    """Names of the routes that it leads to. They have their entries from it and its like alone."""


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

    @property
    def known(self) -> int:
        """The last entry that the sink had, with all before it, when the agent began."""
        return NOTHING if self._reach is None else self._reach.known

    def skip(self, until: int) -> None:
        """The stages have left nothing."""
        if self._reach is not None:
            self._reach.skip(until)


class Step:
    """A stage bound to one container, and its part in the ledger."""

    __slots__ = ("_debt", "_filtered", "_held", "_made", "_passage", "holds", "name", "stage")

    def __init__(
        self, name: str, stage: Stage, filtered: Series, made: Series, passage: Passage
    ) -> None:
        """`filtered` is its own series, `made` the metric: few stages make any entries."""
        self.name = name
        self.stage = stage
        self.holds = type(stage).flush is not Stage.flush
        """It may hold entries back."""
        self._filtered = filtered
        self._made = made
        self._passage = passage
        self._held = self._debt = 0

    def account(self, came: int, went: int) -> int:
        """After it was given so many entries, and let so many go on. How many it filtered out;
        below 0, how many it made."""
        gone = came - went
        if self.holds:
            held = self.stage.held
            gone -= held - self._held
            self._passage.held += held - self._held
            self._held = held
        if gone < 0 and not self.holds:
            self._passage.made[self.name] -= gone
            self._made.labels(self._passage.route, self.name).inc(-gone)
        elif gone:
            self._passage.filtered[self.name] += gone
            self._debt -= gone  # a counter cannot go back: what was made of nothing is made up for
            if self._debt < 0:
                self._filtered.inc(-self._debt)
                self._debt = 0
        return gone


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
        way: str = "",
        feeds: Sequence[Lane] = (),
    ) -> None:
        """`progress` where what is read has a position to resume at. `first`: stages before the
        route's own. `way`: the routes over which entries come to this one, itself included.
        `feeds`: the lanes that get what is left."""
        self.route = route
        self._feeds = feeds
        self._fed = frozenset(lane.route.name for lane in feeds)
        self._tap = tap or Tap()
        self.legs = [
            Leg(
                route.name,
                outlet,
                passage.tally(outlet.name),
                progress.of(way or route.name, outlet.name) if progress else None,
            )
            for outlet in route.outlets
        ]
        self._passage = passage
        self._binding = passage.page.binding
        self._steps = [
            Step(
                name,
                stage.bind(container),
                metrics.filtered.labels(route.name, name),
                metrics.made,
                passage,
            )
            for name, stage in (*first, *route.stages)
        ]
        self._holding = [step for step in self._steps if step.holds]
        self._owed = Owed()
        self._until = NOTHING
        self._sinks = [leg.outlet.name for leg in self.legs]
        self._sinks += [sink for lane in feeds for sink in lane._sinks]
        self._cuts = sorted(self._known() - {NOTHING}) if self._holding else []
        """Entries that some sink had last when the agent began. Nothing may be joined to them, or
        it would be taken for known as they are."""
        self._errors = metrics.stage_errors
        self._bugs = RateLimit()

    @property
    def holds(self) -> bool:
        """Whether some stage holds something back."""
        holding = any(step.stage.held for step in self._holding)
        return holding or any(lane.holds for lane in self._feeds)

    def _known(self) -> set[int]:
        """What each of the sinks that it leads to had when the agent began."""
        return {leg.known for leg in self.legs}.union(*(lane._known() for lane in self._feeds))

    def take(
        self, batch: Batch | None, until: int, behind: Acknowledgement
    ) -> Iterator[tuple[Outlet, Batch]]:
        """What its sinks are to have, now that a batch has come; None where nothing was left of it.

        `until`: the last entry of what was read. All before it that are to come have come."""
        if not self._holding:
            yield from self._address(batch and self.process(batch), until, behind)
            return
        while self._cuts and self._cuts[0] <= until:
            cut = self._cuts.pop(0)
            if cut not in self._known():
                continue
            known = [sequence <= cut for sequence in batch.sequences] if batch else []
            yield from self._take(batch and batch.select(known), cut, behind)
            yield from self.flush(math.inf)
            batch = batch and batch.select([not is_known for is_known in known])
        yield from self._take(batch, until, behind)

    def _take(
        self, batch: Batch | None, until: int, behind: Acknowledgement
    ) -> Iterator[tuple[Outlet, Batch]]:
        self._until = until
        left, held = batch and self.process(batch), self._first_held()
        if held is not None and batch is not None:
            self._owed.add(batch.sequences[-1], behind)
        yield from self._address(left, self._safe(held), self._owed.oldest_or(behind))
        self._owed.settle_before(held)

    def flush(self, now: float) -> Iterator[tuple[Outlet, Batch]]:
        """What its sinks are to have, now that it is so late."""
        if self._first_held() is not None:
            yield from self._flush(now)
        for lane in self._feeds:
            yield from lane.flush(now)

    def _flush(self, now: float) -> Iterator[tuple[Outlet, Batch]]:
        before = self._first_held()
        results = (self._flushed(number, step, now) for number, step in enumerate(self._steps))
        let_go = [left for left in results if left is not None]
        held = self._first_held()
        if held == before and not let_go:
            return
        behind = self._owed.oldest_or(UNTRACKED)
        for number, left in enumerate(let_go, 1):
            later = (one.sequences[0] - 1 for one in let_go[number:])
            yield from self._address(left, min(later, default=self._safe(held)), behind)
        if not let_go:
            yield from self._address(None, self._safe(held), behind)
        self._owed.settle_before(held)

    def _flushed(self, number: int, step: Step, now: float) -> Batch | None:
        if not step.holds:
            return None
        try:
            result = step.stage.flush(now)
        except Exception:  # a bug in it
            self._note_bug(step)
            return None
        step.account(0, 0 if result is None else len(result))
        return None if result is None else self._through(self._steps[number + 1 :], result)

    def _first_held(self) -> int | None:
        """The first entry that some stage holds back."""
        stages = (step.stage for step in self._holding)
        return min((stage.oldest_held for stage in stages if stage.held), default=None)

    def _safe(self, held: int | None) -> int:
        """The last entry before which nothing is held back."""
        return self._until if held is None else held - 1

    def _address(
        self, left: Batch | None, until: int, behind: Acknowledgement
    ) -> Iterator[tuple[Outlet, Batch]]:
        shared = Shared() if len(self.legs) > 1 else None
        if left is not None and self._binding != self._passage.page.binding:
            self._passage.passed_late(len(left), [leg.tally.sink for leg in self.legs])
        for leg in self.legs:
            if left is None:
                leg.skip(until)
            elif (own := leg.address(left, until, behind, shared)) is not None:
                yield leg.outlet, own
        if self._passage.feeds and left is not None:
            self._passage.hand_on(len(left), self._fed)
        for lane in self._feeds:
            yield from lane.take(left, until, behind)

    def process(self, batch: Batch) -> Batch | None:
        """What is left of a batch after all stages."""
        self._passage.taken += len(batch)
        if self._steps and batch.parsed is not None:
            batch = batch.owned()
        return self._through(self._steps, batch)

    def _through(self, steps: Sequence[Step], batch: Batch) -> Batch | None:
        for step in steps:
            try:
                result = step.stage(batch)
            except Exception:  # a stage never raises for bad data
                self._note_bug(step)
                continue
            gone = step.account(len(batch), 0 if result is None else len(result))
            if gone > 0 and self._tap.tappers and not step.holds:  # else they are in other entries
                self._tap.filtered(batch, result, self.route.name, step.name, self._sinks)
            if result is None:
                return None
            batch = result
        return batch

    def _note_bug(self, step: Step) -> None:
        """Called where its exception was caught."""
        if self._bugs():
            log.exception("stage %s of route %s failed: skipped", step.name, self.route.name)
        self._errors.labels(self.route.name, step.name).inc()


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
        flusher: Flusher,
        tap: Tap | None = None,
        first: Sequence[tuple[str, Stage]] = (),
    ) -> None:
        """`first`: what is done once, before any lane. It keeps all entries, and holds none."""
        self._first = first if lanes else ()
        self._stage_errors = metrics.stage_errors
        self._bugs = RateLimit()
        self._tap = tap or Tap()
        self._page = page
        self._flusher = flusher
        self._putting: set[asyncio.Task[None]] = set()
        """What was held back, let go, and waits for room."""
        self._ended = False
        self._binding = page.binding
        self._source = source
        self._lanes = lanes
        self._dropped = metrics.dropped
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
        if self._putting:
            await asyncio.wait(self._putting)
        waiting = self._not_taken(self._addressed(batch))
        for _, left in waiting:
            self._wait(left.tally, len(left))
        await self._put_all(waiting)

    async def _put_all(self, waiting: Sequence[tuple[Outlet, Batch]]) -> None:
        if len(waiting) == 1:
            await self._put(*waiting[0])
        elif waiting:
            async with asyncio.TaskGroup() as tasks:
                for place in waiting:
                    tasks.create_task(self._put(*place), name="put")

    async def _put_late(self, waiting: Sequence[tuple[Outlet, Batch]]) -> None:
        try:
            await self._put_all(waiting)
        except Exception:  # a bug in a buffer; whoever lets things go has others to look after
            log.exception("entries that were held back are lost")

    def flush(self, now: float) -> None:
        """Takes what the stages let go by now into the sinks' buffers; all of it where `now` is
        `math.inf`. While something waits for room, nothing more is let go."""
        if not self.waiting:
            self._flush(now)

    def end(self) -> None:
        """Lets go of everything, and holds nothing back from now on: others take the place of these
        lanes, and go on with what comes next."""
        self._ended = True
        self._flush(math.inf)

    def _flush(self, now: float) -> None:
        refused = self._not_taken(self._let_go(now))
        for _, left in refused:
            self._wait(left.tally, len(left))
        if refused:
            task = self._flusher.create_task(self._put_late(refused))
            self._putting.add(task)
            task.add_done_callback(self._putting.discard)

    def offer(self, batch: Batch) -> int:
        """Like `distribute`, without ever waiting: for what is worthless when it is late.

        Returns how many buffers had no room; those do not get it."""
        refused = self._not_taken(self._addressed(batch))
        for outlet, left in refused:
            self._drop(outlet, left, "backlog")
        return len(refused)

    def refuse(self, batch: Batch, reason: str) -> None:
        """A batch that no buffer was offered: all that it was meant for lose it."""
        for outlet, left in self._addressed(batch):
            self._drop(outlet, left, reason)

    def abandon(self, reason: str) -> None:
        """Gives up what waits for room, or for what comes next; whoever waits with it is to be
        cancelled next."""
        for task in self._putting:
            task.cancel()
        for tally, entries in list(self.waiting.items()):
            self._wait(tally, -entries)
            tally.dropped[reason] += entries
            self._dropped.labels(tally.sink, reason).inc(entries)
            if self._tap.tappers:
                self._tap.lost(tally.sink, entries, reason, tally.passage.route)
        for outlet, left in self._let_go(math.inf):
            self._drop(outlet, left, reason)

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

    def _not_taken(self, addressed: Iterable[tuple[Outlet, Batch]]) -> list[tuple[Outlet, Batch]]:
        waiting = []
        for outlet, left in addressed:
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
            yield from lane.take(batch, until, batch.acknowledgement)
        if self._ended:
            yield from self._let_go(math.inf)
        self._note_held()

    def _let_go(self, now: float) -> Iterator[tuple[Outlet, Batch]]:
        for lane in self._lanes:
            yield from lane.flush(now)
        self._note_held()

    def _note_held(self) -> None:
        self._flusher.note(self, holding=self.holding)

    @property
    def holding(self) -> bool:
        """Whether some stage holds something back."""
        return any(lane.holds for lane in self._lanes)

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
        self._routes = {route.name: route for route in routes}
        self._fed = {name for route in routes for name in route.feeds}
        self._metrics = metrics
        self._ledger = ledger
        self._tap = tap or Tap()
        self.flusher = Flusher()
        """To be run while anything is read; and to be finished afterwards."""

    def change(self, routes: Sequence[Route], labels: Labels) -> None:
        """For all that is bound from now on; whoever has lanes is to bind them anew."""
        self._labels = labels
        self._routes = {route.name: route for route in routes}
        self._fed = {name for route in routes for name in route.feeds}

    def bind(
        self, container: Container, progress: Progress, sequence: int = NOTHING
    ) -> dict[Source, Lanes]:
        """The lanes of a container from now on, for each source. `progress` is that of its log,
        `sequence` that of the entry of it that was read last."""
        progress.bind(sequence)
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

        def lane(route: Route, way: str, first: Sequence[tuple[str, Stage]] = ()) -> Lane | None:
            if source not in route.sources or not route.takes(container):
                return None
            passage = page.passage(source, route.name)
            sinks = tuple(outlet.name for outlet in route.outlets)
            passage.bind(sinks, fed=route.name in self._fed)
            routes = [self._routes[name] for name in route.feeds]
            feeds = [one for to in routes if (one := lane(to, f"{way}>{to.name}"))]
            passage.bind_feeds([page.passage(source, one.route.name) for one in feeds])
            return Lane(
                route, container, self._metrics, passage, progress, self._tap, first, way, feeds
            )

        roots = [route for route in self._routes.values() if route.name not in self._fed]
        lanes = [one for route in roots if (one := lane(route, route.name, first))]
        return Lanes(page, source, lanes, self._metrics, self.flusher, self._tap, once)

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
