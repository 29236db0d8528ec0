"""What has been read and not yet settled, per container and in order.

A container's position moves over a batch only when that batch, and every one before it, has been
settled by every place it went to. So what is written down is always safe to resume from.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

Position = TypeVar("Position")


class Receipt(Generic[Position]):
    """The acknowledgement of one batch (see `batch.Acknowledgement`).

    Born held once, by whoever opened it and is still handing the batch out.
    """

    __slots__ = ("_account", "pending", "position")

    def __init__(self, position: Position, account: Account[Position]) -> None:
        self.pending = 1
        self.position = position
        self._account = account

    def hold(self, places: int = 1) -> None:
        self.pending += places

    def settle(self) -> None:
        self.pending -= 1
        if self.pending == 0:
            self._account.settled()


class Account(Generic[Position]):
    """The receipts of one container, oldest first."""

    __slots__ = ("_moved", "_receipts")

    def __init__(self, moved: Callable[[Position], None]) -> None:
        self._receipts: deque[Receipt[Position]] = deque()
        self._moved = moved

    def __len__(self) -> int:
        """Batches that are not settled."""
        return len(self._receipts)

    def open(self, position: Position) -> Receipt[Position]:
        """For a batch after which reading would resume at `position`."""
        receipt = Receipt(position, self)
        self._receipts.append(receipt)
        return receipt

    def settled(self) -> None:
        """Called by a receipt; moves over the settled ones at the front, and tells once."""
        receipts = self._receipts
        last: Receipt[Position] | None = None
        while receipts and receipts[0].pending == 0:
            last = receipts.popleft()
        if last is not None:
            self._moved(last.position)
