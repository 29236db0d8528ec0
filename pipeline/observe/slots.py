"""Limits how many clients get an answer that takes memory until they have read it."""

from __future__ import annotations

import asyncio
import math


class ClientSlots:
    """The clients that are being answered. One that reads slowly gives way to a new one."""

    def __init__(self) -> None:
        self._since: dict[asyncio.Transport, float] = {}
        """Since when each client may read its answer, in the loop's time. Infinite as long as the
        answer isn't made."""

    def __len__(self) -> int:
        return len(self._since)

    def enter(self, transport: asyncio.Transport, most: int, slow: float) -> bool:
        """Gives a client a slot; call `leave` afterwards. False if there is none.

        Of `most` clients, one that has been reading for `slow` seconds is ended to make room.
        """
        if len(self._since) >= most and not self._end_one(slow):
            return False
        self._since[transport] = math.inf
        return True

    def begin(self, transport: asyncio.Transport) -> None:
        """Notes that the client may read its answer from now on."""
        if transport in self._since:
            self._since[transport] = asyncio.get_running_loop().time()

    def leave(self, transport: asyncio.Transport) -> None:
        """Frees the client's slot. May be called for one that has been ended."""
        self._since.pop(transport, None)

    def _end_one(self, slow: float) -> bool:
        oldest = min(self._since, key=self._since.__getitem__)
        if asyncio.get_running_loop().time() - self._since[oldest] < slow:
            return False
        del self._since[oldest]
        oldest.abort()
        return True
