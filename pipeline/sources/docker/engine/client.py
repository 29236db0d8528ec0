"""Sends requests to the Engine: negotiates the API version, decodes JSON, and explains errors.

Requests go through aiodocker, in `session`, which brings aiohttp and is imported by `connect`. Log
streams are read by `stream` instead, whose protocol costs less per byte.

https://docs.docker.com/reference/api/engine/
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pipeline.model.errors import EngineError
from pipeline.sources.docker.engine import stream
from pipeline.sources.docker.engine.endpoint import Endpoint
from pipeline.sources.docker.engine.stream import ByteStream, open_stream

if TYPE_CHECKING:
    import aiodocker
    import aiohttp

NEWEST = (1, 54)
"""Newest API version that is asked for (Engine 29.3)."""
OLDEST = (1, 24)
"""Oldest API version that is supported."""

_SESSION = "pipeline.sources.docker.engine.session"
"""Imported in a thread: it takes a tenth of a second."""
_PROXY = "a proxy in between must allow GET on PING, INFO, CONTAINERS and EVENTS"


class NotFound(EngineError):
    """The container is removed, or being removed (status 404 or 409)."""


class Unreadable(EngineError):
    """The container's log driver keeps nothing that can be read (status 501). Always permanent."""


class Engine:
    """A client of one Docker Engine, or of Podman through the same API.

    `connect` comes first. Requests may overlap. The attributes are known from then on.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        """Connects to nothing yet."""
        self.endpoint = endpoint
        self.api = OLDEST
        """The API version that was negotiated, such as `(1, 45)`."""
        self.host = ""
        """Host name of the Engine's host."""
        self.id = ""
        """Id of this Engine. Empty where it has none that lasts: Podman makes one up for each
        request."""
        self.podman = False
        """Whether it is Podman, whose log format splits lines at any byte."""
        self.clock_offset = 0.0
        """Seconds by which the Engine's clock is ahead of the agent's."""
        self.answered = 0
        """Time of the last answer to `GET /info`, by the Engine's clock: nanoseconds since the
        epoch, cut to microseconds. 0 when it doesn't tell the time."""
        self.info: Mapping[str, Any] = {}
        """The answer to `GET /info`."""
        self._docker: aiodocker.Docker | None = None

    @property
    def lines_have_one_time(self) -> bool:
        """Whether all pieces of a long line have the same timestamp.

        Docker's have (measured with 26.1). For versions before 2019 that is not known, so it is
        False.
        """
        return not self.podman and self.api >= (1, 40)

    async def connect(self) -> None:
        """Negotiates the API version (`GET /_ping`) and reads `GET /info`. May be called again.

        Raises `EngineError`.
        """
        session = await asyncio.to_thread(import_module, _SESSION)
        if self._docker is None:
            self._docker = session.opened(self.endpoint)
        with _Translated(self.endpoint):
            self.api = await self._negotiate(self._session())
        loop = asyncio.get_running_loop()
        asked = loop.time()
        info = await self.get("/info")
        with _Translated(self.endpoint):
            self._learn(info, (loop.time() - asked) / 2)

    async def _negotiate(self, session: aiohttp.ClientSession) -> tuple[int, int]:
        """Returns the newest version that both sides know, from `GET /_ping`."""
        async with session.get(f"{self.endpoint.base}/_ping") as response:
            await self._check(response)
            text = response.headers.get("Api-Version", "")
            self.podman = "Libpod-Api-Version" in response.headers
        major, minor = text.split(".")  # without a version, this is not an Engine: ValueError
        theirs = int(major), int(minor)
        if theirs < OLDEST:
            raise EngineError(f"{self.endpoint.url} speaks API {text}; 1.24 is needed")
        return min(theirs, NEWEST)

    def _learn(self, info: Any, latency: float) -> None:
        if not isinstance(info, dict):
            raise ValueError(f"/info gives {type(info).__name__}")
        self.host = str(info.get("Name") or self.endpoint.host)
        self.id = "" if self.podman else str(info.get("ID") or "")
        self.info = info
        if stamp := info.get("SystemTime"):
            theirs = datetime.fromisoformat(str(stamp))
            self.clock_offset = theirs.timestamp() + latency - time.time()
            whole = max(0, int(theirs.timestamp()))
            self.answered = whole * 10**9 + theirs.microsecond * 1000

    async def get(self, path: str, **params: str) -> Any:
        """Sends `GET /vX.YY/path` and returns the decoded JSON.

        `params` is the query. Raises `NotFound` and `EngineError`, whose text says what to do.
        """
        with _Translated(self.endpoint):
            async with self._session().get(self._url(path), params=params) as response:
                await self._check(response)
                return json.loads(await response.read())

    @asynccontextmanager
    async def streamed(self, path: str, **params: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """Opens a streamed answer, such as that of `/events`, and gives its lines without their
        newlines.

        The context is entered when the head of the answer has come. The iterator ends when the
        answer does. Both raise `NotFound` and `EngineError`.
        """
        from pipeline.sources.docker.engine.session import ENDLESS

        with _Translated(self.endpoint):
            async with asyncio.timeout(stream.HEAD_TIMEOUT):
                response = await self._session().get(
                    self._url(path), params=params, timeout=ENDLESS
                )
        try:
            with _Translated(self.endpoint):
                await self._check(response)
            async with aclosing(self._lines(response)) as lines:
                yield lines
        finally:
            response.close()

    async def _lines(self, response: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
        """Splits the answer into lines of any length.

        An event carries all labels of its container, and aiohttp's own line reader fails beyond 128
        KiB.
        """
        rest = b""
        with _Translated(self.endpoint):
            async for chunk in response.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    if line:
                        yield line

    async def logs(self, container_id: str, **params: str) -> ByteStream:
        """Opens `GET /containers/{id}/logs` and returns the stream of its bytes.

        `params` is the query, which must need no escaping. The caller closes the stream. Raises
        `NotFound`, `Unreadable` and `EngineError`.

        https://docs.docker.com/reference/api/engine/#tag/Container/operation/ContainerLogs
        """
        query = "&".join(f"{name}={value}" for name, value in params.items())
        path = f"/v{self.api[0]}.{self.api[1]}/containers/{container_id}/logs?{query}"
        with _Translated(self.endpoint):
            opened = await open_stream(self.endpoint, path)
            if opened.status == 200:
                return opened
            try:
                async with asyncio.timeout(stream.CONNECT_TIMEOUT):
                    body = await opened.read_all()
            finally:
                opened.close()
            raise self._error(opened.status, body)

    async def close(self) -> None:
        """Closes all connections of requests. Log streams are closed by those who opened them."""
        if self._docker is not None:
            docker, self._docker = self._docker, None
            await docker.close()
            await docker.session.close()

    def _session(self) -> aiohttp.ClientSession:
        if self._docker is None:
            raise EngineError(f"{self.endpoint.url} is not connected")
        return self._docker.session

    def _url(self, path: str) -> str:
        return f"{self.endpoint.base}/v{self.api[0]}.{self.api[1]}{path}"

    async def _check(self, response: aiohttp.ClientResponse) -> None:
        if response.status >= 400:
            raise self._error(response.status, await response.read())

    def _error(self, status: int, body: bytes) -> EngineError:
        """Makes an error of an error's answer.

        Only the Engine answers in JSON. A 404 from a proxy does not mean that the container is
        gone.
        """
        place = self.endpoint.url
        try:
            answer = json.loads(body)
            text = f"{place} answers {status}: {answer['message']}"
        except (ValueError, KeyError, TypeError):
            words = _TAGS.sub(" ", body[:1000].decode(errors="replace")).split()
            said = " ".join(words)[:200] or "no reason given"
            hint = f" ({_PROXY})" if status in (401, 403, 404, 405) else ""
            return EngineError(f"{place} answers {status}: {said}{hint}")
        cause = answer.get("cause")
        if status == 501 or cause == _PODMAN_UNREADABLE:
            return Unreadable(text, permanent=True)
        if status in (404, 409) or cause == _PODMAN_NOT_FOUND:
            return NotFound(text)
        return EngineError(text)


_TAGS = re.compile(r"<[^>]*>")
_PODMAN_UNREADABLE = "this container is not logging output"
_PODMAN_NOT_FOUND = "no such container"
"""Causes that Podman gives with status 500: for the log driver `none`, and for a container that is
removed while it answers."""


class _Translated:
    """Turns network errors into an `EngineError` whose text says what to do about it."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is None:
            return
        from pipeline.sources.docker.engine.trouble import KNOWN, explain

        if isinstance(error, KNOWN):
            raise EngineError(explain(error, self._endpoint)) from error
