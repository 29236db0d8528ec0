"""A second store of the hubs: it keeps no line, but notes which came when, one request at a time.

VictoriaLogs sorts what it has by time, so it cannot tell in which order lines came.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from tests.fleet.arrivals import Arrivals

SINK = """
type = "http"
url = "{url}"
format = "lines"
template = "{{container.name}} {{n}}"
retry = {{ max = "2s" }}
"""
"""Options of the sink: `n` is the number that the container has written into its line."""


class Register:
    """Takes requests while the context lasts. A request that was cut short is not taken."""

    def __init__(self) -> None:
        self.arrivals = Arrivals()
        """For those who hold `lock`."""
        self.lock = threading.Lock()
        self.odd = ""
        """A line that makes no sense, if one came."""
        register = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = self.rfile.read(size := int(self.headers["Content-Length"]))
                if len(body) == size:
                    register._take(body)
                    self._answer()

            def do_OPTIONS(self) -> None:
                self._answer()

            def _answer(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def sink(self) -> str:
        """Options of a sink that leads here."""
        return SINK.format(url=f"http://127.0.0.1:{self._server.server_port}/")

    @property
    def lines(self) -> int:
        """Different ones that came."""
        with self.lock:
            return self.arrivals.lines

    @property
    def repeated(self) -> int:
        with self.lock:
            return self.arrivals.repeated

    @property
    def silence(self) -> float:
        """Seconds: see `Progress`."""
        with self.lock:
            return self.arrivals.silence

    def mark(self) -> None:
        with self.lock:
            self.arrivals.mark(time.monotonic())

    def recovered(self, written: Mapping[str, int]) -> bool:
        with self.lock:
            return self.arrivals.recovered(written)

    def _take(self, body: bytes) -> None:
        with self.lock:
            try:
                self.arrivals.take(body, time.monotonic())
            except ValueError as error:
                self.odd = str(error)


class Server(ThreadingHTTPServer):
    """Quiet when a hub that is killed leaves a request half sent."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        pass
