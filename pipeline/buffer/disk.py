"""A spool for use in the event loop: nothing here blocks, a thread does what does."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline.accounting.acks import AckTracker
from pipeline.accounting.envelope import Envelope
from pipeline.accounting.ledger import SinkAccount
from pipeline.buffer.columns import NOWHERE, Origin, origin_of
from pipeline.buffer.cursor import Range, overlap
from pipeline.buffer.queue import Item
from pipeline.buffer.spool import DAMAGED, Loss, Spool
from pipeline.support.blocking import BlockingThread

Lost = Callable[[int, str], None]
"""`lost(entries, reason)`: entries that were on disk and won't be delivered."""
AccountOf = Callable[[Origin], SinkAccount]
"""The account for entries that come from the disk, by their origin."""


class Disk:
    """One task writes, another one reads.

    The writing task calls `open`, `write`, `store` and `close`; the reading one `load`. A number
    here is always the number of an entry in the spool.
    """

    def __init__(
        self,
        folder: Path,
        limit: int,
        *,
        record_size: int,
        drop_oldest: bool,
        lost: Lost,
        account_of: AccountOf,
        delivered: Callable[[], None],
    ) -> None:
        """`folder`, `limit`, `record_size` and `drop_oldest` are as in `Spool`.

        `lost` and `account_of` do the accounting. `delivered()` is called when there is something
        to `store`.
        """
        self.folder = folder
        self.limit = limit
        self.opened = False
        self.full = False
        """The last write did not fit, and nothing has been removed since."""
        self._spool = Spool(folder, limit, record_size=record_size, drop_oldest=drop_oldest)
        self._thread = BlockingThread(f"spool {folder.name}")
        self._tracker: AckTracker[int] = AckTracker(self._move)
        self.accounts: Counter[SinkAccount] = Counter()
        """Those of `entries` that this run of the agent wrote, by account."""
        self.carried = 0
        """Those of `entries` that an earlier run wrote."""
        self._lost = lost
        self._account_of = account_of
        self._delivered = delivered
        self._given_up: tuple[Range, ...] = ()
        """The spool's own, as far as the accounts here know of it."""
        self._suspense = 0
        """Damaged entries of this run whose origin isn't known."""
        self._found = 0
        """Entries below this number were written by an earlier run of the agent."""
        self._next = 0
        """The entry to load next."""
        self._end = 0
        """The entry to be written next."""
        self._settled = 0
        """Entries below this number are settled in memory."""
        self._stored = 0
        """Entries below this number are settled on disk, too."""

    def configure(self, limit: int, *, drop_oldest: bool) -> None:
        """Applies another limit (in bytes) and another policy to what is written from now on."""
        self.limit = limit
        self.full = False
        self._spool.configure(limit, drop_oldest=drop_oldest)

    @property
    def bytes(self) -> int:
        """Bytes of all files of the spool."""
        return self._spool.bytes

    @property
    def entries(self) -> int:
        """How many entries are on disk and not in memory."""
        if self._next == self._end:
            return 0
        given_up = overlap(self._given_up, self._next, self._end)
        return self._end - self._next - given_up

    @property
    def has_moved(self) -> bool:
        """Whether there is something to `store`."""
        return self._settled > self._stored

    def _move(self, number: int) -> None:
        self._settled = number
        self._delivered()

    # ------------------------------------------------------------- in the task that writes

    async def open(self) -> None:
        """Opens the spool, if it isn't open yet, and finds what an earlier run left.

        Raises `OSError`, or `DocklineError` when another agent uses the folder.
        """
        if self.opened:
            return
        await self._thread.run(self._spool.open)
        self._next = self._settled = self._stored = self._spool.settled
        self._end = self._found = self._spool.end
        self._given_up = self._spool.given_up
        self.carried = self.entries
        self.opened = True

    async def close(self) -> None:
        """Closes the spool. Afterwards another agent may open it."""
        await self._thread.run(self._spool.close)

    def stop(self) -> None:
        """Closes the spool without waiting for it, after the running call, and ends the thread."""
        self._thread.stop(self._spool.close)

    async def store(self) -> None:
        """Writes down what is delivered, and removes files that aren't needed. Raises `OSError`."""
        number = self._settled
        await self._thread.run(self._spool.settle, number)
        self._stored = number
        if not self._spool.full:
            self.full = False

    async def write(self, items: Sequence[Item]) -> None:
        """Makes items safe, in order, as many as fit. `full` says whether all of them did.

        Raises `OSError`; some may be safe all the same."""
        batches = [item.envelope.batch for item in items]
        try:
            await self._thread.run(self._spool.append, batches, self._next)
        finally:
            self._written(deque(items))

    def _written(self, items: deque[Item]) -> None:
        safe = self._spool.end
        while items and self._end + len(items[0].envelope) <= safe:
            item = items.popleft()
            item.safe, envelope = True, item.envelope
            self._end += envelope.entries
            if item.ticket is None:
                self.accounts[envelope.account] += envelope.entries
                envelope.ack.settle()
            else:
                self._next = self._end
                item.ticket.hand_over(self._tracker.open(self._end))
        self.full = self._spool.full
        self._given_up = self._spool.given_up
        while self._spool.lost:
            self._account(self._spool.lost.popleft())

    def _account(self, loss: Loss) -> None:
        """Puts a loss on its account.

        Damaged entries of unknown origin are on an account of their own at first. When the disk has
        been read to its end, the accounts that still miss entries show whose they were.
        """
        self._lost(loss.entries, loss.reason)
        account = self._account_of(loss.origin or NOWHERE)
        account.drop(loss.entries, loss.reason)
        if loss.origin is not None and loss.number > self._found:
            self._leave(account, loss.entries)
        else:
            account.carried += loss.entries
            if loss.number > self._found:
                self._suspense += loss.entries
            else:
                self.carried -= loss.entries

    def _leave(self, account: SinkAccount, entries: int) -> None:
        """Takes entries of this run off the account of what is only on disk."""
        self.accounts[account] -= entries
        if not self.accounts[account]:
            del self.accounts[account]

    def _clear_suspense(self) -> None:
        if not self._suspense or self._next != self._end:
            return
        if self._suspense != self.accounts.total():
            return  # something else is wrong, and has to stay visible
        unknown = self._account_of(NOWHERE)
        unknown.drop(-self._suspense, DAMAGED)
        unknown.carried -= self._suspense
        for account, entries in self.accounts.items():
            account.drop(entries, DAMAGED)
        self.accounts.clear()
        self._suspense = 0

    # -------------------------------------------------------------- in the task that reads

    async def load(self, limit: int) -> list[Item]:
        """Reads the next entries: up to `limit` bytes of memory, but at least one record.

        The list is empty when all of these were lost. May be cancelled, and called again. Raises
        `OSError` or `MemoryError`; then call it again later.
        """
        earlier = self._next < self._found
        end = self._found if earlier else self._end
        chunk = await self._thread.run(self._spool.read, self._next, end, limit)
        items = []
        for end, batch in chunk.batches:
            account = self._account_of(origin_of(batch))
            if earlier:
                account.carried += len(batch)
                self.carried -= len(batch)
            else:
                self._leave(account, len(batch))
            envelope = Envelope(batch, account, self._tracker.open(end))
            items.append(Item(envelope, safe=True))
        if not chunk.batches or chunk.batches[-1][0] < chunk.position:  # the rest is lost
            self._tracker.skip(chunk.position)
        self._next = chunk.position
        if chunk.lost:
            self._account(Loss(None, chunk.lost, DAMAGED, chunk.position))
        self._clear_suspense()
        return items
