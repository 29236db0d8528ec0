"""NATS JetStream: one nats-server, or a cluster whose streams have a replica on each."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import TypeVar

from nats import errors
from nats.aio.client import Client
from nats.js.api import ConsumerInfo, StreamState
from nats.js.client import JetStreamContext
from nats.js.errors import NotFoundError, ServiceUnavailableError

from tests.fleet.queues.queue import Queue, Rest
from tests.servers.daemon import PATIENCE
from tests.servers.nats import NatsServer
from tests.servers.nats_cluster import NatsCluster

STREAM = "DOCKLINE"
ANSWER = 5.0
"""Seconds that a server has for one."""
UNANSWERED = (errors.TimeoutError, ServiceUnavailableError)

Answer = TypeVar("Answer")


class NatsQueue(Queue):
    name = "NATS"

    def __init__(self, folder: Path, servers: int = 1) -> None:
        super().__init__()
        here = folder / "nats"
        runs = NatsServer(here) if servers == 1 else NatsCluster(here)
        self._runs = runs
        self._all = {"n1": runs} if isinstance(runs, NatsServer) else runs.servers
        self._killed = self._all["n1"]
        self.urls = [one.url for one in self._all.values()]
        self.hub = f'type = "nats"\nurls = {json.dumps(self.urls)}'
        self.agent = f"{self.hub}\nstream = {{ replicas = {servers} }}"

    def _start_all(self, stack: ExitStack) -> None:
        stack.enter_context(self._runs)

    @property
    def version(self) -> str:
        version = self._killed.look("varz")["version"]
        several = f", a cluster of {len(self._all)}" if len(self._all) > 1 else ""
        return f"nats-server {version}{several}"

    @property
    def pid(self) -> int:
        assert self._killed.process is not None
        return self._killed.process.pid

    def kept(self) -> int:
        return _patiently(self._state).bytes

    def messages(self) -> int:
        return _patiently(self._state).messages

    async def leader(self) -> str:
        """Name of the server that leads the stream; empty where none does."""
        async with self._connected() as stream:
            try:
                cluster = (await stream.stream_info(STREAM)).cluster
            except UNANSWERED:
                return ""
        return (cluster.leader if cluster is not None else None) or ""

    def kill(self) -> None:
        """Of a cluster, the server that leads the stream."""
        if len(self._all) > 1:
            self._killed = self._all[asyncio.run(self.leader())]
        self._killed.kill()

    def start(self) -> None:
        self._killed.start()

    def waiting(self) -> int:
        return _patiently(self._waiting)

    def rest(self) -> Rest:
        return _patiently(self._rest)

    async def _state(self) -> StreamState:
        async with self._connected() as stream:
            try:
                return (await stream.stream_info(STREAM)).state
            except NotFoundError:
                return StreamState(messages=0, bytes=0, first_seq=0, last_seq=0, consumer_count=0)

    async def _waiting(self) -> int:
        async with self._connected() as stream:
            consumers = await _consumers(stream)
        return sum(one.num_pending + one.num_ack_pending for one in consumers)

    async def _rest(self) -> Rest:
        async with self._connected() as stream:
            kept = (await stream.stream_info(STREAM)).state.messages
            given_to_none = not_answered = gone = 0
            for one in await _consumers(stream):
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
        await client.connect(self.urls, connect_timeout=int(PATIENCE), error_cb=_quiet)
        try:
            yield client.jetstream(timeout=ANSWER)
        finally:
            await client.close()


async def _consumers(stream: JetStreamContext) -> list[ConsumerInfo]:
    """All. Raises `ServiceUnavailableError` while some have no leader: servers leave those out."""
    found = await stream.consumers_info(STREAM)
    if len(found) < (await stream.stream_info(STREAM)).state.consumer_count:
        raise ServiceUnavailableError
    return found


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


def _patiently(ask: Callable[[], Coroutine[None, None, Answer]]) -> Answer:
    """Asks until there is an answer: what has no leader for the moment gives none."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return asyncio.run(ask())
        except UNANSWERED:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


async def _quiet(error: Exception) -> None:
    """One that is killed does not answer."""
