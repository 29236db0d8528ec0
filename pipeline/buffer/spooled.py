"""A bounded buffer in memory that overflows to a spool on disk.

Entries leave in the order in which they came. That order runs through four places:

    taken      handed to the delivery, until it releases them
    loaded     read back from the disk
    on disk    and nowhere else
    pending    came last, and not written (yet)

As long as the memory suffices, everything goes from pending to taken, and the disk is not touched.
When it does not, or the destination takes nothing for some seconds, all that is pending *and all
that is taken* is written, and what is safe is settled: were the oldest entries left to memory
alone, no position could move over those on disk, and a crash would repeat all of them. Until the
disk is read to its end, whatever comes is written.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from pipeline.buffer.disk import Disk, Lost, TallyOf
from pipeline.buffer.disk_fault import Trouble
from pipeline.buffer.queue import Held, Item
from pipeline.buffer.spool import RECORD_SIZE
from pipeline.buffer.turnstile import Bell, Turns
from pipeline.component import BufferConfig
from pipeline.envelope import Envelope
from pipeline.errors import DocklineError
from pipeline.ledger import Tally

COMMIT_EVERY = 0.05
"""Seconds for which batches are gathered before they are written and fsynced together."""

COMMIT_BYTES = 2**20
"""Bytes of memory that are not waited with."""

SPILL = 0.5
"""Of the memory, what is in use when writing begins, so that nobody has to wait for room as long as
the disk is as quick as they are."""

STANDSTILL = 10.0
"""Seconds for which nothing that is taken is released, after which all is written, however much
room there is: a client that waits for each acknowledgement sends nothing more, and never fills it.
"""

RETRY = 1.0
"""Seconds after which a disk that fails is tried again."""

Timestamp = bytes


class SpooledBuffer:
    """The interface of `MemoryBuffer`, and a task that keeps the spool. In order:

    `open`; `run`, as a task, as long as anything is put, taken or settled; `close`, when nothing
    more will be put; `finish`, when nothing more will be taken or settled; then `run` ends.

    A disk that cannot be used never stops anything: it is as if it were full with `block`,
    `problem` says why, and it is tried again.
    """

    def __init__(
        self,
        config: BufferConfig,
        folder: Path,
        dropped: Callable[[Envelope, str], None],
        lost: Lost,
        tally_of: TallyOf,
    ) -> None:
        """`dropped` is told of each batch that the policy gives up, with the policy's name; it
        counts and settles it. `lost` is told of entries that were settled when they were written
        and will not come back, how many and why: removed by the policy, or damaged. They are
        accounted already, by `tally_of`, as is what comes back."""
        self.limit = int(config.memory)
        self.policy = config.when_full
        self._dropped = dropped
        self._turns, self._arrived, self._work = Turns(), Bell(), Bell()
        self.disk = Disk(
            folder,
            int(config.disk),
            record_size=min(RECORD_SIZE, self.limit // 8),
            drop_oldest=config.when_full == "drop_oldest",
            lost=lost,
            tally_of=tally_of,
            delivered=self._work.ring,
        )
        self._held = Held()
        self._writing = Trouble(folder, "written", "until it can, only the memory takes entries")
        self._reading = Trouble(folder, "read", "until it can, what is in it has to wait")
        self._spilling = False
        """What is pending is being written."""
        self._stuck = False
        """The destination takes nothing."""
        self._released = self._seen = 0
        """Batches; how many when they were last looked at."""
        self._since = 0.0
        """When that had changed."""
        self._closed = self._finishing = self._suspended = False
        self._discards = ""
        """Why whatever is put is dropped."""

    # ------------------------------------------------------------------------------ lanes

    def offer(self, envelope: Envelope) -> bool:
        """Puts the batch, or gives up one as the policy says; False when it has to wait."""
        return not self._turns and self._admit(envelope)

    async def put(self, envelope: Envelope) -> None:
        """Puts the batch, waiting for room as long as it takes. First come, first served."""
        await self._turns.wait(len(envelope), envelope.size, lambda: self._admit(envelope))

    def _admit(self, envelope: Envelope) -> bool:
        if self._discards:
            self._dropped(envelope, self._discards)
            return True
        size = envelope.size
        if not self._has_room(size):
            self._spilling = True
            self._work.ring()
            self._arrived.ring()
            if self.policy == "block" or not self.disk.full:
                return False
            if self.policy == "drop_oldest":
                self._make_room(size)
            if not self._has_room(size):
                self._dropped(envelope, self.policy)
                return True
        self._held.pending.push(Item(envelope))
        self._arrived.ring()
        if not self._spilling and self.bytes >= self.limit * SPILL:
            self._spilling = True
            self._work.ring()
        elif self._spilling and (self._held.pending.bytes == size or self._is_worth_it()):
            self._work.ring()
        return True

    def _has_room(self, size: int) -> bool:
        if not self._held.pending and (self._overflows or not self.bytes):
            return True  # one is always let in: it exists already
        return self._front + self._held.pending.bytes + size <= self.limit

    @property
    def _overflows(self) -> bool:
        return self._spilling or self.disk.entries > 0

    @property
    def _front(self) -> int:
        """Bytes of memory that are not for what is pending. While there is anything on disk, half
        of it is for what comes from there, so that neither way ever stops the other."""
        front = self._held.taken.bytes + self._held.loaded.bytes
        return max(front, self.limit // 2) if self.disk.entries else front

    def _make_room(self, size: int) -> None:
        """Gives up what waits longest of what is not on disk (nothing is being written now),
        unless that makes not enough room all the same."""
        if self._front + size > self.limit:
            return
        while self._held.pending and not self._has_room(size):
            self._dropped(self._held.pending.pop().envelope, self.policy)

    # --------------------------------------------------------------------------- delivery

    async def take(self, limit: int, entries: int, linger: float) -> list[Envelope]:
        """Batches in order, up to `limit` bytes (and half of the memory) and `entries`, but at
        least one batch; waits for the first, and `linger` seconds for more once the disk is read to
        its end. Empty once it is closed and nothing is left, on disk either."""
        limit = min(limit, self.limit // 2)
        lingered = linger <= 0
        while not self._suspended:
            if not self._held.loaded and self.disk.entries:
                await self._load(limit)
            elif self._held.loaded and (linger <= 0 or self.disk.entries):
                return self._held.hand_out(limit, entries)
            elif lingered and (self._held.loaded or self._held.pending):
                return self._held.hand_out(limit, entries, on=not self.disk.entries)
            elif self._held.loaded or self._held.pending:
                await self._linger(limit, entries, linger)
                lingered = True
            elif self._closed:
                return []
            else:
                await self._arrived.wait()
        return []

    async def _load(self, limit: int) -> None:
        try:
            items = await self.disk.load(limit)
        except (OSError, MemoryError) as error:
            self._reading.begin(error)
            await asyncio.sleep(RETRY)
        else:
            self._reading.end()
            for item in items:
                self._held.loaded.push(item)

    async def _linger(self, limit: int, entries: int, linger: float) -> None:
        loaded, pending = self._held.loaded, self._held.pending

        def enough() -> bool:
            ended = self._closed or self._suspended
            crowded = bool(self._turns) or self.disk.entries > 0
            gathered = (
                loaded.bytes + pending.bytes >= limit or loaded.entries + pending.entries >= entries
            )
            return ended or crowded or gathered

        await self._arrived.wait_until(enough, linger)

    def release(self, envelope: Envelope) -> None:
        """A batch that was taken, mostly the oldest, is done with: its room is free again. Settling
        it is another matter."""
        self._held.taken.remove(envelope)
        self._released += 1
        if self.disk.full and not self.disk.entries:
            self.disk.full = False  # what was too large for it may be gone
            self._work.ring()
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
        self._held.take_back()
        self._suspended = False
        self._arrived.ring()

    def configure(self, config: BufferConfig) -> None:
        """Other limits, and another policy for what comes."""
        self.limit, self.policy = int(config.memory), config.when_full
        self.disk.configure(int(config.disk), drop_oldest=config.when_full == "drop_oldest")
        self._work.ring()
        self._turns.next()

    async def unblocked(self) -> None:
        """Waits until all have found room who wait for it now."""
        await self._turns.wait(0, 0, lambda: True)

    def discard(self, reason: str) -> Counter[Tally]:
        """`run` has ended, and nothing will be taken or released any more: drops what is not on
        disk, and whatever is still put. What is left there, by account."""
        self._discards = reason
        self.resume()
        left = Counter(self.disk.tallies)
        for item in self._held.loaded:
            left[item.envelope.account] += len(item.envelope)
        while self._held.pending:
            self._dropped(self._held.pending.pop().envelope, reason)
        self._turns.next()
        return left

    # ------------------------------------------------------------------------------- disk

    async def open(self) -> None:
        """Opens the spool. Raises `DocklineError` when another agent uses it; if it cannot be used
        for another reason, `problem` says so, and `run` tries again."""
        try:
            await self.disk.open()
        except OSError as error:
            self._writing.begin(error)
        self._arrived.ring()

    def finish(self) -> None:
        """Nothing more will be taken, put or settled: `run` writes what is left in memory, what
        was taken and not released included, as far as there is room; then it ends."""
        self._finishing = True
        self._work.ring()

    async def run(self) -> None:
        """Keeps the spool until `finish`, and lets go of it. When cancelled instead, what is in
        memory is not saved, and was not settled."""
        try:
            while not self._finishing:
                if self._has_work():
                    await self._try()
                    await self._work.wait_until(self._may_go_on, RETRY)
                else:
                    await self._work.wait(STANDSTILL / 4)
                self._look()
            await self._try()
            if self.disk.has_moved:  # meanwhile
                await self._try()
            await self.disk.close()
        finally:
            self.disk.stop()

    def _look(self) -> None:
        """Whether the destination takes anything."""
        now = asyncio.get_running_loop().time()
        if self._released != self._seen or not self._held.taken:
            self._seen, self._since, self._stuck = self._released, now, False
        elif not self._stuck and now - self._since >= STANDSTILL:
            self._stuck = self._spilling = True

    def _has_work(self) -> bool:
        if self._writing.problem or not self.disk.opened:
            return True
        return self.disk.has_moved or self._has_to_write()

    def _has_to_write(self) -> bool:
        if self._finishing:
            return True
        unsafe = self._held.has_unsafe(taken=not self.disk.entries)
        return self._spilling and not self.disk.full and unsafe

    async def _try(self) -> None:
        try:
            if not self.disk.opened:
                await self.disk.open()
                self._arrived.ring()
            if self.disk.has_moved:
                await self.disk.store()
            if self._has_to_write():
                await self._write()
        except (OSError, MemoryError, DocklineError) as error:
            self._writing.begin(error)
        else:
            self._writing.end()

    async def _write(self) -> None:
        if not self._finishing:
            needed = self.disk.entries or self._turns or self._stuck
            if not needed and self.bytes <= self.limit // 2:
                self._spilling = False  # the memory suffices again
                return
            await self._work.wait_until(self._is_worth_it, COMMIT_EVERY)
        written = True
        while written and (items := self._piece()):
            await self._write_piece(items)
            written = self._finishing and items[-1].safe

    def _piece(self) -> list[Item]:
        """What to write next: a quarter of the memory, so that those who wait for room need not
        wait for all of it to be written."""
        items: list[Item] = []
        size = 0
        # Where a disk was opened late, what is being sent overtook what is on it: it must not be
        # written behind that.
        for item in self._held.unsafe(taken=not self.disk.entries):
            if items and size >= self.limit // 4:
                break
            items.append(item)
            size += item.envelope.size
        return items

    async def _write_piece(self, items: list[Item]) -> None:
        try:
            await self.disk.write(items)
        finally:
            self._held.forget_safe()
            left = [item for item in items if not item.safe][:1]
            if left != self._held.unsafe()[:1]:
                self.disk.full = False  # what did not fit was released meanwhile
            self._turns.next()

    def _is_worth_it(self) -> bool:
        """Whether so much waits to be written that nothing more is waited for."""
        if self._turns or self._finishing:
            return True
        return self._held.pending.bytes >= COMMIT_BYTES

    def _may_go_on(self) -> bool:
        """False while a disk in trouble should be left alone."""
        return self._finishing or not self._writing.problem

    # ------------------------------------------------------------------------ observation

    @property
    def problem(self) -> str | None:
        """What is wrong with the disk, in a sentence; None while it can be used."""
        return self._writing.problem or self._reading.problem

    @property
    def bytes(self) -> int:
        """Of memory, what is being sent included."""
        return self._held.size

    @property
    def entries(self) -> int:
        """All that were put and neither released nor dropped, on disk or in memory."""
        return self._held.entries + self.disk.entries

    @property
    def blocked_bytes(self) -> int:
        """Of what waits for room: one batch of each container."""
        return self._turns.bytes

    @property
    def blocked_entries(self) -> int:
        """Likewise."""
        return self._turns.entries

    def envelopes(self) -> Iterator[Envelope]:
        """All that is in memory, what is being sent included."""
        for section in (self._held.taken, self._held.loaded, self._held.pending):
            for item in section:
                yield item.envelope

    @property
    def unsaved(self) -> int:
        """Entries in memory that are not on disk as well."""
        return sum(len(item.envelope) for item in self._held.unsafe())

    @property
    def full(self) -> bool:
        """There is no room on disk, and hardly any in memory."""
        if not (self.disk.full or self._writing.problem):
            return False
        return bool(self._turns) or not self._has_room(self.limit // 20)

    def oldest(self) -> Timestamp | None:
        """Timestamp of the oldest entry that is not released, as in `Batch.times`. Where that is
        on disk alone, it is the time of the one before it."""
        held = self._held
        if not (held.taken or held.loaded) and self.disk.entries:
            return held.passed
        section = held.taken or held.loaded or held.pending
        return section.first.envelope.batch.times[0] if section else None
