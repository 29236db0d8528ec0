"""Connections of an HTTP server, bounded in what each may take and in how many there are.

aiohttp waits for ever for the end of a request's head that has begun, and bounds no address. So
each of its protocols stands behind one that watches the time: five seconds for a head, a byte a
second as well, and a minute and a half between two requests. Where there is no place for somebody
new, the connection goes that waits longest for a request; one whose request is being answered
never does.
"""

from __future__ import annotations

import asyncio
import ipaddress
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
from pipeline.support.garbage import untie
from pipeline.support.plural import plural
from pipeline.support.rate_limit import RateLimit

MOST = 100
"""Connections of one server."""
KEPT = 20
"""Of them, for whoever asks over a loopback address: the image's health check, and a proxy."""
OF_ONE = 25
"""From one address, or one network of IPv6 (/64), beyond this host."""
HEAD_TIMEOUT = 5.0
"""Seconds from a request's first byte, or from the connection's beginning, to the head's end."""
IDLE_TIMEOUT = 90.0
"""Seconds between two requests, longer than the usual interval between scrapes, so that they keep
their connection. A client that reads an answer for longer loses it."""
LARGEST_REQUEST = 16 << 10
"""Bytes that may come until a request is answered, those of the next ones included. No endpoint
takes a body."""

Reason = Literal["slow", "large", "full"]
"""Why a connection is ended: a request's head does not come in time, there is too much of it, or
others need the place."""

log = logging.getLogger(__name__)


class Connections:
    """Of one server. `ended` is told of each that is not ended by its peer, or for being idle."""

    def __init__(self, ended: Callable[[Reason], object] = lambda reason: None) -> None:
        self.ended = ended
        self.bugs, self._full = RateLimit(), RateLimit()
        self._by_transport: dict[asyncio.BaseTransport, BoundedConnection] = {}
        self._waiting: dict[BoundedConnection, None] = {}
        """For a request, or for its head's end; since when, in this order."""
        self._of: Counter[str] = Counter()
        """How many each address has. Of this host, they count together."""

    def __len__(self) -> int:
        return len(self._by_transport)

    def admit(self, connection: BoundedConnection, transport: asyncio.BaseTransport) -> bool:
        """Whether there is a place for it; another one may have to go."""
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
        """The one that has waited longest, of those that may go. False where there is none."""
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
        """It has ended, or is about to. Of one that has no place, nothing happens."""
        self._waiting.pop(connection, None)
        if self._by_transport.pop(transport, None) is not None:
            self._of[connection.origin] -= 1
            if not self._of[connection.origin]:
                del self._of[connection.origin]

    def wait(self, connection: BoundedConnection) -> None:
        """It waits for a request from now on."""
        self._waiting.pop(connection, None)
        self._waiting[connection] = None

    def work(self, connection: BoundedConnection) -> None:
        """Its request is being answered."""
        self._waiting.pop(connection, None)

    def of(self, transport: asyncio.BaseTransport | None) -> BoundedConnection | None:
        """The one whose transport this is, while it lasts."""
        return self._by_transport.get(transport) if transport is not None else None


def watched(connections: Connections) -> Middleware:
    """Tells a connection while its request is being answered."""

    @web.middleware
    async def watch(request: web.Request, handler: Handler) -> web.StreamResponse:
        connection = connections.of(request.transport)
        if connection is None:
            return await handler(request)
        connection.begin()
        try:
            return await handler(request)
        finally:
            connection.finish()

    return watch


_HERE = "this host"


class BoundedConnection(asyncio.Protocol):
    """Stands before aiohttp's protocol for it."""

    def __init__(self, connections: Connections, manager: web.Server) -> None:
        self._connections = connections
        self._manager = manager
        self._inner: _Requests | None = None
        """None of one that has no place."""
        self._transport: asyncio.Transport
        self._timer: asyncio.TimerHandle | None = None
        self._idle = False
        """Nothing has come since the last answer."""
        self._came = 0
        self.origin = ""
        """Whose it is, as far as there is a bound for it."""

    @property
    def is_here(self) -> bool:
        return self.origin == _HERE

    # ------------------------------------------------------------------- as asyncio calls it

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

    # ------------------------------------------------------------------------------- bounds

    def begin(self) -> None:
        """A request is being answered."""
        self._idle = False
        self._stop_timer()
        self._connections.work(self)

    def finish(self) -> None:
        """It is answered, apart from what the client has not read yet."""
        self._idle, self._came = True, 0
        if not self._transport.is_closing():
            self._wait(IDLE_TIMEOUT, self.end)

    def end(self) -> None:
        """At once."""
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
    """What shares a bound with this address."""
    if is_loopback(address):
        return _HERE
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((ip, 64), strict=False))
    return str(ip)


_CLIENTS_FAULTS = (
    HttpProcessingError, PayloadAccessError, web.RequestPayloadError, ConnectionError
)  # fmt: skip


class _Requests(web.RequestHandler):
    """aiohttp's, but for what it says and logs of a request that it cannot read: the text of its
    own exceptions, with versions and tracebacks."""

    def __init__(self, manager: web.Server, bugs: RateLimit) -> None:
        super().__init__(
            manager,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]
            keepalive_timeout=2 * IDLE_TIMEOUT,  # ours comes first
            lingering_time=HEAD_TIMEOUT,
        )
        self._bugs = bugs
        self._gone: ConnectionError | None = None

    async def start(self) -> None:
        """As aiohttp calls it, for as long as there is a connection."""
        try:
            await super().start()
        finally:
            if self._gone is not None:
                untraced(self._gone)  # it has aiohttp's frame, which has it

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        gone = exc if isinstance(exc, ConnectionError) else None
        if gone is None and status >= 500 and self._bugs():
            log.error("%s %s has failed", request.method, request.path, exc_info=exc)
        if exc is not None:
            untraced(exc)  # it has frames that have it, and the page that was to be sent
        if gone is None and request.writer.output_size > 0:
            gone = ConnectionError("the answer has begun already")
        if gone is not None:  # and is told nothing
            self._gone = gone
            try:
                raise gone
            finally:
                gone = exc = None  # else they have this frame, and the frame them
        text = "this is no request that can be read\n" if status == 400 else "this has failed\n"
        response = web.Response(status=status, text=text, headers={hdrs.SERVER: "dockline"})
        response.force_close()
        return response

    def log_exception(self, *args: Any, **settings: Any) -> None:
        """What a client has done wrong is nobody's bug."""
        error = settings.get("exc_info")
        if not isinstance(error, _CLIENTS_FAULTS) and self._bugs():
            log.error("an HTTP request has failed", exc_info=error)
