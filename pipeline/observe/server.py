"""A small HTTP server with limits, and the handler of `/metrics`.

The agent's own endpoints and the `prometheus` sink use it. It serves no files. Clients can't hold
it up: the number of connections (see `connections`), concurrent scrapes, the time to read an
answer, and the time to close are all limited.
"""

from __future__ import annotations

import asyncio
import errno
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import TypeAlias

from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware

from pipeline.model.errors import DocklineError
from pipeline.observe.certificate import Certificate
from pipeline.observe.connections import BoundedConnection, Connections, Reason, watched
from pipeline.observe.encrypted import Encrypted
from pipeline.observe.metrics_page import Exposition
from pipeline.observe.slots import ClientSlots
from pipeline.support import deflate
from pipeline.support.selector import Pause, SharedPause

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

MAX_SCRAPES = 8
"""Scrapes at the same time. A page of 1,000 containers has 8 MB, so this limits what slow clients
hold in memory."""
SLOW_SCRAPE = 2.0
"""Seconds after which a scrape that is still being sent is ended if a new one needs its slot. A
quick client reads 8 MB in a tenth of that."""
SEND_TIMEOUT = 15.0
"""Seconds in which a client has to read its page; Prometheus' own timeout is 10."""
CLOSE_TIMEOUT = 1.0
"""Seconds that requests in progress get when the server closes."""


class Server:
    """An HTTP server on one address."""

    def __init__(
        self,
        listen: str,
        routes: Sequence[web.RouteDef],
        middlewares: Sequence[Middleware] = (),
        ended: Callable[[Reason], object] = lambda reason: None,
        certificate: Certificate | None = None,
    ) -> None:
        """`listen`: `host:port`; port 0 takes a free one. `routes`: what it serves. `ended` is
        called for each connection that the server ends, with the reason (see `Connections`).
        `certificate`: to serve HTTPS with; without it, HTTP.

        Raises `DocklineError` if `listen` isn't an address.
        """
        self._host, self._port = parse_listen(listen)
        self._connections = Connections(ended)
        self._certificate = certificate
        self._app = web.Application(middlewares=[watched(self._connections), *middlewares])
        self._app.add_routes(routes)
        self._app.on_response_prepare.append(_set_headers)
        self._runner: web.AppRunner | None = None
        self._listener: asyncio.Server | None = None
        self.address = listen
        """`host:port` as it is bound, once started."""

    async def start(self) -> None:
        """Starts to listen. Raises `DocklineError` if the address or the certificate can't be
        used."""
        if self._certificate is not None:
            await self._certificate.open()
        runner = web.AppRunner(self._app, shutdown_timeout=CLOSE_TIMEOUT)
        await runner.setup()
        manager = runner.server
        assert manager is not None
        try:
            loop = asyncio.get_running_loop()
            listener = await loop.create_server(
                lambda: self._connection(manager), self._host, self._port
            )
        except OSError as error:
            await runner.cleanup()
            raise DocklineError(_explain(error, self.address)) from error
        self._runner, self._listener = runner, listener
        host, port = listener.sockets[0].getsockname()[:2]
        self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def _connection(self, manager: web.Server) -> asyncio.Protocol:
        connection = BoundedConnection(self._connections, manager)
        if self._certificate is None:
            return connection
        context, ended = self._certificate.context(), self._connections.ended
        return Encrypted(connection, context, lambda: ended("tls"))

    async def close(self) -> None:
        """Ends idle connections at once, and busy ones within seconds. May be called at any
        time."""
        runner, listener, self._runner, self._listener = self._runner, self._listener, None, None
        if listener is not None:
            listener.close()
        if runner is not None:
            await runner.cleanup()


def parse_listen(listen: str) -> tuple[str, int]:
    """Splits `host:port` into host and port. IPv6 addresses are in brackets, which are removed:
    `[::1]:9114`.

    Raises `DocklineError` for anything else.
    """
    host, colon, port = listen.rpartition(":")
    if colon and host and port.isascii() and port.isdigit() and int(port) < 65536:
        if host.startswith("[") and host.endswith("]"):
            return host[1:-1], int(port)
        if ":" not in host:
            return host, int(port)
    raise DocklineError(
        f'"{listen}" is not an address to listen on; write it like "127.0.0.1:9114" or "[::]:9114"'
    )


def _explain(error: OSError, address: str) -> str:
    if error.errno == errno.EADDRINUSE:
        hint = "stop what uses it, or set another `listen`"
        return f"cannot listen on {address}: it is in use; {hint}"
    if error.errno == errno.EACCES:
        return f"cannot listen on {address}: no permission; choose a port above 1023"
    if error.errno in (errno.EADDRNOTAVAIL, None):  # asyncio leaves out the number since 3.12
        return f"cannot listen on {address}: this host has no such address"
    return f"cannot listen on {address}: {error.strerror}"


async def _set_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers[hdrs.SERVER] = "dockline"
    response.headers["X-Content-Type-Options"] = "nosniff"


# ----------------------------------------------------------------------------------- scrapes


def metrics_page(exposition: Exposition) -> Handler:
    """Makes the handler of `/metrics` (Prometheus text format 0.0.4 or OpenMetrics 1.0, gzip if
    accepted).

    It answers 503 when there are `MAX_SCRAPES` already and none of them is slow.
    """
    slots = ClientSlots()
    pages = _Pages(exposition)

    async def handle(request: web.Request) -> web.StreamResponse:
        if (transport := request.transport) is None:
            raise ConnectionResetError("the client has gone")
        if not slots.enter(transport, MAX_SCRAPES, SLOW_SCRAPE):
            return web.Response(status=503, text="too many scrapes at once\n")
        try:
            slots.begin(transport)
            return await _scrape(pages, request)
        finally:
            slots.leave(transport)

    return handle


class _Pages:
    """Makes one page at a time, shared by all scrapes that asked before it was begun.

    Eight pages at the same time would take eight slices of each iteration of the event loop, and
    eight times the memory.
    """

    def __init__(self, exposition: Exposition) -> None:
        self._exposition = exposition
        self._one = asyncio.Lock()
        self._begun = 0
        self._made: dict[bool, tuple[int, list[bytes]]] = {}
        """By format (OpenMetrics or not): the last page that a scrape still waits for, and its
        number."""
        self._waiting: Counter[bool] = Counter()

    @cached_property
    def pause(self) -> SharedPause:
        """Shared by all scrapes: together they hold the event loop no longer than one would."""
        return SharedPause()

    async def page(self, *, openmetrics: bool) -> list[bytes]:
        """The page in pieces. It contains everything that happened before this call."""
        asked = self._begun
        self._waiting[openmetrics] += 1
        try:
            async with self._one:
                begun, pieces = self._made.get(openmetrics, (0, []))
                if begun <= asked:
                    self._begun = begun = self._begun + 1
                    pieces = await self._exposition.render(openmetrics=openmetrics)
                    self._made[openmetrics] = begun, pieces
                return pieces
        finally:
            self._waiting[openmetrics] -= 1
            if not self._waiting[openmetrics]:
                self._made.pop(openmetrics, None)


async def _scrape(pages: _Pages, request: web.Request) -> web.StreamResponse:
    openmetrics = prefers_openmetrics(request.headers.get(hdrs.ACCEPT, ""))
    response = web.StreamResponse()
    response.headers[hdrs.CONTENT_TYPE] = OPENMETRICS if openmetrics else TEXT
    response.headers[hdrs.VARY] = "Accept, Accept-Encoding"
    pieces = await pages.page(openmetrics=openmetrics)
    if accepts_gzip(request.headers.get(hdrs.ACCEPT_ENCODING, "")):
        response.headers[hdrs.CONTENT_ENCODING] = "gzip"
        pieces = await asyncio.to_thread(gzip, pieces)
    response.content_length = sum(map(len, pieces))
    await send(request, response, pieces, pages.pause)
    return response


async def send(
    request: web.Request, response: web.StreamResponse, body: list[bytes], pause: Pause
) -> None:
    """Sends an answer in pieces; ends the client if it hasn't read them after `SEND_TIMEOUT`
    seconds. A quick one takes 7 MB without ever making this wait: 10 ms in the kernel."""
    try:
        async with asyncio.timeout(SEND_TIMEOUT):
            await response.prepare(request)
            if request.method != hdrs.METH_HEAD:
                for piece in body:
                    await response.write(piece)
                    await pause()
            await response.write_eof()
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()


def gzip(pieces: Iterable[bytes]) -> list[bytes]:
    """Compresses in this thread; run it in a thread of its own."""
    compressor = deflate.stream("gzip")
    return [*map(compressor.compress, pieces), compressor.flush()]


# ------------------------------------------------------------------------------- negotiation


def weights(header: str) -> Iterator[tuple[str, dict[str, str], float]]:
    """Name, parameters and weight of each item of an `Accept…` header (RFC 9110, section
    12.4.2)."""
    for item in header.lower().split(","):
        name, *rest = (part.strip() for part in item.split(";"))
        parameters = dict((part.partition("=")[::2]) for part in rest)
        try:
            weight = float(parameters.pop("q", "1"))
        except ValueError:
            weight = 0.0
        yield name, parameters, weight


def prefers_openmetrics(accept: str) -> bool:
    """Whether an `Accept` header asks for OpenMetrics 1.0 at least as much as for text.

    False if it asks for neither.
    """
    text = openmetrics = 0.0
    for name, parameters, weight in weights(accept):
        version = parameters.get("version")
        if name == "application/openmetrics-text" and version in ("1.0.0", None):
            openmetrics = max(openmetrics, weight)
        elif name in ("text/plain", "text/*", "*/*") and version in ("0.0.4", None):
            text = max(text, weight)
    return openmetrics > 0 and openmetrics >= text


def prefers_json(accept: str) -> bool:
    """Whether an `Accept` header asks for JSON more than for text."""
    asked = {name: weight for name, _, weight in weights(accept)}
    plain = max(asked.get(name, 0.0) for name in ("text/plain", "text/*", "text/html"))
    return asked.get("application/json", 0.0) > plain


def prefers_html(accept: str) -> bool:
    """Whether an `Accept` header names HTML and weighs it at least as much as text, as browsers
    do."""
    asked = {name: weight for name, _, weight in weights(accept)}
    html = asked.get("text/html", 0.0)
    return html > 0 and html >= asked.get("text/plain", 0.0)


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether an `Accept-Encoding` header allows gzip."""
    found = {name: weight for name, _, weight in weights(accept_encoding)}
    return found.get("gzip", found.get("*", 0.0)) > 0
