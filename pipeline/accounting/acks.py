"""Acknowledgements in order: how far a container's log is settled.

A position moves past a batch only when that batch and all before it are settled by every sink that
they went to. So a saved position is always safe to resume from.

Only batches that are not settled are kept. A batch that is settled before an older one hands its
position to that one. Otherwise a sink that is down for days, and drops what comes meanwhile, would
keep an acknowledgement for every batch of those days.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from pipeline.model.acknowledgement import Acknowledgement

Position = TypeVar("Position")
"""What a position is: anything. `AckTracker` only passes it on."""


class Ack(Generic[Position]):
    """The acknowledgement of one batch, in order with the others of its tracker (see
    `Acknowledgement`).

    It begins held once, by the caller of `AckTracker.open`, who settles it after handing the batch
    to all of its sinks.
    """

    __slots__ = ("_behind", "_tracker", "newer", "older", "pending", "position")

    def __init__(
        self,
        position: Position,
        tracker: AckTracker[Position],
        behind: Acknowledgement | None,
    ) -> None:
        self.pending = 1
        self.position = position
        """Where reading resumes when this batch and all older ones are settled."""
        self.older: Ack[Position] | None = None
        self.newer: Ack[Position] | None = None
        self._tracker = tracker
        self._behind = behind

    def hold(self, places: int = 1) -> None:
        """Asks for `places` more calls of `settle`."""
        self.pending += places

    def settle(self) -> None:
        """Settles one place. The last call takes this out of the tracker and settles the
        acknowledgement behind it."""
        self.pending -= 1
        if self.pending == 0:
            self._tracker.remove(self)
            if self._behind is not None:
                self._behind.settle()


class AckTracker(Generic[Position]):
    """The batches that are not settled, as a linked list in order.

    There is one for each container, for each sink of a container's route, and for each spool.
    """

    __slots__ = ("_count", "_moved", "_newest")

    def __init__(self, moved: Callable[[Position], None]) -> None:
        """`moved`: called with the new position whenever the oldest batch is settled."""
        self._newest: Ack[Position] | None = None
        self._count = 0
        self._moved = moved

    def __len__(self) -> int:
        """The number of batches that are not settled."""
        return self._count

    def open(self, position: Position, behind: Acknowledgement | None = None) -> Ack[Position]:
        """Opens the acknowledgement of the next batch.

        `position`: where reading resumes after this batch. `behind`: another acknowledgement,
        settled when this one is.
        """
        ack = Ack(position, self, behind)
        ack.older, self._newest = self._newest, ack
        if ack.older is not None:
            ack.older.newer = ack
        self._count += 1
        return ack

    def skip(self, position: Position) -> None:
        """Moves to `position` for a batch of which nothing is left: as if opened and settled at
        once."""
        if self._newest is None:
            self._moved(position)
        else:
            self._newest.position = position

    def remove(self, ack: Ack[Position]) -> None:
        """Removes an acknowledgement whose last place has settled. `Ack.settle` calls this, once.

        If it was the oldest, `moved` is called with its position.
        """
        older, newer = ack.older, ack.newer
        ack.older = ack.newer = None
        if newer is None:
            self._newest = older
        else:
            newer.older = older
        self._count -= 1
        if older is None:
            self._moved(ack.position)
        else:
            older.newer, older.position = newer, ack.position
