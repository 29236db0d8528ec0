"""`/tap`: streams entries on their way as JSON lines.

Each line is an entry as a JSON sink writes it, with the place where it was seen, or a control line
about the stream:

```json
{"route":"all","sink":"logstash","entry":{"@timestamp":"…","message":"…"}}
{"route":"errors","stage":"keep","dropped":"filtered","entry":{"@timestamp":"…"}}
{"route":"all","sink":"logstash","dropped":"refused","because":"…","entry":{"@timestamp":"…"}}
{"sink":"logstash","dropped":"…","entries":500}
{"control":"open","entries_per_second":1000}
{"control":"sampled","one_in":4,"shown":1000,"of":4012}
{"control":"searched","matched":3,"of":4012,"skipped":0}
{"control":"lost","entries":12}
{"control":"idle"}
```

The query may have `route`, `sink` and `container`, each any number of times, and `dropped=1`. To
search, it may have `match`, `regex`, `where` and `level`, once each, with `LONGEST` characters at
most. Then `searched` comes every
second, with what has been since the one before: how many entries matched, of how many, and how many
of these were skipped, since the search has used up its CPU.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from aiohttp import hdrs, web

from pipeline.model.errors import DocklineError
from pipeline.observe.access import Access, Guard
from pipeline.observe.query import Query
from pipeline.topology.tap import ENTRIES, WINDOW, Choice, Tap, Tapper, any_of, control

if TYPE_CHECKING:
    from pipeline.topology.tap_search import Search

GATHER = 0.05
"""Seconds between two writes to one tapper."""
IDLE = 10.0
"""Seconds without an entry after which the stream writes an `idle` line."""
STALLED = 600.0
"""Seconds that a tapper may read nothing before its stream is ended."""

INSTEAD = "run dockline tap where the agent runs (docker exec)"
_SEARCH = ("match", "regex", "where", "level")
_SEVERAL = ("route", "sink", "container")


class Tapping:
    """Handles requests for `/tap`."""

    def __init__(self, tap: Tap, access: Access = "all") -> None:
        """`access`: who may tap, besides having the token (`http.tap`)."""
        self._tap = tap
        self._guard = Guard("tapping", "http.tap", INSTEAD, access)
        self._one = asyncio.Lock()
        """Held while a search is made ready."""

    def close(self) -> None:
        """Ends all streams."""
        self._tap.close()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Streams entries until the client leaves. Answers 403, 400 or 503 if the client may not
        tap, for a wrong query, or when there are too many tappers."""
        if reason := self._guard.refusal(request):
            return web.Response(status=403, text=reason + "\n")
        try:
            query = Query(request, single=("dropped", *_SEARCH), several=_SEVERAL)
            choice = self._choice(query)
            search = await self._search(query)
        except DocklineError as error:
            return web.Response(status=400, text=f"{error}\n")
        try:
            tapper = self._tap.open(replace(choice, search=search))
        except DocklineError as error:
            return web.Response(status=503, text=f"{error}\n")
        try:
            return await _stream(request, tapper)
        finally:
            self._tap.leave(tapper)

    def _choice(self, query: Query) -> Choice:
        """What the query asks for, but for the search. Raises `DocklineError` for an unknown route
        or sink."""
        routes, sinks = query.several("route"), query.several("sink")
        _check("route", routes, self._tap.routes)
        _check("sink", sinks, self._tap.sinks)
        return Choice(routes, sinks, query.several("container"), query.flag("dropped"))

    async def _search(self, query: Query) -> Search | None:
        """What the query searches for, made ready in a thread. Raises `DocklineError` if that can't
        be used."""
        terms = {name: text for name in _SEARCH if (text := query.one(name))}
        if not terms:
            return None
        async with self._one:
            return await asyncio.to_thread(_made, terms) or None


def _made(terms: dict[str, str]) -> Search:
    from pipeline.topology.tap_search import Search  # 10 ms, and seldom needed

    return Search(**terms)


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
    """Writes lines until the tapper is closed or the client leaves. Raises `TimeoutError` when the
    client reads nothing for `STALLED` seconds."""
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
