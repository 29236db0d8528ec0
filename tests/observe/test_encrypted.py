"""HTTPS of the agent's endpoint: the same answers and the same limits, from the first byte on."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import re
import socket
import ssl
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from aiohttp import ClientSession, web

from pipeline.observe import connections
from pipeline.observe.certificate import Certificate
from pipeline.observe.connections import Reason
from pipeline.observe.server import Server
from tests.servers.certificates import Authority, authority

__all__ = ["authority"]

LARGE = bytes(range(256)) * 40_000
"""10 MB."""


class Serving:
    def __init__(self, server: Server, context: ssl.SSLContext) -> None:
        self.server = server
        self.context = context
        self.ended: Counter[Reason] = Counter()
        host, _, port = server.address.rpartition(":")
        self.where = host, int(port)
        self.url = f"https://localhost:{port}"


@asynccontextmanager
async def serving(authority: Authority, *, tls: bool = True) -> AsyncIterator[Serving]:
    issued = authority.issue("page")
    ended: Counter[Reason] = Counter()

    def count(reason: Reason) -> None:
        ended[reason] += 1

    async def large(request: web.Request) -> web.Response:
        return web.Response(body=LARGE)

    async def scheme(request: web.Request) -> web.Response:
        return web.Response(text=request.scheme)

    async def stream(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        for number in range(3):
            await answer.write(f"{number}\n".encode())
        return answer

    server = Server(
        "127.0.0.1:0",
        [
            web.get("/large", large),
            web.get("/scheme", scheme),
            web.get("/healthz", scheme),
            web.get("/stream", stream),
        ],
        ended=count,
        certificate=Certificate(issued.cert, issued.key) if tls else None,
    )
    await server.start()
    context = ssl.create_default_context(cafile=authority.ca)
    found = Serving(server, context)
    found.ended = ended
    try:
        yield found
    finally:
        await server.close()


async def eventually(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():
            await asyncio.sleep(0.01)


async def test_it_serves_verified_clients(authority: Authority) -> None:
    async with serving(authority) as at, ClientSession() as client:
        for path, body in (("/scheme", b"https"), ("/large", LARGE), ("/stream", b"0\n1\n2\n")):
            async with client.get(at.url + path, ssl=at.context) as answer:
                assert await answer.read() == body
        assert len(at.server._connections) == 1  # kept for the next request
    assert at.ended == {}


async def test_it_ends_a_connection_in_order(authority: Authority) -> None:
    async with serving(authority) as at:
        reader, writer = await asyncio.open_connection(*at.where, ssl=at.context)
        writer.write(b"GET /scheme HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = await reader.read()  # to the end, which must be said: `close_notify`
        assert answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"https")
        writer.close()
        await writer.wait_closed()
        await eventually(lambda: len(at.server._connections) == 0)


async def test_plain_http_is_told_what_to_do(authority: Authority) -> None:
    async with serving(authority) as at, ClientSession() as client:
        async with client.get(at.url.replace("https", "http") + "/scheme") as answer:
            assert answer.status == 400
            assert "this port speaks HTTPS" in await answer.text()
        assert at.ended == {}


async def test_one_who_asks_and_goes_at_once_is_no_bug(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(authority) as at:
        for _ in range(3):
            with socket.create_connection(at.where) as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                received, sent = ssl.MemoryBIO(), ssl.MemoryBIO()
                tls = at.context.wrap_bio(received, sent, server_hostname="localhost")
                with suppress(ssl.SSLWantReadError):
                    tls.do_handshake()
                client.sendall(sent.read())
                while tls.version() is None or sent.pending == 0:
                    received.write(await asyncio.to_thread(client.recv, 65536))
                    with suppress(ssl.SSLWantReadError):
                        tls.do_handshake()
                tls.write(b"GET /scheme HTTP/1.1\r\nHost: localhost\r\n\r\n")
                client.sendall(sent.read())  # the end of the handshake as well
            await eventually(lambda: len(at.server._connections) == 0)
        gc.collect()  # a task's exception is logged when the task is collected
    assert [one for one in caplog.records if one.levelno > logging.INFO] == []


async def test_what_is_no_tls_is_ended_and_counted(authority: Authority) -> None:
    async with serving(authority) as at:
        for junk in (b"\0" * 100, b"\x16\x03\x01\xff\xff" + b"\xff" * 65535, b"SSH-2.0-x\r\n"):
            reader, writer = await asyncio.open_connection(*at.where)
            writer.write(junk)
            with suppress(ConnectionError):
                await reader.read()
            writer.close()
        await eventually(lambda: at.ended == {"tls": 3})
        await eventually(lambda: len(at.server._connections) == 0)
        async with (
            ClientSession() as client,
            client.get(at.url + "/scheme", ssl=at.context) as answer,
        ):
            assert answer.status == 200


async def test_a_handshake_that_never_ends_is_ended(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_TIMEOUT", 0.2)
    async with serving(authority) as at:
        open_ = [await asyncio.open_connection(*at.where) for _ in range(3)]
        for reader, writer in open_:
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await reader.readexactly(1)
            writer.close()
        assert at.ended == {"slow": 3}


async def test_clients_without_a_handshake_count_as_connections(authority: Authority) -> None:
    async with serving(authority) as at:
        open_ = [await asyncio.open_connection(*at.where) for _ in range(connections.MOST + 20)]
        await eventually(lambda: at.ended["full"] == 20)
        assert len(at.server._connections) == connections.MOST
        for _, writer in open_:
            writer.close()


def health_check() -> list[str]:
    """The command of the Dockerfile's HEALTHCHECK, for this Python."""
    text = (Path(__file__).parents[2] / "Dockerfile").read_text().replace("\\\n", "")
    found = re.search(r"^HEALTHCHECK .* CMD (\[.*\])$", text, re.MULTILINE)
    assert found is not None
    command: list[str] = json.loads(found[1])
    return [sys.executable, *command[1:]]


@pytest.mark.server
@pytest.mark.parametrize("tls", [True, False])
async def test_the_image_finds_itself_healthy_with_tls_and_without(
    authority: Authority, tls: bool
) -> None:
    async with serving(authority, tls=tls) as at:

        def check() -> int:
            env = {"DOCKLINE_HTTP_LISTEN": f"0.0.0.0:{at.where[1]}"}
            return subprocess.run(
                health_check(), env=env, stderr=subprocess.DEVNULL, check=False
            ).returncode

        assert await asyncio.to_thread(check) == 0
        assert at.ended == {}
        await at.server.close()
        assert await asyncio.to_thread(check) == 1
