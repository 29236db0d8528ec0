"""The HTTP server is bounded in all that a client could use to hold it up."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import ClientSession, web

from pipeline.model.container import Container
from pipeline.model.errors import DocklineError
from pipeline.observe.metrics_page import Exposition
from pipeline.observe.server import (
    Server,
    _Pages,
    accepts_gzip,
    metrics_page,
    parse_listen,
    prefers_openmetrics,
)
from tests.sources.docker.answers import reading
from tests.suite.waiting import until

LARGE = 1500
"""Containers whose page, 10 MB, is more than what the sockets of a loopback connection hold."""


class Serving:
    """A server of one page of metrics, and a client of it."""

    def __init__(self, server: Server, exposition: Exposition, client: ClientSession) -> None:
        self.server = server
        self.exposition = exposition
        self.client = client
        self.url = f"http://{server.address}/metrics"

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = self.server.address.split(":")
        return await asyncio.open_connection(host, int(port))


@pytest_asyncio.fixture
async def serving() -> AsyncIterator[Serving]:
    exposition = Exposition()
    exposition.update(reading("v1"))
    server = Server("127.0.0.1:0", [web.get("/metrics", metrics_page(exposition))])
    await server.start()
    async with ClientSession(auto_decompress=False) as client:
        yield Serving(server, exposition, client)
    await server.close()


def fill(exposition: Exposition) -> None:
    for number in range(LARGE):
        exposition.update(reading("v1", Container(f"{number:064x}", f"c-{number}", "busybox")))


PLAIN = {"Accept-Encoding": "identity"}
REQUEST = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"


async def ended(reader: asyncio.StreamReader) -> bytes:
    """What still comes until the peer ends the connection, in whatever way."""
    try:
        return await asyncio.wait_for(reader.read(), 60)
    except ConnectionError:
        return b""


# --------------------------------------------------------------------------------- address


@pytest.mark.parametrize(
    ("listen", "expected"),
    [
        ("127.0.0.1:9114", ("127.0.0.1", 9114)),
        ("[::]:0", ("::", 0)),
        ("localhost:80", ("localhost", 80)),
    ],
)
def test_an_address_is_a_host_and_a_port(listen: str, expected: tuple[str, int]) -> None:
    assert parse_listen(listen) == expected


@pytest.mark.parametrize("listen", ["", ":9114", "9114", "localhost", "::1:80", "h:70000", "h:²"])
def test_anything_else_is_refused_with_an_example(listen: str) -> None:
    with pytest.raises(DocklineError, match="is not an address to listen on; write it like"):
        Server(listen, [])


async def test_a_port_in_use_is_one_clear_sentence(serving: Serving) -> None:
    second = Server(serving.server.address, [])
    with pytest.raises(
        DocklineError, match=rf"cannot listen on {serving.server.address}: it is in"
    ):
        await second.start()
    await second.close()


async def test_an_address_of_another_host_is_one_clear_sentence() -> None:
    with pytest.raises(DocklineError, match="this host has no such address"):
        await Server("192.0.2.1:0", []).start()


async def test_an_unknown_name_is_one_clear_sentence() -> None:
    with pytest.raises(DocklineError, match=r"cannot listen on no-such-host\.invalid:80: "):
        await Server("no-such-host.invalid:80", []).start()


async def test_it_can_be_closed_before_it_started_twice_and_started_again() -> None:
    server = Server("127.0.0.1:0", [])
    await server.close()
    await server.start()
    await server.close()
    await server.close()
    await server.start()
    assert not server.address.endswith(":0")
    await server.close()


async def test_an_ipv6_address_is_written_with_brackets() -> None:
    server = Server("[::1]:0", [])
    await server.start()
    assert server.address.startswith("[::1]:")
    await server.close()


# ----------------------------------------------------------------------------- negotiation


async def test_the_page_comes_as_text_unless_openmetrics_is_preferred(serving: Serving) -> None:
    plain = {"Accept-Encoding": "identity"}
    async with serving.client.get(serving.url, headers=plain) as response:
        assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert not (await response.text()).endswith("# EOF\n")
    accept = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5", **plain}
    async with serving.client.get(serving.url, headers=accept) as response:
        expected = "application/openmetrics-text; version=1.0.0; charset=utf-8"
        assert response.headers["Content-Type"] == expected
        assert (await response.text()).endswith("# EOF\n")


@pytest.mark.parametrize(
    ("accept", "openmetrics"),
    [
        ("", False),
        ("*/*", False),
        ("text/plain", False),
        ("application/openmetrics-text", True),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text;q=0.4, text/plain;q=0.5", False),
        ("application/openmetrics-text;q=0.5, */*;q=0.5", True),
        ("Application/OpenMetrics-Text; Version=1.0.0 ; Q=0.5", True),
        ("application/openmetrics-text;version=0.0.1", False),
        ("application/openmetrics-text;q=rubbish", False),
        ("application/vnd.google.protobuf;q=1,application/openmetrics-text;q=0.1", True),
        # Prometheus 2.53 and 3.5, as they ask by default
        (
            "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;"
            "version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            True,
        ),
        (
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/"
            "openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;"
            "q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            True,
        ),
    ],
)
def test_the_format_is_chosen_by_weight(accept: str, openmetrics: bool) -> None:
    assert prefers_openmetrics(accept) is openmetrics


@pytest.mark.parametrize(
    ("header", "accepted"),
    [("", False), ("gzip", True), ("br, gzip;q=0.5", True), ("gzip;q=0", False), ("*", True),
     ("*;q=0", False), ("gzip;q=0, *", False), ("identity", False)],
)  # fmt: skip
def test_gzip_is_used_only_where_it_is_accepted(header: str, accepted: bool) -> None:
    assert accepts_gzip(header) is accepted


async def test_a_gzipped_page_is_the_same_page(serving: Serving) -> None:
    async with serving.client.get(serving.url, headers={"Accept-Encoding": "identity"}) as response:
        assert "Content-Encoding" not in response.headers
        plain = await response.read()
    async with serving.client.get(serving.url, headers={"Accept-Encoding": "gzip"}) as response:
        assert response.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(await response.read()) == plain


async def test_head_has_the_headers_and_no_body(serving: Serving) -> None:
    async with serving.client.get(serving.url) as response:
        length = len(await response.read())
    async with serving.client.head(serving.url) as response:
        assert response.status == 200
        assert int(response.headers["Content-Length"]) == length
        assert await response.read() == b""
    async with serving.client.get(serving.url) as response:  # on the same connection
        assert response.status == 200


# ---------------------------------------------------------------------------------- bounds


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
async def test_other_methods_are_refused(serving: Serving, method: str) -> None:
    async with serving.client.request(method, serving.url) as response:
        assert response.status == 405


@pytest.mark.parametrize("path", ["/metrics/", "/../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/x"])
async def test_other_paths_are_not_there(serving: Serving, path: str) -> None:
    reader, writer = await serving.connect()
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert (await ended(reader)).startswith(b"HTTP/1.1 404 ")
    writer.close()


async def test_no_version_of_a_library_is_told(serving: Serving) -> None:
    async with serving.client.get(serving.url) as response:
        assert response.headers["Server"] == "dockline"


@pytest.fixture
def closing_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.observe.server.CLOSE_TIMEOUT", 600.0)


@pytest.fixture
def closing_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.observe.server.CLOSE_TIMEOUT", 0.1)


@pytest.mark.usefixtures("closing_slowly")
async def test_an_idle_connection_does_not_delay_closing(serving: Serving) -> None:
    reader, writer = await serving.connect()
    writer.write(REQUEST)
    await reader.readuntil(b"\r\n\r\n")
    await asyncio.wait_for(serving.server.close(), 60)
    await ended(reader)
    writer.close()


@pytest.mark.usefixtures("closing_soon")
async def test_a_client_that_does_not_read_delays_closing_only_so_long(serving: Serving) -> None:
    fill(serving.exposition)
    reader, writer = await serving.connect()
    writer.write(REQUEST)
    await reader.readuntil(b"\r\n\r\n")
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    await asyncio.wait_for(serving.server.close(), 60)
    writer.transport.abort()


async def test_a_client_that_does_not_read_is_cut_off(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.observe.server.SEND_TIMEOUT", 0.2)
    fill(serving.exposition)
    reader, writer = await serving.connect()
    writer.write(REQUEST)
    headers = await reader.readuntil(b"\r\n\r\n")
    length = int(headers.split(b"Content-Length: ")[1].split(b"\r\n")[0])
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    await asyncio.sleep(0.6)
    writer.transport.resume_reading()  # type: ignore[attr-defined]
    assert len(await ended(reader)) < length
    writer.close()


async def test_scrapes_beyond_the_limit_are_told_to_come_again(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.observe.server.MAX_SCRAPES", 1)
    fill(serving.exposition)
    reader, writer = await serving.connect()
    writer.write(REQUEST)
    await reader.readuntil(b"\r\n\r\n")
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    async with serving.client.get(serving.url) as response:
        assert response.status == 503
        assert await response.text() == "too many scrapes at once\n"
    writer.transport.resume_reading()  # type: ignore[attr-defined]
    writer.transport.abort()
    for _ in range(1200):
        async with serving.client.get(serving.url) as response:
            if response.status == 200:
                break
        await asyncio.sleep(0.05)
    assert response.status == 200


@pytest.fixture
def pages_asked(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """As many as pages were asked for."""
    asked: list[None] = []
    own_page = _Pages.page

    async def noted(pages: _Pages, *, openmetrics: bool) -> list[bytes]:
        asked.append(None)
        return await own_page(pages, openmetrics=openmetrics)

    monkeypatch.setattr(_Pages, "page", noted)
    return asked


@pytest.mark.fault(134)
async def test_one_page_is_made_at_a_time_for_all_who_asked_before_it_was_begun(
    serving: Serving, pages_asked: list[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, making = 0, 0
    all_have_asked = asyncio.Event()
    render = serving.exposition.render

    async def counted(*, openmetrics: bool = False) -> list[bytes]:
        nonlocal made, making
        made, making = made + 1, making + 1
        assert making == 1
        pieces = await render(openmetrics=openmetrics)
        await all_have_asked.wait()
        making -= 1
        return [*pieces, b"page %d" % made]

    monkeypatch.setattr(serving.exposition, "render", counted)

    async def page() -> bytes:
        async with serving.client.get(serving.url, headers=PLAIN) as response:
            return (await response.read()).rpartition(b"\n")[2]

    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(page())
        while not made:
            await asyncio.sleep(0)
        later = [tasks.create_task(page()) for _ in range(6)]
        gone = tasks.create_task(page())
        await until(lambda: len(pages_asked) == 8)
        gone.cancel()
        all_have_asked.set()
    assert first.result() == b"page 1"
    assert {one.result() for one in later} == {b"page 2"}
    assert await page() == b"page 3"


async def test_who_asked_goes_on_to_make_the_page_when_whoever_made_it_has_gone(
    serving: Serving, pages_asked: list[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = 0
    render = serving.exposition.render

    async def broken_at_first(*, openmetrics: bool = False) -> list[bytes]:
        nonlocal made
        made += 1
        await until(lambda: len(pages_asked) == 4)
        if made == 1:
            raise RuntimeError
        return await render(openmetrics=openmetrics)

    monkeypatch.setattr(serving.exposition, "render", broken_at_first)

    async def status() -> int:
        async with serving.client.get(serving.url) as response:
            return response.status

    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(status()) for _ in range(4)]
    assert sorted(one.result() for one in asked) == [200, 200, 200, 500]


@pytest.mark.fault(133)
async def test_a_slow_scrape_gives_its_place_to_a_new_one(
    serving: Serving, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("pipeline.observe.server.MAX_SCRAPES", 2)
    monkeypatch.setattr("pipeline.observe.server.SLOW_SCRAPE", 0.1)
    fill(serving.exposition)
    slow = [await serving.connect() for _ in range(2)]
    for reader, writer in slow:
        writer.write(REQUEST)
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.pause_reading()  # type: ignore[attr-defined]
    await asyncio.sleep(0.2)
    async with serving.client.get(serving.url) as response:
        assert response.status == 200
        await response.read()
    for _, writer in slow:
        writer.transport.abort()
    assert caplog.messages == []


async def test_a_client_that_goes_away_in_mid_page_is_no_bug(
    serving: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    fill(serving.exposition)
    for _ in range(3):
        reader, writer = await serving.connect()
        writer.write(REQUEST)
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()
    async with serving.client.get(serving.url) as response:
        await response.read()
    assert caplog.messages == []
