"""Kafka: what was not acknowledged is sent again with the same numbers, and stored once."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

import pipeline.transport.kafka.producer  # noqa: F401 - a sink imports it when it is made
from pipeline.model.component import BatchConfig, Duration, Size
from tests.delivery.sending import numbers, sending, until
from tests.servers.kafka import NOT_LEADER, PRODUCE, TIMED_OUT, KafkaCluster
from tests.servers.kafka_double import Broker
from tests.servers.receivers import serve

pytestmark = pytest.mark.server
LINES = 4000
SETTINGS = {"batch": BatchConfig(bytes=Size(2**15)), "timeout": Duration(1)}


@pytest.mark.fault(25)
async def test_connections_that_break_lose_nothing_and_repeat_nothing() -> None:
    """The broker numbers as Apache's do; it breaks off before it stores, and before it answers."""
    broker = Broker(answers=["", "lost", "closed", "half", "", "lost", "lost", "rubbish", 19, 20])
    async with (
        serve(broker) as port,
        sending("kafka", bootstrap_servers=[f"localhost:{port}"], **SETTINGS) as sent,
    ):
        sent.lines(LINES)
        await until(lambda: sent.settled == LINES, "not everything arrived")
        assert sent.delivered == LINES
        assert not broker.answers
    assert [number for value in broker.values for number in numbers(value)] == list(range(LINES))


async def test_brokers_that_go_and_come_lose_nothing() -> None:
    with KafkaCluster() as cluster:
        async with sending("kafka", bootstrap_servers=cluster.servers, **SETTINGS) as sent:
            sent.lines(LINES // 2)
            await until(lambda: sent.settled > 0)
            cluster.fail(PRODUCE, NOT_LEADER, TIMED_OUT)
            sent.lines(LINES // 4)  # all that there was may be stored by now
            await until(lambda: sent.count("retried_payloads") > 0)
            cluster.down(1)
            sent.lines(LINES // 4)
            await asyncio.sleep(0.1)
            cluster.down()
            await asyncio.sleep(0.1)
            cluster.up()
            await until(lambda: sent.settled == LINES, "not everything arrived")
        records = await asyncio.to_thread(cluster.records)
    found = Counter(number for record in records for number in numbers(record.value))
    assert set(found) == set(range(LINES))
