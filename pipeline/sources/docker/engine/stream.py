"""Reads the bytes of one log stream, at the lowest cost.

The request is HTTP/1.0, so the Engine (and haproxy or nginx in front of it) sends the body without
chunks and ends it by closing the connection. The end of a log and a broken connection look alike
then, which does no harm: after either, the reader asks the Engine for the container's state and
resumes at its position.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.model.errors import EngineError
from pipeline.support.garbage import untie
from pipeline.support.selector import LARGE, CoalescingSelector, rests_of, selector_of

if TYPE_CHECKING:
    from pipeline.sources.docker.engine.endpoint import Endpoint

CONNECT_TIMEOUT = 10.0
"""Seconds to connect."""
HEAD_TIMEOUT = 60.0
"""Seconds until the head of the answer: with `since`, dockerd may scan the log first."""
HIGH_WATER = 1 << 20
"""Bytes that may wait for the reader. Then the socket is paused until they are read."""
KEEPALIVE = {socket.TCP_KEEPIDLE: 30, socket.TCP_KEEPINTVL: 10, socket.TCP_KEEPCNT: 3}
"""TCP keepalive, in seconds but for the count (tcp(7)). A silent log is usual, and a vanished host
is silent, too: with this, TCP notices it within a minute instead of after two hours."""
MAX_HEAD = 1 << 16
"""Most bytes of an answer's head."""
MAX_SHORT = 1 << 16
"""Most bytes that `ByteStream.read_all` returns."""


@dataclass(frozen=True)
class Head:
    """Head of an HTTP answer: its status, and its headers by their names in lower case."""

    status: int
    headers: Mapping[str, str]


def parse_head(raw: bytes) -> Head:
    """Parses a status line and headers (RFC 9112), without the empty line at the end.

    Raises `EngineError` when it is no HTTP answer, or longer than `MAX_HEAD`.
    """
    if len(raw) > MAX_HEAD:
        raise EngineError(f"the head of an answer is longer than {MAX_HEAD} bytes")
    first, *rest = raw.decode("latin-1").split("\r\n")
    protocol, _, remainder = first.partition(" ")
    status = remainder[:3]
    if not (protocol.startswith("HTTP/1.") and status.isdecimal() and len(status) == 3):
        raise EngineError(f"this is not an answer of a Docker Engine: {first[:80]!r}")
    pairs = (line.partition(":") for line in rest if line)
    return Head(int(status), {name.lower(): value.strip() for name, _, value in pairs})


class ByteStream(asyncio.BufferedProtocol):
    """The body of one HTTP answer, as bytes. Made by `open_stream`.

    Has one reader: calls of `read` must not overlap. `close` ends it at once, in any state.
    """

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._chunks: list[bytes] = []
        self._waiting = 0
        self._head = b""
        self._in_head = True
        self._paused = False
        self._resting = False
        self._has_rested = False
        """Whether it has just paused, and was not read since."""
        self._ended = False
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        loop = asyncio.get_running_loop()
        self._selector, self._rests = selector_of(loop), rests_of(loop)
        self._socket: int | None = None
        """The descriptor that may be read from without the event loop; None with TLS."""
        self._gathering: GatheredReads | None = None
        """Joins reads; None with TLS, and with an event loop that has no `CoalescingSelector`."""
        self.head_arrived: asyncio.Future[Head] = loop.create_future()
        """Becomes the head of the answer. Raises `EngineError` or `OSError` when there is none."""

    @property
    def status(self) -> int:
        """Status of the answer, such as 200. Known once `head_arrived` is done."""
        return self.head_arrived.result().status

    def header(self, name: str) -> str:
        """Returns a header by its name in lower case; empty when there is none."""
        return self.head_arrived.result().headers.get(name, "")

    async def read(self) -> bytes:
        """Returns all bytes that have arrived. Waits when there are none; empty at the end.

        Raises `ConnectionError` when the connection broke, after the bytes before that were
        returned.
        """
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
        """Returns the body of a short answer, such as an error's: at most `MAX_SHORT` bytes."""
        length = self.header("content-length")
        wanted = min(int(length), MAX_SHORT) if length.isdecimal() else MAX_SHORT
        body = b""
        while len(body) < wanted and (data := await self.read()):
            body += data
        return body[:wanted]

    def close(self) -> None:
        """Ends the stream at once. Bytes that arrived before can still be read."""
        if self._transport is not None:
            self._transport.abort()

    # ------------------------------------------------------------ called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio when the connection is there."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        plain = transport.get_extra_info("ssl_object") is None
        if plain and self._selector is not None:
            self._socket = transport.get_extra_info("socket").fileno()
            self._gathering = GatheredReads(self._socket, self._selector, self._gathered)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Called by asyncio for the buffer to read into."""
        return received()

    def buffer_updated(self, nbytes: int) -> None:
        """Called by asyncio when that many bytes were read into the buffer."""
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
        """Queues bytes for the reader. Pauses the socket when too many wait."""
        self._chunks.append(data)
        self._waiting += len(data)
        if self._waiting >= HIGH_WATER and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def _rest(self, seconds: float) -> None:
        """Stops reading the socket for some seconds, so that more arrives meanwhile."""
        if self._transport is not None and not self._resting:
            assert self._rests is not None
            self._transport.pause_reading()
            self._resting = True
            self._rests.begin(self, seconds)

    def rested(self) -> None:
        """Called at the end of its rest: reads what has arrived, and rests again or is read by the
        event loop from now on.
        """
        if not self._resting:  # it has ended meanwhile
            return
        self._resting, self._has_rested = False, True
        size = 0
        if self._socket is not None and not self._paused:
            with suppress(OSError):  # nothing has arrived, or the event loop gets the error, too
                size = os.readv(self._socket, [received()])
        if size:
            self.buffer_updated(size)
        if not self._resting:
            self._read_on()

    def _read_on(self) -> None:
        if self._transport is not None and not (self._resting or self._paused):
            self._transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        """Called by asyncio when the connection has ended; `error` is None at an ordinary end."""
        if self._transport is not None:
            untie(self._transport)
        self._transport, self._ended, self._error = None, True, error
        self._resting, self._socket = False, None
        if self._gathering is not None:
            self._gathering.end()
            self._gathering = None  # it refers to this stream: break the circle
        self._no_head(error or ConnectionResetError("closed at once"))
        self._wake()

    def _no_head(self, error: Exception) -> None:
        if not self.head_arrived.done():
            self.head_arrived.set_exception(error)
            self.head_arrived.exception()  # else asyncio logs it as never retrieved

    def _take_head(self, data: bytes) -> bytes:
        """Collects the head. Returns the part of the body that came with it."""
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

    `path` is absolute, with its query escaped. The caller closes the stream. Raises `OSError` (also
    as `TimeoutError` or `ssl.SSLError`) and `EngineError`.
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
        del stream, transport  # else they and the exception's traceback refer to each other
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
    """Turns on TCP keepalive, so that a vanished host is noticed within about a minute."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in KEEPALIVE.items():
        connection.setsockopt(socket.IPPROTO_TCP, option, value)


# ------------------------------------------------------------------------- several reads as one
# Joins several reads of a log stream into one while much data arrives.
#
# A socket holds only some 280 lines, so a busy stream has to be read often: every half millisecond
# (`pipeline.support.selector`). Handling lines costs more per batch than per line. So large reads
# are joined until there are `ENOUGH` bytes, or a read finds so little that no more is on its way. A
# stream with little data never waits.

ENOUGH = 1 << 18
"""Bytes that make a batch: some 1,400 lines."""
READ_SIZE = ENOUGH + (1 << 16)
"""Bytes of a buffer, and so of one read at most: a socket holds some 50 KiB of short lines."""
MOST_GATHERING = 8
"""Most streams that join reads at once, each in a buffer of its own. Others don't join."""


class _Buffers:
    """Buffers that the kernel reads into.

    All streams that are not joining share one: each copies its bytes before the event loop reads
    the next. A new buffer for each read would be mapped and unmapped each time.
    """

    def __init__(self) -> None:
        self.shared = memoryview(bytearray(READ_SIZE))
        self._free: list[memoryview] = []
        self._left = MOST_GATHERING

    def take(self) -> memoryview | None:
        """Takes the shared buffer with what is in it; another replaces it. None when
        `MOST_GATHERING` are taken."""
        if not self._free:
            if not self._left:
                return None
            self._left -= 1
            self._free.append(memoryview(bytearray(READ_SIZE)))
        taken, self.shared = self.shared, self._free.pop()
        return taken

    def give_back(self, buffer: memoryview) -> None:
        """Returns a buffer that was taken."""
        self._free.append(buffer)


_buffers = _Buffers()


def received() -> memoryview:
    """Returns the buffer that the event loop reads into. Its content is valid until the next
    read.
    """
    return _buffers.shared


class GatheredReads:
    """Joins the reads of one stream."""

    __slots__ = ("_buffer", "_gathered", "_selector", "_socket", "size")

    def __init__(
        self, socket: int, selector: CoalescingSelector, gathered: Callable[[bytes], None]
    ) -> None:
        """`socket` is the descriptor of a non-blocking socket. `selector` is the event loop's.
        `gathered` is called with the joined bytes, in the event loop.
        """
        self.size = 0
        """Bytes that were joined so far."""
        self._socket = socket
        self._selector = selector
        self._gathered = gathered
        self._buffer: memoryview | None = None

    def begin(self, size: int) -> bool:
        """Begins with the `size` bytes that were just read into `received()`.

        False when it is not worthwhile, or no buffer is free: then the bytes stay where they are.
        """
        if not LARGE <= size < ENOUGH or (buffer := _buffers.take()) is None:
            return False
        self._buffer, self.size = buffer, size
        self._selector.flows.append(self)
        return True

    def more(self) -> bool:
        """Called by the selector: reads more. False when it has ended."""
        if self._buffer is None:  # ended meanwhile, and the socket may be closed
            return False
        try:
            size = os.readv(self._socket, [self._buffer[self.size :]])
        except OSError:  # no data, or an error that the event loop will get, too
            size = 0
        self.size += size
        if size >= LARGE and self.size < ENOUGH:
            return True
        self.end()
        return False

    def end(self) -> None:
        """Passes on what was joined. Does nothing when it has not begun."""
        if self._buffer is not None:
            data = bytes(self._buffer[: self.size])
            _buffers.give_back(self._buffer)
            self._buffer, self.size = None, 0
            self._gathered(data)
