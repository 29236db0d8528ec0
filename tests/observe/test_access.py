"""Whom the agent's HTTP endpoint answers, with its token and without."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientSession, web

from pipeline.observe.access import Gate, Reason, guarded, is_loopback, names_this_host
from pipeline.observe.server import Server

TOKEN = "0123456789abcdef"
GIVEN = {"Authorization": f"Bearer {TOKEN}"}
PRIVATE = "/top"
PATHS = ("/", "/metrics", "/healthz", "/readyz", PRIVATE)


async def _answer(request: web.Request) -> web.Response:
    return web.Response(text="here\n")


def own_address() -> str | None:
    """An address of this machine that is not a loopback one; None where it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        address: str = probe.getsockname()[0]
        return address


class Asked:
    def __init__(self, server: Server, client: ClientSession) -> None:
        self._server = server
        self._client = client
        self.refused: Counter[Reason] = Counter()

    async def __call__(self, path: str, **headers: str) -> int:
        url = f"http://{self._server.address}{path}"
        async with self._client.get(url, headers=headers) as answer:
            text = await answer.text()
            assert (text == "here\n") is (answer.status == 200)
            assert TOKEN not in text
            return answer.status


@asynccontextmanager
async def asking(token: str | None = TOKEN, *hosts: str, **settings: Any) -> AsyncIterator[Asked]:
    refused: Counter[Reason] = Counter()

    def count(reason: Reason) -> None:
        refused[reason] += 1

    gate = Gate(token, hosts, refused=count, **settings)
    routes = [web.get(path, _answer) for path in PATHS]
    server = Server("127.0.0.1:0", routes, [guarded(gate)])
    await server.start()
    async with ClientSession() as client:
        asked = Asked(server, client)
        asked.refused = refused
        yield asked
    await server.close()


async def test_the_token_opens_what_is_not_for_everybody() -> None:
    async with asking() as get:
        assert [await get(path) for path in PATHS] == [200, 200, 200, 200, 401]
        assert await get(PRIVATE, **GIVEN) == 200
        assert await get(PRIVATE, Authorization=f"bearer {TOKEN}") == 200
        wrongs = (TOKEN, f"Bearer {TOKEN[:-1]}", "Bearer", f"Basic {TOKEN}", "Bearer \xff\u20ac")
        for wrong in wrongs:
            assert await get(PRIVATE, Authorization=wrong) == 401, wrong
        assert get.refused == {"token": 6}


async def test_two_tokens_are_none() -> None:
    async with asking() as get:
        with socket.create_connection(get._server.address.split(":")) as sock:
            twice = f"Authorization: Bearer {TOKEN}\r\n" * 2
            sock.sendall(f"GET {PRIVATE} HTTP/1.1\r\nHost: localhost\r\n{twice}\r\n".encode())
            await get("/")  # the loop turns
            assert sock.recv(100).startswith(b"HTTP/1.1 401 ")


async def test_a_proxy_on_this_host_needs_it_as_well() -> None:
    async with asking() as get:
        for name in ("X-Forwarded-For", "Via", "Forwarded", "X-Real-IP"):
            assert await get(PRIVATE, **{name: "10.0.0.1"}) == 401
            assert await get(PRIVATE, **{name: "10.0.0.1"}, **GIVEN) == 200


async def test_without_a_token_of_its_own_the_agent_lets_nobody_in() -> None:
    async with asking(None) as get:
        assert await get(PRIVATE) == await get(PRIVATE, **GIVEN) == 403
        assert await get(PRIVATE, Authorization="Bearer None") == 403
        assert await get("/metrics") == 200


async def test_metrics_can_be_closed_and_are_then_asked_for_by_any_name() -> None:
    async with asking(metrics=False) as get:
        assert await get("/metrics") == 401
        assert await get("/metrics", **GIVEN, Host="dockline:9114") == 200
        assert await get("/healthz") == await get("/readyz") == 200


@pytest.mark.fault(118)
@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST.:9114", 200),
        ("127.0.0.1:1", 200),
        ("[::1]:9114", 200),
        ("logs.example.com", 200),
        ("Logs.Example.com:443", 200),
        ("[fd00::7]:9114", 200),
        ("evil.example", 421),
        ("evil.example:9114", 421),
        ("10.0.0.1", 421),
        ("[::1", 421),
        ("localhost@evil.example", 421),
        ("localhost.evil.example", 421),
        ("evil@localhost", 421),
        ("localhost/evil", 421),
        ("localhost#evil", 421),
        ("127.0.0.1:", 421),
    ],
)
async def test_it_is_asked_under_names_that_it_has(host: str, status: int) -> None:
    async with asking(TOKEN, "logs.example.com", "fd00::7") as get:
        assert await get(PRIVATE, Host=host, **GIVEN) == await get("/", Host=host) == status
        assert await get(PRIVATE, Host=host) == 401
        assert await get("/metrics", Host=host) == 200


@pytest.mark.fault(118)
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 403),
        ({"Origin": "http://localhost:9114", "Host": "localhost:9114"}, 200),
        ({"Origin": "https://logs.example.com", "Host": "localhost:9114"}, 200),
        ({"Origin": "http://localhost:3000", "Host": "localhost:9114"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
async def test_a_page_of_another_site_may_not_ask(headers: dict[str, str], status: int) -> None:
    async with asking(TOKEN, "logs.example.com") as get:
        assert await get(PRIVATE, **headers, **GIVEN) == status
        assert await get("/healthz", **headers) == 200


@pytest.mark.parametrize(
    "second",
    ["Sec-Fetch-Site: cross-site", "Origin: http://evil.example", "Origin: null", "Origin:"],
)
async def test_each_header_that_names_another_site_counts(second: str) -> None:
    server = Server("127.0.0.1:0", [web.get(PRIVATE, _answer)], [guarded(Gate(TOKEN))])
    await server.start()
    host = server.address
    lines = [
        f"GET {PRIVATE} HTTP/1.1", f"Host: {host}", f"Authorization: Bearer {TOKEN}",
        "Sec-Fetch-Site: same-origin", f"Origin: http://{host}",
    ]  # fmt: skip
    for more, status in (([], b"200"), ([second], b"403")):
        reader, writer = await asyncio.open_connection(*host.split(":"))
        writer.write("\r\n".join([*lines, *more, "Connection: close", "\r\n"]).encode())
        assert (await reader.read()).split()[1] == status
        writer.close()
    await server.close()


async def test_a_link_leads_to_the_index() -> None:
    async with asking() as get:
        cross = {"Sec-Fetch-Site": "cross-site"}
        assert await get("/", **cross) == 403
        assert await get("/", **cross, **{"Sec-Fetch-Mode": "navigate"}) == 200


async def test_the_address_that_it_was_reached_at_is_a_name_of_it() -> None:
    address = own_address()
    if address is None:
        pytest.skip("this machine has no address but loopback ones")
    server = Server("0.0.0.0:0", [web.get(PRIVATE, _answer)], [guarded(Gate(TOKEN))])
    await server.start()
    url = f"http://{address}:{server.address.rpartition(':')[2]}{PRIVATE}"
    async with ClientSession(headers=GIVEN) as client:
        for host, status in ((address, 200), ("10.99.99.99", 421), ("localhost", 200)):
            async with client.get(url, headers={"Host": host}) as answer:
                assert answer.status == status, host
    await server.close()


def test_this_host_in_a_url() -> None:
    for host in ("localhost", "localhost:80", "127.0.0.1:9114", "[::1]:9114"):
        assert names_this_host(host)
    for host in ("web-1", "10.0.0.1:80", "localhost.example", "", "[::1"):
        assert not names_this_host(host)


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:10.0.0.1", False),
        ("fe80::1%eth0", False),
        ("172.17.0.1", False),
        ("", False),
    ],
)
def test_loopback_addresses(address: str, local: bool) -> None:
    assert is_loopback(address) is local
