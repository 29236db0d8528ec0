"""What is to be sent to Kafka, before it is known to which partitions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.model.batch import Batch

Headers = list[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class TopicEntries:
    """Entries of one container that are for one topic."""

    topic: str
    key: bytes
    places: Sequence[int]
    """Which of the payload's entries they are, in order."""


@dataclass(slots=True)
class Records:
    """All entries of a payload, in order, as columns."""

    batches: Sequence[Batch]
    keys: list[bytes] = field(default_factory=list)
    values: list[bytes] = field(default_factory=list)
    times: list[int | None] = field(default_factory=list)
    """Milliseconds since the epoch."""
    headers: list[Headers] = field(default_factory=list)
    topics: list[TopicEntries] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes of all keys and values."""
        return sum(map(len, self.values)) + sum(map(len, self.keys))

    def place(self, index: int) -> tuple[Batch, int]:
        """The batch that an entry is from, and its index there; `index` counts all entries."""
        for batch in self.batches:
            if index < len(batch):
                return batch, index
            index -= len(batch)
        raise IndexError(index)
