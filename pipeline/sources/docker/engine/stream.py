"""The bytes of one log stream, at the least cost.

Asked with HTTP/1.0, the Engine sends the body unchunked and ends it by closing; so do haproxy and
nginx in front of it. That the end of a log and a broken connection look alike does no harm: after
either, `tail` asks the Engine how the container is and resumes at its cursor.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.model.errors import EngineError
from pipeline.sources.docker.engine.gathered_reads import GatheredReads, received
from pipeline.support.garbage import untie
from pipeline.support.selector import selector_of

if TYPE_CHECKING:
    from pipeline.sources.docker.engine.endpoint import Endpoint

CONNECT_TIMEOUT = 10.0
HEAD_TIMEOUT = 60.0
"""Seconds until the head of the answer: with `since`, dockerd may scan the log first."""
HIGH_WATER = 1 << 20
"""Bytes that may wait unread before the connection is paused."""
KEEPALIVE = {socket.TCP_KEEPIDLE: 30, socket.TCP_KEEPINTVL: 10, socket.TCP_KEEPCNT: 3}
"""A silent log is nothing unusual, and a host that vanished is silent too: TCP asks it after 30 s,
and three times more, instead of after two hours. Seconds, but for the count (tcp(7))."""
MAX_HEAD = 1 << 16
MAX_SHORT = 1 << 16
"""Most bytes that `read_all` takes."""


@dataclass(frozen=True)
class Head:
    status: int
    headers: Mapping[str, str]


def parse_head(raw: bytes) -> Head:
    """Status line and headers (RFC 9112), names in lower case. Raises `EngineError`."""
    if len(raw) > MAX_HEAD:
        raise EngineError(f"the head of an answer is longer than {MAX_HEAD} bytes")
    first, *rest = raw.decode("latin-1").split("\r\n")
    protocol, _, remainder = first.partition(" ")
    status = remainder[:3]
    if not (protocol.startswith("HTTP/1.") and status.isdecimal() and len(status) == 3):
        raise EngineError(f"that is no answer of a Docker Engine: {first[:80]!r}")
    pairs = (line.partition(":") for line in rest if line)
    return Head(int(status), {name.lower(): value.strip() for name, _, value in pairs})


class ByteStream(asyncio.BufferedProtocol):
    """The body of one answer. One reader; `close` ends it at once, from any state."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._chunks: list[bytes] = []
        self._waiting = 0
        self._head = b""
        self._in_head = True
        self._paused = False
        self._resting: asyncio.TimerHandle | None = None
        self._has_rested = False
        """And was not read since."""
        self._ended = False
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        loop = asyncio.get_running_loop()
        self._selector = selector_of(loop)
        self._gathering: GatheredReads | None = None
        """Where the loop can, and the bytes are what the socket gives."""
        self.head_arrived: asyncio.Future[Head] = loop.create_future()

    @property
    def status(self) -> int:
        return self.head_arrived.result().status

    def header(self, name: str) -> str:
        """A header of the answer, by its name in lower case; empty where there is none."""
        return self.head_arrived.result().headers.get(name, "")

    async def read(self) -> bytes:
        """Whatever has come; waits when nothing has; `b""` at the end.

        Raises `ConnectionError` when the connection broke, after what had come before."""
        if self._gathering is not None:
            self._gathering.end()
        while not self._chunks:
            if self._ended:
                if self._error is not None:
                    raise ConnectionError(str(self._error)) from self._error
                return b""
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        chunks = self._chunks
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        self._chunks = []
        self._waiting = 0
        if self._paused:
            self._paused = False
            self._read_on()
        return data

    async def read_all(self) -> bytes:
        """The body of a short answer, such as an error's: no more than `MAX_SHORT` of it."""
        length = self.header("content-length")
        wanted = min(int(length), MAX_SHORT) if length.isdecimal() else MAX_SHORT
        body = b""
        while len(body) < wanted and (data := await self.read()):
            body += data
        return body[:wanted]

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # ------------------------------------------------------------ called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        plain = transport.get_extra_info("ssl_object") is None
        if plain and self._selector is not None:
            connection = transport.get_extra_info("socket").fileno()
            self._gathering = GatheredReads(connection, self._selector, self._gathered)

    def get_buffer(self, sizehint: int) -> memoryview:
        return received()

    def buffer_updated(self, nbytes: int) -> None:
        if self._in_head:
            if data := self._take_head(bytes(received()[:nbytes])):
                self._gathered(data)
            return
        if self._selector is not None:
            rested, self._has_rested = self._has_rested, False
            if rest := self._selector.read(nbytes, rested=rested):
                self._rest(rest)
        gathering = self._gathering if self._waiter is not None and not self._resting else None
        if gathering is None or not gathering.begin(nbytes):
            self._gathered(bytes(received()[:nbytes]))

    def _gathered(self, data: bytes) -> None:
        """For whoever reads."""
        self._chunks.append(data)
        self._waiting += len(data)
        if self._waiting >= HIGH_WATER and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def _rest(self, seconds: float) -> None:
        """Leaves the socket alone for a while."""
        if self._transport is not None and self._resting is None:
            self._transport.pause_reading()
            loop = asyncio.get_running_loop()
            self._resting = loop.call_later(seconds, self._rested)

    def _rested(self) -> None:
        self._resting, self._has_rested = None, True
        self._read_on()

    def _read_on(self) -> None:
        if self._transport is not None and self._resting is None and not self._paused:
            self._transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        if self._transport is not None:
            untie(self._transport)
        self._transport, self._ended, self._error = None, True, error
        if self._resting is not None:
            self._resting.cancel()
        if self._gathering is not None:
            self._gathering.end()
            self._gathering = None  # which has this
        self._no_head(error or ConnectionResetError("closed at once"))
        self._wake()

    def _no_head(self, error: Exception) -> None:
        if not self.head_arrived.done():
            self.head_arrived.set_exception(error)
            self.head_arrived.exception()  # or asyncio would log it where nobody waits any more

    def _take_head(self, data: bytes) -> bytes:
        """Collects the head; returns what of the body came with it."""
        self._head += data
        head, found, body = self._head.partition(b"\r\n\r\n")
        if not found and len(self._head) <= MAX_HEAD:
            return b""
        self._in_head, self._head = False, b""
        if not self.head_arrived.done():
            try:
                self.head_arrived.set_result(parse_head(head))
            except EngineError as error:
                self._no_head(error)
        return body

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


async def open_stream(endpoint: Endpoint, path: str) -> ByteStream:
    """Sends `GET path` and waits for the head of the answer, whatever its status.

    Raises `OSError` (also as `TimeoutError`, `ssl.SSLError`) and `EngineError`.
    """
    async with asyncio.timeout(CONNECT_TIMEOUT):
        transport, stream = await _connect(endpoint)
    try:
        request = f"GET {path} HTTP/1.0\r\nHost: {endpoint.authority}\r\n\r\n"
        transport.write(request.encode())
        async with asyncio.timeout(HEAD_TIMEOUT):
            await stream.head_arrived
        if "chunked" in stream.header("transfer-encoding"):
            raise EngineError(
                "the answer to an HTTP/1.0 request is chunked: a proxy between dockline and the "
                "Engine does not speak HTTP/1.0"
            )
    except BaseException:
        stream.close()
        del stream, transport  # else they have the exception, which has this frame
        raise
    return stream


async def _connect(endpoint: Endpoint) -> tuple[asyncio.Transport, ByteStream]:
    loop = asyncio.get_running_loop()
    if endpoint.path:
        return await loop.create_unix_connection(ByteStream, endpoint.path)
    transport, stream = await loop.create_connection(
        ByteStream,
        endpoint.host,
        endpoint.port,
        ssl=endpoint.ssl,
        server_hostname=endpoint.server_name or endpoint.host if endpoint.ssl else None,
    )
    keep_alive(transport.get_extra_info("socket"))
    return transport, stream


def keep_alive(connection: socket.socket) -> None:
    """Notices within a minute that the peer's host is gone."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in KEEPALIVE.items():
        connection.setsockopt(socket.IPPROTO_TCP, option, value)
