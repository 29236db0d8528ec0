"""The `kafka` source, with librdkafka's mock cluster."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from typing import Any

import confluent_kafka
import pytest

from pipeline.buffer.columns import ColumnCodec
from pipeline.encode.kafka import KafkaEncoder
from pipeline.encode.kafka_columns import KafkaColumnsEncoder
from pipeline.model.batch import Batch
from pipeline.model.component import Duration, SourceContext
from pipeline.model.container import Container
from pipeline.sources.kafka import Config, KafkaSource
from pipeline.testing.builders import batch, container
from pipeline.testing.source_kit import Connect, SourceKit
from pipeline.transport.kafka.records import Records
from tests.servers.kafka import KafkaCluster

TOPIC = "dockline"
PARTITIONS = 4


@pytest.fixture(scope="module")
def shared_cluster() -> Iterator[KafkaCluster]:
    with KafkaCluster() as made:
        made.rebalance_at_once()
        yield made


@pytest.fixture
def cluster(shared_cluster: KafkaCluster) -> KafkaCluster:
    return shared_cluster


_names = itertools.count()


def fresh(cluster: KafkaCluster, partitions: int = PARTITIONS) -> str:
    """A topic that is made just now, and empty."""
    name = f"topic-{next(_names)}"
    cluster.create(name, partitions)
    return name


def make(cluster: KafkaCluster, topic: str, host: str = "hub-1", **more: Any) -> KafkaSource:
    more = {"topics": [topic], "group": f"group-of-{topic}", **more}
    config = Config(
        type="kafka",
        bootstrap_servers=cluster.servers,
        session_timeout=Duration(6),
        timeout=Duration(20),
        **more,
    )
    return KafkaSource(config, SourceContext("queue", host))


class Agent:
    """Publishes as the sink does."""

    def __init__(self, cluster: KafkaCluster, topic: str, group: str = "") -> None:
        self.topic = topic
        options = {"bootstrap.servers": ",".join(cluster.servers), "log_level": 0}
        self._producer = confluent_kafka.Producer({**options, "linger.ms": 0})
        self._asking = confluent_kafka.Consumer(
            {**options, "group.id": group or f"group-of-{topic}"}
        )
        self._columns = KafkaColumnsEncoder(self._of, ColumnCodec().encode, largest=1_000_000)
        self._json = KafkaEncoder(self._of)
        self._numbers: dict[str, int] = {}
        self.container = container()

    def _of(self, some: Batch) -> list[str]:
        return [self.topic] * len(some)

    async def publish(self, *batches: Batch, form: str = "columns") -> None:
        encoder = self._columns if form == "columns" else self._json
        self.produce(encoder.encode(batches))
        await self.flush()

    def produce(self, records: Records) -> None:
        for entries_of in records.topics:
            for place in entries_of.places:
                self._producer.produce(
                    entries_of.topic,
                    records.values[place],
                    key=entries_of.key,
                    headers=list(records.headers[place]),
                    timestamp=records.times[place] or 0,
                )

    async def flush(self) -> None:
        await asyncio.to_thread(self._producer.flush)

    async def raw(
        self, value: bytes | None, headers: Any = (), key: bytes | None = None, **more: Any
    ) -> None:
        self._producer.produce(self.topic, value, key=key, headers=list(headers), **more)
        await self.flush()

    async def log(self, *lines: bytes | str, of: Container | None = None) -> None:
        of = of or self.container
        start = self._numbers.get(of.id, 1)
        self._numbers[of.id] = start + len(lines)
        await self.publish(batch(*lines, of=of, start=start))

    async def committed(self, partitions: int = PARTITIONS) -> int:
        """Records of the topic that the group has read."""
        places = [confluent_kafka.TopicPartition(self.topic, one) for one in range(partitions)]
        found = await asyncio.to_thread(self._asking.committed, places, 20)
        return sum(max(0, one.offset) for one in found)

    async def close(self) -> None:
        await self.flush()
        self._asking.close()


class _Peer(Agent):
    """One that sends to a source, for the kit. What is committed is answered; rubbish is, too."""

    def __init__(self, cluster: KafkaCluster, topic: str) -> None:
        super().__init__(cluster, topic)
        self._before: int | None = None
        self._rubbish = 0

    async def begin(self) -> _Peer:
        self._before = await self.committed()
        return self

    async def send(self, *lines: bytes) -> None:
        await self.log(*lines)

    async def send_rubbish(self, data: bytes) -> None:
        self._rubbish += 1
        await self.raw(data, [("Dockline-Format", b"columns/1"), ("Dockline-Size", b"7")])

    async def answered(self) -> int:
        assert self._before is not None
        return await self.committed() - self._before - self._rubbish


class TestKafka(SourceKit):
    complaint = "refused the connection"
    rubbish = (b"", b"\xc1", b"x" * 1000)

    @pytest.fixture(autouse=True)
    def quickly(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("pipeline.transport.kafka.consumer.COMMIT", 0.02)
        monkeypatch.setattr("pipeline.transport.kafka.consumer.BEAT", 0.1)

    @pytest.fixture
    def topic(self, cluster: KafkaCluster) -> str:
        return fresh(cluster)

    @pytest.fixture
    def source(self, cluster: KafkaCluster, topic: str) -> KafkaSource:
        return make(cluster, topic)

    @pytest.fixture
    def connect(self, cluster: KafkaCluster, topic: str) -> Connect:

        async def made() -> _Peer:
            peer = await _Peer(cluster, topic).begin()
            peer._numbers = numbers
            return peer

        numbers: dict[str, int] = {}
        return made

    @pytest.fixture
    def unusable(self) -> KafkaSource:
        config = Config(type="kafka", bootstrap_servers=["127.0.0.1:1"])
        return KafkaSource(config, SourceContext("queue", "hub-1"))
