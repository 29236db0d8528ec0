"""A process that takes syslog over TCP and notes how long each message took, from Docker's time."""

from __future__ import annotations

import multiprocessing
import re
import socket
import time
from datetime import datetime
from multiprocessing.sharedctypes import Synchronized
from types import TracebackType
from typing import Any

MOST = 1 << 22
"""Messages that are noted; later ones are counted, and not more."""
LONGEST_HEADER = 256


class LagReceiver:
    """Listens on a free port of 127.0.0.1 from `with` to its end.

    Messages whose APP-NAME begins with `app` are looked at, others are only read.
    """

    def __init__(self, app: str) -> None:
        self._app = app

    def __enter__(self) -> LagReceiver:
        listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = listener.getsockname()[1]
        context = multiprocessing.get_context("fork")
        self._lags = context.RawArray("f", MOST)
        self._count = context.Value("q", 0)
        arguments = listener, self._app.encode(), self._lags, self._count
        self._process = context.Process(target=_receive, args=arguments, daemon=True)
        self._process.start()
        listener.close()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.join()

    def count(self) -> int:
        return int(self._count.value)

    def lags(self, since: int = 0) -> list[float]:
        """Seconds of each message after the first `since`, sorted."""
        return sorted(self._lags[since : self.count()])


def _receive(listener: socket.socket, app: bytes, lags: Any, count: Synchronized[int]) -> None:
    header = re.compile(rb">1 (20\S{25}) \S+ " + re.escape(app))
    moment = datetime.fromisoformat
    buffer = bytearray(1 << 20)
    while True:
        connection, _ = listener.accept()
        rest = b""
        with connection:
            while size := connection.recv_into(buffer):
                now, data, end, seen = time.time(), rest + buffer[:size], 0, count.value
                for found in header.finditer(data):
                    if seen < MOST:
                        lags[seen] = now - moment(found[1].decode()).timestamp()
                    seen, end = seen + 1, found.end()
                count.value = seen
                rest = data[max(end, len(data) - LONGEST_HEADER) :]
