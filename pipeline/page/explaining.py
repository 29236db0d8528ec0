"""Serves `/api/explain` and `/api/try`: what routes do with lines, and what other stages would do.

Whoever may not tap may do neither with lines, nor see a route's stages.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Final, Literal, Protocol, TypeVar

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from pipeline.config.settings import EntryTime
from pipeline.model.errors import DocklineError
from pipeline.observe.access import Guard
from pipeline.observe.query import Query, bad_request
from pipeline.page._while_connected import while_connected
from pipeline.page.answers import encoded, sent

LARGEST_BODY: Final = 96 << 10
"""Bytes of a request's body."""
MOST_EXPLAINED: Final = 20
MOST_TRIED: Final = 200
"""Lines of a request."""
BODY_SECONDS: Final = 5.0
"""How long the body of a request may take."""
MOST_AT_ONCE: Final = 4
"""Requests with a body at once: each may hold a body and an answer of 4 MiB."""

Stream = Literal["stdout", "stderr"]
Lines = Sequence[tuple[str, Stream, str]]
"""Text, stream and time of each line; the time as in `Batch.times`, or empty."""


class Explains(Protocol):
    """Knows the answers (`pipeline.explain.explainer`), each as the JSON of one object.

    Each function raises `LookupError` for a container or route that there is not, and
    `DocklineError` where there is no answer now. Both have a sentence for a user.
    """

    async def explain(self, container: str, lines: Lines) -> bytes:
        """What the configuration does with a container and its lines."""

    async def stages(self, route: str) -> bytes:
        """The present stages of a route as TOML."""

    async def attempt(self, container: str, route: str, stages: str, lines: Lines) -> bytes:
        """What other stages of the route, in TOML, would do with lines of the container."""


class Line(Struct, frozen=True, forbid_unknown_fields=True):
    """A line of a request."""

    text: str
    stream: Stream = "stdout"
    time: str | None = None
    """RFC 3339."""


class ToExplain(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a request for an explanation."""

    container: str
    lines: Annotated[list[Line], Meta(max_length=MOST_EXPLAINED)] = []


class ToTry(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a request for a trial."""

    container: str
    route: str
    stages: str
    lines: Annotated[list[Line], Meta(max_length=MOST_TRIED)] = []


Body = TypeVar("Body", ToExplain, ToTry)


class Explaining:
    """The handlers."""

    def __init__(self, explains: Explains, guard: Guard) -> None:
        """`guard`: who may see entries (`http.tap`)."""
        self._explains = explains
        self._guard = guard
        self._under_way = 0

    @property
    def routes(self) -> Sequence[web.RouteDef]:
        """The routes of the handlers."""
        return [
            web.post("/api/explain", self.explain),
            web.get("/api/try", self.stages, allow_head=False),
            web.post("/api/try", self.attempt),
        ]

    async def explain(self, request: web.Request) -> web.StreamResponse:
        """Answers `POST /api/explain`."""

        async def answer() -> bytes:
            asked = await _body(request, ToExplain)
            if asked.lines:
                self._check(request)
            return await self._explains.explain(asked.container, _lines(asked.lines))

        return await self._answer(request, answer)

    async def stages(self, request: web.Request) -> web.StreamResponse:
        """Answers `GET /api/try`."""
        self._check(request)
        route = Query(request, single=("route",)).one("route")
        if not route:
            raise bad_request("name a route: ?route=NAME")
        return await self._answer(request, lambda: self._explains.stages(route))

    async def attempt(self, request: web.Request) -> web.StreamResponse:
        """Answers `POST /api/try`."""
        self._check(request)

        async def answer() -> bytes:
            asked = await _body(request, ToTry)
            lines = _lines(asked.lines)
            return await self._explains.attempt(asked.container, asked.route, asked.stages, lines)

        return await self._answer(request, answer)

    def _check(self, request: web.Request) -> None:
        if reason := self._guard.refusal(request):
            raise web.HTTPForbidden(text=reason + "\n")

    async def _answer(
        self, request: web.Request, answer: Callable[[], Awaitable[bytes]]
    ) -> web.StreamResponse:
        """Makes the answer and sends it, while the client is there."""
        if self._under_way >= MOST_AT_ONCE:
            raise web.HTTPServiceUnavailable(text="others ask for this already: ask again soon\n")
        self._under_way += 1
        try:
            with while_connected(request):
                return await sent(request, encoded(await answer()))
        except LookupError as error:
            raise web.HTTPNotFound(text=f"{error.args[0]}\n") from None
        except DocklineError as error:
            raise web.HTTPServiceUnavailable(text=f"{error}\n") from None
        finally:
            self._under_way -= 1


async def _body(request: web.Request, kind: type[Body]) -> Body:
    """Reads the body of a request. Raises 400, 408 or 413 with a sentence."""
    text = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while len(text) <= LARGEST_BODY and (part := await request.content.readany()):
                text += part
    except TimeoutError:
        raise web.HTTPRequestTimeout(text="the body of this request did not come\n") from None
    if len(text) > LARGEST_BODY:
        message = f"this is more than {LARGEST_BODY >> 10} KiB: send fewer or shorter lines\n"
        raise web.HTTPRequestEntityTooLarge(LARGEST_BODY, len(text), text=message)
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        message = f"this is not the JSON that {request.path} takes: {error}"
        raise bad_request(message) from None


def _lines(lines: Sequence[Line]) -> Lines:
    """The lines. Raises 400 for a time that is none."""
    try:
        times = [EntryTime.parse(line.time) if line.time else "" for line in lines]
    except ValueError as error:
        raise bad_request(str(error)) from None
    return [(line.text, line.stream, time) for line, time in zip(lines, times, strict=True)]
