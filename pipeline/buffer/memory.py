"""A bounded buffer in memory."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from pipeline.batch import Batch
from pipeline.component import BufferConfig


class MemoryBuffer:
    """Many lanes put, one delivery takes. What was taken counts until it is released, so `bytes`
    is all the memory that this sink holds.

    A batch larger than the whole buffer is let in when nothing else is inside: it exists already,
    and refusing it for ever would stop its container for ever.
    """

    def __init__(self, config: BufferConfig, dropped: Callable[[Batch, str], None]) -> None:
        """`dropped` is told of each batch that the policy gives up, with the policy's name. It
        counts and settles it."""
        self.limit = int(config.memory)
        self.policy = config.when_full
        self.bytes = 0
        self.entries = 0
        self._dropped = dropped
        self._waiting: deque[tuple[Batch, int]] = deque()
        self._taken: deque[Batch] = deque()
        self._putters: deque[asyncio.Future[None]] = deque()
        self._taker: asyncio.Future[None] | None = None
        self._closed = False

    # ----------------------------------------------------------------------------- lanes

    def offer(self, batch: Batch) -> bool:
        """Puts the batch, or gives up one as the policy says; False when it has to wait."""
        size = batch.size
        if self._putters and self.policy == "block":
            return False  # those who wait already go first
        if not self._has_room(size):
            if self.policy == "block":
                return False
            if self.policy == "drop_oldest":
                self._make_room(size)
            if not self._has_room(size):
                self._dropped(batch, self.policy)
                return True
        self._add(batch, size)
        return True

    async def put(self, batch: Batch) -> None:
        """Puts the batch, waiting for room as long as it takes. First come, first served."""
        size = batch.size
        while not self._has_room(size) or self._putters:
            turn = asyncio.get_running_loop().create_future()
            self._putters.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done():
                    self._wake_putter()
                raise
            finally:
                if turn in self._putters:
                    self._putters.remove(turn)
            if self._has_room(size):
                break
        self._add(batch, size)
        self._wake_putter()

    def _has_room(self, size: int) -> bool:
        return self.bytes + size <= self.limit or self.bytes == 0

    def _make_room(self, size: int) -> None:
        while self._waiting and not self._has_room(size):
            oldest, oldest_size = self._waiting.popleft()
            self._forget(len(oldest), oldest_size)
            self._dropped(oldest, self.policy)

    def _add(self, batch: Batch, size: int) -> None:
        self.bytes += size
        self.entries += len(batch)
        self._waiting.append((batch, size))
        if self._taker is not None and not self._taker.done():
            self._taker.set_result(None)

    # -------------------------------------------------------------------------- delivery

    async def take(self, limit: int, entries: int, linger: float) -> list[tuple[Batch, int]]:
        """Batches in order with their sizes, up to `limit` bytes and `entries` (but at least one
        batch); waits for the first, and `linger` seconds for more. Empty once it is closed and
        nothing is left."""
        while not self._waiting:
            if self._closed:
                return []
            await self._wait_for_batch(None)
        if linger > 0:
            await self._linger(limit, entries, linger)
        taken: list[tuple[Batch, int]] = []
        while self._waiting:
            batch, size = self._waiting[0]
            limit -= size
            entries -= len(batch)
            if taken and (limit < 0 or entries < 0):
                break
            taken.append(self._waiting.popleft())
            self._taken.append(batch)
        return taken

    async def _linger(self, limit: int, entries: int, linger: float) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + linger
        while not self._closed and (left := until - loop.time()) > 0:
            waiting = self._waiting
            enough_bytes = sum(size for _, size in waiting) >= min(limit, self.limit)
            if enough_bytes or self._putters or sum(len(b) for b, _ in waiting) >= entries:
                return
            await self._wait_for_batch(left)

    async def _wait_for_batch(self, timeout: float | None) -> None:
        self._taker = asyncio.get_running_loop().create_future()
        try:
            await asyncio.wait_for(self._taker, timeout)
        except TimeoutError:
            pass
        finally:
            self._taker = None

    def release(self, batch: Batch, size: int) -> None:
        """A batch that was taken, the oldest first, is settled: its room is free again."""
        self._taken.popleft()
        self._forget(len(batch), size)
        self._wake_putter()

    def _forget(self, entries: int, size: int) -> None:
        self.bytes -= size
        self.entries -= entries

    def _wake_putter(self) -> None:
        while self._putters:
            turn = self._putters.popleft()
            if not turn.done():
                turn.set_result(None)
                return

    def close(self) -> None:
        """Nothing more will be put; `take` gives what is left, then ends."""
        self._closed = True
        if self._taker is not None and not self._taker.done():
            self._taker.set_result(None)

    # ----------------------------------------------------------------------- observation

    @property
    def full(self) -> bool:
        """Somebody waits for room, or the next batch of an ordinary size would."""
        return bool(self._putters) or self.bytes >= self.limit * 0.95

    def oldest(self) -> bytes | None:
        """Timestamp of the oldest entry that is not settled, as in `Batch.times`."""
        if self._taken:
            return self._taken[0].times[0]
        return self._waiting[0][0].times[0] if self._waiting else None
