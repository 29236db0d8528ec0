"""What is to be sent to Kafka, before it is known to which partitions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pipeline.model.batch import Batch

Headers = list[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class TopicEntries:
    """Entries of one container that are for one topic."""

    topic: str
    key: bytes
    places: Sequence[int]
    """Which of the payload's records they are, in order."""


@dataclass(slots=True)
class Records:
    """All records of a payload, in order, as columns."""

    batches: Sequence[Batch]
    keys: list[bytes] = field(default_factory=list)
    values: list[bytes] = field(default_factory=list)
    times: list[int | None] = field(default_factory=list)
    """Milliseconds since the epoch."""
    headers: list[Headers] = field(default_factory=list)
    topics: list[TopicEntries] = field(default_factory=list)
    pieces: list[Sequence[tuple[Batch, int, int]]] = field(default_factory=list)
    """Which entries are in each record: of a batch, from an index up to another. Empty where each
    entry is a record."""

    @property
    def size(self) -> int:
        """Bytes of all keys and values."""
        return sum(map(len, self.values)) + sum(map(len, self.keys))

    @property
    def entries(self) -> int:
        """How many entries there are."""
        if not self.pieces:
            return len(self.values)
        return sum(stop - start for pieces in self.pieces for _, start, stop in pieces)

    def places(self, index: int) -> Iterator[tuple[Batch, int]]:
        """The entries of a record: the batch that each is from, and its index there."""
        if not self.pieces:
            yield self._place(index)
            return
        for batch, start, stop in self.pieces[index]:
            for one in range(start, stop):
                yield batch, one

    def _place(self, index: int) -> tuple[Batch, int]:
        for batch in self.batches:
            if index < len(batch):
                return batch, index
            index -= len(batch)
        raise IndexError(index)
