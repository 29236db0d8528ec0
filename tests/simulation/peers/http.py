"""An HTTP/1.1 server: requests in, answers out, on the ends of connections."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import orjson

from tests.simulation.world.network import End


class Request(NamedTuple):
    """One request."""

    method: str
    path: str
    query: dict[str, str]
    protocol: str
    headers: dict[str, str]
    body: bytes


REASONS = {
    200: "OK",
    204: "No Content",
    400: "Bad Request",
    404: "Not Found",
    429: "Too Many Requests",
}


class HttpPeer:
    """The server's side of one connection. Requests are answered one after another."""

    def __init__(self, end: End, serve: Callable[[HttpPeer, Request], object]) -> None:
        """`serve` is called with each request, and answers it, now or later."""
        self.end = end
        self._serve = serve
        self._data = bytearray()
        self._busy = False
        self._protocol = "HTTP/1.1"
        self.closed: Callable[[], object] | None = None
        """Called when the other side is gone."""
        end.peer = self

    def received(self, end: End, data: bytes) -> None:
        self._data += data
        self._next()

    def ended(self, end: End, reset: bool) -> None:
        if self.closed is not None:
            self.closed()
        if not end.closed:
            end.close()

    def _next(self) -> None:
        while not self._busy and not self.end.closed:
            request = self._parsed()
            if request is None:
                return
            self._busy = True
            self._protocol = request.protocol
            self._serve(self, request)

    def _parsed(self) -> Request | None:
        stop = self._data.find(b"\r\n\r\n")
        if stop < 0:
            return None
        first, *lines = self._data[:stop].decode("latin-1").split("\r\n")
        method, target, protocol = first.split(" ")
        headers = {
            name.lower(): value.strip() for name, _, value in (one.partition(":") for one in lines)
        }
        body, at = b"", stop + 4
        if "chunked" in headers.get("transfer-encoding", ""):
            found = self._chunks(at)
            if found is None:
                return None
            body, at = found
        elif length := int(headers.get("content-length", 0)):
            if len(self._data) < at + length:
                return None
            body, at = bytes(self._data[at : at + length]), at + length
        del self._data[:at]
        if headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        parts = urlsplit(target)
        return Request(method, parts.path, dict(parse_qsl(parts.query)), protocol, headers, body)

    def _chunks(self, at: int) -> tuple[bytes, int] | None:
        body = b""
        while True:
            stop = self._data.find(b"\r\n", at)
            if stop < 0:
                return None
            size = int(self._data[at:stop], 16)
            if len(self._data) < stop + 4 + size:
                return None
            body += self._data[stop + 2 : stop + 2 + size]
            at = stop + 4 + size
            if not size:
                return body, at

    # ------------------------------------------------------------------------------- answers

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        """Answers the request, whole."""
        named = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        head = f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}\r\n{named}"
        self.end.send(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        self._done(self._protocol == "HTTP/1.0")

    def answer_json(self, content: Any, status: int = 200) -> None:
        self.answer(status, orjson.dumps(content), Content_Type="application/json")

    def begin(self, **headers: str) -> None:
        """Begins an answer that goes on: chunked, or up to its end for HTTP/1.0."""
        named = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        if self._protocol != "HTTP/1.0":
            named += "Transfer-Encoding: chunked\r\n"
        self.end.send(f"HTTP/1.1 200 OK\r\n{named}\r\n".encode())

    def more(self, data: bytes) -> None:
        """A part of such an answer."""
        if not data:
            return
        if self._protocol == "HTTP/1.0":
            self.end.send(data)
        else:
            self.end.send(b"%x\r\n%b\r\n" % (len(data), data))

    def finish(self) -> None:
        """The end of such an answer."""
        if self._protocol != "HTTP/1.0":
            self.end.send(b"0\r\n\r\n")
        self._done(self._protocol == "HTTP/1.0")

    def _done(self, last: bool) -> None:
        self._busy = False
        if last:
            self.end.close()
        else:
            self._next()


class HttpListener:
    """Listens for connections of HTTP."""

    def __init__(self, serve: Callable[[HttpPeer, Request], object]) -> None:
        self._serve = serve

    def accept(self, end: End) -> bool:
        HttpPeer(end, self._serve)
        return True
