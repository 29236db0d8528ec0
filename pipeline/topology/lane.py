"""A route bound to one container."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from typing import Final

from pipeline.accounting.envelope import Envelope
from pipeline.accounting.ledger import RouteAccount, SinkAccount
from pipeline.accounting.offsets import NOTHING, Offsets, SinkOffset
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
from pipeline.topology.route import Put, Route, TakesBatches
from pipeline.topology.tap import Tap

log = logging.getLogger(__name__)

FAILED = "stage_failed"
"""Reason for dropping entries that a stage failed on and that must not go on unchanged."""


# Shared by all lanes that have none. Ten thousand containers have at least as many lanes, and the
# garbage collector looks at each of their objects within one iteration of the event loop.
NO_STEPS: Final[list[BoundStage]] = []
NO_CUTS: Final[list[int]] = []
NO_FEEDS: Final[frozenset[str]] = frozenset()
NOTHING_OWED: Final = PendingAcks()


class LaneEnd:
    """One sink at a lane's end, with its account and its offset in the container's log."""

    __slots__ = ("_sink_offset", "account", "output")

    def __init__(
        self, output: TakesBatches, account: SinkAccount, sink_offset: SinkOffset | None
    ) -> None:
        """`sink_offset` is None for entries that can't be read again after a restart (events,
        stats)."""
        self.output = output
        self.account = account
        self._sink_offset = sink_offset

    def envelope_for(
        self, batch: Batch, size: int | None, until: int, behind: Acknowledgement
    ) -> Envelope | None:
        """An envelope for this sink with what the stages left; None if the sink has all of it
        already.

        Entries that the sink had before the restart are left out. `size`: the batch's, where it is
        known. `until`: the last entry read, before the stages. `behind`: the container's
        acknowledgement, which is held for this sink too.
        """
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
        size = batch.size if size is None else size  # before anything is held
        behind.hold()
        return Envelope(batch, self.account, sink_offset.open(until, behind), size)

    def drop(self, count: int, reason: str) -> None:
        """Counts entries that came over the route and are lost to the sink."""
        self.account.routed += count
        self.account.drop(count, reason)

    @property
    def known(self) -> int:
        """The sink had all entries up to this one when the agent started."""
        return NOTHING if self._sink_offset is None else self._sink_offset.known

    def skip(self, until: int) -> None:
        """Moves the sink's offset to `until`: the stages left nothing of what was read."""
        if self._sink_offset is not None:
            self._sink_offset.skip(until)


class Lane:
    """A route bound to one container. The state of its stages lives here.

    Calls come from the event loop and don't overlap.
    """

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
        """`offsets`: the sinks' positions in the container's log; None if it can't be resumed.
        `first`: stages that run before the route's own. `way`: path of the route names that lead
        here, this route included (`a>b`); the route's name by default. `feeds`: the lanes that get
        what this one's stages leave."""
        self.route = route
        self.way = way or route.name
        self.ended = False
        """Another lane has replaced it."""
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
        """Number of the first stages, those from the container's labels."""
        self.staged = bool(self._stages)
        """Whether it has any stages. Without them, batches are only passed on."""
        self._holding = [bound for bound in self._stages if bound.holds] or NO_STEPS
        self._owed = PendingAcks() if self._holding else NOTHING_OWED
        self._until = NOTHING
        self._lead_to(feeds)
        began = offsets.began if offsets else NOTHING
        cuts = (cut for cut in self._known() if cut > began)
        self._cuts = sorted(cuts) if self._holding else NO_CUTS
        """Last entries that sinks had when the agent started. Nothing may be joined to one of them,
        or the sink would take the joined entry for one that it has."""
        self._errors = metrics.stage_errors
        self._dropped = metrics.dropped
        self._bugs, self._losses = route.bugs, route.losses

    def _lead_to(self, feeds: Sequence[Lane]) -> None:
        self._feeds = feeds or ()
        self._fed = frozenset(lane.route.name for lane in feeds) if feeds else NO_FEEDS
        later = any(lane.withholds for lane in feeds)
        self.withholds: bool = later or self.route.withholds
        """Whether a stage of this lane, or of one that it feeds, hides or removes something."""
        if self._stages:
            own = self._stages[self._asked :]
            for bound, guards in zip(own, self.route.guards(later=later), strict=True):
                bound.guards = guards

    @property
    def _sinks(self) -> list[str]:
        """Names of all sinks that it leads to, over other lanes too."""
        return [lane_end.output.name for lane in self.with_feeds() for lane_end in lane.lane_ends]

    def with_feeds(self) -> Iterator[Lane]:
        """This lane and all that it leads to."""
        yield self
        for lane in self._feeds:
            yield from lane.with_feeds()

    def fits(self, route: Route, route_account: RouteAccount) -> bool:
        """Whether it can stay instead of a new lane for `route`: the route hasn't changed."""
        return self.route is route and self._route_account is route_account

    def go_on(self, offsets: Offsets | None, feeds: Sequence[Lane]) -> None:
        """Keeps this lane, with what its stages hold, when its container is bound again.

        `offsets` and `feeds` are as in the constructor; the lanes that it feeds may be other ones.
        """
        self._binding = self._route_account.container_account.binding
        self._lead_to(feeds)
        if offsets is not None:
            for lane_end in self.lane_ends:
                offsets.of(self.way, lane_end.output.name)

    @property
    def own(self) -> Sequence[Lane]:
        """The lanes that it flushes: those that it feeds. After its end, only those that have ended
        too."""
        return [lane for lane in self._feeds if lane.ended] if self.ended else self._feeds

    @property
    def holds(self) -> bool:
        """Whether some stage here, or in a lane that it feeds, holds entries back."""
        holding = any(bound.stage.held for bound in self._holding)
        return holding or any(lane.holds for lane in self.own)

    def _known(self) -> set[int]:
        """The last entries that the sinks had when the agent started, of all sinks that it leads
        to."""
        return {lane_end.known for lane_end in self.lane_ends}.union(
            *(lane._known() for lane in self._feeds)
        )

    def take(self, batch: Batch | None, until: int, behind: Acknowledgement, put: Put) -> None:
        """Takes a batch through the stages and puts what is left to the sinks.

        `batch` is None when an earlier stage or lane left nothing. `until`: sequence number of the
        last entry that was read; all before it have been passed. `behind`: the container's
        acknowledgement. `put` is called for each sink that gets something.
        """
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
        """Puts what the stages no longer hold back at `now` (the loop's clock; `math.inf` for
        all)."""
        if self._first_held() is not None:
            self._flush(now, put)
        for lane in self.own:
            lane.flush(now, put)

    def _flush(self, now: float, put: Put) -> None:
        before = self._first_held()
        let_go: list[Batch] = []
        for number, bound in enumerate(self._stages):
            if bound.holds:
                let_go += self._flushed(number, bound, now)
        held = self._first_held()
        if held == before and not let_go:
            return
        self._put_all(let_go, self._safe(held), self._owed.oldest_or(UNTRACKED), put)
        self._owed.settle_before(held)

    def _flushed(self, number: int, bound: BoundStage, now: float) -> Sequence[Batch]:
        try:
            result = bound.stage.flush(now)
        except Exception as error:  # a bug in the stage
            self._note_bug(bound, error)
            return ()
        bound.account(0, 0 if result is None else len(result))
        return () if result is None else self._through(self._stages[number + 1 :], result)

    def _first_held(self) -> int | None:
        """Sequence number of the oldest entry that a stage holds back; None if there is none."""
        stages = (bound.stage for bound in self._holding)
        return min((stage.oldest_held for stage in stages if stage.held), default=None)

    def _safe(self, held: int | None) -> int:
        """The last entry before which nothing is held back."""
        return self._until if held is None else held - 1

    def _put_all(
        self, left: Sequence[Batch], until: int, behind: Acknowledgement, put: Put
    ) -> None:
        """Puts the stages' batches, as a rule one or none. Each moves the offsets up to the next
        one."""
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
                if (envelope := lane_end.envelope_for(routed, size, until, behind)) is not None:
                    put(lane_end.output, envelope)
        if self._route_account.feeds:
            self._route_account.hand_on(entries, self._fed)

    def process(self, batch: Batch) -> Sequence[Batch]:
        """Takes a batch through the stages and returns what is left.

        That is one batch or none. It is several, in order, where a stage made many entries of it or
        failed on the batch as a whole.
        """
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
                error.__traceback__ = None  # it would keep alive what the stage made
                left = self._in_halves(bound, batch)
                return [one for some in left for one in self._through(bound_stages[number:], some)]
            gone = bound.account(len(batch), 0 if result is None else len(result))
            if (
                gone > 0 and self._tap.tappers and not bound.holds
            ):  # else they went into other entries
                self._tap.filtered(batch, result, self.route.name, bound.name, self._sinks)
            if result is None:
                return ()
            batch = result
        return tuple(batch.pieces())

    def _in_halves(self, bound: BoundStage, batch: Batch) -> Iterator[Batch]:
        """Takes a batch that a stage failed on through it piece by piece, and yields what is left.

        Entries that it still fails on are lost where the stage guards, and go on unchanged
        elsewhere.
        """
        if bound.holds:  # trying again could make it hold entries twice
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
        """Counts entries that were to come here as lost instead, for all sinks that it leads to."""
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
        """Counts entries as lost for all sinks that this lane leads to."""
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
        """Logs the failure without the exception's message: it may quote what is to be hidden."""
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
