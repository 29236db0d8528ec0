"""The end of a lane."""

from __future__ import annotations

from pipeline.batch import Acknowledgement, Batch
from pipeline.ledger import Tally
from pipeline.routing.route import Outlet
from pipeline.settlement import NOTHING, Reach
from pipeline.shared import Shared


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
        `shared` is of all sinks that have the same entries, and stands for `behind`."""
        self.tally.routed += len(batch)
        reach = self._reach
        behind = shared or behind
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

    def drop(self, count: int, reason: str) -> None:
        """So many entries came over the route, and are lost to the sink."""
        self.tally.routed += count
        self.tally.drop(count, reason)

    @property
    def known(self) -> int:
        """The last entry that the sink had, with all before it, when the agent began."""
        return NOTHING if self._reach is None else self._reach.known

    def skip(self, until: int) -> None:
        """The stages have left nothing."""
        if self._reach is not None:
            self._reach.skip(until)
