"""Batches as Kafka's records in `columns/1`: each holds what a payload has of one container,
source, route and topic."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from pipeline.encode.columns import LARGEST, Pack, Piece, grouped, halves, packed
from pipeline.encode.kafka import milliseconds, topic
from pipeline.model.batch import Batch
from pipeline.transport.kafka.records import Records, TopicEntries

OVERHEAD = 200
"""Bytes of a record beside its value, its key and its headers, with its batch."""


class KafkaColumnsEncoder:
    """Batches as records of Kafka, for one destination. A record's key is its container's id."""

    def __init__(
        self,
        topics: Callable[[Batch], list[str]],
        pack: Pack,
        *,
        largest: int,
        host: str = "",
    ) -> None:
        """`topics` names the topic of each entry of a batch. `pack` writes batches as columns. A
        record has `largest` bytes at most, unless it is a single entry. `host` is that of
        containers that do not tell theirs."""
        self._topics = topics
        self._pack = pack
        self._largest = largest
        self._host = host

    def encode(self, batches: Sequence[Batch]) -> Records:
        """All entries as columns of records, those of a container in order."""
        batches = [batch for batch in batches if len(batch)]
        return self._records(grouped(self._pieces(batches)), batches)

    def smaller(self, records: Records, index: int) -> Records | None:
        """The entries of one record in two; None where it is a single entry."""
        found = halves(records.pieces[index])
        if found is None:
            return None
        name = next(one.topic for one in records.topics if index in one.places)
        return self._records([(half, name) for half in found], records.batches)

    def _pieces(self, batches: Iterable[Batch]) -> Iterable[tuple[Piece, str]]:
        """Entries that are next to each other and for the same topic."""
        for batch in batches:
            names = self._topics(batch)
            if names.count(names[0]) == len(names):
                yield (batch, 0, len(batch)), topic(names[0])
                continue
            start = 0
            for index in range(1, len(names) + 1):
                if index == len(names) or names[index] != names[start]:
                    yield (batch, start, index), topic(names[start])
                    start = index

    def _records(
        self, groups: Iterable[tuple[Sequence[Piece], str]], batches: Sequence[Batch]
    ) -> Records:
        records = Records(batches)
        todo = list(groups)[::-1]
        while todo:
            pieces, name = todo.pop()
            it = packed(pieces, self._pack, self._host)
            key = it.batches[0].container.id.encode()
            headers = [(header, value.encode()) for header, value in it.headers.items()]
            size = len(it.body) + len(key) + OVERHEAD
            size += sum(len(header) + len(value) for header, value in headers)
            if (size > self._largest or it.plain > LARGEST) and (found := halves(pieces)):
                todo += [(half, name) for half in reversed(found)]
                continue
            records.topics.append(TopicEntries(name, key, [len(records.values)]))
            records.values.append(it.body)
            records.keys.append(key)
            records.times += milliseconds(it.batches[0].times[:1])
            records.headers.append(headers)
            records.pieces.append(pieces)
        return records
