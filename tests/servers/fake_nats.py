"""A NATS server of the tests' own, for what a real one would not do: it answers as it is told."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

from tests.servers.receivers import serve

INFO = {"server_id": "T", "version": "0.0.0", "headers": True, "max_payload": 1 << 20}
STREAM = {"name": "DOCKLINE", "subjects": ["dockline.>"]}

Answers = Callable[[int], Iterable[bytes]]
"""What is answered to the n-th message that is published, from 0 on; all of it at once."""

_PUBLISHED = re.compile(rb"HPUB (\S+) (\S+) (\d+) (\d+)|PUB (\S+) (\S+) (\d+)")


def stored(number: int) -> Iterable[bytes]:
    """As a stream does that takes everything."""
    yield json.dumps({"stream": "DOCKLINE", "seq": number + 1}).encode()


class FakeNats:
    """Serves one connection after another. It has one stream, whose requests it answers."""

    def __init__(self, answers: Answers = stored, **info: Any) -> None:
        self.answers = answers
        self.info = INFO | info
        self.greeting: bytes | None = None
        """Said instead of INFO."""
        self.said: list[bytes] = []
        """Lines of the protocol that came, without bodies."""
        self.bodies: list[bytes] = []
        """Of all messages."""
        self.reads = True
        self._writers: list[asyncio.StreamWriter] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        writer.write(self.greeting or b"INFO " + json.dumps(self.info).encode() + b"\r\n")
        while line := await reader.readline():
            self.said.append(line.strip())
            if line.startswith(b"PING"):
                writer.write(b"PONG\r\n")
            if found := _PUBLISHED.match(line):
                body = await reader.readexactly(int(found[4] or found[7]) + 2)
                subject, reply = found[1] or found[5], found[2] or found[6]
                for answer in self._answer(subject, body[int(found[3] or 0) : -2]):
                    writer.write(b"MSG %b 1 %d\r\n%b\r\n" % (reply, len(answer), answer))
            while not self.reads:
                await asyncio.sleep(0.01)

    def reset(self) -> None:
        """Breaks all connections."""
        for writer in self._writers:
            writer.transport.abort()

    def say(self, line: bytes) -> None:
        """To all."""
        for writer in self._writers:
            writer.write(line)

    def _answer(self, subject: bytes, body: bytes) -> Iterable[bytes]:
        if subject.startswith(b"$JS.API."):
            return [json.dumps({"config": STREAM}).encode()]
        self.bodies.append(body)
        return self.answers(len(self.bodies) - 1)


@asynccontextmanager
async def fake_nats(server: FakeNats) -> AsyncIterator[str]:
    """Yields its URL."""
    async with serve(server) as port:
        yield f"nats://127.0.0.1:{port}"
