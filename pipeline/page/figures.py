"""The handlers of `/api/now`, a stream of what happens, and of `/api/containers`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from functools import cached_property
from typing import Final

import orjson
from aiohttp import hdrs, web

from pipeline.model.dumps import dumps
from pipeline.model.errors import DocklineError
from pipeline.observe.choice import choice
from pipeline.observe.query import Query
from pipeline.page.answers import HEADERS, encoded, refused, sent
from pipeline.page.sampling.rows import COLUMNS, Row
from pipeline.page.sampling.sampler import Sampler
from pipeline.support.selector import Pause, SharedPause

STALLED: Final = 60.0
"""Seconds that a viewer may read nothing before its stream is ended."""
LONGEST_WAIT: Final = 20.0
"""Seconds to wait for figures: more says that something is wrong."""
PIECE: Final = 256 << 10
"""Bytes of the table that are sent in one piece."""


class Figures:
    """Answers with what the sampler finds."""

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler
        self._closed = False

    @cached_property
    def _pause(self) -> Pause:
        """Shared by all viewers: together they hold the event loop no longer than one would."""
        return SharedPause()

    def close(self) -> None:
        """Ends all streams at their next line."""
        self._closed = True

    async def now(self, request: web.Request) -> web.StreamResponse:
        """Streams a line of JSON for each sample, or answers with one (`once=1`)."""
        query = Query(request, single=("once", "containers"), several=("container",))
        chosen = _choice(query.several("container"))
        wants_table = query.flag("containers") or bool(query.several("container"))
        try:
            self._sampler.join()
        except DocklineError as error:
            return refused(503, str(error))
        viewer = _Viewer(self._sampler, chosen if wants_table else None, self._pause)
        try:
            if query.flag("once"):
                return await sent(request, await self._once(viewer))
            return await self._stream(request, viewer)
        finally:
            self._sampler.leave()

    async def _once(self, viewer: _Viewer) -> web.Response:
        try:
            async with asyncio.timeout(LONGEST_WAIT):
                await self._sampler.after(0, rates=True)
        except TimeoutError:
            return refused(503, "there are no figures yet; ask again")
        return encoded(b"".join([piece async for piece in viewer.line()]))

    async def _stream(self, request: web.Request, viewer: _Viewer) -> web.StreamResponse:
        response = web.StreamResponse(headers=HEADERS)
        response.headers[hdrs.CONTENT_TYPE] = "application/x-ndjson"
        transport = request.transport
        try:
            await response.prepare(request)
            while not (self._closed or transport is None or transport.is_closing()):
                try:
                    async with asyncio.timeout(1.0):
                        await self._sampler.after(viewer.seen)
                except TimeoutError:
                    continue
                async with asyncio.timeout(STALLED):
                    async for piece in viewer.line():
                        await response.write(piece)
                    await response.write(b"\n")
            await response.write_eof()
        except (ConnectionError, TimeoutError):
            if transport is not None:
                transport.abort()
        return response

    async def containers(self, request: web.Request) -> web.StreamResponse:
        """Answers with the rows of all containers, or of those that the query names, as
        objects."""
        query = Query(request, several=("container",))
        try:
            self._sampler.join()
        except DocklineError as error:
            return refused(503, str(error))
        try:
            return await sent(request, await self._objects(query.several("container")))
        finally:
            self._sampler.leave()

    async def _objects(self, names: Sequence[str]) -> web.Response:
        try:
            async with asyncio.timeout(LONGEST_WAIT):
                await self._sampler.after(0, rates=True)
        except TimeoutError:
            return refused(503, "there are no figures yet; ask again")
        objects = []
        for row in await self._sampler.table.changed_since(0, _choice(names), self._pause):
            objects.append(dumps(dict(zip(COLUMNS, orjson.loads(row), strict=True))))
            await self._pause()
        return encoded(b'{"containers":[' + b",".join(objects) + b"]}")


class _Viewer:
    """A client of the stream, and what it was sent last."""

    def __init__(
        self, sampler: Sampler, chosen: Callable[[Row], bool] | None, pause: Pause
    ) -> None:
        """`chosen`: which rows of the table to show; None for no table."""
        self.seen = 0
        """The last sample that was sent."""
        self._sampler = sampler
        self._chosen = chosen
        self._pause = pause
        self._shown = 0
        """The sample up to which it was sent the table; 0 for none of it."""

    async def line(self) -> AsyncIterator[bytes]:
        """The newest figures as one JSON object, in pieces."""
        table, json = self._sampler.table, self._sampler.json
        self.seen = self._sampler.version
        if self._chosen is None:
            yield json
            return
        gone = table.gone_since(self._shown) if self._shown else None
        since = self._shown if gone is not None else 0
        self._shown = self.seen
        rows = await table.changed_since(since, self._chosen, self._pause)
        head = {"columns": COLUMNS, "full": not since, "gone": gone or []}
        yield json[:-1] + b',"table":' + dumps(head)[:-1] + b',"rows":['
        for number, some in enumerate(_pieces(rows)):
            yield (b"," if number else b"") + b",".join(some)
        yield b"]}}"


def _pieces(rows: Sequence[bytes]) -> list[list[bytes]]:
    pieces: list[list[bytes]] = []
    size = PIECE
    for row in rows:
        if size >= PIECE:
            pieces.append([])
            size = 0
        pieces[-1].append(row)
        size += len(row)
    return pieces


def _choice(names: Sequence[str]) -> Callable[[Row], bool]:
    """Whether a row is of a container that these names and patterns choose."""
    is_chosen = choice(names)
    return lambda row: is_chosen(row.facts.container.name, row.facts.container.id)
