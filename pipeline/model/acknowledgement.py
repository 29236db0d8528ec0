"""How whoever has taken a batch says that it has done with it."""

from __future__ import annotations

from typing import Protocol


class Acknowledgement(Protocol):
    """What a batch's source waits for before it forgets the batch.

    Whoever passes a batch on to one more place calls `hold()` first; each place calls `settle()`
    exactly once, when the batch is delivered, dropped, dead-lettered or filtered down to nothing.
    Both are called on the event loop, and neither raises.
    """

    def hold(self, places: int = 1) -> None:
        """So many more places have the batch."""

    def settle(self) -> None:
        """One of them has done with it."""


class _Untracked:
    def hold(self, places: int = 1) -> None:
        pass

    def settle(self) -> None:
        pass


UNTRACKED: Acknowledgement = _Untracked()
"""For entries that no source can read again, such as events."""
