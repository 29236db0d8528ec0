"""A forward server, written from the protocol's specification and Fluentd's `in_forward`."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import msgpack

from pipeline.testing.receivers import TcpReceiver

Record = dict[str, Any]


@dataclass
class Chunk:
    """What came as one object."""

    tag: str
    entries: list[tuple[int, Record]]
    """Nanoseconds since the epoch, and the record."""
    option: dict[str, Any]

    @property
    def identity(self) -> str:
        return str(self.option["chunk"])

    @property
    def messages(self) -> list[str]:
        return [record["message"] for _, record in self.entries]


def ack(identity: object) -> bytes:
    return bytes(msgpack.packb({"ack": identity}))


def sha512(*parts: bytes) -> str:
    return hashlib.sha512(b"".join(parts)).hexdigest()


@dataclass
class Fluentd:
    """`answers` is asked for what to send for a chunk, by default its acknowledgement. What it
    yields is sent as it comes; None ends the connection."""

    answers: Callable[[Chunk], AsyncIterator[bytes | None]] | None = None
    shared_key: str = ""
    users: dict[str, str] = field(default_factory=dict)
    hostname: str = "fluentd-1"
    greeting: bytes = b""
    """Sent to every client before it has said anything."""
    hangs_up: bool = False
    """Instead of saying why it does not let a client in, as Fluent Bit does for a wrong key."""
    knows_the_key: bool = True
    """Whether what it answers shows that it does."""
    chunks: list[Chunk] = field(default_factory=list)
    connections: int = 0
    clients: list[str] = field(default_factory=list)
    """Host names, as they gave them with the shared key."""

    @property
    def messages(self) -> list[str]:
        return [message for chunk in self.chunks for message in chunk.messages]

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        writer.write(self.greeting)
        objects = _objects(reader)
        if self.shared_key and not await self._let_in(objects, writer):
            return
        async for one in objects:
            if one is None:
                continue
            chunk = _chunk(*one)
            self.chunks.append(chunk)
            async for answer in (self.answers or acknowledge)(chunk):
                if answer is None:
                    return
                writer.write(answer)
                await writer.drain()

    async def _let_in(self, objects: AsyncIterator[Any], writer: asyncio.StreamWriter) -> bool:
        nonce, auth = b"n" * 16, b"a" * 16 if self.users else b""
        hello = ["HELO", {"nonce": nonce, "auth": auth, "keepalive": True}]
        writer.write(msgpack.packb(hello))
        ping = await anext(objects, None)
        if ping is None:
            return False
        if not all(isinstance(field, str) for field in ping):
            return False  # as Fluent Bit does
        kind, host, salt, digest, user, password = ping
        assert kind == "PING"
        self.clients.append(host)
        key, reason = self.shared_key.encode(), ""
        if digest != sha512(salt.encode(), host.encode(), nonce, key):
            reason = "shared_key mismatch"
        elif self.users:
            known = self.users.get(user, "")
            if not known or password != sha512(auth, user.encode(), known.encode()):
                reason = "username/password mismatch"
        if reason and self.hangs_up:
            return False
        ours = key if self.knows_the_key else b"another"
        answer = "" if reason else sha512(salt.encode(), self.hostname.encode(), nonce, ours)
        writer.write(msgpack.packb(["PONG", not reason, reason, self.hostname, answer]))
        await writer.drain()
        return not reason


async def acknowledge(chunk: Chunk) -> AsyncIterator[bytes | None]:
    yield ack(chunk.identity)


async def _objects(reader: asyncio.StreamReader) -> AsyncIterator[Any]:
    unpacker = msgpack.Unpacker(unicode_errors="surrogateescape", max_buffer_size=2**30)
    while data := await reader.read(65536):
        unpacker.feed(data)
        for one in unpacker:
            yield one


def _chunk(tag: str, packed: bytes, option: dict[str, Any]) -> Chunk:
    assert type(packed) is bytes, "PackedForward is what the sink sends"
    if option.get("compressed") == "gzip":
        packed = gzip.decompress(packed)
    unpacker = msgpack.Unpacker(unicode_errors="surrogateescape", max_buffer_size=2**30)
    unpacker.feed(packed)
    entries = [(_nanoseconds(time), record) for time, record in unpacker]
    assert option["size"] == len(entries)
    return Chunk(tag, entries, option)


def _nanoseconds(time: msgpack.ExtType) -> int:
    assert (time.code, len(time.data)) == (0, 8)
    return int.from_bytes(time.data[:4], "big") * 10**9 + int.from_bytes(time.data[4:], "big")


class FluentPeer(TcpReceiver):
    """Serves in threads, for a test that is not on an event loop. Acknowledges every chunk."""

    def __init__(self) -> None:
        super().__init__()
        self.chunks: list[Chunk] = []
        self._serving = 0

    def quiet(self) -> bool:
        """Nobody is connected."""
        return not self._serving

    def _serve(self, connection: socket.socket) -> None:
        self._serving += 1
        unpacker = msgpack.Unpacker(unicode_errors="surrogateescape", max_buffer_size=2**30)
        with suppress(OSError):
            while data := connection.recv(65536):
                unpacker.feed(data)
                for one in unpacker:
                    self.chunks.append(_chunk(*one))
                    connection.sendall(ack(self.chunks[-1].identity))
        self._serving -= 1
