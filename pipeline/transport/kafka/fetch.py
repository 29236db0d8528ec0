"""Asks one broker for records, and for where a partition begins and ends."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Final, NamedTuple

from aiokafka.protocol.fetch import FetchRequest  # type: ignore[import-untyped]
from aiokafka.protocol.offset import OffsetRequest  # type: ignore[import-untyped]

from pipeline.transport.kafka.assignment import Partition
from pipeline.transport.kafka.cluster import Cluster

EARLIEST: Final = -2
LATEST: Final = -1


class Fetched(NamedTuple):
    """What a broker answers of one partition."""

    code: int
    """Zero, or what is wrong."""
    end: int
    """Offset after the last record that all replicas have."""
    data: bytes


async def fetch(
    cluster: Cluster,
    node: int,
    wanted: Iterable[tuple[Partition, int, int]],
    *,
    wait: float,
    most: int,
) -> dict[Partition, Fetched]:
    """Fetches from each partition, with its offset and most bytes, in this order, and `most` bytes
    of all. A first batch is complete, whatever its size. Waits for `wait` seconds where there is
    nothing. Raises `Unavailable`."""
    topics: list[tuple[str, list[tuple[int, int, int]]]] = []
    for (topic, number), offset, size in wanted:
        if not topics or topics[-1][0] != topic:
            topics.append((topic, []))
        topics[-1][1].append((number, offset, size))
    answer = await cluster.ask(node, FetchRequest(int(wait * 1000), 1, most, 0, topics))
    return {
        (topic, one[0]): Fetched(one[1], one[2], one[-1] or b"")
        for topic, those in answer.topics
        for one in those
    }


async def offsets(
    cluster: Cluster, node: int, partitions: Iterable[Partition], when: int
) -> dict[Partition, tuple[int, int]]:
    """The `EARLIEST` or `LATEST` offset of each partition, after what is wrong or zero. Raises
    `Unavailable`."""
    asked: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for topic, number in partitions:
        asked[topic].append((number, when))
    answer = await cluster.ask(node, OffsetRequest(-1, 0, list(asked.items())))
    return {
        (topic, number): (code, offset)
        for topic, those in answer.topics
        for number, code, _, offset in those
    }
