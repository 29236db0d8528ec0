"""`Acknowledgement`: how a source learns that a batch is settled."""

from __future__ import annotations

from typing import Protocol


class Acknowledgement(Protocol):
    """A counter of the places that have a batch; the batch's source is told when all have settled
    it.

    Before a batch is passed to one more place, `hold()` is called. Each place calls `settle()`
    exactly once, when the batch is delivered, dropped, dead-lettered or filtered down to nothing.
    Both are called on the event loop, and neither raises.
    """

    def hold(self, places: int = 1) -> None:
        """`places` more places have the batch, and each will call `settle`."""

    def settle(self) -> None:
        """One place is done with the batch."""


class _Untracked:
    def hold(self, places: int = 1) -> None:
        pass

    def settle(self) -> None:
        pass


UNTRACKED: Acknowledgement = _Untracked()
"""An acknowledgement that does nothing, for entries that no source can read again, such as
events."""
