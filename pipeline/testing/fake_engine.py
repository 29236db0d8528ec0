"""`FakeEngine`: an Engine that does what a test tells it, including what a real one cannot be made
to do.

    async with FakeEngine(tmp_path / "docker.sock") as fake:
        fake.containers["a" * 64] = {"name": "web", "running": True}
        fake.answer(f"/containers/{'a' * 64}/logs", [head(), frame(b"one\\n"), 0.1, Fault.RESET])
        ...
        fake.emit("start", "a" * 64, name="web")
        fake.cut_events()

It answers `/_ping`, `/info`, `/containers/json`, `/containers/{id}/json` and `/events` (with a real
Engine's ring of 256 events) by itself. `answer` scripts the answers of any path, including these.
Any other path is a 404 as the Engine sends it. Each connection serves one request.

It is for faults only. What a real Engine does is tested against a real one.
"""

from __future__ import annotations

import asyncio
import enum
import json
import socket
import ssl
import struct
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from pipeline.testing.closing import close

RING = 256
"""Events that the Engine keeps for clients that ask for `since`."""


class Fault(enum.Enum):
    """What a script can do in addition to sending bytes."""

    RESET = "break the connection off"
    STALL = "keep it open and say no more"


Step = bytes | float | asyncio.Event | Fault
"""One step of a script: bytes to send, seconds to wait, an event to wait for, or a fault. After the
last step the connection is closed."""


@dataclass(frozen=True)
class Request:
    """A request that the fake Engine has received."""

    path: str
    """Without version and query."""
    version: str
    """Such as `v1.45`; may be empty."""
    query: Mapping[str, str]
    protocol: str
    headers: Mapping[str, str]


@dataclass
class _Subscriber:
    writer: asyncio.StreamWriter
    done: asyncio.Event = field(default_factory=asyncio.Event)


class FakeEngine:
    """An Engine on a unix socket or on a free port of 127.0.0.1, as an async context manager."""

    def __init__(
        self, path: Path | None = None, *, api: str = "1.45", tls: ssl.SSLContext | None = None
    ) -> None:
        """`path`: of the unix socket; None to listen on TCP. `api`: the version of the Engine's
        API. `tls`: for TCP with TLS."""
        self.url = f"unix://{path}"
        self.port = 0
        self.api = api
        self.requests: list[Request] = []
        """All requests, in order."""
        self.containers: dict[str, dict[str, Any]] = {}
        """Containers by id, for the list and for inspection: `name`, `running`, `labels`."""
        self.sent = 0
        """Bytes of scripts that were sent, including what is still in the kernel."""
        self._path = path
        self._tls = tls
        self._scripts: dict[str, list[Sequence[Step]]] = {}
        self._ring: deque[tuple[int, bytes]] = deque(maxlen=RING)
        self._subscribers: list[_Subscriber] = []
        self._server: asyncio.Server
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> FakeEngine:
        if self._path is not None:
            self._server = await asyncio.start_unix_server(self._serve, self._path)
        else:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
            _, self.port = self._server.sockets[0].getsockname()
            self.url = f"tcp://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *raised: object) -> None:
        await close(self._server)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # ------------------------------------------------------------------- what a test says

    def answer(self, path: str, *scripts: Sequence[Step]) -> None:
        """Sets the answers for `path`: one script for each request, the last one for all further
        requests."""
        self._scripts[path] = list(scripts)

    def emit(
        self, action: str, container_id: str, *, nanoseconds: int = 0, **attributes: str
    ) -> None:
        """Emits an event of a container to all listeners, and keeps it in the ring.

        `nanoseconds`: its time since the epoch; by default now. `attributes`: of the event's actor.
        """
        nanoseconds = nanoseconds or time.time_ns()
        event = {
            "Type": "container",
            "Action": action,
            "Actor": {"ID": container_id, "Attributes": attributes},
            "time": nanoseconds // 10**9,
            "timeNano": nanoseconds,
        }
        self.emit_raw(json.dumps(event).encode() + b"\n", nanoseconds)

    def emit_raw(self, line: bytes, nanoseconds: int = 0) -> None:
        """Emits any bytes in place of an event."""
        self._ring.append((nanoseconds or time.time_ns(), line))
        for subscriber in self._subscribers:
            subscriber.writer.write(chunk(line))

    @property
    def listeners(self) -> int:
        """The number of connections that get events now."""
        return len(self._subscribers)

    def cut_events(self, *, reset: bool = False) -> None:
        """Ends every event stream, properly or with a reset. Later events go only to streams opened
        after that."""
        for subscriber in self._subscribers:
            if reset:
                _reset(subscriber.writer)
            subscriber.done.set()
        self._subscribers.clear()

    # ----------------------------------------------------------------------------- serving

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            if await reader.read(1) == b"\x16":  # the beginning of TLS (RFC 8446, 5.1)
                writer.write(head(400))  # as net/http does
                raise ConnectionError("TLS on a port without it")
            request = await _read_request(reader)
            self.requests.append(request)
            await self._reply(request, writer)
            writer.close()
            await writer.wait_closed()
        except (ConnectionError, asyncio.IncompleteReadError):
            writer.close()  # the peer has closed the connection
        except asyncio.CancelledError:
            writer.transport.abort()
            raise
        finally:
            self._tasks.discard(task)

    async def _reply(self, request: Request, writer: asyncio.StreamWriter) -> None:
        scripts = self._scripts.get(request.path)
        if scripts:
            await self._play(scripts.pop(0) if len(scripts) > 1 else scripts[0], writer)
        elif request.path == "/events":
            await self._events(request, writer)
        else:
            await self._play([self._usual(request)], writer)

    async def _play(self, script: Sequence[Step], writer: asyncio.StreamWriter) -> None:
        for step in script:
            if isinstance(step, bytes):
                writer.write(step)
                await writer.drain()
                self.sent += len(step)
            elif step is Fault.RESET:
                _reset(writer)
                return
            elif step is Fault.STALL:
                await asyncio.Event().wait()
            elif isinstance(step, asyncio.Event):
                await step.wait()
            elif isinstance(step, float | int):
                await asyncio.sleep(step)

    def _usual(self, request: Request) -> bytes:
        container_id = request.path.removeprefix("/containers/").removesuffix("/json")
        if request.path == "/_ping":
            return head(length=2, api_version=self.api) + b"OK"
        if request.path == "/info":
            return json_answer({"Name": "fake", "ID": "fake engine"})
        if request.path == "/containers/json":
            everything = request.query.get("all") == "1"
            listed = [
                _listed(key, facts)
                for key, facts in self.containers.items()
                if everything or facts.get("running", True)
            ]
            return json_answer(listed)
        if container_id in self.containers:
            return json_answer(_inspected(container_id, self.containers[container_id]))
        return json_answer({"message": f"No such container: {container_id}"}, 404)

    async def _events(self, request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(head(content_type="application/json", transfer_encoding="chunked"))
        seconds, _, fraction = request.query.get("since", "").partition(".")
        if seconds:
            since = int(seconds) * 10**9 + int(fraction.ljust(9, "0") or 0)
            writer.writelines([chunk(line) for at, line in self._ring if at >= since])
        subscriber = _Subscriber(writer)
        self._subscribers.append(subscriber)
        try:
            await subscriber.done.wait()
            writer.write(chunk(b""))
            await writer.drain()
        finally:
            with suppress(ValueError):  # `cut_events` has removed it
                self._subscribers.remove(subscriber)


async def _read_request(reader: asyncio.StreamReader) -> Request:
    raw = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = raw.split("\r\n")
    _, target, protocol = first.split(" ")  # the G of GET was read before
    parts = urlsplit(target)
    version, _, path = parts.path.removeprefix("/").partition("/")
    if not version.startswith("v1."):
        version, path = "", parts.path.removeprefix("/")
    headers = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
    return Request(f"/{path}", version, dict(parse_qsl(parts.query)), protocol, headers)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Sends an RST to the peer. A unix socket has none: the connection just ends."""
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


# ---------------------------------------------------------------------------------- answers


def head(
    status: int = 200,
    *,
    content_type: str = "application/vnd.docker.multiplexed-stream",
    length: int | None = None,
    **headers: str,
) -> bytes:
    """The head of an HTTP answer.

    `length`: of the body in bytes; None if the body ends with the connection. `headers`: more
    headers, with `_` for `-`.
    """
    lines = [f"HTTP/1.1 {status} Scripted", f"Content-Type: {content_type}", "Connection: close"]
    lines += [f"{name.replace('_', '-').title()}: {value}" for name, value in headers.items()]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return "\r\n".join([*lines, "", ""]).encode()


def chunk(data: bytes) -> bytes:
    """One chunk of a body with `Transfer-Encoding: chunked` (RFC 9112, 7.1). An empty one ends the
    body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def json_answer(value: Any, status: int = 200) -> bytes:
    """A whole HTTP answer with `value` as JSON."""
    body = json.dumps(value).encode()
    return head(status, content_type="application/json", length=len(body)) + body


def frame(payload: bytes, stream: int = 1, at: str = "2026-01-31T23:59:59.123456789Z") -> bytes:
    """One frame of a log stream (as of `GET /containers/{id}/logs`). `payload`: the line, without
    its timestamp `at`."""
    payload = at.encode() + b" " + payload
    return struct.pack(">BxxxI", stream, len(payload)) + payload


def _listed(container_id: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    running = facts.get("running", True)
    return {
        "Id": container_id,
        "Names": ["/" + facts.get("name", container_id[:12])],
        "Image": "image",
        "Labels": facts.get("labels", {}),
        "State": "running" if running else "exited",
        "Created": facts.get("created", 0),
    }


def _inspected(container_id: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "Id": container_id,
        "Name": "/" + facts.get("name", container_id[:12]),
        "Config": {"Image": "image", "Labels": facts.get("labels", {}), "Tty": False},
        "State": {"Running": facts.get("running", True), "StartedAt": "2026-01-31T00:00:00Z"},
    }
