"""Services that take logs or messages over HTTP, as they document it: each checks method, path,
headers, body and limits, and answers as the real one does.

They are for the recipes of `docs/guides/webhooks.md`: the real ones can't be asked in a test. Each
class names the page that it follows.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

from aiohttp import web


class Wrong(Exception):
    """What the service answers to a request that it doesn't take."""

    def __init__(self, status: int, body: str, **headers: str) -> None:
        super().__init__(body)
        self.answer = web.Response(
            status=status,
            text=body,
            headers={name.replace("_", "-"): value for name, value in headers.items()},
        )


@dataclass
class Service:
    """One of them. `taken` has what it took, one item for each entry."""

    PATH: ClassVar[str] = "/"
    METHODS: ClassVar[tuple[str, ...]] = ("POST",)
    MOST: ClassVar[int] = 2**20
    """Bytes of a body, before it is compressed."""

    url: str = ""
    """Where it is, without a path."""
    taken: list[Any] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    """The status of each, but for those to OPTIONS and GET."""

    def take(self, request: web.Request, body: bytes) -> web.Response:
        """Checks a request and keeps what is in it. Raises `Wrong`."""
        raise NotImplementedError

    async def handle(self, request: web.Request) -> web.Response:
        if request.method in ("OPTIONS", "GET"):
            return web.Response(status=405)
        try:
            if request.method not in self.METHODS:
                raise Wrong(405, "method not allowed")
            if request.path != self.PATH:
                raise Wrong(404, f"there is no {request.path_qs}")
            answer = self.take(request, await self._body(request))
        except Wrong as wrong:
            answer = wrong.answer
        self.answers.append(answer.status)
        return answer

    async def _body(self, request: web.Request) -> bytes:
        body = await request.read()
        if len(body) > self.MOST:
            raise Wrong(413, "payload too large")
        return body


def json_of(body: bytes, request: web.Request, wrong: Wrong) -> Any:
    """The JSON of a body that says it is some. Raises `wrong`."""
    if request.content_type != "application/json":
        raise wrong
    try:
        return json.loads(body.decode())
    except ValueError:
        raise wrong from None


def need(holds: object, wrong: Wrong) -> None:
    """Raises `wrong` unless it holds."""
    if not holds:
        raise wrong


def texts(value: Any, *names: str) -> bool:
    """Whether it is an object with a text that is not empty for each of these names."""
    return isinstance(value, dict) and all(
        isinstance(value.get(name), str) and value[name] for name in names
    )


@asynccontextmanager
async def serving(service: Service) -> AsyncIterator[Service]:
    """Serves it on a free port of the loopback, in the test's own loop."""
    app = web.Application(client_max_size=2**26)
    app.router.add_route("*", "/{path:.*}", service.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        service.url = "http://{}:{}".format(*runner.addresses[0])
        yield service
    finally:
        await runner.cleanup()


@contextmanager
def served(service: Service) -> Iterator[Service]:
    """Serves it in a thread of its own, for tests that wait for a process."""
    ready, ended = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve() -> None:
        async with serving(service):
            loops.append(asyncio.get_running_loop())
            ready.set()
            await ended.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="service")
    thread.start()
    assert ready.wait(10)
    try:
        yield service
    finally:
        loops[0].call_soon_threadsafe(ended.set)
        thread.join(10)
