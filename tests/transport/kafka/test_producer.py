"""What rounds of a producer tell, with brokers that do what a real cluster does not on request."""

from __future__ import annotations

from collections.abc import Collection
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.model.component import SinkContext
from pipeline.model.errors import Unavailable
from pipeline.sinks.kafka import Config, Kafka
from pipeline.testing.builders import batch, container
from pipeline.transport.kafka.producer import Producer

INVALID = 87
"""INVALID_RECORD, https://kafka.apache.org/protocol#protocol_error_codes."""


class TwoBrokers:
    """Each leads a partition: one says nothing, the other calls all records invalid."""

    def partitions(self, topic: str) -> int:
        return 2

    def leader(self, topic: str, partition: int) -> int:
        return partition

    def address(self, node: int) -> str:
        return f"kafka-{node}"

    async def know(self, topics: Collection[str]) -> None:
        pass

    async def ask(self, node: int | None, request: Any) -> Any:
        if node is None:
            return SimpleNamespace(error_code=0, producer_id=1, producer_epoch=0)
        if node == 0:
            raise Unavailable("kafka-0 says nothing")
        return SimpleNamespace(topics=[("dockline", [(1, INVALID)])])


async def test_while_a_broker_is_silent_no_other_payload_goes_before_what_it_may_have() -> None:
    """Another one would have other numbers, and the broker could not tell what comes twice."""
    to = Kafka(Config(type="kafka", bootstrap_servers=["kafka-0:9092"]), SinkContext("kafka"))
    (pending,) = to.encode([batch("x", of=container(number=n)) for n in range(1, 20)]).data
    producer = Producer(TwoBrokers(), codec=0, largest=1000, timeout=1)  # type: ignore[arg-type]
    said = set()
    for _ in range(40):
        with pytest.raises(Unavailable) as raised:
            await producer.send(pending, lambda place, reason: None)
        said.add(str(raised.value))
        assert raised.value.doubts is None
    assert any("calls all records of the topic" in one for one in said)
