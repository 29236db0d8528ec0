"""Requests to the Engine: version negotiation, JSON answers, and errors in a user's words.

The only module that imports aiodocker. Log streams do not pass here but through `stream`, whose
bytes are worth a protocol of their own.

Reference: https://docs.docker.com/reference/api/engine/
"""

from __future__ import annotations

import asyncio
import errno
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import aiodocker
import aiohttp

from pipeline.errors import EngineError
from pipeline.sources.docker.endpoint import Endpoint
from pipeline.sources.docker.stream import ByteStream, open_stream

NEWEST = (1, 54)
"""The newest API that this code was written for (Engine 29.3)."""
OLDEST = (1, 24)

_REQUEST = aiohttp.ClientTimeout(total=60, connect=10)
_STREAM = aiohttp.ClientTimeout(total=None, connect=10, sock_read=None)


class NotFound(EngineError):
    """The container is gone, or going (404, 409)."""


class Unreadable(EngineError):
    """The container's log driver keeps nothing that could be read (501). Permanent."""


class Engine:
    """One Docker Engine, or Podman through the same API."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.api = OLDEST
        """The version that was negotiated."""
        self.host = ""
        """Name of the Engine's host."""
        self.id = ""
        """What tells this Engine from another; empty where it does not say."""
        self.clock_offset = 0.0
        """Seconds that the Engine's clock is ahead of ours."""
        self.info: Mapping[Any, Any] = {}
        """The answer to `GET /info`."""
        self._docker: aiodocker.Docker | None = None

    async def connect(self) -> None:
        """Negotiates the version, learns who it is; may be called again. Raises `EngineError`."""
        if self._docker is None:
            connector: aiohttp.BaseConnector = (
                aiohttp.UnixConnector(self.endpoint.path, limit=0)
                if self.endpoint.path
                else aiohttp.TCPConnector(ssl=self.endpoint.ssl or True, limit=0)
            )
            session = aiohttp.ClientSession(connector=connector, timeout=_REQUEST)
            self._docker = aiodocker.Docker(
                self.endpoint.base, connector=connector, session=session, api_version="v1.24"
            )
        docker = self._docker
        async with self._errors():
            self.api = await self._negotiate(docker)
            docker.api_version = "v{}.{}".format(*self.api)
            loop = asyncio.get_running_loop()
            asked = loop.time()
            info = await docker.system.info()
            self._learn(info, (loop.time() - asked) / 2)

    async def _negotiate(self, docker: aiodocker.Docker) -> tuple[int, int]:
        """The newest version that both sides know, from `GET /_ping`."""
        async with docker.session.get(f"{self.endpoint.base}/_ping") as response:
            text = response.headers.get("Api-Version", "")
            if response.status != 200:
                raise EngineError(
                    f"{self.endpoint.url} answers {response.status} to /_ping: "
                    "a proxy in between must allow PING, VERSION, INFO, CONTAINERS and EVENTS"
                )
        try:
            major, minor = text.split(".")
            theirs = int(major), int(minor)
        except ValueError:
            raise EngineError(
                f"{self.endpoint.url} does not answer like a Docker Engine: /_ping gives no version"
            ) from None
        if theirs < OLDEST:
            raise EngineError(f"{self.endpoint.url} speaks API {text}; 1.24 is needed")
        return min(theirs, NEWEST)

    def _learn(self, info: Mapping[Any, Any], latency: float) -> None:
        self.host = info.get("Name") or self.endpoint.host
        self.id = info.get("ID") or ""
        self.info = info
        if stamp := info.get("SystemTime"):
            theirs = datetime.fromisoformat(stamp).timestamp()
            self.clock_offset = theirs + latency - datetime.now().timestamp()

    async def get(self, path: str, **params: str) -> Any:
        """The decoded answer to `GET /vX.YY/path`. Raises `NotFound` and `EngineError`."""
        async with self._errors(), self._session().get(self._url(path), params=params) as response:
            await self._check(response)
            return json.loads(await response.read())

    @asynccontextmanager
    async def streamed(self, path: str, **params: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """The lines of an answer that goes on (`/events`); entered when its head has come.

        Raises like `get`, also from the iterator, which ends where the answer does.
        """
        async with self._errors():
            response = await self._session().get(self._url(path), params=params, timeout=_STREAM)
            try:
                await self._check(response)
                yield _lines(response)
            finally:
                response.close()

    async def logs(self, container_id: str, **params: str) -> ByteStream:
        """Opens `GET /containers/{id}/logs`, as bytes. The caller closes it.

        Raises `NotFound`, `Unreadable` and `EngineError`.
        """
        query = "&".join(f"{name}={value}" for name, value in params.items())
        path = f"/v{self.api[0]}.{self.api[1]}/containers/{container_id}/logs?{query}"
        async with self._errors():
            stream = await open_stream(self.endpoint, path)
            if stream.status == 200:
                return stream
            try:
                body = await asyncio.wait_for(stream.read_all(), 10)
            finally:
                stream.close()
            raise self._error(stream.status, body)

    async def close(self) -> None:
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
        try:
            message = json.loads(body)["message"]
        except (ValueError, KeyError, TypeError):
            message = body[:200].decode(errors="replace").strip() or "no reason given"
        text = f"the Engine answers {status}: {message}"
        if status in (404, 409):
            return NotFound(text)
        if status == 501:
            return Unreadable(text, permanent=True)
        if status == 403:
            text += " (a proxy in between must allow CONTAINERS, EVENTS, INFO and PING)"
        return EngineError(text)

    def _errors(self) -> _Translated:
        return _Translated(self.endpoint)


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Any length: an event carries all labels of its container, and aiohttp's own line reader
    gives up at 128 KiB."""
    rest = b""
    async for chunk in response.content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line:
                yield line


class _Translated:
    """Turns what the network raises into one sentence that says what to do about it."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        known = (aiodocker.DockerError, aiohttp.ClientError, OSError, TimeoutError, ValueError)
        if isinstance(error, known):
            raise EngineError(explain(error, self._endpoint)) from error


def explain(error: BaseException, endpoint: Endpoint) -> str:
    """One sentence for a failed connection or answer."""
    cause: BaseException = error
    while cause.__cause__ is not None and isinstance(cause, aiohttp.ClientError):
        cause = cause.__cause__
    place = f"{endpoint.url} (from {endpoint.origin})"
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"the certificate of {place} is not trusted: {cause.verify_message}"
    if isinstance(cause, ssl.SSLError):
        return f"TLS with {place} failed: {cause.reason or cause}"
    if isinstance(cause, TimeoutError):
        return f"{place} does not answer in time"
    code = cause.errno if isinstance(cause, OSError) else None
    if code == errno.ENOENT:
        return f"there is no socket at {place}: is Docker running, and the socket mounted?"
    if code in (errno.EACCES, errno.EPERM):
        return f"no permission for {place}: run as a member of the socket's group (docker)"
    if code == errno.ECONNREFUSED:
        return f"nothing answers at {place}: is the Engine running?"
    if isinstance(cause, aiodocker.DockerError):
        return f"the Engine answers {cause.status}: {cause.message}"
    return f"the connection to {place} failed: {cause or type(cause).__name__}"
