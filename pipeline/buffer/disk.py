"""A spool as the event loop sees it: nothing here blocks."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline.buffer.columns import NOWHERE, Origin, origin_of
from pipeline.buffer.cursor import Range, overlap
from pipeline.buffer.queue import Item
from pipeline.buffer.spool import DAMAGED, Loss, Spool
from pipeline.envelope import Envelope
from pipeline.ledger import Tally
from pipeline.settlement import Account
from pipeline.transport.blocking import BlockingThread

Lost = Callable[[int, str], None]
"""Told of entries that were on disk and will not come back, and why."""
TallyOf = Callable[[Origin], Tally]
"""Where entries that come from the disk are accounted."""


class Disk:
    """Written by one task, read by another. Its numbers are those of entries in the spool."""

    def __init__(
        self,
        folder: Path,
        limit: int,
        *,
        record_size: int,
        drop_oldest: bool,
        lost: Lost,
        tally_of: TallyOf,
        delivered: Callable[[], None],
    ) -> None:
        """See `Spool`. `delivered` is told when there is something to `store`."""
        self.folder = folder
        self.limit = limit
        self.opened = False
        self.full = False
        """No room for what was written last, and nothing has been removed since."""
        self._spool = Spool(folder, limit, record_size=record_size, drop_oldest=drop_oldest)
        self._thread = BlockingThread(f"spool {folder.name}")
        self._settlement: Account[int] = Account(self._move)
        self.tallies: Counter[Tally] = Counter()
        """Of `entries`, by account: those that this run of the agent has written."""
        self.carried = 0
        """Of `entries`, those that an earlier run has written."""
        self._lost = lost
        self._tally_of = tally_of
        self._delivered = delivered
        self._given_up: tuple[Range, ...] = ()
        """Of the spool, as far as it is accounted here."""
        self._suspense = 0
        """Damaged entries of this run of which it is not known whose they were."""
        self._found = 0
        """Entries below were written by an earlier run of the agent."""
        self._next = 0
        """The entry to load next."""
        self._end = 0
        """The entry to be written next."""
        self._settled = 0
        """All below are settled here, and ..."""
        self._stored = 0
        """... on disk."""

    def configure(self, limit: int, *, drop_oldest: bool) -> None:
        """Another limit, and another policy, for what is written from now on."""
        self.limit = limit
        self.full = False
        self._spool.configure(limit, drop_oldest=drop_oldest)

    @property
    def bytes(self) -> int:
        """Of all files."""
        return self._spool.bytes

    @property
    def entries(self) -> int:
        """Those that are on disk and not in memory."""
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
        """Raises `OSError`, or `DocklineError` when another agent uses it."""
        if self.opened:
            return
        await self._thread.run(self._spool.open)
        self._next = self._settled = self._stored = self._spool.settled
        self._end = self._found = self._spool.end
        self._given_up = self._spool.given_up
        self.carried = self.entries
        self.opened = True

    async def close(self) -> None:
        """Lets go of everything: another may open it at once."""
        await self._thread.run(self._spool.close)

    def stop(self) -> None:
        """Does so without waiting, when what has begun is done, and ends the thread."""
        self._thread.stop(self._spool.close)

    async def store(self) -> None:
        """Says on disk what is delivered, and removes what nobody needs. Raises `OSError`."""
        number = self._settled
        await self._thread.run(self._spool.settle, number)
        self._stored = number
        if not self._spool.full:
            self.full = False

    async def write(self, items: Sequence[Item]) -> None:
        """Makes items safe, in order and as far as there is room. What is safe is settled; where
        it was taken before, its ticket is the spool's from then on.

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
            self._end += len(envelope)
            if item.ticket is None:
                self.tallies[envelope.account] += len(envelope)
                envelope.ack.settle()
            else:
                self._next = self._end
                item.ticket.hand_over(self._settlement.open(self._end))
        self.full = self._spool.full
        self._given_up = self._spool.given_up
        while self._spool.lost:
            self._account(self._spool.lost.popleft())

    def _account(self, loss: Loss) -> None:
        """Damage that cannot be put down to anybody waits on an account of its own until it can
        be: when nothing is on disk any more, what is missing there was damaged."""
        self._lost(loss.entries, loss.reason)
        tally = self._tally_of(loss.origin or NOWHERE)
        tally.drop(loss.entries, loss.reason)
        if loss.origin is not None and loss.number > self._found:
            self._leave(tally, loss.entries)
        else:
            tally.carried += loss.entries
            if loss.number > self._found:
                self._suspense += loss.entries
            else:
                self.carried -= loss.entries

    def _leave(self, tally: Tally, entries: int) -> None:
        """Entries that this run has written are not on disk alone any more."""
        self.tallies[tally] -= entries
        if not self.tallies[tally]:
            del self.tallies[tally]

    def _clear_suspense(self) -> None:
        if not self._suspense or self._next != self._end:
            return
        if self._suspense != self.tallies.total():
            return  # something else is wrong, and must go on showing
        unknown = self._tally_of(NOWHERE)
        unknown.drop(-self._suspense, DAMAGED)
        unknown.carried -= self._suspense
        for tally, entries in self.tallies.items():
            tally.drop(entries, DAMAGED)
        self.tallies.clear()
        self._suspense = 0

    # -------------------------------------------------------------- in the task that reads

    async def load(self, limit: int) -> list[Item]:
        """The next entries, up to `limit` bytes of memory but at least one record's; none where
        all of them were lost. May be cancelled. Raises `OSError`, and then it is to be done
        again."""
        earlier = self._next < self._found
        end = self._found if earlier else self._end
        chunk = await self._thread.run(self._spool.read, self._next, end, limit)
        items = []
        for end, batch in chunk.batches:
            account = self._tally_of(origin_of(batch))
            if earlier:
                account.carried += len(batch)
                self.carried -= len(batch)
            else:
                self._leave(account, len(batch))
            envelope = Envelope(batch, account, self._settlement.open(end))
            items.append(Item(envelope, safe=True))
        if not chunk.batches or chunk.batches[-1][0] < chunk.position:  # the rest is lost
            self._settlement.skip(chunk.position)
        self._next = chunk.position
        if chunk.lost:
            self._account(Loss(None, chunk.lost, DAMAGED, chunk.position))
        self._clear_suspense()
        return items
