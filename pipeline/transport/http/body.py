"""The body of a request, written in pieces that are not copied."""

from __future__ import annotations

import asyncio

from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload

FIRST, PIECE = 2**14, 2**18
"""Bytes that are written at once, first and later. The first are copied, behind the headers; of the
others, only what the socket does not take at once."""


class Body(Payload):
    """Bytes that aiohttp may write several times, as it does after a connection was lost."""

    _value: bytes
    _autoclose = True

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._size = len(data)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return self._value.decode(encoding, errors)

    async def as_bytes(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return self._value

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Others have a turn between two pieces."""
        whole, start = memoryview(self._value), FIRST
        await writer.write(whole[:FIRST])
        while start < len(whole):
            await writer.write(whole[start : start + PIECE])
            start += PIECE
            await asyncio.sleep(0)
