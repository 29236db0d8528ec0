"""When a delivery waits for more, by a clock that waits for nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from prometheus_client import CollectorRegistry

from pipeline.accounting.envelope import Envelope
from pipeline.buffer import MemoryBuffer
from pipeline.model.batch import Batch
from pipeline.model.component import Payload, Sink, SinkConfig, SinkContext
from pipeline.model.metrics import Metrics
from pipeline.testing.builders import batch
from pipeline.topology.delivery import Delivery
from pipeline.topology.send_pace import GATHER, MOST
from tests.suite import virtual_time

ROUND_TRIP = 0.0003
"""Seconds from an acknowledgement to the next entry of a client that has waited for it."""
APART = 0.0004
"""Seconds from one batch of a stream to the next."""


class Answer(asyncio.Event):
    """An acknowledgement that somebody waits for."""

    def hold(self, places: int = 1) -> None: ...

    def settle(self) -> None:
        self.set()


class Quick(Sink[int]):
    """Takes everything at once."""

    payloads = 0

    async def open(self) -> None: ...

    def encode(self, batches: Sequence[Batch]) -> Payload[int]:
        return Payload(0, sum(map(len, batches)), 1)

    async def send(self, payload: Payload[int]) -> None:
        self.payloads += 1

    async def close(self) -> None: ...


Feed = Callable[[MemoryBuffer], Awaitable[None]]


def one_by_one(count: int) -> Feed:
    """A client that waits for each acknowledgement."""

    async def feed(buffer: MemoryBuffer) -> None:
        for _ in range(count):
            answer = Answer()
            assert buffer.offer(Envelope(batch("one"), ack=answer))
            await answer.wait()
            await asyncio.sleep(ROUND_TRIP)

    return feed


def stream(count: int) -> Feed:
    """A source that waits for nothing."""

    async def feed(buffer: MemoryBuffer) -> None:
        for _ in range(count):
            assert buffer.offer(Envelope(batch("one"), ack=Answer()))
            await asyncio.sleep(APART)

    return feed


def delivered(*feeds: Feed) -> list[tuple[float, int]]:
    """Seconds and payloads that each took, one after the other."""

    async def main() -> list[tuple[float, int]]:
        config, sink = SinkConfig(type="test"), Quick(None, SinkContext("test"))
        buffer = MemoryBuffer(config.buffer, lambda dropped, why: None)
        delivery = Delivery("test", sink, buffer, config, Metrics(CollectorRegistry()))
        now, found = asyncio.get_running_loop().time, []
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(delivery.run(), name="delivery")
            for feed in feeds:
                began, before = now(), sink.payloads
                await feed(buffer)
                found.append((now() - began, sink.payloads - before))
            buffer.close()
        return found

    return virtual_time.run(main())


def test_an_entry_that_somebody_waits_for_waits_for_no_other() -> None:
    ((seconds, payloads),) = delivered(one_by_one(1000))
    assert payloads == 1000
    assert seconds < 1000 * ROUND_TRIP * 1.2


def test_a_stream_gathers() -> None:
    ((_, payloads),) = delivered(stream(2000))
    assert payloads < 2000 * APART / GATHER * 1.1


def test_a_stream_gathers_again_after_entries_that_somebody_waited_for() -> None:
    found = delivered(one_by_one(1000), stream(4000), one_by_one(1000), stream(4000))
    for _, payloads in found[1::2]:
        assert payloads < MOST + 4000 * APART / GATHER * 1.1


def test_entries_that_are_waited_for_wait_no_longer_after_a_stream() -> None:
    _, (seconds, _) = delivered(stream(4000), one_by_one(1000))
    assert seconds < 1000 * ROUND_TRIP * 1.2
