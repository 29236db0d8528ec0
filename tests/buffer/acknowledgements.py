"""An acknowledgement that notices when it is settled too often."""

from __future__ import annotations


class Tracked:
    def __init__(self) -> None:
        self._pending = 1

    @property
    def settled(self) -> bool:
        return self._pending == 0

    def hold(self, places: int = 1) -> None:
        assert self._pending, "held after it was settled"
        self._pending += places

    def settle(self) -> None:
        assert self._pending, "settled too often"
        self._pending -= 1
