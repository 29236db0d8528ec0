"""The agent's HTTP endpoints, such as `/metrics`, `/healthz` and `/readyz`, and their index."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence

import msgspec
from aiohttp import hdrs, web

from pipeline.observe.access import Gate, guarded
from pipeline.observe.audit_page import Audit, AuditPage
from pipeline.observe.certificate import Certificate
from pipeline.observe.connections import Reason
from pipeline.observe.long_answers import LongAnswers, encode_all, with_list
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
/api/…    what the page is made from, as JSON: see docs/reference/api.md
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
        audit: Audit,
        tapping: Tapping | None = None,
        overview: Callable[[], Awaitable[Overview]] | None = None,
        reload: Handler | None = None,
        page: Handler | None = None,
        further: Sequence[web.RouteDef] = (),
        ended: Callable[[Reason], object] = lambda reason: None,
        certificate: Certificate | None = None,
    ) -> None:
        """`listen`: `host:port`. `gate` decides which requests are answered. `ready` returns a
        sentence for each thing that isn't ready, for `/readyz`. `audit` makes the ledger's
        report, `overview` the answer of `/top`. `reload` handles `POST /-/reload`, which doesn't
        exist without it. `page` answers browsers that ask for `/`. `further`: routes of other
        rooms. `ended` is called for each connection that the server ends, with the
        reason (see `Connections`). `certificate`: to serve HTTPS with; without it, HTTP.

        Raises `DocklineError` if `listen` isn't an address.
        """
        self._tapping = tapping or Tapping(Tap())
        self._overview = overview
        self._ready = ready
        self._page = page
        self._tops = LongAnswers()
        self._server = Server(
            listen,
            [
                web.get("/", self._index),
                web.get("/metrics", metrics_page(exposition)),
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
                web.get("/audit", AuditPage(audit).handle),
                web.get("/top", self._top),
                web.get("/tap", self._tapping.handle, allow_head=False),
                *([web.post("/-/reload", reload)] if reload is not None else ()),
                *further,
            ],
            [guarded(gate)],
            ended,
            certificate,
        )

    @property
    def address(self) -> str:
        """`host:port` as it is bound, once started."""
        return self._server.address

    async def start(self) -> None:
        """Starts to listen. Raises `DocklineError` if the address or the certificate can't be
        used."""
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

    async def _top(self, request: web.Request) -> web.StreamResponse:
        if self._overview is None:
            raise web.HTTPNotFound
        return await self._tops.answer(request, self._overview_pieces)

    async def _overview_pieces(self) -> list[bytes]:
        assert self._overview is not None
        overview = await self._overview()
        containers = await encode_all(overview.containers)
        rest = msgspec.structs.replace(overview, containers=[])
        return with_list(rest, "containers", containers)

    async def _readyz(self, request: web.Request) -> web.Response:
        missing = self._ready()
        status = 503 if missing else 200
        if prefers_json(request.headers.get(hdrs.ACCEPT, "")):
            text = json.dumps({"ready": not missing, "missing": missing}) + "\n"
            return web.Response(status=status, text=text, content_type="application/json")
        return web.Response(status=status, text="".join(f"{line}\n" for line in missing or ["ok"]))
