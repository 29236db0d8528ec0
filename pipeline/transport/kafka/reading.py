"""One partition that this process reads."""

from __future__ import annotations

import asyncio
from collections import deque

from pipeline.transport.kafka.assignment import Partition
from pipeline.transport.kafka.progress import Progress
from pipeline.transport.kafka.record_batches import StoredBatch


class Reading:
    """Its batches that were fetched and not read yet, and how far it is."""

    def __init__(self, partition: Partition, progress: Progress | None) -> None:
        """`progress`: None where the group has not read it yet; `begin` follows."""
        self.partition = partition
        self.progress = progress
        self.position = progress.taken if progress is not None else 0
        """Offset to fetch next."""
        self.end: int | None = None
        """Offset after the last record that all replicas have, as the broker said last."""
        self.leaving: float | None = None
        """When it is given up at the latest, by the loop's clock, if another is to have it."""
        self.starved = 0
        """Bytes of the next batch, where it had no room in the last answer."""
        self.buffered = 0
        """Bytes of batches that are not read yet."""
        self._batches: deque[StoredBatch] = deque()
        self._news = asyncio.Event()

    def __str__(self) -> str:
        topic, number = self.partition
        return f'partition {number} of "{topic}"'

    @property
    def pending(self) -> int | None:
        """Records that nobody was given yet; None before that is known."""
        if self.end is None or self.progress is None:
            return None
        return max(0, self.end - self.progress.taken)

    @property
    def idle(self) -> bool:
        """Whether all that was taken of it is settled."""
        return self.progress is None or self.progress.idle

    def begin(self, offset: int) -> None:
        """Reads from `offset` on, where the group has not read it yet."""
        self.progress = Progress(offset)
        self.position = offset

    def again(self) -> None:
        """Fetches again what was fetched and not read: another connection may have other news."""
        self._batches.clear()
        self.buffered = self.starved = 0
        if self.progress is not None:
            self.position = self.progress.taken

    def leave(self, until: float) -> None:
        """Reads nothing more: another member is to have it."""
        self.leaving = until
        self._news.set()

    def came(self, batches: list[StoredBatch]) -> None:
        """Notes what was fetched."""
        self.position = batches[-1].until
        self._batches.extend(batches)
        self.buffered += sum(len(one.data) for one in batches)
        self._news.set()

    async def next(self) -> StoredBatch | None:
        """The next batch, which stays the next until `read`; None when it is given to another."""
        while self.leaving is None:
            if self._batches:
                return self._batches[0]
            self._news.clear()
            await self._news.wait()
        return None

    def read(self, batch: StoredBatch) -> None:
        """Notes that a batch was read to its end."""
        if self._batches and self._batches[0] is batch:
            self._batches.popleft()
            self.buffered -= len(batch.data)
