"""The end of a lane."""

from __future__ import annotations

from pipeline.accounting.acks import NOTHING, Reach
from pipeline.accounting.envelope import Envelope
from pipeline.accounting.ledger import Tally
from pipeline.model.acknowledgement import Acknowledgement
from pipeline.model.batch import Batch
from pipeline.topology.route import Outlet


class Leg:
    """Where a lane ends: one sink, its part in the ledger, and how far it has come."""

    __slots__ = ("_reach", "outlet", "tally")

    def __init__(self, outlet: Outlet, tally: Tally, reach: Reach | None) -> None:
        """`reach` is None for what has no position to resume at (events, stats)."""
        self.outlet = outlet
        self.tally = tally
        self._reach = reach

    def address(
        self, batch: Batch, size: int | None, until: int, behind: Acknowledgement
    ) -> Envelope | None:
        """What the stages have left, in an envelope for this sink; None when the sink has all of
        it.

        `size` is the batch's, where it is known; `until` the last entry before the stages, and
        `behind` waits for this sink too."""
        self.tally.routed += len(batch)
        reach = self._reach
        if reach is None:
            behind.hold()
            return Envelope(batch, self.tally, behind, size)
        if batch.sequences[0] <= reach.known:
            new = batch.select([sequence > reach.known for sequence in batch.sequences])
            self.tally.known += len(batch) - (len(new) if new else 0)
            if new is None:
                reach.skip(until)
                return None
            if new is not batch:
                batch, size = new, None
        behind.hold()
        return Envelope(batch, self.tally, reach.open(until, behind), size)

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
