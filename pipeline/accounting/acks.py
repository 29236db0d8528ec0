"""What has been read and not yet settled, in order.

A position moves over a batch only when that batch, and every one before it, has been settled by
every place it went to. So what is written down is always safe to resume from.

Only what is not settled is kept: a batch that is settled before an older one leaves its position
to that one. A destination that stands still for days, and drops what comes meanwhile, would
otherwise hold a receipt for every batch of those days.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from pipeline.model.acknowledgement import UNTRACKED, Acknowledgement

Position = TypeVar("Position")

NOTHING = -1
"""Sequence number before all others."""

QUIET = 16
"""Batches of a log in a row of which a sink got nothing: it says nothing then of how quickly sinks
take what they get."""


class Ack(Generic[Position]):
    """The acknowledgement of one batch (see `Acknowledgement`).

    Born held once, by whoever opened it and is still handing the batch out.
    """

    __slots__ = ("_account", "_behind", "newer", "older", "pending", "position")

    def __init__(
        self, position: Position, account: AckTracker[Position], behind: Acknowledgement
    ) -> None:
        self.pending = 1
        self.position = position
        """Where reading would resume when this one, and all older ones, are settled."""
        self.older: Ack[Position] | None = None
        self.newer: Ack[Position] | None = None
        self._account = account
        self._behind = behind

    def hold(self, places: int = 1) -> None:
        self.pending += places

    def settle(self) -> None:
        self.pending -= 1
        if self.pending == 0:
            self._account.settled(self)
            self._behind.settle()


class AckTracker(Generic[Position]):
    """The receipts that are not settled, as a linked list in order: those of one container, of
    one sink's part in it, of one spool."""

    __slots__ = ("_count", "_moved", "_newest")

    def __init__(self, moved: Callable[[Position], None]) -> None:
        self._newest: Ack[Position] | None = None
        self._count = 0
        self._moved = moved

    def __len__(self) -> int:
        """Batches that are not settled."""
        return self._count

    def open(self, position: Position, behind: Acknowledgement = UNTRACKED) -> Ack[Position]:
        """For a batch after which reading would resume at `position`. `behind` is settled when
        the receipt is."""
        ack = Ack(position, self, behind)
        ack.older, self._newest = self._newest, ack
        if ack.older is not None:
            ack.older.newer = ack
        self._count += 1
        return ack

    def skip(self, position: Position) -> None:
        """Like opening and settling at once: for what came to nothing."""
        if self._newest is None:
            self._moved(position)
        else:
            self._newest.position = position

    def settled(self, ack: Ack[Position]) -> None:
        """Called by a receipt, once: takes it out, and tells when it was the oldest."""
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


class SinkOffset:
    """How far one sink has the log of one container over one route, by `event.sequence`."""

    __slots__ = ("_account", "_moved", "known", "passed_over", "reached")

    def __init__(self, known: int, moved: Callable[[], None]) -> None:
        """`known`: the last entry that the sink had, with all before it, when the agent began."""
        self.known = known
        self.reached = known
        """Likewise, by now."""
        self._moved = moved
        self._account: AckTracker[int] = AckTracker(self._move)
        self.passed_over = QUIET
        """Batches since the last one of which it got anything."""

    def open(self, sequence: int, behind: Acknowledgement) -> Ack[int]:
        """For a batch that ends with that entry, or did before it was filtered."""
        self.passed_over = 0
        return self._account.open(sequence, behind)

    def __len__(self) -> int:
        """Batches that the sink has not settled."""
        return len(self._account)

    def skip(self, sequence: int) -> None:
        """All to that entry was filtered, or is known."""
        self.passed_over += 1
        self._account.skip(sequence)

    def _move(self, sequence: int) -> None:
        if sequence > self.reached:
            self.reached = sequence
            self._moved()


Ahead = Mapping[str, Mapping[str, int]]
"""By route and sink, the last entry of a container that the sink has, with all before it."""


class Offsets:
    """The reach of every sink in one container's log.

    The container's position waits for the slowest of its sinks, so after a restart entries are
    read again that the others have. Read again, they have the same numbers, and so each sink is
    given only what is new to it.
    """

    __slots__ = ("_before", "_doubtful", "_known", "_left", "_moved", "_sink_offsets", "began")

    def __init__(self, known: Ahead, moved: Callable[[], None] = lambda: None) -> None:
        """`moved` is called whenever some reach has changed."""
        self._moved = moved
        self._doubtful = 0
        self._known = known
        self.began = NOTHING
        """The last entry that was read when the lanes were bound last."""
        self._sink_offsets: dict[tuple[str, str], SinkOffset] = {}
        self._before: dict[tuple[str, str], SinkOffset] = {}
        """Those of the binding before, whether they go on or not."""
        self._left: dict[tuple[str, str], SinkOffset] = {}
        """Of older bindings, as far as they have something that is not settled."""

    def bind(self, sequence: int) -> None:
        """The log's lanes are bound anew, after that entry was read. A sink that they did not lead
        to before begins there."""
        self._left |= self._before
        self._left = {
            key: sink_offset for key, sink_offset in self._left.items() if len(sink_offset)
        }
        self._before, self._sink_offsets = self._sink_offsets, {}
        self.began = sequence

    def of(self, route: str, sink: str) -> SinkOffset:
        key = route, sink
        if key in self._sink_offsets:
            return self._sink_offsets[key]
        if key in self._before:
            sink_offset = self._before[key]
        elif key in self._left:
            sink_offset = self._left.pop(key)
            sink_offset.skip(self.began)
        else:
            known = self._known.get(route, {}).get(sink, NOTHING)
            sink_offset = SinkOffset(max(known, self.began), self._moved)
        self._sink_offsets[key] = sink_offset
        return sink_offset

    @property
    def unsettled(self) -> int:
        """Batches that the quickest of the sinks has not settled, of those that get any."""
        sink_offsets = self._sink_offsets.values()
        return min((len(one) for one in sink_offsets if one.passed_over < QUIET), default=0)

    def doubt(self, sequence: int) -> None:
        """From the entry after that one on, numbers may be others than they were before, or would
        be if the log was read again from before it (lines are missing, or were taken for ended)."""
        self._doubtful = sequence
        self._known = {}
        for sink_offsets in (self._sink_offsets, self._before, self._left):
            for sink_offset in sink_offsets.values():
                sink_offset.known = sink_offset.reached = NOTHING
        self._moved()

    def ahead_of(self, sequence: int) -> dict[str, dict[str, int]]:
        """The sinks that have more than all entries up to that one. Any thread may ask."""
        ahead: dict[str, dict[str, int]] = {}
        if sequence < self._doubtful:
            return ahead
        for (route, sink), sink_offset in (
            *list(self._before.items()),
            *list(self._sink_offsets.items()),
        ):
            if sink_offset.reached > sequence:
                ahead.setdefault(route, {})[sink] = sink_offset.reached
        return ahead
