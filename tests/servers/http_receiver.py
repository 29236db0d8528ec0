"""A server of HTTP/1.1 for tests of sinks: notes what it gets, and answers whatever it is told to.

For faults that a real server does not produce on demand; the real ones are beside it.
"""

from __future__ import annotations

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import cramjam

from tests.servers.receivers import serve


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    """With the query."""
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    """Decompressed."""

    @property
    def lines(self) -> list[bytes]:
        return self.body.splitlines()


def answer(status: int, body: bytes = b"", **headers: str) -> bytes:
    """A whole answer; `Retry_After="1"` is a header of it."""
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


OK = answer(200)
Judge = Callable[[Request], bytes | None]


@dataclass
class HttpReceiver:
    """`judge` answers each request but the probes of opening: `probe` those by GET, `asked` those
    by OPTIONS. None is for silence, and an answer that is cut short or no HTTP ends the connection,
    as do empty bytes."""

    judge: Judge = lambda request: OK
    probe: Judge = lambda request: OK
    asked: Judge = lambda request: OK
    requests: list[Request] = field(default_factory=list)
    """All but the probes."""
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while await self._answered(reader, writer):
                    pass
        finally:
            writer.close()

    async def _answered(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        request = await _read(reader, writer)
        if request.method == "GET":
            said = self.probe(request)
        elif request.method == "OPTIONS":
            said = self.asked(request)
        else:
            self.requests.append(request)
            said = self.judge(request)
        if said is None:
            await reader.read()  # until the other side has had enough
            return False
        writer.write(said)
        await writer.drain()
        head, _, body = said.partition(b"\r\n\r\n")
        length = f"content-length: {len(body)}".encode()
        return said.startswith(b"HTTP/1.1 ") and length in head.lower().split(b"\r\n")


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.strip().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
    if headers.get("expect") == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    if headers.get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    elif headers.get("content-encoding") == "zstd":
        body = bytes(cramjam.zstd.decompress(body))
    return Request(method, path, headers, body)


@asynccontextmanager
async def http_receiver(
    judge: Judge = lambda request: OK, *, tls: ssl.SSLContext | None = None, **more: Judge
) -> AsyncIterator[HttpReceiver]:
    """Serves on a free port of the loopback, in the test's own loop."""
    receiver = HttpReceiver(judge, **more)
    async with serve(receiver.serve, tls=tls) as receiver.port:
        yield receiver
