"""What the handlers of `/api/…` share: reading a query, answering, refusing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from aiohttp import hdrs, web

from pipeline.model.dumps import dumps

LONGEST = 512
"""Characters of a parameter's value at most."""
SEND_SECONDS: Final = 10.0
"""Seconds in which a client has to read its answer."""
_HEADERS = {hdrs.CACHE_CONTROL: "no-store"}


class Query:
    """The parameters of a request's query, each of which is known."""

    def __init__(
        self, request: web.Request, *, single: Sequence[str] = (), several: Sequence[str] = ()
    ) -> None:
        """`single`: parameters that may be given once; `several`: any number of times. Raises
        `ValueError`, with a sentence, for any other, and for values that are too long."""
        self._query = request.query
        for name in set(self._query):
            values = self._query.getall(name)
            if name not in single and name not in several:
                raise ValueError(f'there is no parameter "{name[:40]}"')
            if name in single and len(values) > 1:
                raise ValueError(f'"{name}" can be given once')
            if any(len(value) > LONGEST for value in values):
                raise ValueError(f'"{name}" has more than {LONGEST} characters')

    def one(self, name: str, default: str = "") -> str:
        """The value of a parameter; `default` if it isn't given."""
        return self._query.get(name, default)

    def several(self, name: str) -> list[str]:
        """All values of a parameter."""
        return self._query.getall(name, [])

    def flag(self, name: str) -> bool:
        """Whether a parameter is given, and isn't `0`, `false` or empty."""
        return self._query.get(name, "0") not in ("0", "false", "")


def answer(value: Any) -> web.Response:
    """An answer in JSON."""
    return web.Response(body=dumps(value), content_type="application/json", headers=_HEADERS)


def refused(status: int, sentence: str) -> web.Response:
    """An answer that refuses, with a sentence fit to be shown."""
    return web.Response(status=status, text=f"{sentence}\n", headers=_HEADERS)


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
