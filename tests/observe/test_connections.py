"""What connections may take of a server, with real sockets from real addresses.

The whole of 127/8 is this machine; `beyond` makes those of it that begin with 127.1 strangers.
"""

from __future__ import annotations

import asyncio
import gzip
import logging
import re
import socket
import weakref
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from pipeline.model.component import SinkContext
from pipeline.observe import connections as module
from pipeline.observe.connections import HEAD_TIMEOUT, KEPT, MOST, OF_ONE, Reason, watched
from pipeline.observe.server import Server
from pipeline.sinks import prometheus
from pipeline.testing.agent_process import AgentProcess
from pipeline.testing.leaks import no_garbage
from tests.suite.waiting import pass_time, until

HERE, STRANGER = "127.0.0.1", "127.1.0.1"
REQUEST = b"GET /ok HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(autouse=True)
def beyond(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "is_loopback", lambda address: not address.startswith("127.1."))


class Serving:
    def __init__(self) -> None:
        self.ended: Counter[Reason] = Counter()
        self.go_on = asyncio.Event()
        routes = [
            web.get("/ok", self._ok),
            web.get("/slow", self._slow),
            web.get("/bug", self._bug),
            web.get("/stream", self._stream),
            web.get("/breaks", self._break),
            web.post("/length", self._length),
        ]
        self.server = Server("0.0.0.0:0", routes, ended=lambda reason: self.ended.update([reason]))
        self._open: list[asyncio.StreamWriter] = []

    async def _ok(self, request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _slow(self, request: web.Request) -> web.Response:
        await self.go_on.wait()
        return web.Response(text="ok\n")

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        await self.go_on.wait()
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"ok")
        return response

    async def _break(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"ok")
        raise ValueError

    async def _length(self, request: web.Request) -> web.Response:
        return web.Response(text=str(len(await request.read())))

    async def _bug(self, request: web.Request) -> web.Response:
        raise ValueError("hunter2")

    async def connect(
        self, source: str = HERE, request: bytes = b""
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        port = int(self.server.address.rpartition(":")[2])
        reader, writer = await asyncio.open_connection(HERE, port, local_addr=(source, 0))
        self._open.append(writer)
        writer.write(request)
        await writer.drain()
        return reader, writer

    async def many(
        self, count: int, source: str, request: bytes = b""
    ) -> list[asyncio.StreamReader]:
        return [(await self.connect(source, request))[0] for _ in range(count)]

    def came(self) -> list[int]:
        """Bytes of each connection's request so far, the fewest first."""
        return sorted(one._came for one in self.server._connections._by_transport.values())

    async def until_busy(self, count: int) -> None:
        """So many requests are being answered, and no connection waits for one."""
        connections = self.server._connections
        await until(lambda: len(connections) == count and not connections._waiting)

    async def answers(self, source: str = HERE) -> bool:
        reader, _ = await self.connect(source, REQUEST)
        return (await head(reader)).startswith(b"HTTP/1.1 200 ")

    async def close(self) -> None:
        await self.server.close()
        for writer in self._open:
            writer.close()


@pytest_asyncio.fixture
async def serving() -> AsyncIterator[Serving]:
    serving = Serving()
    await serving.server.start()
    yield serving
    serving.go_on.set()
    await serving.close()


async def head(reader: asyncio.StreamReader) -> bytes:
    """Of an answer; nothing where there is none."""
    try:
        return await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""


async def ended(reader: asyncio.StreamReader) -> bool:
    """Whether the server ends it."""
    try:
        return await asyncio.wait_for(reader.read(), 60) == b"" or reader.at_eof()
    except ConnectionError:
        return True
    except TimeoutError:
        return False


# -------------------------------------------------------------------------------------- places


@pytest.mark.fault(125)
async def test_idle_connections_from_everywhere_leave_places_for_this_host(
    serving: Serving,
) -> None:
    for number in range(1, 9):
        await serving.many(OF_ONE + 5, f"127.1.0.{number}")
    assert len(serving.server._connections) <= MOST - KEPT
    assert await serving.answers(HERE)
    assert await serving.answers("127.1.0.99"), "and a place for somebody new"
    assert serving.ended["full"] > 0


async def test_one_address_takes_so_many_places_and_no_other_loses_its_own(
    serving: Serving,
) -> None:
    [other] = await serving.many(1, "127.1.0.2", REQUEST)
    readers = await serving.many(OF_ONE + 10, STRANGER)
    assert [await ended(one) for one in readers[:10]] == [True] * 10
    assert len(serving.server._connections) == OF_ONE + 1
    assert (await head(other)).startswith(b"HTTP/1.1 200 ")


async def test_the_one_that_has_waited_longest_goes_first_and_none_that_is_answered(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "OF_ONE", 3)
    busy, _ = await serving.connect(STRANGER, b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
    first, first_writer = await serving.connect(STRANGER, REQUEST)
    assert await head(first)
    second, _ = await serving.connect(STRANGER, REQUEST)
    assert await head(second)
    first_writer.write(REQUEST)
    assert await first.readexactly(3) == b"ok\n"
    assert await head(first)
    assert await serving.answers(STRANGER)
    await second.read()
    assert second.at_eof()
    serving.go_on.set()
    assert (await head(busy)).startswith(b"HTTP/1.1 200 ")


async def test_where_all_are_being_answered_a_new_one_is_refused(
    serving: Serving, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "MOST", 2)
    slow = b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n"
    busy = await serving.many(2, HERE, slow)
    await serving.until_busy(2)
    assert not await serving.answers()
    assert "1 HTTP connection was ended: there may be 2 at once" in caplog.text
    serving.go_on.set()
    assert all([(await head(one)).startswith(b"HTTP/1.1 200 ") for one in busy])
    assert await serving.answers()


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("127.0.0.1", "this host"),
        ("::1", "this host"),
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8:0:1::5", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_what_shares_a_bound(address: str, origin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert module._origin(address) == origin


# ---------------------------------------------------------------------------------------- time


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection ends where nothing more comes."""
    monkeypatch.setattr(module, "IDLE_TIMEOUT", 0.3)


@pytest.mark.fault(125)
async def test_a_head_that_does_not_come_in_time_ends_the_connection_a_byte_at_a_time_too(
    serving: Serving,
) -> None:
    silent, _ = await serving.connect()
    slow, writer = await serving.connect()
    idle, again = await serving.connect(HERE, REQUEST)
    assert await head(idle)
    again.write(b"GET /ok")  # the second one's head has begun
    for came in range(1, 11):
        writer.write(REQUEST[came - 1 : came])
        await until(lambda came=came: serving.ended or serving.came() == sorted([0, 7, came]))
        pass_time(HEAD_TIMEOUT / 10)
    for reader in (silent, slow, idle):
        assert await ended(reader)
    assert serving.ended == {"slow": 3}


async def test_between_two_requests_it_may_be_idle_for_long(serving: Serving) -> None:
    reader, writer = await serving.connect(HERE, REQUEST)
    assert await head(reader)
    assert await reader.readexactly(3) == b"ok\n"
    pass_time(2 * HEAD_TIMEOUT)
    await asyncio.sleep(0.01)
    writer.write(REQUEST)
    assert (await head(reader)).startswith(b"HTTP/1.1 200 ")


async def test_not_for_ever(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IDLE_TIMEOUT", 0.1)
    reader, _ = await serving.connect(HERE, REQUEST)
    assert await head(reader)
    await reader.read()
    assert reader.at_eof()
    assert serving.ended == {}


async def test_an_answer_takes_its_time(serving: Serving) -> None:
    [reader] = await serving.many(1, HERE, b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await serving.until_busy(1)
    pass_time(2 * HEAD_TIMEOUT)
    await asyncio.sleep(0.01)
    serving.go_on.set()
    assert (await head(reader)).startswith(b"HTTP/1.1 200 ")


async def test_a_head_without_end_ends_the_connection(serving: Serving) -> None:
    reader, writer = await serving.connect(HERE, b"GET /ok HTTP/1.1\r\n")
    line = b"X: " + b"x" * 1000 + b"\r\n"
    for _ in range(140):
        writer.write(line)
    assert await ended(reader)
    assert serving.ended == {"large": 1}


async def test_a_request_is_answered_in_a_turn_of_its_own(serving: Serving) -> None:
    answered = []

    async def ok(request: web.Request) -> web.Response:
        answered.append(request)
        return web.Response()

    await serving.connect()
    await until(lambda: len(serving.server._connections) == 1)
    connections = serving.server._connections
    [transport] = connections._by_transport
    request = make_mocked_request("GET", "/", transport=transport)
    answering = watched(connections)(request, ok).__await__()  # as aiohttp begins it, eagerly
    next(answering)
    assert answered == []
    with pytest.raises(StopIteration):
        next(answering)
    assert answered == [request]


async def test_a_compressed_body_stays_as_small_as_it_came(serving: Serving) -> None:
    body = gzip.compress(bytes(10 << 20))
    lines = ("POST /length HTTP/1.1", "Host: localhost", "Content-Encoding: gzip")
    start = "\r\n".join((*lines, f"Content-Length: {len(body)}", "\r\n")).encode()
    reader, _ = await serving.connect(request=start + body)
    await head(reader)
    assert await reader.read(100) == str(len(body)).encode()


@pytest.mark.fault(125)
@pytest.mark.server
def test_the_health_check_goes_on_while_idle_connections_hold_an_agent(tmp_path: Path) -> None:
    with AgentProcess(tmp_path, "") as agent:
        host, port = agent.address.split(":")
        held = [socket.create_connection((host, int(port))) for _ in range(MOST + 20)]
        for one in held:
            one.send(b"G")
        for _ in range(5):
            assert agent.get("/healthz") == (200, "ok\n")
        full = 'dockline_http_ended_connections_total{reason="full"}'
        assert (agent.metric(full) or 0) >= 20
        for one in held:
            one.close()


# ---------------------------------------------------------------------------------- what is said

MALFORMED = (
    b"rubbish\r\n\r\n",
    b"GET\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # a TLS client
    b"\0" * 100 + b"\r\n\r\n",
    b"GET /ok HTTP/9.9\r\n\r\n",
    b"GET /ok HTTP/1.1\r\nno colon\r\n\r\n",
    b"GET /ok HTTP/1.1\r\nX: \x01\r\n\r\n",
    b"GET /ok HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    b"GET /ok HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    b"GET /ok HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    b"GET /ok HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n",
    b"GET /ok HTTP/1.1\r\nX: " + b"x" * 9000 + b"\r\n\r\n",
    b"POST /ok HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nrubbish\r\n",
    b"POST /ok HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n",
    b"POST /ok HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
    b"GET /ok HTTP/1.1\r\nHost: a\r\nExpect: rubbish\r\n\r\n",
    b"GET /ok HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\nrubbish\r\n\r\n",
    b"GET http://[::1/ok HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET //[ HTTP/1.1\r\nHost: a\r\n\r\n",
    b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET /%ff%00 HTTP/1.1\r\nHost: a\r\nCookie: \xff=\xfe\r\n\r\n",
    REQUEST + b"rubbish\r\n\r\n",
)
VERSIONS = re.compile(rb"(?i)python|aiohttp|llhttp|yarl|traceback|\d+\.\d+\.\d+")


async def said(address: str, request: bytes) -> bytes:
    """All that comes until the server ends the connection, which it does soon."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    answer = b""
    try:
        async with asyncio.timeout(60):
            while piece := await reader.read(1 << 16):
                answer += piece
    except ConnectionError:
        pass
    writer.close()
    return answer


@pytest_asyncio.fixture
async def sink() -> AsyncIterator[prometheus.Prometheus]:
    config = prometheus.Config(type="prometheus", listen="127.0.0.1:0")
    sink = prometheus.Prometheus(config, SinkContext("sink"))
    await sink.open()
    yield sink
    await sink.close()


@pytest.mark.fault(135)
async def test_malformed_http_is_answered_in_a_sentence_and_logged_nowhere(
    serving: Serving,
    sink: prometheus.Prometheus,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    # A head that comes as soon as it can may come a little later.
    monkeypatch.setattr(module, "HEAD_TIMEOUT", 1.5)
    monkeypatch.setattr(module, "IDLE_TIMEOUT", 1.5)
    for address in (serving.server.address, sink.address):
        answers = await asyncio.gather(*(said(address, request) for request in MALFORMED))
        for request, answer in zip(MALFORMED, answers, strict=True):
            assert not VERSIONS.search(answer.replace(b"HTTP/1.1", b"")), (request, answer)
            heads = len(re.findall(rb"HTTP/1\.[01] [2-5]", answer))
            assert answer.count(b"Server: dockline\r\n") == heads, (request, answer)
        told = [one for one in answers if b" 400 " in one[:16]]
        assert len(told) > len(MALFORMED) / 2
        assert {one.partition(b"\r\n\r\n")[2] for one in told} == {b"this request cannot be read\n"}
        assert (await said(address, REQUEST)).startswith(b"HTTP/1.1 ")
    said_in_log = [
        one.getMessage() for one in caplog.records if one.levelno > 20 or one.name != "asyncio"
    ]
    assert said_in_log == []
    assert "Traceback" not in caplog.text


async def test_a_client_that_goes_before_it_is_answered_is_no_bug(
    serving: Serving, at_once: None, caplog: pytest.LogCaptureFixture
) -> None:
    _, writer = await serving.connect(request=b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n")
    await asyncio.sleep(0.05)
    writer.transport.abort()
    await asyncio.sleep(0.05)
    serving.go_on.set()
    assert await serving.answers()
    assert caplog.records == []


@pytest.mark.fault(111)
@pytest.mark.parametrize(
    "asked",
    [
        b"",
        REQUEST,
        b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /breaks HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
    ids=["nothing", "answered", "cut", "bad", "breaks"],
)
async def test_a_connection_that_is_done_with_is_let_go_at_once(
    serving: Serving,
    at_once: None,
    asked: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not when the garbage collector comes: it may have a page of seven megabytes."""
    known: list[weakref.ref[asyncio.BaseTransport]] = []
    untied = module.untie

    def note(transport: asyncio.BaseTransport) -> None:
        known.append(weakref.ref(transport))
        untied(transport)

    monkeypatch.setattr(module, "untie", note)
    # a record of the log, which the tests keep, has a traceback
    monkeypatch.setattr(serving.server._connections, "bugs", lambda: 0)
    connections = serving.server._connections
    with no_garbage():
        for _ in range(3):
            serving.go_on.clear()
            _, writer = await serving.connect(request=asked)
            await asyncio.sleep(0.05)
            writer.transport.abort()
            await asyncio.sleep(0.05)
            serving.go_on.set()
            assert await serving.answers()
        for writer in serving._open:
            writer.transport.abort()
        await until(lambda: not len(connections) and len(known) >= 6)
        await until(lambda: not any(one() for one in known), "they are kept")


async def test_a_bug_is_logged_and_told_without_what_it_says(
    serving: Serving, at_once: None, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        answer = await said(serving.server.address, b"GET /bug HTTP/1.1\r\nHost: a\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 500 ")
        assert answer.endswith(b"\r\n\r\nthis failed\n")
        assert b"Server: dockline\r\n" in answer
    [record] = caplog.records
    assert record.getMessage() == "GET /bug failed"
    assert record.exc_info
    assert aiohttp.__version__ not in str(answer)
