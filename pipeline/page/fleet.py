"""`GET /api/fleet`: the hosts that a hub hears of, the streams that it shares with other hubs, and
the queues that this process publishes to.

An answer is kept for a moment, for all viewers together, so that any number of them costs one look
at the containers, and no request to any server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Final

import msgspec
from aiohttp import web

from pipeline.accounting.ledger import Ledger
from pipeline.intake.runner import SourceRunner
from pipeline.model.component import Share, SharedStream, SinkConfig
from pipeline.observe.query import Query
from pipeline.page.answers import encoded
from pipeline.page.hosts import Host, Hosts
from pipeline.support.selector import Pause

KEPT: Final = 4.0
"""Seconds for which an answer is given again. Rates come from two answers, so it is also the
shortest time that they are measured over. With 10,000 containers an answer takes 30 to 70 ms, and
the event loop is never held up for more than 7 ms."""


class Stream(msgspec.Struct):
    """A stream that a source shares with other processes: see `SharedStream`."""

    source: str
    type: str
    stream: str
    address: str
    ordered: bool
    hubs: list[str]
    partitions: list[Share]


class Published(msgspec.Struct):
    """A queue that a sink fills, for others to read: see `SharedQueue`."""

    sink: str
    type: str
    stream: str
    partitions: int | None


class Answer(msgspec.Struct):
    """What `GET /api/fleet` answers."""

    hosts: list[Host]
    others: int
    """Hosts beyond those in `hosts`."""
    streams: list[Stream]
    publishes: list[Published]


class Fleet:
    """The handler of `GET /api/fleet`."""

    def __init__(
        self,
        ledger: Ledger,
        sources: Callable[[], Collection[SourceRunner]],
        sinks: Callable[[], Mapping[str, SinkConfig]],
        conceal: Callable[[str], str],
    ) -> None:
        """`sources` and `sinks` return those of the configuration in use, sinks by name. `conceal`
        hides what must not be shown in a text of the configuration."""
        self._hosts = Hosts(ledger)
        self._sources = sources
        self._sinks = sinks
        self._conceal = conceal
        self._one = asyncio.Lock()
        self._body = b""
        self._until = float("-inf")

    async def handle(self, request: web.Request) -> web.Response:
        """Answers with JSON: an `Answer`."""
        Query(request)
        loop = asyncio.get_running_loop()
        async with self._one:
            if loop.time() >= self._until:
                self._body = msgspec.json.encode(await self._answer())
                self._until = loop.time() + KEPT
        return encoded(self._body)

    async def _answer(self) -> Answer:
        runners = list(self._sources())
        hosts, others = await self._hosts.look(runners)
        pause = Pause()
        streams = []
        for runner in runners:
            await pause()
            if (shared := runner.source.shared()) is not None:
                streams.append(self._stream(runner, shared))
        return Answer(hosts, others, streams, self._published())

    def _stream(self, runner: SourceRunner, shared: SharedStream) -> Stream:
        stream, address = self._conceal(shared.stream), self._conceal(shared.address)
        return Stream(
            runner.name, runner.config.type, stream, address, shared.ordered, list(shared.hubs),
            list(shared.shares),
        )  # fmt: skip

    def _published(self) -> list[Published]:
        found = []
        for name, config in self._sinks().items():
            if (queue := config.publishes()) is not None:
                stream = self._conceal(queue.stream)
                found.append(Published(name, config.type, stream, queue.partitions))
        return found
