"""The agent's HTTP endpoints, such as `/metrics`, `/healthz` and `/readyz`, and their index."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence

import msgspec
from aiohttp import hdrs, web

from pipeline.accounting.audit import AuditReport
from pipeline.model.dumps import dumps
from pipeline.observe.access import Gate, guarded
from pipeline.observe.connections import Reason
from pipeline.observe.metrics_page import Exposition
from pipeline.observe.overview import Overview
from pipeline.observe.server import Handler, Server, metrics_page, prefers_html, prefers_json
from pipeline.observe.tap_stream import Tapping
from pipeline.topology.tap import Tap

INDEX = """\
dockline

/         the page, in a browser; `dockline page` opens it
/metrics  the agent's and the containers' metrics, for Prometheus
/healthz  200 while the process is alive
/readyz   200 when everything is ready, otherwise 503 and what is not

With the agent's token only:

/audit    what became of every entry, as JSON; `dockline audit` shows it
/top      what it does at the moment, as JSON; `dockline top` shows it
/tap      entries on their way, as JSON lines; `dockline tap` shows them
/api/…    what the page is made from, as JSON: see docs/api.md
/-/reload reads the configuration again, asked for with POST
"""


class Admin:
    """Serves the agent's endpoints on one address."""

    def __init__(
        self,
        listen: str,
        gate: Gate,
        exposition: Exposition,
        ready: Callable[[], list[str]],
        audit: Callable[[], AuditReport],
        tapping: Tapping | None = None,
        overview: Callable[[], Awaitable[Overview]] | None = None,
        reload: Handler | None = None,
        page: Handler | None = None,
        further: Sequence[web.RouteDef] = (),
        ended: Callable[[Reason], object] = lambda reason: None,
    ) -> None:
        """`listen`: `host:port`. `gate` decides which requests are answered. `ready` returns a
        sentence for each thing that isn't ready, for `/readyz`. `audit` returns the ledger's
        report, `overview` the answer of `/top`. `reload` handles `POST /-/reload`, which doesn't
        exist without it. `page` answers browsers that ask for `/`. `further`: routes of other
        rooms. `ended` is called for each connection that the server ends, with the
        reason (see `Connections`).

        Raises `DocklineError` if `listen` isn't an address.
        """
        self._tapping = tapping or Tapping(Tap())
        self._overview = overview
        self._ready = ready
        self._page = page
        self._report = audit
        self._server = Server(
            listen,
            [
                web.get("/", self._index),
                web.get("/metrics", metrics_page(exposition)),
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
                web.get("/audit", self._audit),
                web.get("/top", self._top),
                web.get("/tap", self._tapping.handle, allow_head=False),
                *([web.post("/-/reload", reload)] if reload is not None else ()),
                *further,
            ],
            [guarded(gate)],
            ended,
        )

    @property
    def address(self) -> str:
        """`host:port` as it is bound, once started."""
        return self._server.address

    async def start(self) -> None:
        """Starts to listen. Raises `DocklineError` if the address can't be used."""
        await self._server.start()

    async def close(self) -> None:
        """Ends all streams and connections, within two seconds. May be called at any time."""
        self._tapping.close()
        await self._server.close()

    async def _index(self, request: web.Request) -> web.StreamResponse:
        if self._page is not None and prefers_html(request.headers.get(hdrs.ACCEPT, "")):
            return await self._page(request)
        return web.Response(text=INDEX, headers={hdrs.VARY: "Accept, Accept-Encoding"})

    async def _healthz(self, request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _audit(self, request: web.Request) -> web.Response:
        body = _json(self._report())
        return web.Response(body=body, content_type="application/json")

    async def _top(self, request: web.Request) -> web.Response:
        if self._overview is None:
            raise web.HTTPNotFound
        body = _json(await self._overview())
        return web.Response(body=body, content_type="application/json")

    async def _readyz(self, request: web.Request) -> web.Response:
        missing = self._ready()
        status = 503 if missing else 200
        if prefers_json(request.headers.get(hdrs.ACCEPT, "")):
            text = json.dumps({"ready": not missing, "missing": missing}) + "\n"
            return web.Response(status=status, text=text, content_type="application/json")
        return web.Response(status=status, text="".join(f"{line}\n" for line in missing or ["ok"]))


def _json(answer: msgspec.Struct) -> bytes:
    """A struct as JSON, even if its texts contain lone surrogates."""
    try:
        return msgspec.json.encode(answer)
    except UnicodeEncodeError:
        return dumps(msgspec.to_builtins(answer))
