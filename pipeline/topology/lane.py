"""A route bound to one container."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Final

from pipeline.accounting.acks import NOTHING, Offsets, SinkOffset
from pipeline.accounting.envelope import Envelope
from pipeline.accounting.ledger import RouteAccount, SinkAccount
from pipeline.model.acknowledgement import UNTRACKED, Acknowledgement
from pipeline.model.batch import Batch
from pipeline.model.component import Stage
from pipeline.model.container import Container
from pipeline.model.encode_cache import EncodeCache
from pipeline.model.errors import calls
from pipeline.model.metrics import Metrics
from pipeline.support.plural import plural
from pipeline.topology.bound_stage import BoundStage, in_halves
from pipeline.topology.held_back import PendingAcks
from pipeline.topology.route import Output, Put, Route
from pipeline.topology.tap import Tap

log = logging.getLogger(__name__)

FAILED = "stage_failed"
"""The reason for which entries are lost that a stage failed on, where they must not go on."""


# Shared by all lanes that have none: ten thousand containers have as many lanes and more, and the
# garbage collector looks at each object of theirs, in one turn of the event loop.
NO_STEPS: Final[list[BoundStage]] = []
NO_CUTS: Final[list[int]] = []
NO_FEEDS: Final[frozenset[str]] = frozenset()
NOTHING_OWED: Final = PendingAcks()


class LaneEnd:
    """Where a lane ends: one sink, its part in the ledger, and how far it has come."""

    __slots__ = ("_sink_offset", "account", "output")

    def __init__(
        self, output: Output, account: SinkAccount, sink_offset: SinkOffset | None
    ) -> None:
        """`sink_offset` is None for what has no position to resume at (events, stats)."""
        self.output = output
        self.account = account
        self._sink_offset = sink_offset

    def address(
        self, batch: Batch, size: int | None, until: int, behind: Acknowledgement
    ) -> Envelope | None:
        """What the stages have left, in an envelope for this sink; None when the sink has all of
        it.

        `size` is the batch's, where it is known; `until` the last entry before the stages, and
        `behind` waits for this sink too."""
        self.account.routed += len(batch)
        sink_offset = self._sink_offset
        if sink_offset is None:
            behind.hold()
            return Envelope(batch, self.account, behind, size)
        if batch.sequences[0] <= sink_offset.known:
            new = batch.select([sequence > sink_offset.known for sequence in batch.sequences])
            self.account.known += len(batch) - (len(new) if new else 0)
            if new is None:
                sink_offset.skip(until)
                return None
            if new is not batch:
                batch, size = new, None
        behind.hold()
        return Envelope(batch, self.account, sink_offset.open(until, behind), size)

    def drop(self, count: int, reason: str) -> None:
        """So many entries came over the route, and are lost to the sink."""
        self.account.routed += count
        self.account.drop(count, reason)

    @property
    def known(self) -> int:
        """The last entry that the sink had, with all before it, when the agent began."""
        return NOTHING if self._sink_offset is None else self._sink_offset.known

    def skip(self, until: int) -> None:
        """The stages have left nothing."""
        if self._sink_offset is not None:
            self._sink_offset.skip(until)


class Lane:
    """A route bound to one container. Its stages' state lives here."""

    def __init__(
        self,
        route: Route,
        container: Container,
        metrics: Metrics,
        route_account: RouteAccount,
        offsets: Offsets | None = None,
        tap: Tap | None = None,
        first: Sequence[tuple[str, Stage]] = (),
        way: str = "",
        feeds: Sequence[Lane] = (),
    ) -> None:
        """`offsets` where what is read has a position to resume at. `first`: stages before the
        route's own. `way`: the routes over which entries come to this one, itself included.
        `feeds`: the lanes that get what is left."""
        self.route = route
        self.way = way or route.name
        self.ended = False
        """Another has taken its place."""
        self._tap = tap or Tap()
        self.lane_ends = [
            LaneEnd(
                output,
                route_account.sink(output.name),
                offsets.of(self.way, output.name) if offsets else None,
            )
            for output in route.outputs
        ]
        self._route_account = route_account
        self._binding = route_account.container_account.binding
        self._stages = [
            BoundStage(
                name,
                stage.bind(container),
                metrics.filtered.labels(route.name, name),
                metrics.made,
                route_account,
            )
            for name, stage in (*first, *route.stages)
        ] or NO_STEPS
        self._asked = len(first)
        """How many of these a label asks for."""
        self.staged = bool(self._stages)
        """Whether what is taken through it takes longer than to pass it on."""
        self._holding = [bound for bound in self._stages if bound.holds] or NO_STEPS
        self._owed = PendingAcks() if self._holding else NOTHING_OWED
        self._until = NOTHING
        self._lead_to(feeds)
        began = offsets.began if offsets else NOTHING
        cuts = (cut for cut in self._known() if cut > began)
        self._cuts = sorted(cuts) if self._holding else NO_CUTS
        """Entries that some sink had last when the agent began. Nothing may be joined to them, or
        it would be taken for known as they are."""
        self._errors = metrics.stage_errors
        self._dropped = metrics.dropped
        self._bugs, self._losses = route.bugs, route.losses

    def _lead_to(self, feeds: Sequence[Lane]) -> None:
        self._feeds = feeds or ()
        self._fed = frozenset(lane.route.name for lane in feeds) if feeds else NO_FEEDS
        later = any(lane.withholds for lane in feeds)
        self.withholds: bool = later or self.route.withholds
        """Whether something is hidden or removed on the way from here."""
        if self._stages:
            own = self._stages[self._asked :]
            for bound, guards in zip(own, self.route.guards(later=later), strict=True):
                bound.guards = guards

    @property
    def _sinks(self) -> list[str]:
        """All that it leads to."""
        return [lane_end.output.name for lane in self.with_feeds() for lane_end in lane.lane_ends]

    def with_feeds(self) -> Iterator[Lane]:
        """It, and all that it leads to."""
        yield self
        for lane in self._feeds:
            yield from lane.with_feeds()

    def fits(self, route: Route, route_account: RouteAccount) -> bool:
        """Whether it can go on in the place of a new one: the route is what it was."""
        return self.route is route and self._route_account is route_account

    def go_on(self, offsets: Offsets | None, feeds: Sequence[Lane]) -> None:
        """Its container is bound anew, and it stays, with all that it holds. What it leads to may
        be other lanes by now."""
        self._binding = self._route_account.container_account.binding
        self._lead_to(feeds)
        if offsets is not None:
            for lane_end in self.lane_ends:
                offsets.of(self.way, lane_end.output.name)

    @property
    def own(self) -> Sequence[Lane]:
        """Those that it feeds, but, when it has ended, for those that have not yet."""
        return [lane for lane in self._feeds if lane.ended] if self.ended else self._feeds

    @property
    def holds(self) -> bool:
        """Whether some stage holds something back."""
        holding = any(bound.stage.held for bound in self._holding)
        return holding or any(lane.holds for lane in self.own)

    def _known(self) -> set[int]:
        """What each of the sinks that it leads to had when the agent began."""
        return {lane_end.known for lane_end in self.lane_ends}.union(
            *(lane._known() for lane in self._feeds)
        )

    def take(self, batch: Batch | None, until: int, behind: Acknowledgement, put: Put) -> None:
        """Takes a batch through the stages, and puts what is left to its sinks; None where nothing
        was left of it.

        `until`: the last entry of what was read. All before it that are to come have come."""
        if not self._holding:
            left = self.process(batch) if batch is not None else []
            self._put_all(left, until, behind, put)
            return
        while self._cuts and self._cuts[0] <= until:
            cut = self._cuts.pop(0)
            if cut not in self._known():
                continue
            known = [sequence <= cut for sequence in batch.sequences] if batch else []
            self._take(batch and batch.select(known), cut, behind, put)
            self.flush(math.inf, put)
            batch = batch and batch.select([not is_known for is_known in known])
        self._take(batch, until, behind, put)

    def _take(self, batch: Batch | None, until: int, behind: Acknowledgement, put: Put) -> None:
        self._until = until
        left = self.process(batch) if batch is not None else []
        held = self._first_held()
        if held is not None and batch is not None:
            self._owed.add(batch.sequences[-1], behind)
        self._put_all(left, self._safe(held), self._owed.oldest_or(behind), put)
        self._owed.settle_before(held)

    def flush(self, now: float, put: Put) -> None:
        """Puts to its sinks what the stages let go, now that it is so late."""
        if self._first_held() is not None:
            self._flush(now, put)
        for lane in self.own:
            lane.flush(now, put)

    def _flush(self, now: float, put: Put) -> None:
        before = self._first_held()
        results = (self._flushed(number, bound, now) for number, bound in enumerate(self._stages))
        let_go = list(chain.from_iterable(results))
        held = self._first_held()
        if held == before and not let_go:
            return
        self._put_all(let_go, self._safe(held), self._owed.oldest_or(UNTRACKED), put)
        self._owed.settle_before(held)

    def _flushed(self, number: int, bound: BoundStage, now: float) -> Sequence[Batch]:
        if not bound.holds:
            return ()
        try:
            result = bound.stage.flush(now)
        except Exception as error:  # a bug in it
            self._note_bug(bound, error)
            return ()
        bound.account(0, 0 if result is None else len(result))
        return () if result is None else self._through(self._stages[number + 1 :], result)

    def _first_held(self) -> int | None:
        """The first entry that some stage holds back."""
        stages = (bound.stage for bound in self._holding)
        return min((stage.oldest_held for stage in stages if stage.held), default=None)

    def _safe(self, held: int | None) -> int:
        """The last entry before which nothing is held back."""
        return self._until if held is None else held - 1

    def _put_all(
        self, left: Sequence[Batch], until: int, behind: Acknowledgement, put: Put
    ) -> None:
        """One batch or none, as a rule; each is the last one before what comes of the others."""
        for number, one in enumerate(left, 1):
            later = (other.sequences[0] - 1 for other in left[number:])
            self._put(one, min(later, default=until), behind, put)
        if not left:
            self._put(None, until, behind, put)

    def _put(self, left: Batch | None, until: int, behind: Acknowledgement, put: Put) -> None:
        if left is not None:
            self._put_to_sinks(left, until, behind, put)
        else:
            for lane_end in self.lane_ends:
                lane_end.skip(until)
        for lane in self._feeds:
            lane.take(left, until, behind, put)

    def _put_to_sinks(self, left: Batch, until: int, behind: Acknowledgement, put: Put) -> None:
        entries = len(left)
        if self._binding != self._route_account.container_account.binding:
            self._route_account.passed_late(
                entries, [lane_end.account.sink for lane_end in self.lane_ends]
            )
        if self.lane_ends:
            cache = EncodeCache(behind) if len(self.lane_ends) > 1 else None
            routed, size = left.routed(self.route.name, cache), None
            if cache is not None:
                behind, size = cache, routed.size
            for lane_end in self.lane_ends:
                if (envelope := lane_end.address(routed, size, until, behind)) is not None:
                    put(lane_end.output, envelope)
        if self._route_account.feeds:
            self._route_account.hand_on(entries, self._fed)

    def process(self, batch: Batch) -> Sequence[Batch]:
        """What is left of a batch after all stages: one, or none; more in turn where a stage has
        made many entries of it, or has failed on it as a whole."""
        self._route_account.taken += len(batch)
        if self._stages and batch.parsed is not None:
            batch = batch.owned()
        return self._through(self._stages, batch)

    def _through(self, bound_stages: Sequence[BoundStage], batch: Batch) -> Sequence[Batch]:
        for number, bound in enumerate(bound_stages, 1):
            try:
                result = bound.stage(batch)
            except Exception as error:  # a stage never raises for bad data
                self._note_bug(bound, error)
                if not bound.guards and (bound.holds or not isinstance(error, MemoryError)):
                    continue
                error.__traceback__ = None  # it keeps alive what the stage has made so far
                left = self._in_halves(bound, batch)
                return [one for some in left for one in self._through(bound_stages[number:], some)]
            gone = bound.account(len(batch), 0 if result is None else len(result))
            if gone > 0 and self._tap.tappers and not bound.holds:  # else they are in other entries
                self._tap.filtered(batch, result, self.route.name, bound.name, self._sinks)
            if result is None:
                return ()
            batch = result
        return tuple(batch.pieces())

    def _in_halves(self, bound: BoundStage, batch: Batch) -> Iterator[Batch]:
        """What a stage leaves of a batch that it has failed on. Where it guards, the entries that
        it fails on are lost, since as they are they must not go on; else they go on as they are."""
        if bound.holds:  # what it held, it may hold twice
            self._lose(bound, bound.lost(len(batch)))
            return
        lost = done = 0
        for came, result, failed in in_halves(bound.stage, batch):
            piece, done = range(done, done + came), done + came
            if not failed:
                bound.account(came, 0 if result is None else len(result))
                if result is not None:
                    yield result
            elif bound.guards:
                lost += came
            else:
                yield batch.pick(piece)
        self._lose(bound, lost)

    def lose(self, count: int, reason: str) -> None:
        """So many entries that were to come are lost instead."""
        self._route_account.taken += count
        self._drop(count, reason)

    def _lose(self, bound: BoundStage, count: int) -> None:
        if not count:
            return
        self._drop(count, FAILED)
        if entries := self._losses(count):
            log.error(
                "route %s: %d %s dropped (%s), since the stage %s failed on them and they must not "
                "go on as they were; that is a bug, please report it",
                self.route.name,
                entries,
                plural(entries, "entry was", "entries were"),
                FAILED,
                bound.name,
            )

    def _drop(self, count: int, reason: str) -> None:
        """All that this leads to lose so many entries."""
        if self._binding != self._route_account.container_account.binding:
            self._route_account.passed_late(
                count, [lane_end.account.sink for lane_end in self.lane_ends]
            )
        for lane_end in self.lane_ends:
            lane_end.drop(count, reason)
            self._dropped.labels(lane_end.output.name, reason).inc(count)
            if self._tap.tappers:
                self._tap.lost(lane_end.output.name, count, reason, self.route.name)
        if self._route_account.feeds:
            self._route_account.hand_on(count, self._fed)
        for lane in self._feeds:
            lane.lose(count, reason)

    def _note_bug(self, bound: BoundStage, error: Exception) -> None:
        """Without the text of the exception, in which something may stand that is to be hidden."""
        if self._bugs():
            log.error(
                "stage %s of route %s failed with %s; %s\n%s",
                bound.name,
                self.route.name,
                type(error).__name__,
                _consequence(bound, error),
                calls(error),
            )
        self._errors.labels(self.route.name, bound.name).inc()


def _consequence(bound: BoundStage, error: Exception) -> str:
    if bound.guards:
        return "entries are tried one by one"
    if isinstance(error, MemoryError) and not bound.holds:
        return "fewer entries are tried at once; allow the agent more memory"
    return "it is skipped"
