"""Answers with long lists, such as `/audit`: made and sent in pieces, a few at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import cached_property
from typing import TypeAlias

import msgspec
from aiohttp import hdrs, web

from pipeline.model.dumps import dumps
from pipeline.observe.server import accepts_gzip, gzip, send
from pipeline.observe.slots import ClientSlots
from pipeline.support.selector import Pause, SharedPause

MOST = 8
"""Answers of one kind at the same time, those that wait to be made included. `/audit` has 0.5 KB
for each container, with two routes and two sinks."""
SLOW = 2.0
"""Seconds after which a client that still reads is ended if a new one needs its slot."""
TOGETHER = 100
"""Elements of a list that are sent in one piece."""

Make: TypeAlias = Callable[[], Awaitable[list[bytes]]]
"""Makes the answer, in pieces. It lets the event loop run in between."""


class LongAnswers:
    """Sends JSON answers of one kind, with gzip if accepted.

    One is made at a time, and all together take one slice of a turn of the event loop. At most
    `MOST` are held in memory. A client that doesn't read its answer in time is ended.
    """

    def __init__(self) -> None:
        self._slots = ClientSlots()
        self._one = asyncio.Lock()

    @cached_property
    def _pause(self) -> Pause:
        return SharedPause()

    async def answer(self, request: web.Request, make: Make) -> web.StreamResponse:
        """Makes and sends an answer; 503 if there are too many."""
        if (transport := request.transport) is None:
            raise ConnectionResetError("the client has gone")
        if not self._slots.enter(transport, MOST, SLOW):
            return web.Response(status=503, text="too many ask for this at once; ask again\n")
        try:
            async with self._one:
                if transport.is_closing():
                    raise ConnectionResetError("the client has gone")
                pieces = await make()
            await asyncio.sleep(0)  # sending begins in a turn of its own
            self._slots.begin(transport)
            return await self._send(request, pieces)
        finally:
            self._slots.leave(transport)

    async def _send(self, request: web.Request, pieces: list[bytes]) -> web.StreamResponse:
        response = web.StreamResponse()
        response.headers[hdrs.CONTENT_TYPE] = "application/json"
        response.headers[hdrs.VARY] = "Accept-Encoding"
        if accepts_gzip(request.headers.get(hdrs.ACCEPT_ENCODING, "")):
            response.headers[hdrs.CONTENT_ENCODING] = "gzip"
            pieces = await asyncio.to_thread(gzip, pieces)
        response.content_length = sum(map(len, pieces))
        await send(request, response, pieces, self._pause)
        return response


def encode(answer: msgspec.Struct) -> bytes:
    """A struct as JSON, even if its texts contain lone surrogates."""
    try:
        return msgspec.json.encode(answer)
    except UnicodeEncodeError:
        return dumps(msgspec.to_builtins(answer))


def with_list(answer: msgspec.Struct, name: str, elements: Sequence[bytes]) -> list[bytes]:
    """The JSON of a struct, in pieces, with `elements` (JSON each) in its empty list `name`."""
    key = f'"{name}":['.encode()  # in a text, its quotation marks would be escaped
    before, _, after = encode(answer).partition(key)
    groups = [elements[at : at + TOGETHER] for at in range(0, len(elements), TOGETHER)]
    pieces = [(b"," if at else b"") + b",".join(group) for at, group in enumerate(groups)]
    return [before + key, *pieces, after]


async def encode_all(answers: Iterable[msgspec.Struct]) -> list[bytes]:
    """Each struct as JSON; lets the event loop run in between."""
    pause, encoded = Pause(), []
    for answer in answers:
        encoded.append(encode(answer))
        await pause()
    return encoded
