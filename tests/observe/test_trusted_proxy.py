"""Whom a proxy with a login of its own may let in, and who can't pass for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession, TCPConnector, web
from multidict import CIMultiDict

from pipeline.observe.access import Gate, Guard, guarded
from pipeline.observe.server import Server
from pipeline.observe.trusted_proxy import TrustedProxy

TOKEN = "0123456789abcdef"
GIVEN = ("Authorization", f"Bearer {TOKEN}")
USER = ("X-Forwarded-User", "ann")
PROXY, NETWORKED, OTHER = "127.0.0.5", "127.1.2.3", "127.0.0.1"
"""Loopback addresses that a client connects from."""
TAPPING = Guard("tapping", "http.tap", "run dockline tap", "local")


async def _answer(request: web.Request) -> web.Response:
    refusal = TAPPING.refusal(request)
    return web.Response(text=refusal or "here", status=403 if refusal else 200)


class Asked:
    def __init__(self, address: str) -> None:
        self._address = address

    async def __call__(self, peer: str, path: str, *headers: tuple[str, str]) -> int:
        connector = TCPConnector(local_addr=(peer, 0))
        async with ClientSession(connector=connector) as client:
            url = f"http://{self._address}{path}"
            async with client.get(url, headers=CIMultiDict(headers)) as answer:
                return answer.status


@asynccontextmanager
async def asking() -> AsyncIterator[Asked]:
    proxy = TrustedProxy([PROXY, "127.1.0.0/16"], "X-Forwarded-User")
    gate = Gate(TOKEN, ["logs.example.com"], metrics=False, proxy=proxy)

    async def plain(request: web.Request) -> web.Response:
        return web.Response()

    routes = [web.get("/top", plain), web.get("/metrics", plain), web.get("/tap", _answer)]
    server = Server("127.0.0.1:0", routes, [guarded(gate)])
    await server.start()
    try:
        yield Asked(server.address)
    finally:
        await server.close()


async def test_its_users_need_no_token() -> None:
    async with asking() as get:
        for peer in (PROXY, NETWORKED):
            assert await get(peer, "/top", USER) == 200
            assert await get(peer, "/metrics", USER) == 200
            assert await get(peer, "/top", USER, ("Authorization", "Basic YW5uOng=")) == 200


async def test_whoever_else_sends_the_header_needs_the_token() -> None:
    async with asking() as get:
        assert await get(OTHER, "/top", USER) == 401
        assert await get(OTHER, "/metrics", USER) == 401
        assert await get(OTHER, "/top", USER, GIVEN) == 200


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("X-Forwarded-User", ""),),
        (("X-Forwarded-User", "  "),),
        (USER, USER),
        (USER, ("x-forwarded-user", "")),
        (("X_Forwarded_User", "ann"),),
    ],
)
async def test_the_proxy_needs_it_too_where_it_names_no_user(
    headers: tuple[tuple[str, str], ...],
) -> None:
    async with asking() as get:
        assert await get(PROXY, "/top", *headers) == 401
        assert await get(PROXY, "/top", *headers, GIVEN) == 200


async def test_names_and_pages_of_other_sites_are_checked_as_ever() -> None:
    async with asking() as get:
        assert await get(PROXY, "/top", USER, ("Host", "logs.example.com")) == 200
        assert await get(PROXY, "/top", USER, ("Host", "evil.example")) == 421
        assert await get(PROXY, "/top", USER, ("Sec-Fetch-Site", "cross-site")) == 403
        assert await get(PROXY, "/top", USER, ("Origin", "https://evil.example")) == 403


async def test_its_users_are_not_local_whatever_address_it_has() -> None:
    async with asking() as get:
        assert await get(PROXY, "/tap", USER) == 403
        assert await get(PROXY, "/tap", USER, GIVEN) == 403
        assert await get(PROXY, "/tap", GIVEN) == 200
        assert await get(OTHER, "/tap", USER, GIVEN) == 200
