"""A bounded buffer in memory that overflows to a spool on disk.

Entries leave in the order in which they came. From oldest to newest, they are in four places:

    taken      handed to the delivery, and not released yet
    loaded     read back from disk
    on disk    and nowhere else
    pending    the newest, not written yet

While memory suffices, everything goes from pending to taken, and the disk isn't used. When it does
not, or when the destination takes nothing for some seconds, all pending *and all taken* batches are
written, and settled once they are safe. (If the oldest entries stayed in memory only, no position
could move over those on disk, and a crash would repeat all of them.) From then on all new batches
are written, until the disk has been read to its end.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from pipeline.accounting.envelope import Envelope
from pipeline.accounting.ledger import SinkAccount
from pipeline.buffer.disk import AccountOf, Disk, Lost
from pipeline.buffer.disk_fault import DiskFault
from pipeline.buffer.queue import Item, MemoryQueue
from pipeline.buffer.spool import RECORD_SIZE
from pipeline.buffer.turnstile import Bell, Turnstile
from pipeline.model.component import BufferConfig
from pipeline.model.errors import DocklineError

COMMIT_EVERY = 0.05
"""Seconds for which batches are collected, to be written and fsynced together."""

COMMIT_BYTES = 2**20
"""Bytes of pending batches that are written without waiting for more."""

SPILL = 0.5
"""Share of the memory in use from which on batches are written. It leaves room to put batches while
the disk is busy."""

STANDSTILL = 10.0
"""Seconds without any release after which all batches are written, however much room there is. A
client that waits for each acknowledgement sends no more, and so would never fill the memory."""

RETRY = 1.0
"""Seconds until a failing disk is tried again."""

Timestamp = bytes


class SpooledBuffer:
    """A `MemoryBuffer` with a spool, which a task looks after. Call in this order:

    `open`; `run`, as a task, while anything is put, taken or settled; `close`, when nothing more
    will be put; `finish`, when nothing more will be taken or settled. Then `run` ends.

    A disk that can't be used stops nothing. It counts as full, with the policy "block"; `problem`
    says why; and it is tried again.
    """

    def __init__(
        self,
        config: BufferConfig,
        folder: Path,
        dropped: Callable[[Envelope, str], None],
        lost: Lost,
        account_of: AccountOf,
    ) -> None:
        """`folder`: the spool's, see `folders.folder_of`.

        `dropped(batch, reason)` counts and settles a batch that is dropped.
        `lost(entries, reason)` is called for entries that were settled when they were written and
        will not be delivered: dropped by the policy, or damaged. They are on their account already.
        `account_of(origin)` gives the account of entries that come from the disk.
        """
        self.limit = int(config.memory)
        self.policy = config.when_full
        self._dropped = dropped
        self._turnstile, self._arrived, self._work = Turnstile(), Bell(), Bell()
        self.disk = Disk(
            folder,
            int(config.disk),
            record_size=min(RECORD_SIZE, self.limit // 8),
            drop_oldest=config.when_full == "drop_oldest",
            lost=lost,
            account_of=account_of,
            delivered=self._work.ring,
        )
        self._queue = MemoryQueue()
        self._writing = DiskFault(folder, "written", "until then, entries stay in memory")
        self._reading = DiskFault(folder, "read", "until then, the entries in it wait")
        self._spilling = False
        """Whether pending batches are written."""
        self._stuck = False
        """Whether the destination takes nothing."""
        self._released = self._seen = 0
        """Number of batches released; and that number at the last look."""
        self._since = 0.0
        """When that number last changed, in the loop's time."""
        self._closed = self._finishing = self._suspended = False
        self._discards = ""
        """Why all that is put is dropped; empty as long as it isn't."""

    # ------------------------------------------------------------------------------ lanes

    def offer(self, envelope: Envelope) -> bool:
        """Puts the batch, or applies the policy if there is no room: drops it or older ones.

        False when the batch has to wait for room or for the disk: then use `put`.
        """
        return not self._turnstile and self._admit(envelope)

    async def put(self, envelope: Envelope) -> None:
        """Puts the batch, and waits for room first if necessary.

        Tasks get room in the order in which they asked: small batches don't overtake a large one.
        """
        await self._turnstile.wait(envelope.entries, envelope.size, lambda: self._admit(envelope))

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
        self._queue.pending.push(Item(envelope))
        self._arrived.ring()
        if not self._spilling and self.bytes >= self.limit * SPILL:
            self._spilling = True
            self._work.ring()
        elif self._spilling and (self._queue.pending.bytes == size or self._is_worth_it()):
            self._work.ring()
        return True

    def _has_room(self, size: int) -> bool:
        if not self._queue.pending and (self._overflows or not self.bytes):
            return True  # one is always accepted: it exists already
        return self._front + self._queue.pending.bytes + size <= self.limit

    @property
    def _overflows(self) -> bool:
        return self._spilling or self.disk.entries > 0

    @property
    def _front(self) -> int:
        """Bytes of memory that pending batches can't use.

        While there is anything on disk, half of the memory is kept for what is read from there, so
        that writing and reading never block each other.
        """
        front = self._queue.taken.bytes + self._queue.loaded.bytes
        return max(front, self.limit // 2) if self.disk.entries else front

    def _make_room(self, size: int) -> None:
        """Drops the oldest pending batches; none if that would not make enough room anyway.

        Nothing is being written when this is called.
        """
        if self._front + size > self.limit:
            return
        while self._queue.pending and not self._has_room(size):
            self._dropped(self._queue.pending.pop().envelope, self.policy)

    # --------------------------------------------------------------------------- delivery

    async def take(self, limit: int, entries: int, linger: float) -> list[Envelope]:
        """The next batches, in order. The list is empty at the end.

        Waits for the first batch, and once the disk is read to its end, up to `linger` seconds for
        more. At most `limit` bytes, half of the memory, and `entries` entries, but at least one
        batch. The end is when the buffer is closed and empty, on disk too, or suspended.
        """
        limit = min(limit, self.limit // 2)
        lingered = linger <= 0
        while not self._suspended:
            if not self._queue.loaded and self.disk.entries:
                await self._load(limit)
            elif self._queue.loaded and (linger <= 0 or self.disk.entries):
                return self._queue.hand_out(limit, entries)
            elif lingered and (self._queue.loaded or self._queue.pending):
                return self._queue.hand_out(limit, entries, on=not self.disk.entries)
            elif self._queue.loaded or self._queue.pending:
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
                self._queue.loaded.push(item)

    async def _linger(self, limit: int, entries: int, linger: float) -> None:
        loaded, pending = self._queue.loaded, self._queue.pending

        def enough() -> bool:
            ended = self._closed or self._suspended
            crowded = bool(self._turnstile) or self.disk.entries > 0
            gathered = (
                loaded.bytes + pending.bytes >= limit or loaded.entries + pending.entries >= entries
            )
            return ended or crowded or gathered

        await self._arrived.wait_until(enough, linger)

    def release(self, envelope: Envelope) -> None:
        """Frees the memory of a batch that was taken, in any order. It doesn't settle the batch.

        `size` is as `take` gave it.
        """
        self._queue.taken.remove(envelope)
        self._released += 1
        if self.disk.full and not self.disk.entries:
            self.disk.full = False  # the batch that did not fit may be gone
            self._work.ring()
        self._turnstile.next()

    def close(self) -> None:
        """Says that nothing more will be put. `take` returns what is left, then empty lists."""
        self._closed = True
        self._arrived.ring()

    # --------------------------------------------------------- when the sink is another one

    def suspend(self) -> None:
        """Makes `take` return an empty list until `resume`. Batches may still be put."""
        self._suspended = True
        self._arrived.ring()

    def resume(self) -> None:
        """Lets `take` go on, first with all batches that were taken and not released."""
        self._queue.take_back()
        self._suspended = False
        self._arrived.ring()

    def configure(self, config: BufferConfig) -> None:
        """Applies other limits and another policy from now on."""
        self.limit, self.policy = int(config.memory), config.when_full
        self.disk.configure(int(config.disk), drop_oldest=config.when_full == "drop_oldest")
        self._work.ring()
        self._turnstile.next()

    async def unblocked(self) -> None:
        """Waits until every task that waits for room now has found it."""
        await self._turnstile.wait(0, 0, lambda: True)

    def discard(self, reason: str) -> Counter[SinkAccount]:
        """Drops all batches that aren't on disk, and all that are put later, with this reason.

        Call it after `run` has ended, when nothing will be taken or released any more. Returns how
        many entries are left on disk, by account.
        """
        self._discards = reason
        self.resume()
        left = Counter(self.disk.accounts)
        for item in self._queue.loaded:
            left[item.envelope.account] += item.envelope.entries
        while self._queue.pending:
            self._dropped(self._queue.pending.pop().envelope, reason)
        self._turnstile.next()
        return left

    # ------------------------------------------------------------------------------- disk

    async def open(self) -> None:
        """Opens the spool. Raises `DocklineError` when another agent uses it.

        When it can't be used for another reason, `problem` says so, and `run` tries again.
        """
        try:
            await self.disk.open()
        except OSError as error:
            self._writing.begin(error)
        self._arrived.ring()

    def finish(self) -> None:
        """Says that nothing more will be put, taken or settled, and makes `run` end.

        Before it ends, `run` writes what is left in memory, as much as fits: also batches that were
        taken and not released.
        """
        self._finishing = True
        self._work.ring()

    async def run(self) -> None:
        """Writes to the spool until `finish` is called, then closes it.

        When it is cancelled instead, batches in memory are neither saved nor settled.
        """
        try:
            while not self._finishing:
                if self._has_work():
                    await self._try()
                    await self._work.wait_until(self._may_go_on, RETRY)
                else:
                    await self._work.wait(STANDSTILL / 4)
                self._look()
            await self._try()
            if self.disk.has_moved:  # settled meanwhile
                await self._try()
            await self.disk.close()
        finally:
            self.disk.stop()

    def _look(self) -> None:
        """Notices when the destination takes nothing any more."""
        now = asyncio.get_running_loop().time()
        if self._released != self._seen or not self._queue.taken:
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
        unsafe = self._queue.has_unsafe(taken=not self.disk.entries)
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
            needed = self.disk.entries or self._turnstile or self._stuck
            if not needed and self.bytes <= self.limit // 2:
                self._spilling = False  # memory suffices again
                return
            await self._work.wait_until(self._is_worth_it, COMMIT_EVERY)
        written = True
        while written and (items := self._piece()):
            await self._write_piece(items)
            written = self._finishing and items[-1].safe

    def _piece(self) -> list[Item]:
        """The items to write next: a quarter of the memory.

        So tasks that wait for room don't have to wait until all of it is written.
        """
        items: list[Item] = []
        size = 0
        # If the disk was opened late, batches that are being sent overtook what is on it. They must
        # not be written behind that.
        for item in self._queue.unsafe(taken=not self.disk.entries):
            if items and size >= self.limit // 4:
                break
            items.append(item)
            size += item.envelope.size
        return items

    async def _write_piece(self, items: list[Item]) -> None:
        try:
            await self.disk.write(items)
        finally:
            self._queue.forget_safe()
            left = [item for item in items if not item.safe][:1]
            if left != self._queue.unsafe()[:1]:
                self.disk.full = False  # the item that did not fit was released meanwhile
            self._turnstile.next()

    def _is_worth_it(self) -> bool:
        """Whether to write now instead of waiting for more batches."""
        if self._turnstile or self._finishing:
            return True
        return self._queue.pending.bytes >= COMMIT_BYTES

    def _may_go_on(self) -> bool:
        """False while the disk fails and should be left alone for a moment."""
        return self._finishing or not self._writing.problem

    # ------------------------------------------------------------------------ observation

    @property
    def problem(self) -> str | None:
        """What is wrong with the disk, in a sentence for users; None while it works."""
        return self._writing.problem or self._reading.problem

    @property
    def bytes(self) -> int:
        """Bytes of memory, batches that are being sent included."""
        return self._queue.size

    @property
    def entries(self) -> int:
        """Entries that were put and neither released nor dropped, on disk and in memory."""
        return self._queue.entries + self.disk.entries

    @property
    def blocked_bytes(self) -> int:
        """Bytes that wait for room: at most one batch of each container."""
        return self._turnstile.bytes

    @property
    def blocked_entries(self) -> int:
        """Entries that wait for room: at most one batch of each container."""
        return self._turnstile.entries

    def envelopes(self) -> list[Envelope]:
        """All batches in memory now, those that are being sent included."""
        queue = self._queue
        sections = (queue.taken, queue.loaded, queue.pending)
        return [item.envelope for section in sections for item in section]

    @property
    def unsaved(self) -> int:
        """How many entries are in memory only."""
        return sum(item.envelope.entries for item in self._queue.unsafe())

    @property
    def full(self) -> bool:
        """Whether there is no room on disk and hardly any in memory."""
        if not (self.disk.full or self._writing.problem):
            return False
        return bool(self._turnstile) or not self._has_room(self.limit // 20)

    def oldest(self) -> Timestamp | None:
        """Timestamp of the oldest entry that isn't released, as in `Batch.times`; None if empty.

        If that entry is only on disk, the timestamp of the entry before it.
        """
        queue = self._queue
        if not (queue.taken or queue.loaded) and self.disk.entries:
            return queue.passed
        section = queue.taken or queue.loaded or queue.pending
        return section.first.envelope.batch.times[0] if section else None
