"""The bytes of one log stream, at the least cost.

Asked with HTTP/1.0, the Engine sends the body unchunked and ends it by closing. That the end of
a log and a broken connection look alike does no harm: after either, `tail` asks the Engine how the
container is and resumes at its cursor.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.coalesce import selector_of
from pipeline.errors import EngineError

if TYPE_CHECKING:
    from pipeline.sources.docker.endpoint import Endpoint

CONNECT_TIMEOUT = 10.0
HEAD_TIMEOUT = 60.0
"""Seconds until the head of the answer: with `since`, dockerd may scan the log first."""
HIGH_WATER = 1 << 20
"""Bytes that may wait unread before the connection is paused."""
_MAX_HEAD = 1 << 16


@dataclass(frozen=True)
class Head:
    status: int
    headers: Mapping[str, str]


def parse_head(raw: bytes) -> Head:
    """Status line and headers (RFC 9112), names in lower case. Raises `ValueError`."""
    first, *rest = raw.decode("latin-1").split("\r\n")
    protocol, status, *_ = first.split(" ", 2)
    if not protocol.startswith("HTTP/1."):
        raise ValueError(f"not an HTTP answer: {first[:80]!r}")
    pairs = (line.partition(":") for line in rest if line)
    return Head(int(status), {name.lower(): value.strip() for name, _, value in pairs})


_received = memoryview(bytearray(1 << 18))
"""Where the kernel puts what it has: one for all streams, since each takes its bytes out before
the loop reads the next. A new buffer for each read would be mapped and unmapped each time."""


class ByteStream(asyncio.BufferedProtocol):
    """The body of one answer. One reader; `close` ends it at once, from any state."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._chunks: list[bytes] = []
        self._waiting = 0
        self._head = b""
        self._in_head = True
        self._paused = False
        self._ended = False
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        loop = asyncio.get_running_loop()
        self._selector = selector_of(loop)
        self.head_arrived: asyncio.Future[Head] = loop.create_future()

    @property
    def status(self) -> int:
        return self.head_arrived.result().status

    @property
    def content_type(self) -> str:
        """Empty where the Engine sends none (Podman)."""
        return self.head_arrived.result().headers.get("content-type", "")

    async def read(self) -> bytes:
        """Whatever has come; waits when nothing has; `b""` at the end.

        Raises `ConnectionError` when the connection broke."""
        if not self._chunks:
            if self._ended:
                if self._error is not None:
                    raise ConnectionError(str(self._error)) from self._error
                return b""
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
            if not self._chunks:
                return await self.read()
        chunks = self._chunks
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        self._chunks = []
        self._waiting = 0
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return data

    async def read_all(self) -> bytes:
        """The body of a short answer, such as an error's; at most 64 KiB of it."""
        body = b""
        length = int(self.head_arrived.result().headers.get("content-length", _MAX_HEAD))
        while len(body) < min(length, _MAX_HEAD) and (data := await self.read()):
            body += data
        return body

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # ------------------------------------------------------------ called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        return _received

    def buffer_updated(self, nbytes: int) -> None:
        data = bytes(_received[:nbytes])
        if self._selector is not None:
            self._selector.read()
        if self._in_head:
            data = self._take_head(data)
            if not data:
                return
        self._chunks.append(data)
        self._waiting += len(data)
        if self._waiting >= HIGH_WATER and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        self._ended, self._error = True, error
        if not self.head_arrived.done():
            self.head_arrived.set_exception(error or ConnectionResetError("closed at once"))
        self._wake()

    def _take_head(self, data: bytes) -> bytes:
        """Collects the head; returns what of the body came with it."""
        self._head += data
        head, found, body = self._head.partition(b"\r\n\r\n")
        if not found:
            if len(self._head) > _MAX_HEAD:
                self.close()
            return b""
        self._in_head, self._head = False, b""
        if not self.head_arrived.done():
            try:
                self.head_arrived.set_result(parse_head(head))
            except ValueError as error:
                self.head_arrived.set_exception(EngineError(str(error)))
        return body

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


async def open_stream(endpoint: Endpoint, path: str) -> ByteStream:
    """Sends `GET path` and waits for the head of the answer, whatever its status.

    Raises `OSError` (also as `TimeoutError`, `ssl.SSLError`) and `EngineError`.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(CONNECT_TIMEOUT):
        if endpoint.path:
            transport, stream = await loop.create_unix_connection(ByteStream, endpoint.path)
        else:
            transport, stream = await loop.create_connection(
                ByteStream, endpoint.host, endpoint.port, ssl=endpoint.ssl
            )
    try:
        host = endpoint.host or "docker"
        transport.write(f"GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
        async with asyncio.timeout(HEAD_TIMEOUT):
            head = await stream.head_arrived
        if "chunked" in head.headers.get("transfer-encoding", ""):
            raise EngineError(
                "the answer to an HTTP/1.0 request is chunked: a proxy between dockline and the "
                "Engine does not speak HTTP/1.0"
            )
    except BaseException:
        stream.close()
        raise
    return stream
