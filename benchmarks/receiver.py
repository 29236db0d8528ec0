"""A process that takes syslog over TCP and counts the messages, at little cost of its own."""

from __future__ import annotations

import multiprocessing
import socket
import time
from multiprocessing.connection import Connection
from types import TracebackType

MARK = b">1 20"
"""In the header of each RFC 5424 message, and never in the lines that benchmarks send."""


class Receiver:
    """Listens on a free port of 127.0.0.1 from `with` to its end."""

    def __enter__(self) -> Receiver:
        listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = listener.getsockname()[1]
        self._count = multiprocessing.get_context("fork").Value("q", 0)
        self._process = multiprocessing.get_context("fork").Process(
            target=_receive, args=(listener, self._count), daemon=True
        )
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

    def wait_for(self, count: int, timeout: float) -> None:
        """Raises `TimeoutError` with how many have come."""
        deadline = time.monotonic() + timeout
        while self.count() < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.count():,} of {count:,} messages came")
            time.sleep(0.02)


def _receive(listener: socket.socket, count: Connection) -> None:
    buffer = bytearray(1 << 20)
    while True:
        connection, _ = listener.accept()
        rest = b""
        with connection:
            while size := connection.recv_into(buffer):
                data = rest + buffer[:size]
                count.value += data.count(MARK)
                rest = data[-len(MARK) + 1 :]
