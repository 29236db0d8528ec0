"""What has been read and not yet settled, per container and in order.

A container's position moves over a batch only when that batch, and every one before it, has been
settled by every place it went to. So what is written down is always safe to resume from.

Only what is not settled is kept: a batch that is settled before an older one leaves its position
to that one. A destination that stands still for days, and drops what comes meanwhile, would
otherwise hold a receipt for every batch of those days.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

Position = TypeVar("Position")


class Receipt(Generic[Position]):
    """The acknowledgement of one batch (see `batch.Acknowledgement`).

    Born held once, by whoever opened it and is still handing the batch out.
    """

    __slots__ = ("_account", "newer", "older", "pending", "position")

    def __init__(self, position: Position, account: Account[Position]) -> None:
        self.pending = 1
        self.position = position
        """Where reading would resume when this one, and all older ones, are settled."""
        self.older: Receipt[Position] | None = None
        self.newer: Receipt[Position] | None = None
        self._account = account

    def hold(self, places: int = 1) -> None:
        self.pending += places

    def settle(self) -> None:
        self.pending -= 1
        if self.pending == 0:
            self._account.settled(self)


class Account(Generic[Position]):
    """The receipts of one container that are not settled, as a linked list in order."""

    __slots__ = ("_count", "_moved", "_newest")

    def __init__(self, moved: Callable[[Position], None]) -> None:
        self._newest: Receipt[Position] | None = None
        self._count = 0
        self._moved = moved

    def __len__(self) -> int:
        """Batches that are not settled."""
        return self._count

    def open(self, position: Position) -> Receipt[Position]:
        """For a batch after which reading would resume at `position`."""
        receipt = Receipt(position, self)
        receipt.older, self._newest = self._newest, receipt
        if receipt.older is not None:
            receipt.older.newer = receipt
        self._count += 1
        return receipt

    def settled(self, receipt: Receipt[Position]) -> None:
        """Called by a receipt, once: takes it out, and tells when it was the oldest."""
        older, newer = receipt.older, receipt.newer
        receipt.older = receipt.newer = None
        if newer is None:
            self._newest = older
        else:
            newer.older = older
        self._count -= 1
        if older is None:
            self._moved(receipt.position)
        else:
            older.newer, older.position = newer, receipt.position
