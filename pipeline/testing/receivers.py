"""TCP servers for tests. They accept only valid messages, count them, and can stop reading or break
connections.

They don't replace the real servers, against which the sinks' own tests run.
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
"""Seconds to wait for the end of a connection."""


class TcpReceiver:
    """Accepts connections on a port of 127.0.0.1 inside its `with` block, with a thread for
    each."""

    def __init__(self) -> None:
        self.port = 0
        """The port. If it is 0 at the start of `with`, any free one is taken."""
        self.errors: list[str] = []
        """Descriptions of everything that was invalid."""
        self.reading = threading.Event()
        """While it is cleared, nothing is read from any connection."""
        self.reading.set()
        self._connections: list[socket.socket] = []
        self._threads: dict[object, threading.Thread] = {}
        """By the client's address."""

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
        """Accepts no more connections, and breaks the existing ones."""
        _end(self._listener)
        self.reset()

    def reset(self) -> None:
        """Breaks all connections."""
        for connection in self._connections:
            _end(connection)
        self._connections.clear()

    def leave(self) -> None:
        """Vanishes after reading everything that the kernel has acknowledged, since the sender
        takes that for delivered."""
        _end(self._listener)
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._read_out()
        self.reset()

    def hear_out(self) -> None:
        """Waits until everything is read from clients that have closed their connections. Until
        then it may be in the kernel only."""
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
        """Takes what is complete of `data`, and returns the rest."""
        raise TypeError("a receiver has a protocol")


def _end(sock: socket.socket) -> None:
    """Closes a socket, also for a thread that is blocked on it."""
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()


class SyslogReceiver(TcpReceiver):
    """Receives syslog messages of RFC 5424 with octet counting (RFC 6587), and nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[dict[str, bytes]] = []
        """The parts of each message: `priority`, `time`, `host`, `app`, `process`, `id`, `data`,
        `message`."""

    def take(self, data: bytes) -> bytes:
        """Takes complete frames of `data`, and returns the rest."""
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
        """The messages with this APP-NAME."""
        return [m["message"].decode() for m in list(self.messages) if m["app"] == app.encode()]


class JsonLinesReceiver(TcpReceiver):
    """Receives a JSON object on each line."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[dict[str, Any]] = []
        """The objects, in order of arrival."""

    def take(self, data: bytes) -> bytes:
        """Takes complete lines of `data`, and returns the rest."""
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
