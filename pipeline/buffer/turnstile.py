"""How tasks wait at a buffer: many for room in it, one for batches inside."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable


class Bell:
    """Wakes one waiting task.

    A ring is lost when nobody waits. So the task checks first whether it has to wait at all.
    """

    def __init__(self) -> None:
        self._waiter: asyncio.Future[None] | None = None

    def ring(self) -> None:
        """Wakes the task that waits, if any."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self, timeout: float | None = None) -> None:
        """Waits until the bell rings, or for `timeout` seconds. One task at a time."""
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
        """Waits until `enough()` is true (now or after a ring), or for `timeout` seconds."""
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout
        while not enough() and (left := until - loop.time()) > 0:
            await self.wait(left)


class Turnstile:
    """Lets tasks through one at a time, in the order in which they came.

    So small batches never overtake a large one that waits for room.
    """

    def __init__(self) -> None:
        self._queue: deque[asyncio.Event] = deque()
        self.entries = self.bytes = 0
        """Sums over all tasks that wait: what they want to put into the buffer."""

    def __bool__(self) -> bool:
        """Whether any task waits."""
        return bool(self._queue)

    def next(self) -> None:
        """Call this when there may be room: the task that waits longest tries again."""
        if self._queue:
            self._queue[0].set()

    async def wait(self, entries: int, size: int, attempt: Callable[[], bool]) -> None:
        """Waits until it is the caller's turn and `attempt()` returns True.

        `entries`, `size`: what the caller wants to put, for the sums.
        """
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
