"""How far a partition is settled."""

from __future__ import annotations

from collections import deque


class Taking:
    """Records of a partition that are on their way, up to an offset."""

    __slots__ = ("is_settled", "until")

    def __init__(self, until: int) -> None:
        self.until = until
        self.is_settled = False


class Progress:
    """The offsets of one partition that were taken, in order, and which of them are settled.

    An offset is settled when everything before it is: a gap waits. As in Kafka, an offset is that
    of the next record to read.
    """

    __slots__ = ("_open", "committed", "given_up", "settled", "taken", "waiting")

    def __init__(self, start: int, committed: int | None = None) -> None:
        self.taken = start
        """Everything before it was taken."""
        self.settled = start
        """Everything before it is settled."""
        self.committed = committed
        """What the group was told last; None if it was told nothing."""
        self.waiting = 0
        """How many are taken, and neither settled nor given up."""
        self.given_up = 0
        """How many were given up: they hold up all that comes after them."""
        self._open: deque[Taking] = deque()

    @property
    def idle(self) -> bool:
        """Whether all that was taken is settled."""
        return not self._open

    def take(self, until: int) -> Taking:
        """Notes that records up to `until`, which is not one of them, are on their way. `end` must
        be called with what is returned."""
        self.taken = until
        self.waiting += 1
        one = Taking(until)
        self._open.append(one)
        return one

    def end(self, one: Taking, *, settled: bool) -> None:
        """Notes that these records are settled, or were given up."""
        self.waiting -= 1
        if not settled:
            self.given_up += 1
            return
        one.is_settled = True
        while self._open and self._open[0].is_settled:
            self.settled = self._open.popleft().until

    def skip(self, until: int) -> None:
        """Notes that there is nothing to take before `until`."""
        self.end(self.take(until), settled=True)
