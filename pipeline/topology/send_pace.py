"""Decides whether a delivery waits for more entries before its next payload.

Each payload has a cost of its own, and a sink that is quicker than its sources would be sent one
small payload per read. So entries gather for two milliseconds. That pays off only while more
entries arrive: a client that sends one entry and waits for its acknowledgement would be delayed
each time. So waiting is tried now and then, and continues as long as it pays off.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

GATHER = 0.002
"""Least seconds between the starts of two payloads while entries keep coming. A million lines then
take 2,000 sends instead of 15,000."""
MISSES = 4
"""Waits in a row without any new entry, after which it no longer waits."""
FEWEST, MOST = 2, 256
"""Number of payloads in quick succession (within `GATHER`) after which waiting is tried again. It
doubles with each try that was in vain, from the first number up to the second."""
LOOK = 8
"""One in so many waits that pay off is checked. A check costs one more iteration of the event
loop."""


class SendPace:
    """The pace of one delivery. Make it inside a running event loop."""

    def __init__(self, entries: Callable[[], int]) -> None:
        """`entries` returns how many entries are in the delivery's buffer."""
        self._entries = entries
        self._now = asyncio.get_running_loop().time
        self._misses = self._unseen = 0
        self._skip = FEWEST
        self._quick = 0
        """Payloads in quick succession since the last wait."""

    async def wait(self, began: float) -> None:
        """Call this after each payload. Returns when the next one may be taken.

        `began`: when the payload was begun, by the loop's clock.
        """
        if (early := began + GATHER - self._now()) <= 0:
            self._quick = 0  # entries have gathered meanwhile
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
        """Learns from a wait. `more`: entries arrived in its second half."""
        self._quick = 0
        if more:
            self._misses, self._skip = 0, FEWEST
        else:
            if self._misses >= MISSES:
                self._skip = min(self._skip * 2, MOST)
            self._misses += 1
