"""Connections with TLS, of clients that do not keep to it."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager

import pytest

from pipeline.testing.intake_room import until
from pipeline.transport.net.accepted import LONGEST_HANDSHAKE, AcceptedConnection
from pipeline.transport.net.address import Address
from pipeline.transport.net.listen import ListenTLSConfig
from pipeline.transport.net.tcp_server import TcpServer
from tests.servers.certificates import Authority
from tests.servers.receivers import client_context


class Served:
    """A listener with TLS that answers each connection with what it said."""

    def __init__(self, authority: Authority) -> None:
        own = authority.issue("server")
        tls = ListenTLSConfig(cert=own.cert, key=own.key)
        self.listener = TcpServer(Address("tls", "127.0.0.1", 0), tls, 100)
        self.refused: list[str] = []

    def refuse(self, reason: str, why: str) -> None:
        assert reason == "tls"
        self.refused.append(why)

    async def handle(self, connection: AcceptedConnection) -> None:
        while data := await connection.read(10):
            await connection.write(data)

    @contextmanager
    def connected(self) -> Iterator[socket.socket]:
        with socket.create_connection(("127.0.0.1", self.listener.port)) as sock:
            sock.setblocking(False)
            yield sock


@asynccontextmanager
async def serving(authority: Authority) -> AsyncIterator[Served]:
    it = Served(authority)
    await it.listener.open()
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(it.listener.serve(tasks, it.handle, it.refuse), name="listener")
        try:
            yield it
        finally:
            serving.cancel()
            it.listener.close()


def hello() -> bytes:
    """What a client of TLS begins with."""
    outgoing = ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(
        ssl.MemoryBIO(), outgoing, server_hostname="localhost"
    )
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


async def test_megabytes_come_back_as_they_were(authority: Authority) -> None:
    data = bytes(range(256)) * 2**14
    async with serving(authority) as it:
        context = client_context(authority)
        reader, writer = await asyncio.open_connection("localhost", it.listener.port, ssl=context)
        writer.write(data)
        assert await reader.readexactly(len(data)) == data
        writer.close()
        await writer.wait_closed()
        assert it.refused == []


@pytest.mark.fault(124)
async def test_clients_that_never_finish_the_handshake_cost_little(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.transport.net.accepted.HANDSHAKE", 600.0)
    count, unfinished = 50, hello()[:-1]
    async with serving(authority) as it:
        with ExitStack() as stack:
            gc.collect()
            tracemalloc.start(1)
            try:
                before, _ = tracemalloc.get_traced_memory()
                for _ in range(count):
                    stack.enter_context(it.connected()).send(unfinished)
                await until(lambda: len(it.listener._connections) == count)
                await asyncio.sleep(0.1)
                after, _ = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            assert after - before < 32_000 * count


@pytest.mark.fault(124)
async def test_a_handshake_that_takes_too_long_is_ended(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.transport.net.accepted.HANDSHAKE", 0.1)
    async with serving(authority) as it:
        with it.connected() as sock:
            sock.send(hello()[:-1])
            assert await asyncio.get_running_loop().sock_recv(sock, 10) == b""
    assert it.refused == [
        "127.0.0.1 did not come through the handshake: it takes longer than 0.1 s"
    ]


@pytest.mark.fault(124)
async def test_a_handshake_that_is_too_long_is_ended(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.transport.net.accepted.HANDSHAKE", 600.0)
    fragments = 2 * LONGEST_HANDSHAKE // 16
    record = b"\x16\x03\x01\x00\x10"
    endless = record + b"\x01\x01\xff\xff" + b"x" * 12 + (record + b"x" * 16) * fragments
    async with serving(authority) as it:
        with it.connected() as sock:
            loop = asyncio.get_running_loop()
            with pytest.raises(ConnectionError):
                while True:
                    await loop.sock_sendall(sock, endless)
        await until(lambda: len(it.refused) == 1)
    assert "it is longer than 65536 bytes" in it.refused[0]
