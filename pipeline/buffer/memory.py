"""A bounded buffer in memory."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator

from pipeline.batch import LARGEST_PAYLOAD
from pipeline.buffer.turnstile import Bell, Turns
from pipeline.component import BufferConfig
from pipeline.envelope import Envelope
from pipeline.ledger import Tally


class MemoryBuffer:
    """Many lanes put, one delivery takes. What was taken counts until it is released, so `bytes`
    is all the memory that this sink holds.

    A batch larger than the whole buffer is let in when nothing else is inside: it exists already,
    and refusing it for ever would stop its container for ever.
    """

    def __init__(self, config: BufferConfig, dropped: Callable[[Envelope, str], None]) -> None:
        """`dropped` is told of each batch that the policy gives up, with the policy's name. It
        counts and settles it."""
        self.limit = int(config.memory)
        self.policy = config.when_full
        self.bytes = self.entries = 0
        """Of what is inside, what is being sent included."""
        self._dropped = dropped
        self._waiting: deque[Envelope] = deque()
        self._waiting_bytes = self._waiting_entries = 0
        self._taken: deque[Envelope] = deque()
        self._turns, self._arrived = Turns(), Bell()
        self._closed = self._suspended = False
        self._discards = ""
        """Why whatever is put is dropped."""

    # ----------------------------------------------------------------------------- lanes

    def offer(self, envelope: Envelope) -> bool:
        """Puts the batch, or gives up one as the policy says; False when it has to wait."""
        return (not self._turns and self._admit(envelope)) or self._dealt_with(envelope)

    def _dealt_with(self, envelope: Envelope) -> bool:
        """As the policy says, where there is no room; False when it is to wait."""
        if self.policy == "block":
            return False
        if self.policy == "drop_oldest":
            self._make_room(envelope.size)
        if not self._admit(envelope):
            self._dropped(envelope, self.policy)
        return True

    async def put(self, envelope: Envelope) -> None:
        """Puts the batch, waiting for room as long as it takes, or until the policy is another one.
        First come, first served: a large batch is not overtaken by small ones."""

        def attempt() -> bool:
            return self._admit(envelope) or self._dealt_with(envelope)

        await self._turns.wait(len(envelope), envelope.size, attempt)

    def _admit(self, envelope: Envelope) -> bool:
        if self._discards:
            self._dropped(envelope, self._discards)
            return True
        if not self._has_room(envelope.size):
            return False
        self._add(envelope)
        return True

    def _has_room(self, size: int) -> bool:
        return self.bytes + size <= self.limit or self.bytes == 0

    def _count(self, entries: int, size: int) -> None:
        self.entries += entries
        self.bytes += size

    def _make_room(self, size: int) -> None:
        """Gives up the oldest, unless what is being sent leaves no room all the same."""
        being_sent = self.bytes - self._waiting_bytes
        if being_sent and being_sent + size > self.limit:
            return
        while not self._has_room(size):
            oldest = self._next()
            self._count(-len(oldest), -oldest.size)
            self._dropped(oldest, self.policy)

    def _add(self, envelope: Envelope) -> None:
        entries, size = len(envelope), envelope.size
        self._count(entries, size)
        self._waiting.append(envelope)
        self._waiting_bytes += size
        self._waiting_entries += entries
        self._arrived.ring()

    # -------------------------------------------------------------------------- delivery

    async def take(self, limit: int, entries: int, linger: float) -> list[Envelope]:
        """Batches in order, up to `limit` bytes and `entries` (but at least one batch), and so few
        that sinks write no more than `LARGEST_PAYLOAD` or `limit` of them; waits for the first, and
        `linger` seconds for more. Empty once it is closed and nothing is left."""
        while not self._waiting and not self._suspended:
            if self._closed:
                return []
            await self._arrived.wait()
        if linger > 0:
            await self._linger(limit, entries, linger)
        taken: list[Envelope] = []
        most = max(limit, LARGEST_PAYLOAD)
        while self._waiting and not self._suspended:
            first = self._waiting[0]
            limit -= first.size
            entries -= len(first)
            most -= first.batch.written(first.size)
            if taken and (limit < 0 or entries < 0 or most < 0):
                break
            taken.append(self._next())
            self._taken.append(first)
        return taken

    def _next(self) -> Envelope:
        envelope = self._waiting.popleft()
        self._waiting_bytes -= envelope.size
        self._waiting_entries -= len(envelope)
        return envelope

    async def _linger(self, limit: int, entries: int, linger: float) -> None:
        limit = min(limit, self.limit)

        def enough() -> bool:
            gathered = self._waiting_bytes >= limit or self._waiting_entries >= entries
            ended = self._closed or self._suspended
            return ended or bool(self._turns) or gathered

        await self._arrived.wait_until(enough, linger)

    def release(self, envelope: Envelope) -> None:
        """A batch that was taken, mostly the oldest, is settled: its room is free again."""
        self._taken.remove(envelope)
        self._count(-len(envelope), -envelope.size)
        self._turns.next()

    def close(self) -> None:
        """Nothing more will be put; `take` gives what is left, then ends."""
        self._closed = True
        self._arrived.ring()

    # --------------------------------------------------------- when the sink is another one

    def suspend(self) -> None:
        """`take` gives nothing until `resume`, as at the end; puts go on."""
        self._suspended = True
        self._arrived.ring()

    def resume(self) -> None:
        """`take` gives all again that was taken and not released, and goes on."""
        while self._taken:
            envelope = self._taken.pop()
            self._waiting.appendleft(envelope)
            self._waiting_bytes += envelope.size
            self._waiting_entries += len(envelope)
        self._suspended = False
        self._arrived.ring()

    def configure(self, config: BufferConfig) -> None:
        """Other limits, and another policy for what comes."""
        self.limit, self.policy = int(config.memory), config.when_full
        self._turns.next()

    async def unblocked(self) -> None:
        """Waits until all have found room who wait for it now."""
        await self._turns.wait(0, 0, lambda: True)

    def discard(self, reason: str) -> Counter[Tally]:
        """Nothing will be taken, or released, any more: drops what is inside, and whatever is
        still put. Nothing is left."""
        self._discards = reason
        self.resume()
        while self._waiting:
            envelope = self._next()
            self._count(-len(envelope), -envelope.size)
            self._dropped(envelope, reason)
        self._turns.next()
        return Counter()

    # ----------------------------------------------------------------------- observation

    def envelopes(self) -> Iterator[Envelope]:
        """All that is inside, what is being sent included."""
        yield from (*self._taken, *self._waiting)

    @property
    def blocked_bytes(self) -> int:
        """Of what waits for room: one batch of each container."""
        return self._turns.bytes

    @property
    def blocked_entries(self) -> int:
        """Likewise."""
        return self._turns.entries

    @property
    def full(self) -> bool:
        """Somebody waits for room, or the next batch of an ordinary size would."""
        return bool(self._turns) or self.bytes >= self.limit * 0.95

    def oldest(self) -> bytes | None:
        """Timestamp of the oldest entry that is not settled, as in `Batch.times`."""
        section = self._taken or self._waiting
        return section[0].batch.times[0] if section else None
