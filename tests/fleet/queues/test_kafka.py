"""What is left in a topic, with librdkafka's mock cluster, and when there is no broker to run."""

from __future__ import annotations

from pathlib import Path

import confluent_kafka
import pytest

from tests.fleet.queues import kafka, why_not
from tests.fleet.queues.kafka import GROUP, TOPIC, uncommitted
from tests.servers.daemon import PATIENCE
from tests.servers.kafka import KafkaCluster


@pytest.mark.server
def test_records_that_no_hub_has_committed_are_counted() -> None:
    with KafkaCluster() as cluster:
        cluster.create(TOPIC, 2)
        servers = ",".join(cluster.servers)
        producer = confluent_kafka.Producer({"bootstrap.servers": servers, "log_level": 0})
        for number in range(10):
            producer.produce(TOPIC, b"x", partition=number % 2)
        producer.flush(PATIENCE)
        assert uncommitted(servers) == 10
        commit(servers, partition=1, offset=4)
        assert uncommitted(servers) == 6


def commit(servers: str, *, partition: int, offset: int) -> None:
    """As a hub does."""
    settings = {"bootstrap.servers": servers, "group.id": GROUP, "log_level": 0}
    hub = confluent_kafka.Consumer(settings)
    place = confluent_kafka.TopicPartition(TOPIC, partition, offset)
    hub.commit(offsets=[place], asynchronous=False)
    hub.close()


def test_a_broker_that_is_not_named_or_no_program_is_a_reason_not_to_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(kafka.VARIABLE, raising=False)
    assert (reason := why_not("kafka"))
    assert reason.startswith("KAFKA_BROKER is not set")
    assert why_not("nats") is None
    monkeypatch.setenv(kafka.VARIABLE, str(tmp_path / "none"))
    assert (reason := why_not("kafka"))
    assert reason.endswith("none, which is no program")
