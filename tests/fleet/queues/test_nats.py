"""What is left in a stream, told apart, with a real nats-server."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.errors import ServiceUnavailableError

from tests.fleet.queues.nats import STREAM, NatsQueue
from tests.fleet.queues.queue import Rest
from tests.servers.daemon import PATIENCE, eventually

pytestmark = pytest.mark.server


async def fill(url: str, *, acknowledged: int, given: int, more: int, replicas: int = 1) -> None:
    """Messages of a partition, some of which a hub is given, and acknowledges some of those."""
    client = Client()
    await client.connect(url)
    stream = client.jetstream()
    await stream.add_stream(
        name=STREAM, subjects=["dockline.>"], retention="workqueue", num_replicas=replicas
    )
    for number in range(given + more):
        await stream.publish(f"dockline.0.{number}", b"x")
    hub = await stream.pull_subscribe("dockline.0.>", "hub-0", STREAM)
    for message in (await _fetched(hub, given))[:acknowledged]:
        await message.ack_sync()
    await client.close()


async def _fetched(hub: JetStreamContext.PullSubscription, count: int) -> list[Msg]:
    """So many messages, once the consumer has a leader."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await hub.fetch(count)
            except ServiceUnavailableError:
                await asyncio.sleep(0.2)


def test_messages_are_told_apart_by_who_was_given_them(tmp_path: Path) -> None:
    with NatsQueue(tmp_path) as queue:
        asyncio.run(fill(queue.urls[0], acknowledged=1, given=4, more=2))
        assert queue.rest() == Rest(given_to_none=2, not_answered=3)
        assert queue.waiting() == 5
        queue.kill()
        queue.start()
        assert queue.waiting() == 5
        assert queue.version.startswith("nats-server 2.")


def test_messages_that_no_hub_will_be_given_are_no_fault_of_hubs(tmp_path: Path) -> None:
    with NatsQueue(tmp_path) as queue:
        asyncio.run(fill(queue.urls[0], acknowledged=2, given=2, more=0))
        assert queue.rest() == Rest()
        asyncio.run(strange(queue.urls[0]))
        rest = queue.rest()
        assert not rest.odd()
        assert rest.notes == ("the stream has 1 messages that no consumer counts",)


def test_of_a_cluster_the_server_that_leads_the_stream_is_killed(tmp_path: Path) -> None:
    with NatsQueue(tmp_path, 3) as queue:
        asyncio.run(fill(queue.urls[0], acknowledged=1, given=4, more=2, replicas=3))
        leader = asyncio.run(queue.leader())
        queue.kill()
        eventually("another leads", lambda: asyncio.run(queue.leader()) not in ("", leader))
        assert queue.rest() == Rest(given_to_none=2, not_answered=3)
        queue.start()
        assert queue.version.endswith("a cluster of 3")


async def strange(url: str) -> None:
    """A message of a partition that nobody reads."""
    client = Client()
    await client.connect(url)
    await client.jetstream().publish("dockline.99.x", b"x")
    await client.close()
