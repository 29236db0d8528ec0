"""Who may look at entries over HTTP, and what the stream says."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientResponse, ClientSession, web

from pipeline.encode.level import LEVELS
from pipeline.observe import tap_stream as module
from pipeline.observe.access import Access
from pipeline.observe.server import Server
from pipeline.observe.tap_stream import Tapping
from pipeline.testing.builders import batch
from pipeline.topology import tap_search
from pipeline.topology.tap import ENTRIES, MOST_TAPPERS, Tap
from pipeline.topology.tap_search import Search
from tests.observe.test_access import own_address


class Running:
    """An endpoint with a tap into which the test puts entries."""

    def __init__(self, access: Access, listen: str = "127.0.0.1:0") -> None:
        self.tap = Tap()
        self.tap.routes, self.tap.sinks = ["all"], ["out"]
        self.tapping = Tapping(self.tap, access)
        self.server = Server(listen, [web.get("/tap", self.tapping.handle, allow_head=False)])

    @property
    def url(self) -> str:
        return f"http://{self.server.address}/tap"

    def put(self, *lines: str) -> None:
        if self.tap.tappers:
            self.tap.passed(batch(*lines, route="all"), "out")


@pytest_asyncio.fixture
async def running(request: pytest.FixtureRequest) -> AsyncIterator[Running]:
    running = Running(*getattr(request, "param", ("all",)))
    await running.server.start()
    yield running
    running.tapping.close()
    await running.server.close()


async def line(answer: ClientResponse) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(await answer.content.readline())
    return found


async def test_entries_come_as_they_pass_after_a_line_that_opens_the_stream(
    running: Running,
) -> None:
    async with ClientSession() as client, client.get(running.url) as answer:
        assert (answer.status, answer.content_type) == (200, "application/x-ndjson")
        assert await line(answer) == {"control": "open", "entries_per_second": 4 * ENTRIES}
        for text in ("one", "two"):
            running.put(text)
            assert (await line(answer))["entry"]["message"] == text
        running.tapping.close()
        assert await answer.content.read() == b""
    assert running.tap.tappers == ()


async def test_who_searches_is_shown_what_matches_and_told_of_how_many(running: Running) -> None:
    query = "match=boom&level=error&where=n+%3E+1&regex=%5E..level"
    async with ClientSession() as client, client.get(f"{running.url}?{query}") as answer:
        await line(answer)
        running.put(*[f'{{"level":"error","msg":"boom","n":{n}}}' for n in range(4)], "boom")
        found = [await line(answer) for _ in range(3)]
        assert ['"n":2' in one["entry"]["message"] for one in found[:2]] == [True, False]
        assert found[2] == {"control": "searched", "matched": 2, "of": 5, "skipped": 0}


async def test_a_reader_who_goes_away_is_noticed_though_nothing_comes(running: Running) -> None:
    async with ClientSession() as client:
        async with client.get(running.url) as answer:
            await line(answer)
            assert len(running.tap.tappers) == 1
        async with asyncio.timeout(60):
            while running.tap.tappers:
                await asyncio.sleep(0.01)


async def test_a_silent_stream_says_that_it_is_alive(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "IDLE", 0.0)
    async with ClientSession() as client, client.get(running.url) as answer:
        await line(answer)
        assert await line(answer) == {"control": "idle"}


async def test_a_reader_who_does_not_read_loses_entries_and_holds_nobody_up(
    running: Running,
) -> None:
    with socket.create_connection(running.server.address.rsplit(":", 1)) as still:
        still.sendall(b"GET /tap HTTP/1.1\r\nHost: localhost\r\n\r\n")
        async with asyncio.timeout(60):
            while not running.tap.tappers:
                await asyncio.sleep(0.01)
        [tapper] = running.tap.tappers
        for number in range(400):  # 64 MB, of which the window lets some through
            running.put(*["x" * 16_000] * 10)
            tapper._until = 0.0
            if number % 20 == 0:
                await asyncio.sleep(0.001)
        assert tapper._lost > 0
        assert tapper._bytes < 1 << 20


async def test_one_who_never_reads_again_loses_his_place(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STALLED", 0.1)
    with socket.create_connection(running.server.address.rsplit(":", 1)) as still:
        still.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        still.sendall(b"GET /tap HTTP/1.1\r\nHost: localhost\r\n\r\n")
        async with asyncio.timeout(60):
            while not running.tap.tappers:
                await asyncio.sleep(0.01)
            while running.tap.tappers:
                running.tap.tappers[0]._until = 0.0
                running.put(*["x" * 16_000] * 10)
                await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("route=al", 'there is no route "al"; there are: all'),
        ("route=a*&sink=none", 'there is no sink "none"; there are: out'),
        ("rout=all", 'there is no parameter "rout"'),
        ("where=n+==", "this cannot be read as an expression"),
        ("level=loud", 'there is no level "loud"; there are: ' + ", ".join(LEVELS)),
        ("match=a&match=b", 'the parameter "match" may be given once'),
        ("regex=" + ".%3F" * 257, 'the parameter "regex" has more than 512 characters'),
    ],
)
async def test_what_makes_no_sense_is_refused_with_what_there_is(
    query: str, words: str, running: Running
) -> None:
    async with ClientSession() as client, client.get(f"{running.url}?{query}") as answer:
        assert (answer.status, await answer.text()) == (400, words + "\n")
    assert running.tap.tappers == ()


async def test_while_a_search_is_made_ready_the_agent_goes_on(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, may_end = threading.Event(), threading.Event()

    def slow(**terms: str) -> Search:
        began.set()
        assert may_end.wait(20)
        return Search(**terms)

    monkeypatch.setattr(tap_search, "Search", slow)

    async def ask() -> None:
        async with ClientSession() as client, client.get(f"{running.url}?regex=a") as answer:
            assert answer.status == 200

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(ask(), name="ask")
        while not began.is_set():
            await asyncio.sleep(0.01)
        may_end.set()


async def test_one_too_many_is_refused(running: Running) -> None:
    async with ClientSession() as client:
        others = [await client.get(running.url) for _ in range(MOST_TAPPERS)]
        async with client.get(running.url) as answer:
            assert answer.status == 503
        for other in others:
            other.close()


@pytest.mark.parametrize(
    "headers",
    [{"X-Forwarded-For": "10.0.0.1"}, {"Forwarded": "for=10.0.0.1"}, {"Via": "1.1 proxy"}],
)
@pytest.mark.parametrize("running", [("local",)], indirect=True)
async def test_a_proxy_sees_nothing_where_this_host_alone_may_look(
    headers: dict[str, str], running: Running
) -> None:
    async with ClientSession() as client, client.get(running.url, headers=headers) as answer:
        assert answer.status == 403
    assert running.tap.tappers == ()


@pytest.mark.parametrize("running", [("local", "0.0.0.0:0")], indirect=True)
async def test_who_asks_from_elsewhere_sees_nothing_where_this_host_alone_may_look(
    running: Running,
) -> None:
    address = own_address()
    if address is None:
        pytest.skip("this machine has no address but loopback ones")
    url = running.url.replace("0.0.0.0", address)
    async with ClientSession() as client:
        async with client.get(url) as answer:
            assert answer.status == 403
            assert "docker exec" in await answer.text()
        async with client.get(url, headers={"Host": "localhost"}) as answer:
            assert answer.status == 403
        async with client.get(running.url.replace("0.0.0.0", "127.0.0.1")) as answer:
            assert answer.status == 200


@pytest.mark.parametrize("running", [("all", "0.0.0.0:0")], indirect=True)
async def test_all_may_look_where_the_configuration_says_so(running: Running) -> None:
    url = running.url.replace("0.0.0.0", own_address() or "127.0.0.1")
    async with ClientSession() as client, client.get(url, headers={"Via": "1.1 x"}) as answer:
        assert answer.status == 200


@pytest.mark.parametrize("running", [("off",)], indirect=True)
async def test_nobody_may_look_where_it_is_off(running: Running) -> None:
    async with ClientSession() as client, client.get(running.url) as answer:
        assert answer.status == 403
        assert 'http.tap = "all"' in await answer.text()
