"""NATS JetStream: one nats-server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

from nats.aio.client import Client
from nats.js.api import ConsumerInfo
from nats.js.client import JetStreamContext
from nats.js.errors import NotFoundError

from tests.fleet.queues.queue import Queue, Rest
from tests.servers.daemon import PATIENCE
from tests.servers.nats import NatsServer

STREAM = "DOCKLINE"


class NatsQueue(Queue):
    name = "NATS"

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._server = NatsServer(folder / "nats")
        self.url = self._server.url
        self.hub = self.agent = f'type = "nats"\nurls = ["{self.url}"]'

    def _start_all(self, stack: ExitStack) -> None:
        stack.enter_context(self._server)

    @property
    def version(self) -> str:
        return f"nats-server {self._server.look('varz')['version']}"

    @property
    def pid(self) -> int:
        assert self._server.process is not None
        return self._server.process.pid

    def kept(self) -> int:
        return self._state("bytes")

    def messages(self) -> int:
        return self._state("messages")

    def kill(self) -> None:
        self._server.kill()

    def start(self) -> None:
        self._server.start()

    def waiting(self) -> int:
        return asyncio.run(self._waiting())

    def rest(self) -> Rest:
        return asyncio.run(self._rest())

    def _state(self, key: str) -> int:
        found = self._server.stream(STREAM)
        return int(found["state"][key]) if found else 0

    async def _waiting(self) -> int:
        async with self._connected() as stream:
            consumers = await stream.consumers_info(STREAM)
        return sum(one.num_pending + one.num_ack_pending for one in consumers)

    async def _rest(self) -> Rest:
        async with self._connected() as stream:
            kept = (await stream.stream_info(STREAM)).state.messages
            given_to_none = not_answered = gone = 0
            for one in await stream.consumers_info(STREAM):
                there = await _beyond(stream, one)
                given_to_none += one.num_pending
                not_answered += there
                gone += one.num_ack_pending - there
        left = kept - given_to_none - not_answered
        notes = {
            f"{gone:,} messages that are gone from the stream count as unacknowledged": gone,
            f"the stream has {left:,} messages that no consumer counts": left,
        }
        told = tuple(what for what, holds in notes.items() if holds)
        return Rest(given_to_none, not_answered, told)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[JetStreamContext]:
        client = Client()
        await client.connect(self.url, connect_timeout=int(PATIENCE))
        try:
            yield client.jetstream(timeout=PATIENCE)
        finally:
            await client.close()


async def _beyond(stream: JetStreamContext, consumer: ConsumerInfo) -> int:
    """How many of the messages that a consumer calls unacknowledged are in the stream. They are
    beyond its ack floor. A server that was killed may have forgotten that they are gone."""
    assert consumer.ack_floor is not None
    assert consumer.config.filter_subject is not None
    found, place = 0, consumer.ack_floor.stream_seq + 1
    while found < (consumer.num_ack_pending or 0):
        try:
            message = await stream.get_msg(
                STREAM, place, subject=consumer.config.filter_subject, next=True
            )
        except NotFoundError:
            break
        assert message.seq is not None
        found, place = found + 1, message.seq + 1
    return found
