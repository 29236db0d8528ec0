"""Who sends too many wrong tokens is told to stop, and nobody with the right one is."""

from __future__ import annotations

import pytest
from aiohttp import ClientSession, TCPConnector, web

from pipeline.observe.access import Gate, Reason, guarded
from pipeline.observe.server import Server
from pipeline.observe.wrong_tokens import ADDRESSES, MOST, WINDOW, WrongTokens, network

TOKEN = "0123456789abcdef"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_an_address_has_so_many_in_a_minute() -> None:
    clock = Clock()
    wrong = WrongTokens(clock)
    assert [wrong.add("10.0.0.1") for _ in range(MOST)] == [0.0] * MOST
    clock.now += 20
    assert wrong.add("10.0.0.1") == WINDOW - 20
    assert wrong.add("10.0.0.2") == 0
    clock.now += WINDOW - 20
    assert wrong.add("10.0.0.1") == 0


def test_the_table_has_an_end() -> None:
    wrong = WrongTokens(Clock())
    for _ in range(MOST + 1):
        wrong.add("10.0.0.1")
    for number in range(2 * ADDRESSES):
        wrong.add(f"10.1.{number // 256}.{number % 256}")
    assert len(wrong) == ADDRESSES


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_addresses_of_one_client_count_together(address: str, counted: str) -> None:
    assert network(address) == counted


async def test_the_right_token_always_gets_in(caplog: pytest.LogCaptureFixture) -> None:
    refused: list[Reason] = []

    async def answer(request: web.Request) -> web.Response:
        return web.Response()

    gate = Gate(TOKEN, refused=refused.append)
    server = Server("127.0.0.1:0", [web.get("/top", answer)], [guarded(gate)])
    await server.start()

    async def ask(token: str | None, peer: str = "127.0.0.1") -> tuple[int, int]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with (
            ClientSession(connector=TCPConnector(local_addr=(peer, 0))) as client,
            client.get(f"http://{server.address}/top", headers=headers) as one,
        ):
            return one.status, int(one.headers.get("Retry-After", 0))

    for _ in range(MOST):
        assert await ask("wrong") == (401, 0)
        assert await ask(None) == (401, 0)
    status, wait = await ask("wrong")
    assert (status, 0 < wait <= WINDOW) == (429, True)
    assert refused == ["token"] * 2 * MOST + ["limit"]
    assert "127.0.0.1 sent more than 20 wrong tokens" in caplog.text
    assert await ask(TOKEN) == (200, 0)
    assert await ask(None) == (401, 0)
    assert (await ask("wrong", "127.0.0.9"))[0] == 401
    await server.close()
