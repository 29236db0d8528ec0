"""The body of a request, written in pieces that are not copied."""

from __future__ import annotations

import asyncio

from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload

from pipeline.model.pieces import Pieces, in_pieces, size_of, whole

FIRST, MOST = 2**14, 2**18
"""Bytes that are written at once, first and later. The first are copied, behind the headers; of the
others, only what the socket does not take at once."""


class Body(Payload):
    """Bytes that aiohttp may write several times, as it does after a connection was lost."""

    _value: Pieces
    _autoclose = True

    def __init__(self, data: Pieces) -> None:
        super().__init__(data)
        self._size = size_of(data)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return whole(self._value).decode(encoding, errors)

    async def as_bytes(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return whole(self._value)

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Others have a turn between two pieces."""
        most = FIRST
        for piece in in_pieces(self._value):
            view, start = memoryview(piece), 0
            while start < len(piece):
                await writer.write(view[start : start + most])
                await asyncio.sleep(0)
                start += most
                most = MOST
