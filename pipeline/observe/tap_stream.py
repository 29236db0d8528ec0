"""`/tap`: entries on their way, as a stream of JSON lines, to those who may see them.

Each line is an entry as a JSON sink writes it and where it was met, or is about the stream:

```json
{"route":"all","sink":"logstash","entry":{"@timestamp":"…","message":"…"}}
{"route":"errors","stage":"keep","dropped":"filtered","entry":{"@timestamp":"…"}}
{"route":"all","sink":"logstash","dropped":"refused","because":"…","entry":{"@timestamp":"…"}}
{"sink":"logstash","dropped":"…","entries":500}
{"control":"open","entries_per_second":1000}
{"control":"sampled","one_in":4,"shown":1000,"of":4012}
{"control":"lost","entries":12}
{"control":"idle"}
```

The query may have `route`, `sink` and `container`, each as often as needed, and `dropped=1`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence

from aiohttp import hdrs, web

from pipeline.model.errors import DocklineError
from pipeline.observe.access import Access, Guard
from pipeline.topology.tap import ENTRIES, WINDOW, Choice, Tap, Tapper, any_of, control

GATHER = 0.05
"""Seconds between two pieces that are sent to one tapper."""
IDLE = 10.0
"""Seconds after which the stream says that it is alive, though nothing comes."""
STALLED = 600.0
"""Seconds that a tapper may read nothing, before his place is another's."""

INSTEAD = "run dockline tap where the agent runs (docker exec)"
_PARAMETERS = {"route", "sink", "container", "dropped"}


class Tapping:
    """Handles the requests."""

    def __init__(self, tap: Tap, access: Access = "all") -> None:
        self._tap = tap
        self._guard = Guard("tapping", "http.tap", INSTEAD, access)

    def close(self) -> None:
        """Ends all streams."""
        self._tap.close()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if reason := self._guard.refusal(request):
            return web.Response(status=403, text=reason + "\n")
        try:
            choice = self._choice(request)
        except DocklineError as error:
            return web.Response(status=400, text=f"{error}\n")
        try:
            tapper = self._tap.open(choice)
        except DocklineError as error:
            return web.Response(status=503, text=f"{error}\n")
        try:
            return await _stream(request, tapper)
        finally:
            self._tap.leave(tapper)

    def _choice(self, request: web.Request) -> Choice:
        """Raises `DocklineError` for what makes no sense."""
        query = request.query
        if unknown := set(query) - _PARAMETERS:
            raise DocklineError(f'there is no parameter "{min(unknown)}"')
        routes, sinks = query.getall("route", []), query.getall("sink", [])
        _check("route", routes, self._tap.routes)
        _check("sink", sinks, self._tap.sinks)
        dropped = query.get("dropped", "0") not in ("0", "false", "")
        return Choice(routes, sinks, query.getall("container", []), dropped)


def _check(kind: str, patterns: Sequence[str], names: Collection[str]) -> None:
    for pattern in patterns:
        if not any(map(any_of([pattern]).match, names)):
            raise DocklineError(
                f'there is no {kind} "{pattern}"; there are: {", ".join(sorted(names)) or "none"}'
            )


async def _stream(request: web.Request, tapper: Tapper) -> web.StreamResponse:
    response = web.StreamResponse()
    response.headers[hdrs.CONTENT_TYPE] = "application/x-ndjson"
    response.headers[hdrs.CACHE_CONTROL] = "no-store"
    try:
        await response.prepare(request)
        await response.write(control("open", entries_per_second=int(ENTRIES / WINDOW)))
        await _send(request, response, tapper)
        await response.write_eof()
    except (ConnectionError, TimeoutError):
        if request.transport is not None:
            request.transport.abort()
    return response


async def _send(request: web.Request, response: web.StreamResponse, tapper: Tapper) -> None:
    """Until one of both ends it. Raises `TimeoutError` where nothing is read for long."""
    now = asyncio.get_running_loop().time
    said = now()
    while not (tapper.closed or request.transport is None or request.transport.is_closing()):
        await tapper.wait(1.0)
        lines = tapper.read()
        if not lines and now() - said >= IDLE:
            lines = control("idle")
        if lines:
            async with asyncio.timeout(STALLED):
                await response.write(lines)
            said = now()
        await asyncio.sleep(GATHER)
    await response.write(tapper.read())
