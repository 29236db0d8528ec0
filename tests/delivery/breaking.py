"""A receiver that breaks its connections at the worst moment, and knows to the byte what that cost.

Before it breaks one, a filter that takes no packet is put before the socket. What the kernel has
then is all that it will ever have: the rest is the sender's.
"""

from __future__ import annotations

import ctypes
import fcntl
import socket
import ssl
import struct
import termios
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.servers.ports import free_port

_RETURN_NOTHING = struct.pack("HBBI", 6, 0, 0, 0)
SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27
_RST_ON_CLOSE = struct.pack("ii", 1, 0)


def _break(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST_ON_CLOSE)
    sock.close()


def deafen(sock: socket.socket) -> None:
    """No packet reaches `sock` any more, and none is answered."""
    program = ctypes.create_string_buffer(_RETURN_NOTHING, len(_RETURN_NOTHING))
    option = struct.pack("HL", 1, ctypes.addressof(program))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, option)


def unread(sock: socket.socket) -> int:
    """Bytes that the kernel has and the process has not."""
    return int(struct.unpack("i", fcntl.ioctl(sock, termios.FIONREAD, b"\0\0\0\0"))[0])


def in_kernel(port: int) -> Iterator[int]:
    """Bytes that wait to be read, for each connection to a port: `rx_queue` of proc(5)."""
    for row in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state, queues, *_ = row.split()
        if local.endswith(f":{port:04X}") and state in ("01", "08"):
            yield int(queues.partition(":")[2], 16)


@dataclass
class Connection:
    """What came over one."""

    socket: socket.socket
    received: bytearray = field(default_factory=bytearray)
    """Without TLS."""
    resting: bool = False
    """Nobody reads from it any more."""
    ended: bool = False
    """All that has come is here, and no more will come."""


class Breaking:
    """Listens on a port of 127.0.0.1 from `with` to its end, with TLS where there is a context.

    Of its first connection it reads `appetite` bytes, and then rests; of all others everything.
    """

    def __init__(
        self,
        tls: ssl.SSLContext | None = None,
        *,
        appetite: int | None = None,
        port: int | None = None,
    ) -> None:
        self.connections: list[Connection] = []
        self._tls = tls
        self.appetite = appetite
        """May be set while there is nothing to read."""
        self._listener = socket.create_server(("127.0.0.1", port or free_port()))
        # Where the kernel chooses, it may be so little that nothing worth losing is in it.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**18)
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Breaking:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for sock in (self._listener, *(one.socket for one in self.connections)):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)  # for a thread, too, that waits on it
            sock.close()

    @property
    def data(self) -> list[bytes]:
        """What came over each connection."""
        return [bytes(one.received) for one in self.connections]

    @property
    def resting(self) -> bool:
        """It has read from its first connection what it wanted."""
        return bool(self.connections) and self.connections[0].resting

    @property
    def in_kernel(self) -> int:
        """Bytes of the first connection that the kernel has and nobody has read."""
        return unread(self.connections[0].socket)

    # Each of these ends the first connection, and says how much the kernel had for it.

    def reset(self) -> int:
        """As the end of a process does that has data to read."""
        deafen(self._first)
        left = self.in_kernel
        _break(self._first)
        return left

    def reset_when_all_is_read(self) -> int:
        """In the middle of a frame, too."""
        self._read_all()
        _break(self._first)
        return 0

    def finish(self) -> int:
        """In good order, as one that has heard enough: nothing is read any more."""
        deafen(self._first)
        self._first.shutdown(socket.SHUT_WR)
        return self.in_kernel

    def finish_when_all_is_read(self) -> int:
        """As a server that is restarted."""
        self._read_all()
        self._first.shutdown(socket.SHUT_WR)
        return 0

    @property
    def _first(self) -> socket.socket:
        return self.connections[0].socket

    def _read_all(self) -> None:
        deafen(self._first)
        self._first.setblocking(False)
        with suppress(BlockingIOError, ssl.SSLWantReadError):
            while data := self._first.recv(1 << 16):
                self.connections[0].received += data

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: Any) -> None:
        if self._tls is not None:
            try:
                sock = self._tls.wrap_socket(sock, server_side=True)
            except OSError:
                sock.close()
                return
        one = Connection(sock)
        self.connections.append(one)
        one.resting = self._has_enough(one)
        one.ended = not one.resting

    def _has_enough(self, one: Connection) -> bool:
        """Reads as much as it wants; False when the connection ends before."""
        first = one is self.connections[0]
        with suppress(OSError):
            while not first or self.appetite is None or len(one.received) < self.appetite:
                if not (data := one.socket.recv(1 << 14)):
                    return False
                one.received += data
            return True
        return False
