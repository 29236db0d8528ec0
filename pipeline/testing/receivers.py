"""Receivers for tests: strict about what they accept, and able to misbehave on request.

Not a substitute for the real servers, which the sinks' own tests run against: these count, and
they can stand still.
"""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Any

_SYSLOG = re.compile(
    rb"<(?P<priority>\d{1,3})>1 (?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}Z) "
    rb"(?P<host>[!-~]{1,255}) (?P<app>[!-~]{1,48}) (?P<process>[!-~]{1,128}) (?P<id>[!-~]{1,32}) "
    rb"(?P<data>-|(?:\[[^\]]+\])+)(?: (?P<message>.*))?",
    re.DOTALL,
)


PATIENCE = 60.0
"""Seconds that the end of a connection may take to be read."""


class TcpReceiver:
    """Accepts connections on a port of 127.0.0.1, each in a thread, from `with` to its end."""

    def __init__(self) -> None:
        self.port = 0
        """0 until `with` for any that is free."""
        self.errors: list[str] = []
        """What was not as it should be."""
        self.reading = threading.Event()
        """Cleared, no byte more is read from any connection."""
        self.reading.set()
        self._connections: list[socket.socket] = []
        self._threads: dict[object, threading.Thread] = {}
        """By the address of the client."""

    def __enter__(self) -> Any:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.vanish()
        self.reading.set()

    def vanish(self) -> None:
        """Takes no connection any more, and breaks those there are."""
        _end(self._listener)
        self.reset()

    def reset(self) -> None:
        """Breaks every connection."""
        for connection in self._connections:
            _end(connection)
        self._connections.clear()

    def leave(self) -> None:
        """Vanishes, and has read all that its kernel acknowledged: whoever sent that takes it for
        delivered."""
        _end(self._listener)
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._read_out()
        self.reset()

    def hear_out(self) -> None:
        """Waits until all is here that clients have sent who have ended: the kernel may have taken
        it, and nobody read it yet."""
        with socket.create_connection(("127.0.0.1", self.port)) as last:
            client = last.getsockname()
        deadline = time.monotonic() + PATIENCE
        while client not in self._threads:
            assert time.monotonic() < deadline, "no connection is accepted"
            time.sleep(0.01)
        self._read_out()

    def _read_out(self) -> None:
        for thread in list(self._threads.values()):
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a connection does not end"
        self._threads.clear()

    def _accept(self) -> None:
        while True:
            try:
                connection, client = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            thread.start()
            self._threads[client] = thread

    def _serve(self, connection: socket.socket) -> None:
        rest = b""
        while True:
            self.reading.wait()
            try:
                data = connection.recv(1 << 16)
            except OSError:
                return
            if not data:
                if rest:
                    self.errors.append(f"ended in the middle of {rest[:80]!r}")
                return
            rest = self.take(rest + data)

    def take(self, data: bytes) -> bytes:
        """Takes what is complete; gives back the rest."""
        raise TypeError("a receiver has a protocol")


def _end(sock: socket.socket) -> None:
    """Closed for a thread, too, that waits on it."""
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()


class SyslogReceiver(TcpReceiver):
    """RFC 5424 in octet-counted frames, and nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[dict[str, bytes]] = []

    def take(self, data: bytes) -> bytes:
        while True:
            length, space, rest = data.partition(b" ")
            if not space or len(rest) < int(length):
                return data
            message, data = rest[: int(length)], rest[int(length) :]
            found = _SYSLOG.fullmatch(message)
            if found:
                self.messages.append(found.groupdict(b""))
            else:
                self.errors.append(f"not RFC 5424: {message[:200]!r}")

    def of(self, app: str) -> list[str]:
        """Messages with that APP-NAME."""
        return [m["message"].decode() for m in list(self.messages) if m["app"] == app.encode()]


class JsonLinesReceiver(TcpReceiver):
    """A JSON object on each line."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[dict[str, Any]] = []

    def take(self, data: bytes) -> bytes:
        *lines, rest = data.split(b"\n")
        for line in lines:
            try:
                entry = json.loads(line)
            except ValueError:
                entry = None
            if isinstance(entry, dict):
                self.entries.append(entry)
            else:
                self.errors.append(f"no JSON object: {line[:200]!r}")
        return rest
