"""Limits an HTTP server's connections: how many there are, and what each may take.

aiohttp waits for the end of a request's head without a time limit, and has no limit per address. So
an asyncio protocol stands in front of each of aiohttp's and measures: five seconds for a head, even
if its bytes come one by one, and 90 seconds between two requests. Where a new connection finds no
room, the one that has waited longest for a request is ended. One whose request is being answered
never is.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from typing import Any, Literal

from aiohttp import hdrs, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler, Middleware
from aiohttp.web_protocol import PayloadAccessError

from pipeline.model.errors import untraced
from pipeline.observe.access import is_loopback
from pipeline.observe.wrong_tokens import network
from pipeline.support.garbage import untie
from pipeline.support.plural import plural
from pipeline.support.rate_limit import RateLimit

MOST = 100
"""Connections of one server."""
KEPT = 20
"""How many of them are reserved for loopback clients: the image's health check, and proxies."""
OF_ONE = 25
"""Connections from one address, or one IPv6 network (/64), other than this host."""
HEAD_TIMEOUT = 5.0
"""Seconds from a request's first byte, or from the connection's start, to the end of the head."""
IDLE_TIMEOUT = 90.0
"""Seconds between two requests: longer than usual scrape intervals, so that scrapers keep their
connection. A client that reads one answer for longer loses it."""
LARGEST_REQUEST = 128 << 10
"""Bytes that may arrive until a request is answered, its body and pipelined requests included. The
largest body is that of `/api/try`, 96 KiB. All connections together hold 12.5 MiB at most; a body
is only read after the gate has seen the token, but a client may send one before."""

Reason = Literal["slow", "large", "full", "tls"]
"""Why a connection is ended: the head takes too long (`slow`), it sends too much (`large`), others
need the place (`full`), or its TLS handshake failed (`tls`)."""

log = logging.getLogger(__name__)


class Connections:
    """All connections of one server."""

    def __init__(self, ended: Callable[[Reason], object] = lambda reason: None) -> None:
        """`ended` is called with the reason of each connection that the server ends, except idle
        ones."""
        self.ended = ended
        self.bugs, self._full = RateLimit(), RateLimit()
        self._by_transport: dict[asyncio.BaseTransport, BoundedConnection] = {}
        self._waiting: dict[BoundedConnection, None] = {}
        """Connections that wait for a request or for the end of its head, the longest waiting
        first."""
        self._of: Counter[str] = Counter()
        """Connections by address or network. Those of this host count together."""

    def __len__(self) -> int:
        return len(self._by_transport)

    def admit(self, connection: BoundedConnection, transport: asyncio.BaseTransport) -> bool:
        """Adds a connection, and ends another one if needed. False if there is no room."""
        origin, here = connection.origin, connection.is_here
        if not here and self._of[origin] >= OF_ONE:
            admitted = self._end_one(lambda other: other.origin == origin)
        elif not here and len(self) - self._of[_HERE] >= MOST - KEPT:
            admitted = self._end_one(lambda other: not other.is_here)
        elif len(self) >= MOST:
            admitted = self._end_one(lambda other: True)
        else:
            admitted = True
        if not admitted:
            self._note_full()
        else:
            self._by_transport[transport] = connection
            self._of[origin] += 1
        return admitted

    def _end_one(self, goes: Callable[[BoundedConnection], bool]) -> bool:
        """Ends the longest waiting connection for which `goes` is True. False if there is none."""
        for connection in self._waiting:
            if goes(connection):
                connection.end()
                self._note_full()
                return True
        return False

    def _note_full(self) -> None:
        self.ended("full")
        if count := self._full():
            log.warning(
                "%d HTTP %s ended: there may be %d at once, and %d from one address; find out "
                "who holds so many open",
                count,
                plural(count, "connection was", "connections were"),
                MOST,
                OF_ONE,
            )

    def remove(self, connection: BoundedConnection, transport: asyncio.BaseTransport) -> None:
        """Removes a connection that has ended or is about to. Does nothing if it wasn't added."""
        self._waiting.pop(connection, None)
        if self._by_transport.pop(transport, None) is not None:
            self._of[connection.origin] -= 1
            if not self._of[connection.origin]:
                del self._of[connection.origin]

    def wait(self, connection: BoundedConnection) -> None:
        """Notes that the connection waits for a request from now on."""
        self._waiting.pop(connection, None)
        self._waiting[connection] = None

    def work(self, connection: BoundedConnection) -> None:
        """Notes that its request is being answered."""
        self._waiting.pop(connection, None)

    def of(self, transport: asyncio.BaseTransport | None) -> BoundedConnection | None:
        """The connection with that transport, until it ends; None otherwise."""
        return self._by_transport.get(transport) if transport is not None else None


def watched(connections: Connections) -> Middleware:
    """Makes the middleware that tells each connection while its request is being answered."""

    @web.middleware
    async def watch(request: web.Request, handler: Handler) -> web.StreamResponse:
        connection = connections.of(request.transport)
        if connection is None:
            return await handler(request)
        connection.begin()
        try:
            # From Python 3.12 on, aiohttp would answer all that came at once in one turn.
            await asyncio.sleep(0)
            return await handler(request)
        finally:
            connection.finish()

    return watch


_HERE = "this host"


class BoundedConnection(asyncio.Protocol):
    """The asyncio protocol of a connection: passes everything to aiohttp's, within the limits
    above."""

    def __init__(self, connections: Connections, manager: web.Server) -> None:
        """`manager` is aiohttp's server, whose protocol each connection gets."""
        self._connections = connections
        self._manager = manager
        self._inner: _Requests | None = None
        """None if there was no room for the connection."""
        self._transport: asyncio.Transport
        self._timer: asyncio.TimerHandle | None = None
        self._idle = False
        """Whether nothing has arrived since the last answer."""
        self._came = 0
        self.origin = ""
        """Address or network that the connection counts for; `this host` for loopback."""

    @property
    def is_here(self) -> bool:
        """Whether the client is on this host."""
        return self.origin == _HERE

    # --------------------------------------------------------------------- called by asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self.origin = _origin(peer[0]) if peer else ""
        if not self._connections.admit(self, transport):
            transport.abort()
            return
        self._inner = _Requests(self._manager, self._connections.bugs)
        self._inner.connection_made(transport)
        self._wait(HEAD_TIMEOUT, self._end_slow)

    def data_received(self, data: bytes) -> None:
        if self._inner is None:
            return
        self._came += len(data)
        if self._came > LARGEST_REQUEST:
            self._connections.ended("large")
            self.end()
            return
        if self._idle:
            self._idle = False
            self._wait(HEAD_TIMEOUT, self._end_slow)
        self._inner.data_received(data)

    def eof_received(self) -> None:
        if self._inner is not None:
            self._inner.eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        self._forget()
        if self._inner is not None:
            self._inner.connection_lost(error)
        untie(self._transport)

    def pause_writing(self) -> None:
        if self._inner is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        if self._inner is not None:
            self._inner.resume_writing()

    # ------------------------------------------------------------------------------- limits

    def begin(self) -> None:
        """Notes that a request is being answered: no time limit applies."""
        self._idle = False
        self._stop_timer()
        self._connections.work(self)

    def finish(self) -> None:
        """Notes that the request is answered, except for what the client hasn't read yet."""
        self._idle, self._came = True, 0
        if not self._transport.is_closing():
            self._wait(IDLE_TIMEOUT, self.end)

    def end(self) -> None:
        """Ends the connection at once."""
        self._forget()
        self._transport.abort()

    def _end_slow(self) -> None:
        self._connections.ended("slow")
        self.end()

    def _wait(self, seconds: float, then: Callable[[], object]) -> None:
        self._stop_timer()
        self._timer = asyncio.get_running_loop().call_later(seconds, then)
        self._connections.wait(self)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _forget(self) -> None:
        self._stop_timer()
        self._connections.remove(self, self._transport)


def _origin(address: str) -> str:
    """The address or network that a connection from this address counts for."""
    return _HERE if is_loopback(address) else network(address)


_CLIENTS_FAULTS = (
    HttpProcessingError, PayloadAccessError, web.RequestPayloadError, ConnectionError
)  # fmt: skip


class _Requests(web.RequestHandler):
    """aiohttp's request handler without its own answers to broken requests and its log messages.

    Those would contain the text of its exceptions, with versions and tracebacks.
    """

    def __init__(self, manager: web.Server, bugs: RateLimit) -> None:
        super().__init__(
            manager,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]
            keepalive_timeout=2 * IDLE_TIMEOUT,  # our own limit ends them first
            lingering_time=HEAD_TIMEOUT,
            auto_decompress=False,  # nothing takes it, and 128 KiB may become 130 MiB
        )
        self._bugs = bugs
        self._gone: ConnectionError | None = None

    async def start(self) -> None:
        """Handles requests until the connection ends. aiohttp calls it."""
        try:
            await super().start()
        finally:
            if self._gone is not None:
                untraced(self._gone)  # error and aiohttp's frame keep each other alive

    def connection_lost(self, exc: BaseException | None) -> None:
        waiter, task = self._waiter, self._task_handler
        if waiter is not None and waiter.done() and task is not None:
            task.cancel()  # it would go on with the request, without what is gone after this
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        gone = exc if isinstance(exc, ConnectionError) else None
        if gone is None and status >= 500 and self._bugs():
            log.error("%s %s failed", request.method, request.path, exc_info=exc)
        if exc is not None:
            untraced(exc)  # its frames keep it alive, and the page to be sent
        if gone is None and request.writer.output_size > 0:
            gone = ConnectionError("part of the answer has been sent already")
        if gone is not None:  # nothing can be answered any more
            self._gone = gone
            try:
                raise gone
            finally:
                gone = exc = None  # else this frame and the errors keep each other alive
        text = "this request cannot be read\n" if status == 400 else "this failed\n"
        response = web.Response(status=status, text=text, headers={hdrs.SERVER: "dockline"})
        response.force_close()
        return response

    def log_exception(self, *args: Any, **settings: Any) -> None:
        """Logs an exception unless the client caused it."""
        error = settings.get("exc_info")
        if not isinstance(error, _CLIENTS_FAULTS) and self._bugs():
            log.error("an HTTP request failed", exc_info=error)
