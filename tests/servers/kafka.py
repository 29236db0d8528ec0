"""librdkafka's mock cluster: brokers in threads of this process, that speak Kafka on free ports of
the loopback, and can be told to fail.

It is made by its C functions (rdkafka_mock.h), since `confluent_kafka` itself only makes one that
its own client uses. Of each partition it keeps the last 5 MB. It checks no sizes, and no sequence
numbers of a producer; what a broker does there it does when it is told to.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import confluent_kafka
import pytest

from tests.servers.daemon import PATIENCE

PRODUCE, METADATA, INIT_PRODUCER_ID = 0, 3, 22
FETCH, LIST_OFFSETS, COMMIT, FIND_COORDINATOR, JOIN, HEARTBEAT = 1, 2, 8, 10, 11, 12
"""Kinds of requests: https://kafka.apache.org/protocol#protocol_api_keys"""
TOO_LARGE, NOT_LEADER, TIMED_OUT, TOO_FEW_AFTER_APPEND = 10, 6, 7, 20
INVALID_TIMESTAMP, NO_AUTHORIZATION, OUT_OF_ORDER, DUPLICATE = 32, 29, 45, 46


def _library() -> ctypes.CDLL:
    folder = Path(confluent_kafka.__file__).parents[1] / "confluent_kafka.libs"
    (path,) = folder.glob("librdkafka*.so*")
    library = ctypes.CDLL(str(path))
    pointers = "rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_mock_cluster_new"
    for name in pointers:
        getattr(library, name).restype = ctypes.c_void_p
    library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    return library


@dataclass
class Record:
    topic: str
    partition: int
    key: bytes
    value: bytes
    time: int
    """Milliseconds since the epoch."""
    headers: dict[str, bytes] = field(default_factory=dict)


class KafkaCluster:
    """Runs while the context lasts."""

    def __init__(self, brokers: int = 3, partitions: int = 4) -> None:
        self.partitions = partitions
        """Of topics that are made by writing to them."""
        self._library = _library()
        self._brokers = brokers

    def __enter__(self) -> Self:
        library = self._library
        said = ctypes.create_string_buffer(512)
        conf = ctypes.c_void_p(library.rd_kafka_conf_new())
        library.rd_kafka_conf_set(conf, b"log_level", b"0", said, ctypes.c_size_t(512))
        self._client = ctypes.c_void_p(library.rd_kafka_new(0, conf, said, ctypes.c_size_t(512)))
        made = library.rd_kafka_mock_cluster_new(self._client, self._brokers)
        if not made:
            pytest.fail(f"there is no mock cluster: {said.value!r}")
        self._cluster = ctypes.c_void_p(made)
        self.servers = library.rd_kafka_mock_cluster_bootstraps(self._cluster).decode().split(",")
        return self

    def __exit__(self, *raised: object) -> None:
        self._library.rd_kafka_mock_cluster_destroy(self._cluster)
        self._library.rd_kafka_destroy(self._client)

    def create(self, topic: str, partitions: int) -> None:
        self._done(
            self._library.rd_kafka_mock_topic_create(
                self._cluster, topic.encode(), partitions, min(3, self._brokers)
            )
        )

    def rebalance_at_once(self) -> None:
        """A group waits no longer for others to join than until the first has."""
        self._library.rd_kafka_mock_group_initial_rebalance_delay_ms(
            self._cluster, ctypes.c_int32(100)
        )

    def fail(self, request: int, *codes: int) -> None:
        """The next requests of a kind are answered with these, and do nothing."""
        array = (ctypes.c_int * len(codes))(*codes)
        self._library.rd_kafka_mock_push_request_errors_array(
            self._cluster, ctypes.c_int16(request), ctypes.c_size_t(len(codes)), array
        )

    def down(self, *brokers: int) -> None:
        """Brokers have numbers from 1 on."""
        for broker in brokers or range(1, self._brokers + 1):
            self._done(self._library.rd_kafka_mock_broker_set_down(self._cluster, broker))

    def up(self, *brokers: int) -> None:
        for broker in brokers or range(1, self._brokers + 1):
            self._done(self._library.rd_kafka_mock_broker_set_up(self._cluster, broker))

    def slow(self, broker: int, milliseconds: int) -> None:
        """Each answer comes so much later."""
        self._done(self._library.rd_kafka_mock_broker_set_rtt(self._cluster, broker, milliseconds))

    def lead(self, topic: str, partition: int, broker: int) -> None:
        """Makes a broker the leader of a partition."""
        self._done(
            self._library.rd_kafka_mock_partition_set_leader(
                self._cluster, topic.encode(), partition, broker
            )
        )

    def coordinate(self, group: str, broker: int) -> None:
        """Makes a broker the coordinator of a group."""
        self._done(
            self._library.rd_kafka_mock_coordinator_set(
                self._cluster, b"group", group.encode(), broker
            )
        )

    def shorten(self, topic: str, partition: int, first: int) -> None:
        """Removes the records of a partition that are before an offset."""
        self._done(
            self._library.rd_kafka_mock_partition_delete_records(
                self._cluster, topic.encode(), partition, ctypes.c_int64(first)
            )
        )

    def _done(self, code: int) -> None:
        assert code == 0, f"librdkafka answers {code}"

    def records(self, *topics: str) -> list[Record]:
        """All that there are, those of a partition in order."""
        with self.reading(*topics) as reader:
            return reader.all()

    @contextmanager
    def reading(self, *topics: str) -> Iterator[Reader]:
        reader = Reader(self.servers, topics or ("dockline",))
        try:
            yield reader
        finally:
            reader.close()


class Reader:
    """Reads what comes, from the beginning on."""

    def __init__(self, servers: Sequence[str], topics: Sequence[str]) -> None:
        self._consumer = confluent_kafka.Consumer(
            {
                "bootstrap.servers": ",".join(servers),
                "group.id": "reader",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 20,
                "log_level": 0,
            }
        )
        self._ends: set[tuple[str, int]] = set()
        partitions = []
        for topic in topics:
            found: Any = self._consumer.list_topics(topic, timeout=PATIENCE)
            partitions += [(topic, number) for number in found.topics[topic].partitions]
        self._all = set(partitions)
        self._consumer.assign(
            [confluent_kafka.TopicPartition(topic, number, 0) for topic, number in partitions]
        )

    def all(self) -> list[Record]:
        """All that there is; waits until the end of each partition was seen, which is told once."""
        found: list[Record] = []
        deadline = time.monotonic() + PATIENCE
        while self._ends != self._all:
            assert time.monotonic() < deadline, "the mock cluster does not answer"
            found += self.some()
        return found

    def some(self, patience: float = 0.05) -> list[Record]:
        """What has come by now, or comes within so many seconds."""
        found = []
        for one in self._consumer.consume(1000, timeout=patience):
            if (error := one.error()) is None:
                headers = dict(one.headers() or [])
                at = one.topic(), one.partition()
                found.append(Record(*at, one.key(), one.value(), one.timestamp()[1], headers))
            elif error.code() == confluent_kafka.KafkaError._PARTITION_EOF:
                self._ends.add((one.topic(), one.partition()))
            else:
                raise AssertionError(error)
        return found

    def end(self, topic: str, partition: int) -> int:
        """How many records there are."""
        place = confluent_kafka.TopicPartition(topic, partition)
        _, high = self._consumer.get_watermark_offsets(place, timeout=PATIENCE)
        return int(high)

    def close(self) -> None:
        self._consumer.close()
