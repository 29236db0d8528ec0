"""Connections that are taken, and those that are not."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from pipeline.model.errors import Unavailable
from pipeline.testing.intake_room import until
from pipeline.testing.leaks import unchanged
from pipeline.transport.net.accepted import AcceptedConnection
from pipeline.transport.net.address import Address
from pipeline.transport.net.tcp_server import TcpServer


class Served:
    """A listener that answers each connection with what it said."""

    def __init__(self, connections: int = 10) -> None:
        self.listener = TcpServer(Address("tcp", "127.0.0.1", 0), None, connections)
        self.refused: list[str] = []

    def refuse(self, reason: str, why: str) -> None:
        assert why
        self.refused.append(reason)

    async def handle(self, connection: AcceptedConnection) -> None:
        assert connection.peer == "127.0.0.1"
        while data := await connection.read(10):
            if data == b"bug":
                raise KeyError("bug")
            await connection.write(data)

    async def say(self, data: bytes) -> bytes:
        """What is answered, until the end of the connection where that comes first."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.listener.port)
        try:
            writer.write(data)
            async with asyncio.timeout(60):
                with suppress(ConnectionError):
                    return await reader.read(100)
                return b""
        finally:
            writer.close()


@asynccontextmanager
async def serving(connections: int = 10) -> AsyncIterator[Served]:
    it = Served(connections)
    await it.listener.open()
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(it.listener.serve(tasks, it.handle, it.refuse), name="listener")
        try:
            yield it
        finally:
            serving.cancel()
            it.listener.close()


async def test_what_goes_wrong_with_one_connection_is_its_end_alone() -> None:
    async with serving() as it:
        assert await it.say(b"bug") == b""
        assert it.refused == ["bug"]
        assert await it.say(b"hello") == b"hello"


async def test_without_files_it_waits_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.transport.net.tcp_server.PAUSE", 0.05)
    loop, failures = asyncio.get_running_loop(), [errno.EMFILE, errno.ECONNABORTED, errno.ENFILE]
    accept = loop.sock_accept

    async def sock_accept(sock: socket.socket) -> object:
        if failures:
            raise OSError(failures.pop(0), "no more files")
        return await accept(sock)

    monkeypatch.setattr(loop, "sock_accept", sock_accept)
    async with serving() as it:
        assert await it.say(b"hello") == b"hello"
        assert it.refused == ["accept", "accept"]


async def test_a_place_is_free_again_when_a_connection_ends() -> None:
    async with serving(connections=1) as it:
        for _ in range(5):
            assert await it.say(b"hello") == b"hello"
            await until(lambda: len(it.listener._connections) == 0)
        assert it.refused == []


async def test_an_end_leaves_nothing_behind() -> None:
    async def use() -> None:
        async with serving() as it:
            assert await it.say(b"hello") == b"hello"

    await use()
    await unchanged(use)


@pytest.mark.parametrize(
    ("host", "says"),
    [("192.0.2.1", "this host has no such address"), ("no.such.invalid", "there is no host")],
)
async def test_an_address_that_is_not_ours_is_told(host: str, says: str) -> None:
    listener = TcpServer(Address("tcp", host, 24224), None, 1)
    with pytest.raises(Unavailable, match=f"cannot listen on tcp://{host}:24224: {says}"):
        await listener.open()
