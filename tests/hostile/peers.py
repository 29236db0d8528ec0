"""`python -m tests.hostile.peers`: the destinations of the agent that is attacked.

`drain` takes bytes, `http` answers every request with 200, and `sour` with whatever makes trouble.
Their ports are printed as JSON; the end of standard input ends them.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress
from random import Random
from typing import Final

from aiohttp import web

ROTTEN: Final = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\n\r\n\x1b[m",
    b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 429 Busy\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 500 No\r\nContent-Length: 100000000000\r\n\r\nx",
    b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffff\r\n",
    b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
    b"\x16\x03\x01\x02\x00",
    b"",
)
GOOD: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


async def main() -> None:
    drain = await asyncio.start_server(_drain, "127.0.0.1", 0)
    sour = await asyncio.start_server(_Sour().answer, "127.0.0.1", 0)
    app = web.Application(client_max_size=1 << 30)
    app.router.add_route("*", "/{path:.*}", _take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    ports = {
        "drain": drain.sockets[0].getsockname()[1],
        "sour": sour.sockets[0].getsockname()[1],
        "http": runner.addresses[0][1],
    }
    print(json.dumps(ports), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


async def _take(request: web.Request) -> web.Response:
    async for _ in request.content.iter_chunked(1 << 18):
        pass
    return web.Response()


async def _drain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while await reader.read(1 << 18):
            pass
    writer.close()


class _Sour:
    """Good for a while, then rotten for a while."""

    def __init__(self) -> None:
        self._dice = Random(1)
        self._answers = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
                await reader.readexactly(int(length or 0))
                self._answers += 1
                good = self._answers // 50 % 2 == 0
                answer = GOOD if good else self._dice.choice(ROTTEN)
                writer.write(answer)
                await writer.drain()
                if answer != GOOD:
                    await asyncio.sleep(self._dice.random())
                    break
        writer.close()


if __name__ == "__main__":
    asyncio.run(main())
