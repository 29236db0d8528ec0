"""A delivery and a spooled buffer, as an outlet has them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry

from pipeline.accounting.envelope import Envelope
from pipeline.model.batch import Batch
from pipeline.model.component import (
    BatchConfig,
    Duration,
    Payload,
    RetryConfig,
    Sink,
    SinkConfig,
    SinkContext,
    Size,
)
from pipeline.model.errors import Refused, Unavailable
from pipeline.model.metrics import Metrics
from pipeline.topology.delivery import Delivery
from tests.buffer.spooled import running, until
from tests.buffer.spools import numbers


class Switched(Sink[list[int]]):
    """A destination that is there or not, as the test says. Odd entries may be refused."""

    def __init__(self) -> None:
        super().__init__(None, SinkContext("test"))
        self.there = False
        self.refuses = False
        self.taken: list[int] = []

    async def open(self) -> None:
        if not self.there:
            raise Unavailable("it is not there")

    def encode(self, batches: Sequence[Batch]) -> Payload[list[int]]:
        found = numbers(batches)
        return Payload(found, len(found), len(found))

    async def send(self, payload: Payload[list[int]]) -> None:
        if not self.there:
            raise Unavailable("it is not there")
        if self.refuses:
            raise Refused("it does not like them")
        self.taken += payload.data

    async def close(self) -> None:
        pass


def config() -> SinkConfig:
    return SinkConfig(
        type="test",
        batch=BatchConfig(bytes=Size(10_000)),
        retry=RetryConfig(initial=Duration(0.001), max=Duration(0.002)),
    )


async def test_what_a_dead_destination_misses_is_delivered_once_it_is_there_in_order(
    tmp_path: Path,
) -> None:
    sink = Switched()
    async with running(tmp_path) as made, asyncio.TaskGroup() as tasks:
        metrics = Metrics(CollectorRegistry())
        delivery = Delivery("test", sink, made.buffer, config(), metrics)
        delivering = tasks.create_task(delivery.run())
        await made.fill(300)
        assert delivery.problem
        assert made.buffer.disk.entries > 200
        await until(lambda: len(made.settled) == 300)
        sink.there = True
        await until(lambda: len(sink.taken) == 300)
        await made.fill(20)
        made.buffer.close()
        await delivering
        assert sink.taken == made.settled == list(range(320))
        made.released = sink.taken


async def test_what_is_refused_stays_on_disk_until_the_dead_letter_is_settled(
    tmp_path: Path,
) -> None:
    sink = Switched()
    sink.there = sink.refuses = True
    letters: list[Envelope] = []

    async def bury(refused: Envelope, reason: str) -> bool:
        refused.ack.hold()
        letters.append(refused)
        return True

    async with running(tmp_path) as made, asyncio.TaskGroup() as tasks:
        await made.fill(200)
        await until(lambda: not made.buffer.unsaved)
        metrics = Metrics(CollectorRegistry())
        delivery = Delivery("test", sink, made.buffer, config(), metrics, bury)
        delivering = tasks.create_task(delivery.run())
        made.buffer.close()
        await delivering
        made.released = numbers([letter.batch for letter in letters])
        assert made.released == list(range(200))
        for letter in letters[:150]:
            letter.ack.settle()
        await until(lambda: not made.buffer.disk.has_moved)
    async with running(tmp_path) as after:
        after.put = after.buffer.entries
        assert await after.drain() == list(range(150, 200))
