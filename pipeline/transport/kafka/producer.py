"""What is sent to Kafka's brokers: record batches, numbered so that none is stored twice.

https://cwiki.apache.org/confluence/display/KAFKA/KIP-98: a producer has an id, and numbers its
records by partition. A batch that is sent again, because its answer was lost, has the same
numbers, and a broker that has it already only says so. That holds over broken connections, and for
as long as the producer keeps its id: until it ends, or a broker has forgotten it.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from aiokafka import errors  # type: ignore[import-untyped]
from aiokafka.partitioner import murmur2  # type: ignore[import-untyped]
from aiokafka.protocol.produce import ProduceRequest  # type: ignore[import-untyped]
from aiokafka.protocol.transaction import InitProducerIdRequest  # type: ignore[import-untyped]
from aiokafka.record.default_records import (  # type: ignore[import-untyped]
    DefaultRecordBatchBuilder,
)

from pipeline.model.errors import Unavailable, untraced
from pipeline.transport.kafka.cluster import Cluster, described
from pipeline.transport.kafka.records import Records
from pipeline.transport.net.address import Address

CODECS: Final = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
_WRAP: Final = 2**31
_NO_TRANSACTION: Final = 2**31 - 1

_STORED: Final = frozenset({0, errors.DuplicateSequenceNumber.errno})
_INVALID_RECORD: Final = 87
"""What a broker that validates says: of a record, or of all, where the topic wants others."""
_MOST_SUSPECTS: Final = 50
"""Single records that are looked at before all wait, where nothing is taken."""
_TO_BLAME: Final = frozenset(
    {
        errors.MessageSizeTooLargeError.errno,
        errors.RecordListTooLargeError.errno,
        errors.InvalidTimestampError.errno,
        _INVALID_RECORD,
    }
)
"""Single records are the cause: too large, too old, or not what the topic takes."""
_FORGOTTEN: Final = frozenset(
    {
        errors.OutOfOrderSequenceNumber.errno,
        errors.InvalidProducerEpoch.errno,
        errors.InvalidProducerIdMapping.errno,
        errors.UnknownProducerId.errno,
        90,  # PRODUCER_FENCED
    }
)
"""The broker does not know the producer, or not its last numbers: it begins anew."""

Partition = tuple[str, int]

_hash: Final = lru_cache(10_000)(murmur2)  # in Python it takes 15 µs for a container's id


@dataclass(slots=True)
class RecordBatch:
    """Entries of one partition that are stored together, or not at all."""

    places: list[int]
    """Which of the payload's."""
    built: bytes | bytearray = b""
    producer: int = -1
    """By whom it was built."""
    before: int | None = None
    """How many batches its topic had taken when it was first called invalid."""
    suspected: int | None = None
    """How many it had when it last was, by itself and without evidence."""


class PendingRecords:
    """A payload on its way: what is left of it, by partition and in order."""

    def __init__(self, records: Records) -> None:
        self.records = records
        self.left: dict[Partition, list[RecordBatch]] | None = None
        """None before it is known what partitions there are."""

    def divide(self, cluster: Cluster) -> None:
        """Shares out the entries among partitions. A key is always of the same one, by the hash
        that Kafka's own clients use."""
        found: dict[Partition, list[int]] = defaultdict(list)
        for entries in self.records.topics:
            partition = (_hash(entries.key) & 0x7FFFFFFF) % cluster.partitions(entries.topic)
            found[entries.topic, partition] += entries.places
        self.left = {partition: [RecordBatch(some)] for partition, some in found.items()}


class Producer:
    """Sends payloads, one at a time. All methods raise `Unavailable`."""

    def __init__(self, cluster: Cluster, *, codec: int, largest: int, timeout: float) -> None:
        """`codec` is one of `CODECS`. A record batch has `largest` bytes at the most before it
        is compressed, unless it is a single record. `timeout` in seconds is what replicas have
        for it."""
        self._cluster = cluster
        self._codec = codec
        self._largest = largest
        self._timeout = int(timeout * 1000)
        self._id: tuple[int, int] | None = None
        """With its epoch."""
        self._next: dict[Partition, int] = {}
        self._stored: Counter[str] = Counter()
        """Batches that a topic has taken, in whichever payload."""
        self._undecided = False
        """Whether, in this round, all that was tried of a partition was called invalid."""
        self._doubtful: PendingRecords | None = None
        """Of which the brokers may have a part that they did not answer for."""

    async def prepare(self, topics: Collection[str]) -> None:
        """Sees that the topics are there, and that there is an id to send by."""
        await self._cluster.know(topics)
        if self._id is None:
            self._id, self._next = await self._identity(), {}

    async def send(self, pending: PendingRecords, refuse: Callable[[int, str], None]) -> None:
        """Returns when the brokers have all of it, but for those entries that they will not take:
        `refuse` is told each, and why. May raise, and be called again: then it sends the rest."""
        if self._doubtful not in (None, pending):
            self._id = None  # the numbers of what was given up may be taken, or may not
        await self.prepare({entries.topic for entries in pending.records.topics})
        if pending.left is None:
            pending.divide(self._cluster)
        while pending.left:
            self._doubtful = pending
            await self._round(pending, refuse)
            self._doubtful = None

    async def _identity(self) -> tuple[int, int]:
        answer = await self._cluster.ask(None, InitProducerIdRequest(None, _NO_TRANSACTION))
        if answer.error_code:
            raise Unavailable(f"the brokers give no producer id: {described(answer.error_code)}")
        return answer.producer_id, answer.producer_epoch

    async def _round(self, pending: PendingRecords, refuse: Callable[[int, str], None]) -> None:
        """Sends the first batch of each partition, to all leaders at once."""
        left = pending.left
        assert left is not None
        nodes: dict[int, list[Partition]] = defaultdict(list)
        for partition in left:
            nodes[self._cluster.leader(*partition)].append(partition)
            await self._build(pending, partition)
        async with asyncio.TaskGroup() as group:
            asked = {
                node: group.create_task(self._produce(node, pending, some), name="produce")
                for node, some in nodes.items()
            }
        trouble: list[str] = []
        silent = self._undecided = False
        for node, task in asked.items():
            codes = task.result()
            if isinstance(codes, Unavailable):
                trouble.append(str(codes))
                silent = True
                continue
            where = self._cluster.address(node)
            for partition in nodes[node]:
                problem = self._settle(pending, partition, codes.get(partition), where, refuse)
                trouble += [problem] if problem else []
        if trouble:
            error = Unavailable("; ".join(dict.fromkeys(trouble)))
            rejected = self._undecided and not silent  # else it may have a part, by its numbers
            error.doubts = 1 if rejected else None
            error.wants_mending = rejected
            try:
                raise error
            finally:
                del error  # else it has this frame, and the frame it

    async def _build(self, pending: PendingRecords, partition: Partition) -> None:
        """The partition's first batch, cut to what goes into one, unless it is built already."""
        assert self._id is not None and pending.left is not None
        batches = pending.left[partition]
        batch, (producer, epoch) = batches[0], self._id
        if batch.producer == producer:
            return
        builder = DefaultRecordBatchBuilder(
            2,
            self._codec,
            is_transactional=0,
            producer_id=producer,
            producer_epoch=epoch,
            base_sequence=self._next.get(partition, 0),
            batch_size=self._largest,
        )
        append, records = builder.append, pending.records
        times, keys, values, headers = records.times, records.keys, records.values, records.headers
        for offset, place in enumerate(batch.places):
            if append(offset, times[place], keys[place], values[place], headers[place]) is None:
                batches.insert(1, RecordBatch(batch.places[offset:]))
                batch.places = batch.places[:offset]
                break
        batch.built = await asyncio.to_thread(builder.build) if self._codec else builder.build()
        batch.producer = producer

    async def _produce(
        self, node: int, pending: PendingRecords, partitions: list[Partition]
    ) -> dict[Partition, int] | Unavailable:
        """What the broker says of each."""
        assert pending.left is not None
        topics: dict[str, list[tuple[int, bytes | bytearray]]] = defaultdict(list)
        for topic, partition in partitions:
            topics[topic].append((partition, pending.left[topic, partition][0].built))
        request = ProduceRequest(
            transactional_id=None,
            required_acks=-1,
            timeout=self._timeout,
            topics=list(topics.items()),
        )
        try:
            answer = await self._cluster.ask(node, request)
        except Unavailable as error:
            return untraced(error)
        return {
            (topic, partition): code
            for topic, those in answer.topics
            for partition, code, *_ in those
        }

    def _settle(
        self,
        pending: PendingRecords,
        partition: Partition,
        code: int | None,
        where: Address,
        refuse: Callable[[int, str], None],
    ) -> str:
        """What is wrong; nothing where the first batch has been dealt with."""
        assert pending.left is not None
        batches = pending.left[partition]
        batch = batches[0]
        if code is None:
            return f'{where} says nothing of the topic "{partition[0]}"'
        if code in _STORED:
            self._next[partition] = (self._next.get(partition, 0) + len(batch.places)) % _WRAP
            self._stored[partition[0]] += 1
            batches.pop(0)
        elif code == _INVALID_RECORD and self._suspects(batches, partition[0]):
            if all(
                one.suspected == self._stored[partition[0]] for one in batches[-_MOST_SUSPECTS:]
            ):
                self._undecided = True
                batches[:] = [_together(batches)]
                topic = f'the topic "{partition[0]}"'
                return f"{where} calls all records of {topic} invalid; check what it is to take"
        elif code in _TO_BLAME and len(batch.places) == 1:
            refuse(batch.places[0], f"{where} will not take it: {described(code)}")
            batches.pop(0)
        elif code in _TO_BLAME:
            middle = len(batch.places) // 2
            halves = batch.places[:middle], batch.places[middle:]
            batches[:1] = [RecordBatch(half, before=batch.before) for half in halves]
        else:
            if code in _FORGOTTEN:
                self._id = None
            return f'{where} says of the topic "{partition[0]}": {described(code)}'
        if not batches:
            del pending.left[partition]
        return ""

    def _suspects(self, batches: list[RecordBatch], topic: str) -> bool:
        """Whether nothing was taken since the first batch was called invalid, so that it may be the
        configuration that is wrong. Where it is a single record the others go first."""
        batch, stored = batches[0], self._stored[topic]
        if batch.before is None:
            batch.before = stored
        if len(batch.places) > 1 or stored > batch.before:
            return False
        batch.suspected, batch.producer = stored, -1
        batches.append(batches.pop(0))
        return True


def _together(batches: Iterable[RecordBatch]) -> RecordBatch:
    """All of a partition, to be sent again in order."""
    befores = [batch.before for batch in batches if batch.before is not None]
    return RecordBatch(
        sorted(place for batch in batches for place in batch.places), before=min(befores)
    )
