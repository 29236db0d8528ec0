"""Receivers inside the test's own process, for what a real server would not do or not tell."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from pipeline.testing.closing import close
from tests.servers.certificates import Authority, Certificate
from tests.servers.ports import free_port

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serve(
    handler: Handler, *, port: int | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Runs `handler` for each connection to the port it yields; ends them all with the context."""
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with suppress(ConnectionError, asyncio.CancelledError):
                await handler(reader, writer)
        finally:
            writer.close()
            tasks.discard(task)

    port = port or free_port()
    server = await asyncio.start_server(handle, "127.0.0.1", port, ssl=tls, limit=2**26)
    try:
        yield port
    finally:
        await close(server)
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)


def server_context(own: Certificate, clients: Authority | None = None) -> ssl.SSLContext:
    """TLS for a receiver; `clients` issues the certificates that it demands."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.cert, own.key)
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(clients.ca)
    return context


def client_context(authority: Authority, own: Certificate | None = None) -> ssl.SSLContext:
    """TLS for a client that trusts `authority`, and shows its own certificate if it has one."""
    context = ssl.create_default_context(cafile=authority.ca)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # which Python 3.13 turned on
    if own is not None:
        context.load_cert_chain(own.cert, own.key)
    return context


@dataclass
class Collector:
    """Keeps the bytes of each connection."""

    connections: list[bytearray] = field(default_factory=list)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received = bytearray()
        self.connections.append(received)
        while data := await reader.read(65536):
            received += data

    @property
    def data(self) -> bytes:
        return b"".join(self.connections)

    async def has(self, count: int) -> bytes:
        """All bytes, once there are `count`."""
        async with asyncio.timeout(60):
            while len(self.data) < count:
                await asyncio.sleep(0.005)
        return self.data


async def something_came(to: Any) -> None:
    """Waits until the peer of what has a `Stream` has said something, or has hung up."""
    sock: socket.socket = to._stream._socket
    async with asyncio.timeout(60):
        while True:
            with suppress(BlockingIOError):
                sock.recv(1, socket.MSG_PEEK)
                return
            await asyncio.sleep(0.005)


@asynccontextmanager
async def udp() -> AsyncIterator[socket.socket]:
    """A bound socket that does not block."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**22)
        sock.bind(("127.0.0.1", 0))
        yield sock


@dataclass
class Beats:
    """A Lumberjack 2 server, as elastic/go-lumber and logstash-input-beats behave.

    `answers` is asked for what to send for a window of so many events; by default one `2A` with
    the last sequence. What it yields is sent as it comes; None ends the connection.
    """

    answers: Callable[[int], AsyncIterator[bytes | None]] | None = None
    windows: list[list[bytes]] = field(default_factory=list)
    """The events of each window that came whole, in order."""
    connections: int = 0
    greeting: bytes = b""
    """Sent to every client before it has said anything."""

    @property
    def events(self) -> list[bytes]:
        return [event for window in self.windows for event in window]

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        writer.write(self.greeting)
        with suppress(asyncio.IncompleteReadError):
            while True:
                events = await read_window(reader)
                self.windows.append(events)
                async for answer in (self.answers or _all)(len(events)):
                    if answer is None:
                        return
                    writer.write(answer)
                    await writer.drain()


def ack(sequence: int) -> bytes:
    return b"2A" + struct.pack(">I", sequence)


async def _all(count: int) -> AsyncIterator[bytes | None]:
    yield ack(count)


async def read_window(reader: asyncio.StreamReader) -> list[bytes]:
    """One window; fails when its sequences are not 1, 2, 3 …"""
    kind, count = struct.unpack(">2sI", await reader.readexactly(6))
    assert kind == b"2W", kind
    events: list[bytes] = []
    while len(events) < count:
        kind, number = struct.unpack(">2sI", await reader.readexactly(6))
        if kind == b"2C":
            frames = asyncio.StreamReader(limit=2**26)
            frames.feed_data(zlib.decompress(await reader.readexactly(number)))
            frames.feed_eof()
            while not frames.at_eof():
                kind, number = struct.unpack(">2sI", await frames.readexactly(6))
                events.append(await _event(frames, kind, number, len(events) + 1))
        else:
            events.append(await _event(reader, kind, number, len(events) + 1))
    assert len(events) == count
    return events


async def _event(reader: asyncio.StreamReader, kind: bytes, number: int, expected: int) -> bytes:
    assert (kind, number) == (b"2J", expected)
    (length,) = struct.unpack(">I", await reader.readexactly(4))
    return await reader.readexactly(length)
