"""Messages for a nats-server as no client's library would write them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any


class ByHand:
    """A connection on which lines of the protocol are written by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._inbox = b"_INBOX.by.hand"

    async def open(self) -> None:
        await self._reader.readline()
        options = b'{"verbose":false,"headers":true,"no_responders":true}'
        self._writer.write(b"CONNECT %b\r\nSUB %b 1\r\n" % (options, self._inbox))

    async def publish(self, subject: bytes, body: bytes, headers: bytes | None = None) -> int:
        """Its place in the stream; `headers` are all of them as they stand. Anything but an
        acknowledgement fails."""
        if headers is None:
            line = b"PUB %b %b %d\r\n%b" % (subject, self._inbox, len(body), body)
        else:
            sizes = len(headers), len(headers) + len(body)
            line = b"HPUB %b %b %d %d\r\n" % (subject, self._inbox, *sizes) + headers + body
        self._writer.write(line + b"\r\n")
        answer = await self._answer()
        assert "error" not in answer, answer
        return int(answer["seq"])

    async def _answer(self) -> Any:
        while (line := await self._reader.readline()).startswith(b"PING"):
            self._writer.write(b"PONG\r\n")
        assert line.startswith(b"MSG "), line
        body = await self._reader.readexactly(int(line.split()[-1]) + 2)
        return json.loads(body)


@asynccontextmanager
async def by_hand(port: int) -> AsyncIterator[ByHand]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    one = ByHand(reader, writer)
    try:
        await one.open()
        yield one
    finally:
        writer.close()
