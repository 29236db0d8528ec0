"""A spooled buffer that runs, and what became of all that was put into it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

from pipeline.accounting.envelope import Envelope
from pipeline.accounting.ledger import Ledger, SinkAccount
from pipeline.buffer.columns import Origin, origin_of
from pipeline.buffer.spooled import SpooledBuffer
from pipeline.model.component import BufferConfig, Size
from tests.buffer.acknowledgements import Tracked
from tests.buffer.spools import numbered, numbers

Policy = Literal["block", "drop_newest", "drop_oldest"]
ALL = 1 << 40


class Made:
    """A buffer, a source of numbered entries before it, and the sums."""

    def __init__(
        self, folder: Path, *, memory: int, disk: int = 2**20, policy: Policy = "block"
    ) -> None:
        self.dropped: list[int] = []
        self.lost: list[tuple[int, str]] = []
        self.ledger = Ledger()
        self.released: list[int] = []
        self.put = 0
        self.sources: list[tuple[range, Tracked]] = []
        config = BufferConfig(memory=Size(memory), disk=Size(disk), when_full=policy)
        self.buffer = SpooledBuffer(
            config, folder, self._drop, lambda *it: self.lost.append(it), self._account_of
        )

    def _account_of(self, origin: Origin) -> SinkAccount:
        container_account = self.ledger.container(origin.container_id, origin.container_name)
        return container_account.route(origin.source, origin.route).sink("out")

    def _drop(self, dropped: Envelope, reason: str) -> None:
        assert reason == self.buffer._discards or reason == self.buffer.policy
        self.dropped += numbers([dropped.batch])
        dropped.account.drop(len(dropped), reason)
        dropped.ack.settle()

    def next(self, count: int = 1, size: int = 1000) -> Envelope:
        """The next entries of the source. They count as put."""
        source = Tracked()
        batch = numbered(self.put, count, size=size).replace(route="r")
        account = self._account_of(origin_of(batch))
        account.routed += count
        self.sources.append((range(self.put, self.put + count), source))
        self.put += count
        return Envelope(batch, account, source)

    def offer(self, count: int = 1, size: int = 1000) -> bool:
        """Puts the next entries if there is room; they go on counting only if so."""
        if self.buffer.offer(self.next(count, size)):
            return True
        self.take_back(count)
        return False

    def take_back(self, count: int = 1) -> None:
        """What came last was not put after all."""
        self.put -= count
        self.sources.pop()
        self._account_of(origin_of(numbered(0).replace(route="r"))).routed -= count

    async def fill(self, total: int, size: int = 1000) -> None:
        """Puts so many entries, one a batch, waiting as long as it takes."""
        for _ in range(total):
            await self.buffer.put(self.next(size=size))

    async def take(self, limit: int = ALL, entries: int = ALL) -> list[Envelope]:
        return await self.buffer.take(limit, entries, 0)

    def deliver(self, taken: list[Envelope]) -> None:
        """As a delivery does when the destination has taken them."""
        for envelope in taken:
            self.released += numbers([envelope.batch])
            envelope.account.delivered += len(envelope)
            self.buffer.release(envelope)
            envelope.ack.settle()

    async def drain(self) -> list[int]:
        """Delivers all there is, and returns it."""
        before = len(self.released)
        while self.waiting:
            self.deliver(await self.take())
        return self.released[before:]

    @property
    def waiting(self) -> int:
        """Entries that were not taken."""
        return self.buffer.entries - self.buffer._queue.taken.entries

    @property
    def settled(self) -> list[int]:
        """The entries that the source may forget."""
        return [n for batch, source in self.sources if source.settled for n in batch]

    def balances(self) -> bool:
        """Whether every entry that was put is somewhere, once."""
        gone = len(self.released) + len(self.dropped) + sum(count for count, _ in self.lost)
        in_ledger = sum(account.open for account in self.ledger.accounts())
        inside = self.buffer.entries + self.buffer.blocked_entries
        return self.put == gone + inside and in_ledger + self.buffer.disk.carried == inside


@asynccontextmanager
async def running(
    folder: Path, *, memory: int = 2**16, disk: int = 2**20, policy: Policy = "block"
) -> AsyncIterator[Made]:
    """Opened and running; finished, and found to balance, afterwards."""
    made = Made(folder, memory=memory, disk=disk, policy=policy)
    await made.buffer.open()
    async with asyncio.timeout(180), asyncio.TaskGroup() as tasks:
        tasks.create_task(made.buffer.run(), name="spool")
        yield made
        made.buffer.finish()
    assert made.balances()


async def until(true: object, *, within: float = 60) -> None:
    """Waits for a condition, called with nothing."""
    assert callable(true)
    async with asyncio.timeout(within):
        while not true():
            await asyncio.sleep(0.002)
