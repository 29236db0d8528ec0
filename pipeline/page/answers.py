"""What the handlers of `/api/…` share: answering, refusing, and sending in time."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from aiohttp import hdrs, web

from pipeline.model.dumps import dumps

SEND_SECONDS: Final = 10.0
"""Seconds in which a client has to read its answer."""
HEADERS: Final = {hdrs.CACHE_CONTROL: "no-store"}


def answer(value: Any) -> web.Response:
    """An answer in JSON."""
    return encoded(dumps(value))


def encoded(body: bytes) -> web.Response:
    """An answer that is JSON already."""
    return web.Response(body=body, content_type="application/json", headers=HEADERS)


def refused(status: int, sentence: str) -> web.Response:
    """An answer that refuses, with a sentence fit to be shown."""
    return web.Response(status=status, text=f"{sentence}\n", headers=HEADERS)


async def sent(request: web.Request, response: web.Response) -> web.StreamResponse:
    """Sends an answer while its handler still counts. Ends the connection of a client that doesn't
    read it: what aiohttp sends after a handler may wait for as long as the client likes."""
    try:
        async with asyncio.timeout(SEND_SECONDS):
            await response.prepare(request)
            await response.write_eof()
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
    return response
