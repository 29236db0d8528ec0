"""A store for the demo: it keeps what it is sent over HTTP, and goes away when it is told to."""

from __future__ import annotations

import json
import socket
import threading
import zlib
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, cast

from demo.ports import bindable


class Store:
    """Takes JSON lines at `url`, as a context manager. It can go away and come back."""

    def __init__(self, port: int) -> None:
        """`port`: the one to listen on, or another where that is taken."""
        self.port = bindable(port)
        self.url = f"http://127.0.0.1:{self.port}/"
        self._counted: Counter[tuple[str, int]] = Counter()
        self._lock = threading.Lock()
        self._server: _Server | None = None

    def __enter__(self) -> Store:
        self.come_back()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.go_away()

    def go_away(self) -> None:
        """Refuses connections from now on, and closes those that there are."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server.hang_up()
            self._server = None

    def come_back(self) -> None:
        """Takes entries again, at the same address. Raises `OSError`."""
        self._server = server = _Server(("127.0.0.1", self.port), _Handler)
        server.store = self
        threading.Thread(
            target=server.serve_forever, args=(0.1,), name="store", daemon=True
        ).start()

    @property
    def entries(self) -> int:
        """How many different entries it has."""
        with self._lock:
            return len(self._counted)

    @property
    def repeated(self) -> int:
        """How many it was sent more than once."""
        with self._lock:
            return sum(count - 1 for count in self._counted.values())

    def take(self, body: bytes) -> None:
        """Keeps the entries of a request. Raises `ValueError` for anything but JSON lines."""
        entries = [json.loads(line) for line in body.splitlines()]
        keys = [(one["container"]["id"], one["event"]["sequence"]) for one in entries]
        with self._lock:
            self._counted.update(keys)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    store: Store

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._open: set[socket.socket] = set()
        self._answering = threading.Lock()
        self._gone = False

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def take(self, body: bytes, answer: Callable[[], None]) -> None:
        """Has the store keep a request and answers it, unless the server has hung up: what is kept
        is answered, so that nobody sends it again."""
        with self._answering:
            if not self._gone:
                self.store.take(body)
                answer()

    def hang_up(self) -> None:
        with self._answering:
            self._gone = True
            for connection in list(self._open):
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing: a connection that breaks is what the demo is about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Content-Encoding") == "gzip":
            body = zlib.decompress(body, wbits=31)
        cast(_Server, self.server).take(body, self._answer)

    def _answer(self) -> None:
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing of requests."""
