"""`python -m benchmarks.page_player AGENT RATE`: an agent's page, with a `/tap` that plays lines.

An agent shows one viewer a thousand lines a second at the most, and says how many it left out. What
the page itself can take is measured with more: this passes every request on to the agent but those
for `/tap`, for which it plays `RATE` lines a second without end. It prints its address.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from typing import Any

import aiohttp
from aiohttp import web

TICK = 0.05
"""Seconds between two writes, as the agent has it."""
CONTAINERS = 40
LEVELS = ("info", "info", "info", "debug", "warning", "error")


def entry(number: int) -> dict[str, Any]:
    """A line as a JSON sink has it: a message, some fields, and colours in every tenth."""
    container, sequence = number % CONTAINERS, number // CONTAINERS
    now = time.time_ns()
    second = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now // 10**9))
    message = f"GET /products/{number % 977} served in {number % 89} ms to user-{number % 313}"
    return {
        "@timestamp": f"{second}.{now % 10**9:09}Z",
        "message": f"\x1b[32m{message}\x1b[0m" if number % 10 == 0 else message,
        "event": {"sequence": sequence, "dataset": "docker.logs"},
        "stream": "stdout",
        "log": {"level": LEVELS[number % len(LEVELS)]},
        "container": {"id": f"{container:064x}", "name": f"shop-api-{container}"},
        "status": 200,
        "trace": f"{number * 2654435761 % 2**64:016x}",
    }


class Player:
    """The handlers."""

    def __init__(self, agent: str, rate: float) -> None:
        self._agent = f"http://{agent}"
        self._rate = rate
        self._client: aiohttp.ClientSession

    async def start(self) -> str:
        """Returns its address."""
        self._client = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=None), auto_decompress=False
        )
        app = web.Application()
        app.router.add_get("/tap", self.tap)
        app.router.add_route("*", "/{path:.*}", self.passed_on)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        return f"{host}:{port}"

    async def tap(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        await response.write(b'{"control":"open","entries_per_second":1000}\n')
        began, done = time.monotonic(), 0
        while True:
            due = int((time.monotonic() - began) * self._rate) - done
            places = {"route": "all", "sink": "logstash"}
            lines = [json.dumps({**places, "entry": entry(done + one)}) for one in range(due)]
            done += due
            if lines:
                await response.write("\n".join([*lines, ""]).encode())
            await asyncio.sleep(TICK)

    async def passed_on(self, request: web.Request) -> web.StreamResponse:
        dropped = ("host", "origin", "referer")
        headers = {k: v for k, v in request.headers.items() if k.lower() not in dropped}
        body = await request.read()
        asked = self._client.request(
            request.method, self._agent + request.path_qs, headers=headers, data=body
        )
        async with asked as answer:
            kept = {k: v for k, v in answer.headers.items() if k != "Transfer-Encoding"}
            response = web.StreamResponse(status=answer.status, headers=kept)
            await response.prepare(request)
            async for piece in answer.content.iter_any():
                await response.write(piece)
            return response


async def main(agent: str, rate: float) -> None:
    logging.getLogger("aiohttp").setLevel(logging.CRITICAL)  # a browser that has gone is no error
    print(await Player(agent, rate).start(), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2])))
