"""Destinations with bad manners, which no real server can be told to have.

A peer takes what it takes in full and in order. How it behaves as the other end of a connection is
up to the test, and may change while the agent talks to it.
"""

from __future__ import annotations

import ctypes
import enum
import json
import socket
import struct
import threading
import time
import zlib
from contextlib import suppress
from typing import Any

from pipeline.testing.receivers import SyslogReceiver, TcpReceiver

_SO_ATTACH_FILTER, _SO_DETACH_FILTER = 26, 27
_DROP_ALL = struct.pack("HBBI", 0x06, 0, 0, 0)
"""BPF: return 0. No packet reaches a socket with this filter, and the kernel answers none."""
_NOW = struct.pack("ii", 1, 0)
"""`SO_LINGER` with which closing a connection breaks it."""


class Manners(enum.Enum):
    """How a peer behaves."""

    GOOD = "reads as fast as it can"
    HALF_OPEN = "has what had come by now; of later packets none is answered, as if it had vanished"
    SILENT = "takes connections, and never reads from them"
    SLOW = "reads a byte a second"
    RESETTING = "breaks every connection in the middle of a frame"


BAD = [manners for manners in Manners if manners is not Manners.GOOD]


class Connection:
    """One connection of a peer, with the peer's manners of the moment."""

    def __init__(self, sock: socket.socket, peer: Any) -> None:
        self._sock = sock
        self._peer = peer
        self._deaf = False
        self._taken = 0
        self.sendall = sock.sendall

    def recv(self, size: int) -> bytes:
        """Like that of a socket, sooner or later."""
        while True:
            with self._peer.deciding:
                manners = self._peer.manners
                if manners is Manners.RESETTING and self._taken > 10_000:
                    self._peer.broken += 1
                    self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NOW)
                    self._sock.close()
                    raise ConnectionResetError
            self._be_deaf(manners is Manners.HALF_OPEN)
            if manners is Manners.SLOW:
                self._pause(1.0)
            if manners is Manners.SILENT:
                self._pause(0.1)
            else:
                with suppress(TimeoutError):
                    return self._take({Manners.SLOW: 1, Manners.RESETTING: 997}.get(manners, size))

    def _take(self, size: int) -> bytes:
        self._sock.settimeout(0.1)
        data = self._sock.recv(size)
        self._taken += len(data)
        return data

    def _pause(self, seconds: float) -> None:
        began, until = self._peer.manners, time.monotonic() + seconds
        while self._peer.manners is began and time.monotonic() < until:
            time.sleep(0.02)

    def _be_deaf(self, deaf: bool) -> None:
        if deaf and not self._deaf:
            program = ctypes.create_string_buffer(_DROP_ALL)
            at = struct.pack("HxxxxxxP", 1, ctypes.addressof(program))
            self._sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, at)
        elif self._deaf and not deaf:
            self._sock.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)
        self._deaf = deaf


class Mannered:
    """Whose manners may be changed at any time: once they are, no connection is broken that the
    ones before would have broken."""

    def __init__(self) -> None:
        super().__init__()
        self.deciding = threading.Lock()
        self.broken = 0
        """Connections, by its manners."""
        self._manners = Manners.GOOD

    @property
    def manners(self) -> Manners:
        return self._manners

    @manners.setter
    def manners(self, others: Manners) -> None:
        with self.deciding:
            self._manners = others


class SyslogPeer(Mannered, SyslogReceiver):
    """RFC 5424 in octet-counted frames."""

    scheme, sink = "tcp", 'type = "syslog"'

    def __init__(self, manners: Manners = Manners.GOOD) -> None:
        super().__init__()
        self.manners = manners

    def _serve(self, connection: Any) -> None:
        super()._serve(Connection(connection, self))  # type: ignore[arg-type]

    def texts(self, name: str) -> list[str]:
        """Messages of the container of that name."""
        return self.of(name)


class LumberjackPeer(Mannered, TcpReceiver):
    """Lumberjack 2, as the beats input of Logstash speaks it: each window is acknowledged."""

    scheme, sink = "lumberjack", 'type = "logstash"\nack_timeout = "10m"'

    def __init__(self, manners: Manners = Manners.GOOD) -> None:
        super().__init__()
        self.manners = manners
        self.windows: list[list[dict[str, Any]]] = []
        """The entries of each window that came whole, also of those not acknowledged."""
        self.answers = True
        """Whether it acknowledges."""

    def answer(self, connection: Any, count: int) -> None:
        """To a window that came whole."""
        if self.answers:
            connection.sendall(struct.pack(">2sI", b"2A", count))

    @property
    def count(self) -> int:
        """Entries of all windows."""
        return sum(map(len, list(self.windows)))

    def texts(self, name: str) -> list[str]:
        """Messages of the container of that name."""
        entries = [entry for window in list(self.windows) for entry in window]
        return [e["message"] for e in entries if e["container"]["name"] == name]

    def _serve(self, connection: Any) -> None:
        source = _Exactly(Connection(connection, self))
        with suppress(OSError, EOFError):
            while True:
                kind, count = source.header()
                if kind != b"2W":
                    self.errors.append(f"no window: {kind!r}")
                    return
                window = source.events(count)
                self.windows.append(window)
                self.answer(source.connection, len(window))


class _Exactly:
    """Reads as many bytes as it is asked for."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._rest = bytearray()

    def header(self) -> tuple[bytes, int]:
        return struct.unpack(">2sI", self._read(6))  # type: ignore[return-value]

    def events(self, count: int) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = []
        while len(events) < count:
            kind, number = self.header()
            if kind == b"2C":
                self._rest[:0] = zlib.decompress(self._read(number))
            else:
                (length,) = struct.unpack(">I", self._read(4))
                events.append(json.loads(self._read(length)))
        return events

    def _read(self, size: int) -> bytes:
        while len(self._rest) < size:
            data = self.connection.recv(1 << 16)
            if not data:
                raise EOFError
            self._rest += data
        wanted = bytes(self._rest[:size])
        del self._rest[:size]
        return wanted
