"""Processes that share a stream hear of each other, over a real nats-server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from pipeline.testing.intake_room import until
from pipeline.transport.nats import members as module
from pipeline.transport.nats.connection import NatsConnection
from pipeline.transport.nats.members import Members, Word
from tests.servers.nats import NatsServer

SUBJECT = "dockline-hubs.DOCKLINE.hub"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVERY", 0.1)


class One(Members):
    """A process with a connection of its own."""

    def __init__(self, url: str, host: str, shares: int = 8) -> None:
        self.nats = NatsConnection([url])
        self.reads: set[int] = set()
        super().__init__(self.nats, SUBJECT, host, shares, lambda: self.reads)


@asynccontextmanager
async def there(url: str, host: str, shares: int = 8) -> AsyncIterator[One]:
    one = One(url, host, shares)
    await one.nats.open()
    await one.open()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(one.run(), name=host)
        yield one
        task.cancel()
    await one.nats.close()


def hosts(one: One) -> list[str]:
    return [other.host for other in one.others]


async def test_processes_that_come_and_go_share_all_partitions_out(nats_server: NatsServer) -> None:
    url = nats_server.url
    async with there(url, "a") as a:
        assert a.mine() == set(range(8))
        async with there(url, "b") as b, there(url, "c") as c:
            await until(lambda: hosts(a) == ["b", "c"] and hosts(c) == ["a", "b"])
            await until(lambda: hosts(b) == ["a", "c"])
            parts = [one.mine() for one in (a, b, c)]
            assert set.union(*parts) == set(range(8)) and sorted(map(len, parts)) == [2, 3, 3]
            a.changed.clear()
        await a.changed.wait()  # they say nothing any more
        await until(lambda: hosts(a) == [])
        assert a.mine() == set(range(8))


async def test_one_that_stops_is_given_nothing_and_is_known_until_it_has_nothing(
    nats_server: NatsServer,
) -> None:
    async with there(nats_server.url, "a") as a, there(nats_server.url, "b") as b:
        b.reads = {2, 7}
        await until(lambda: a.other_with(2) is not None)
        assert a.other_with(2) is a.others[0] and a.other_with(3) is None
        b.stop_taking()
        await b.say()
        await until(lambda: len(a.mine()) == 8)
        assert a.other_with(7) is not None
        b.reads = set()
        await until(lambda: hosts(a) == [])


async def test_one_with_another_number_of_partitions_is_named_and_left_out(
    nats_server: NatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with there(nats_server.url, "a") as a, there(nats_server.url, "b", shares=9):
        await until(lambda: "a hub on b shares out 9 partitions, and this one 8" in caplog.text)
        assert hosts(a) == [] and len(a.mine()) == 8


@pytest.mark.parametrize(
    "word",
    [
        b"", b"\xff", b"{}", b"[" * 10_000,
        b'{"id":"../..","host":"","shares":8,"takes":true,"has":"0"}',
        b'{"id":"0123456789abcdef","host":"","shares":8,"takes":true,"has":"-1"}',
        b'{"id":"0123456789abcdef","host":"","shares":8,"takes":true,"has":"%b"}' % (b"f" * 2000),
        b'{"id":"0123456789abcdef","host":"%b","shares":8,"takes":true,"has":"0"}' % (b"f" * 2000),
    ],
)  # fmt: skip
async def test_what_makes_no_sense_is_ignored(nats_server: NatsServer, word: bytes) -> None:
    async with there(nats_server.url, "a") as a, there(nats_server.url, "b") as b:
        await b.nats.publish(SUBJECT, word)
        await b.nats.publish(SUBJECT, msgspec.json.encode(Word("f" * 16, "x\x1b[2J", 8, True, "3")))
        await until(lambda: len(hosts(a)) == 2)
        assert hosts(a) == ["b", "x [2J"]


async def test_those_that_are_heard_of_are_bounded(
    nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST", 5)
    async with there(nats_server.url, "a") as a:
        for number in range(50):
            word = Word(f"{number:016x}", "x", 8, True, "0" if number % 2 else "1")
            await a.nats.publish(SUBJECT, msgspec.json.encode(word))
        await until(lambda: len(a.others) == 5)
        await until(lambda: a.others == [])
