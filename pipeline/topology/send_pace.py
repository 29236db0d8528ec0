"""Whether a delivery waits for more before its next payload.

A sink that is quicker than its sources would be sent one small payload per read, and each payload
has a price of its own: so entries gather for two milliseconds. That pays while more is coming. A
client that sends one entry, and the next one only when that is acknowledged, would wait for nothing
at each entry: so waiting is tried now and then, and goes on as long as it pays.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

GATHER = 0.002
"""Seconds from one payload to the next, at least, while more is coming: a million lines take 2,000
sends instead of 15,000."""
MISSES = 4
"""Waits at whose end nothing more was coming, one after the other, until there are no more."""
FEWEST, MOST = 2, 256
"""Payloads that follow each other within `GATHER`, after which it is tried again: the more the more
often that was in vain."""
LOOK = 8
"""Of so many waits that pay, one is looked at: that costs one more turn of the event loop."""


class SendPace:
    """Of one delivery."""

    def __init__(self, entries: Callable[[], int]) -> None:
        """`entries` says how many its buffer has."""
        self._entries = entries
        self._now = asyncio.get_running_loop().time
        self._misses = self._unseen = 0
        self._skip = FEWEST
        self._quick = 0
        """Payloads since it was last waited that have followed each other at once."""

    async def wait(self, began: float) -> None:
        """Called when a payload that was begun `began` is dealt with. Returns when the next one
        may follow."""
        if (early := began + GATHER - self._now()) <= 0:
            self._quick = 0  # whatever came meanwhile has gathered
            return
        if self._misses >= MISSES:
            self._quick += 1
            if self._quick < self._skip:
                return
        self._unseen += 1
        if not self._misses and self._unseen < LOOK:
            await asyncio.sleep(early)
            return
        self._unseen = 0
        await asyncio.sleep(early / 2)
        before = self._entries()
        await asyncio.sleep(began + GATHER - self._now())
        self._learn(self._entries() > before)

    def _learn(self, more: bool) -> None:
        """`more`: entries were still coming in the second half of the wait."""
        self._quick = 0
        if more:
            self._misses, self._skip = 0, FEWEST
        else:
            if self._misses >= MISSES:
                self._skip = min(self._skip * 2, MOST)
            self._misses += 1
