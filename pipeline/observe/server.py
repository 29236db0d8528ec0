"""A small HTTP server with bounds, and the page of metrics that it serves.

Used by the agent's own endpoints and by the `prometheus` sink. It serves no files, and cannot be
held up: connections (see `connections`), scrapes at once, the time a client may take to read and
the time that closing takes are all limited.
"""

from __future__ import annotations

import asyncio
import errno
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import cached_property
from typing import TypeAlias

from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware

from pipeline.model.errors import DocklineError
from pipeline.observe.connections import BoundedConnection, Connections, Reason, watched
from pipeline.observe.metrics_page import Exposition
from pipeline.support.selector import Pause, SharedPause

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

MAX_SCRAPES = 8
"""At once. A page of 1,000 containers is 8 MB, so this bounds what slow clients hold."""
SLOW_SCRAPE = 2.0
"""Seconds after which a page that is still being read gives its place to a new scrape, where that
needs one. A quick client takes all of 8 MB in a tenth of that."""
SEND_TIMEOUT = 15.0
"""Seconds a client has to read its page, longer than Prometheus' own timeout of 10."""
CLOSE_TIMEOUT = 1.0
"""Seconds that requests under way have when the server closes."""

GZIP_LEVEL = 1
"""Of 6.3 MB, level 1 leaves 1.83 MB after 43 ms, level 6 leaves 1.69 MB after 101 ms."""


class Server:
    """Listens on one address until it is closed."""

    def __init__(
        self,
        listen: str,
        routes: Sequence[web.RouteDef],
        middlewares: Sequence[Middleware] = (),
        ended: Callable[[Reason], object] = lambda reason: None,
    ) -> None:
        """`listen` is `host:port`; port 0 takes a free one. `ended` is told of connections, see
        there. Raises `DocklineError`."""
        self._host, self._port = parse_listen(listen)
        self._connections = Connections(ended)
        self._app = web.Application(middlewares=[watched(self._connections), *middlewares])
        self._app.add_routes(routes)
        self._app.on_response_prepare.append(_set_headers)
        self._runner: web.AppRunner | None = None
        self._listener: asyncio.Server | None = None
        self.address = listen
        """`host:port` as it is bound, once started."""

    async def start(self) -> None:
        """Raises `DocklineError` where the address cannot be had."""
        runner = web.AppRunner(self._app, shutdown_timeout=CLOSE_TIMEOUT)
        await runner.setup()
        manager = runner.server
        assert manager is not None
        try:
            loop = asyncio.get_running_loop()
            listener = await loop.create_server(
                lambda: BoundedConnection(self._connections, manager), self._host, self._port
            )
        except OSError as error:
            await runner.cleanup()
            raise DocklineError(_explain(error, self.address)) from error
        self._runner, self._listener = runner, listener
        host, port = listener.sockets[0].getsockname()[:2]
        self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def close(self) -> None:
        """Ends idle connections at once, busy ones soon. May be called at any time."""
        runner, listener, self._runner, self._listener = self._runner, self._listener, None, None
        if listener is not None:
            listener.close()
        if runner is not None:
            await runner.cleanup()


def parse_listen(listen: str) -> tuple[str, int]:
    """Host and port of `127.0.0.1:9114`, `[::1]:9114`. Raises `DocklineError`."""
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
        return f"cannot listen on {address}: it is in use; stop what uses it, or choose another"
    if error.errno == errno.EACCES:
        return f"cannot listen on {address}: no permission; choose a port above 1023"
    if error.errno in (errno.EADDRNOTAVAIL, None):  # asyncio loses the number from 3.12 on
        return f"cannot listen on {address}: this host has no such address"
    return f"cannot listen on {address}: {error.strerror}"


async def _set_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers[hdrs.SERVER] = "dockline"
    response.headers["X-Content-Type-Options"] = "nosniff"


# ----------------------------------------------------------------------------------- scrapes


def metrics_page(exposition: Exposition) -> Handler:
    """The handler of `/metrics`."""
    under_way: dict[asyncio.Transport, float] = {}
    """Since when, in this order."""
    pages = _Pages(exposition)

    async def handle(request: web.Request) -> web.StreamResponse:
        transport, now = request.transport, asyncio.get_running_loop().time()
        if transport is None:
            raise ConnectionResetError("the client has gone")
        if len(under_way) >= MAX_SCRAPES and not _give_way(under_way, now):
            return web.Response(status=503, text="too many scrapes at once\n")
        under_way[transport] = now
        try:
            return await _scrape(pages, request)
        finally:
            under_way.pop(transport, None)

    return handle


def _give_way(under_way: dict[asyncio.Transport, float], now: float) -> bool:
    """Ends the oldest scrape if it is slow; whether it was."""
    oldest, began = next(iter(under_way.items()))
    if now - began < SLOW_SCRAPE:
        return False
    del under_way[oldest]
    oldest.abort()
    return True


class _Pages:
    """Makes one page at a time, and gives it to all who asked before it was begun: eight that are
    made together are eight slices of each turn of the event loop, and eight pages in memory."""

    def __init__(self, exposition: Exposition) -> None:
        self._exposition = exposition
        self._one = asyncio.Lock()
        self._begun = 0
        self._made: dict[bool, tuple[int, list[bytes]]] = {}
        """The last one that somebody waits for, in OpenMetrics and not, and how many had been begun
        then."""
        self._waiting: Counter[bool] = Counter()

    @cached_property
    def pause(self) -> SharedPause:
        """One for all who send: together they hold the event loop no longer than one would."""
        return SharedPause()

    async def page(self, *, openmetrics: bool) -> list[bytes]:
        """In pieces. What has happened before it was asked for is on it."""
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
        pieces = await asyncio.to_thread(_gzip, pieces)
    response.content_length = sum(map(len, pieces))
    await _send(request, response, pieces, pages.pause)
    return response


async def _send(
    request: web.Request, response: web.StreamResponse, body: list[bytes], pause: Pause
) -> None:
    """A client that is quick takes all of 7 MB without ever making us wait: 10 ms in the kernel."""
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


def _gzip(pieces: list[bytes]) -> list[bytes]:
    """In a thread: zlib lets go of the interpreter's lock."""
    compressor = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return [*map(compressor.compress, pieces), compressor.flush()]


# ------------------------------------------------------------------------------- negotiation


def weights(header: str) -> Iterator[tuple[str, dict[str, str], float]]:
    """Name, parameters and weight of each item of an `Accept…` header (RFC 9110, 12.4.2)."""
    for item in header.lower().split(","):
        name, *rest = (part.strip() for part in item.split(";"))
        parameters = dict((part.partition("=")[::2]) for part in rest)
        try:
            weight = float(parameters.pop("q", "1"))
        except ValueError:
            weight = 0.0
        yield name, parameters, weight


def prefers_openmetrics(accept: str) -> bool:
    """Whether OpenMetrics 1.0 is asked for at least as much as text; text where neither is."""
    text = openmetrics = 0.0
    for name, parameters, weight in weights(accept):
        version = parameters.get("version")
        if name == "application/openmetrics-text" and version in ("1.0.0", None):
            openmetrics = max(openmetrics, weight)
        elif name in ("text/plain", "text/*", "*/*") and version in ("0.0.4", None):
            text = max(text, weight)
    return openmetrics > 0 and openmetrics >= text


def prefers_json(accept: str) -> bool:
    """Whether JSON is asked for more than text."""
    asked = {name: weight for name, _, weight in weights(accept)}
    plain = max(asked.get(name, 0.0) for name in ("text/plain", "text/*", "text/html"))
    return asked.get("application/json", 0.0) > plain


def accepts_gzip(accept_encoding: str) -> bool:
    found = {name: weight for name, _, weight in weights(accept_encoding)}
    return found.get("gzip", found.get("*", 0.0)) > 0
