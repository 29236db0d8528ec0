"""How tasks wait for a buffer: many for room in it, one for what is inside."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable


class Bell:
    """One task waits, others ring. A ring that nobody waits for is forgotten, so whoever waits
    looks first whether there is anything to wait for."""

    def __init__(self) -> None:
        self._waiter: asyncio.Future[None] | None = None

    def ring(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self, timeout: float | None = None) -> None:
        """Until it rings, or `timeout` seconds have passed."""
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        alarm = None if timeout is None else loop.call_later(timeout, self.ring)
        try:
            await self._waiter
        finally:
            self._waiter = None
            if alarm is not None:
                alarm.cancel()

    async def wait_until(self, enough: Callable[[], bool], timeout: float) -> None:
        """Until `enough()` is true when it rings, or `timeout` seconds have passed."""
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout
        while not enough() and (left := until - loop.time()) > 0:
            await self.wait(left)


class Turns:
    """Those who wait for room, first come first served: a large batch is not overtaken by small
    ones."""

    def __init__(self) -> None:
        self._queue: deque[asyncio.Event] = deque()
        self.entries = self.bytes = 0
        """What they wait with."""

    def __bool__(self) -> bool:
        """Whether anybody waits."""
        return bool(self._queue)

    def next(self) -> None:
        """There may be room: whoever waits longest tries again."""
        if self._queue:
            self._queue[0].set()

    async def wait(self, entries: int, size: int, attempt: Callable[[], bool]) -> None:
        """Returns when it was the caller's turn and `attempt` has succeeded."""
        turn = asyncio.Event()
        self._queue.append(turn)
        self._count(entries, size)
        try:
            while self._queue[0] is not turn or not attempt():
                turn.clear()
                await turn.wait()
        finally:
            self._queue.remove(turn)
            self._count(-entries, -size)
            self.next()

    def _count(self, entries: int, size: int) -> None:
        self.entries += entries
        self.bytes += size
