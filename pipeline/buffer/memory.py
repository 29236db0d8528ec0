"""A bounded buffer in memory."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from pipeline.batch import Batch
from pipeline.component import BufferConfig


@dataclass(slots=True, eq=False)
class _Turn:
    """Somebody who waits for room, and is let in when `admitted` is done."""

    entries: int
    size: int
    admitted: asyncio.Future[None]


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
        self.bytes = self.entries = 0
        """Of what is inside, what is being sent included."""
        self.blocked_bytes = self.blocked_entries = 0
        """Of what waits for room: one batch of each container."""
        self._dropped = dropped
        self._waiting: deque[tuple[Batch, int]] = deque()
        self._waiting_bytes = self._waiting_entries = 0
        self._taken: deque[Batch] = deque()
        self._turns: deque[_Turn] = deque()
        self._taker: asyncio.Future[None] | None = None
        self._closed = False

    # ----------------------------------------------------------------------------- lanes

    def offer(self, batch: Batch) -> bool:
        """Puts the batch, or gives up one as the policy says; False when it has to wait."""
        size = batch.size
        if self._turns or not self._has_room(size):
            if self.policy == "block":
                return False
            if self.policy == "drop_oldest":
                self._make_room(size)
            if not self._has_room(size):
                self._dropped(batch, self.policy)
                return True
        self._set_aside(len(batch), size)
        self._add(batch, size)
        return True

    async def put(self, batch: Batch) -> None:
        """Puts the batch, waiting for room as long as it takes. First come, first served: a large
        batch is not overtaken by small ones."""
        size = batch.size
        if self._turns or not self._has_room(size):
            await self._wait_for_room(len(batch), size)
        else:
            self._set_aside(len(batch), size)
        self._add(batch, size)

    async def _wait_for_room(self, entries: int, size: int) -> None:
        """Returns when the room is set aside."""
        turn = _Turn(entries, size, asyncio.get_running_loop().create_future())
        self._turns.append(turn)
        self._block(entries, size)
        try:
            await turn.admitted
        except asyncio.CancelledError:
            if turn in self._turns:
                self._turns.remove(turn)
                self._block(-entries, -size)
            else:  # let in a moment ago
                self._set_aside(-entries, -size)
            self._admit()
            raise

    def _admit(self) -> None:
        """Lets in those whose turn it is."""
        while self._turns and self._has_room(self._turns[0].size):
            turn = self._turns[0]
            if turn.admitted.cancelled():
                return  # it leaves the queue, and calls again, as soon as it runs
            self._turns.popleft()
            self._block(-turn.entries, -turn.size)
            self._set_aside(turn.entries, turn.size)
            turn.admitted.set_result(None)

    def _has_room(self, size: int) -> bool:
        return self.bytes + size <= self.limit or self.bytes == 0

    def _set_aside(self, entries: int, size: int) -> None:
        self.entries += entries
        self.bytes += size

    def _block(self, entries: int, size: int) -> None:
        self.blocked_entries += entries
        self.blocked_bytes += size

    def _make_room(self, size: int) -> None:
        """Gives up the oldest, unless what is being sent leaves no room all the same."""
        being_sent = self.bytes - self._waiting_bytes
        if being_sent and being_sent + size > self.limit:
            return
        while not self._has_room(size):
            oldest, oldest_size = self._next()
            self._set_aside(-len(oldest), -oldest_size)
            self._dropped(oldest, self.policy)

    def _add(self, batch: Batch, size: int) -> None:
        """Room for it is set aside."""
        self._waiting.append((batch, size))
        self._waiting_bytes += size
        self._waiting_entries += len(batch)
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
            taken.append(self._next())
            self._taken.append(batch)
        return taken

    def _next(self) -> tuple[Batch, int]:
        batch, size = self._waiting.popleft()
        self._waiting_bytes -= size
        self._waiting_entries -= len(batch)
        return batch, size

    async def _linger(self, limit: int, entries: int, linger: float) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + linger
        enough = min(limit, self.limit)
        while not self._closed and (left := until - loop.time()) > 0:
            if self._turns or self._waiting_bytes >= enough or self._waiting_entries >= entries:
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
        self._set_aside(-len(batch), -size)
        self._admit()

    def close(self) -> None:
        """Nothing more will be put; `take` gives what is left, then ends."""
        self._closed = True
        if self._taker is not None and not self._taker.done():
            self._taker.set_result(None)

    # ----------------------------------------------------------------------- observation

    @property
    def full(self) -> bool:
        """Somebody waits for room, or the next batch of an ordinary size would."""
        return bool(self._turns) or self.bytes >= self.limit * 0.95

    def oldest(self) -> bytes | None:
        """Timestamp of the oldest entry that is not settled, as in `Batch.times`."""
        if self._taken:
            return self._taken[0].times[0]
        return self._waiting[0][0].times[0] if self._waiting else None
