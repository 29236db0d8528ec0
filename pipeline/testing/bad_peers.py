"""TCP servers that accept a connection and then misbehave."""

from __future__ import annotations

import ctypes
import socket
import struct
import time
from contextlib import suppress

from pipeline.testing.receivers import TcpReceiver

SO_ATTACH_FILTER = 26
"""The socket option of Linux, which `socket` doesn't define."""
_RETURN_NOTHING = struct.pack("HBBI", 6, 0, 0, 0)
_RST_ON_CLOSE = struct.pack("ii", 1, 0)


class Still(TcpReceiver):
    """Accepts connections and never reads."""

    def _serve(self, connection: socket.socket) -> None:
        pass


class Trickle(TcpReceiver):
    """Reads one byte per second."""

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError):
            while connection.recv(1):
                time.sleep(1)


class Resetting(TcpReceiver):
    """Reads something, and resets the connection."""

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError):
            connection.recv(1 << 16)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST_ON_CLOSE)
        connection.close()


class HalfOpen(TcpReceiver):
    """Accepts connections and then acknowledges nothing, like a host that has lost power.

    A socket filter drops every packet that arrives.
    """

    def _serve(self, connection: socket.socket) -> None:
        program = ctypes.create_string_buffer(_RETURN_NOTHING, len(_RETURN_NOTHING))
        option = struct.pack("HL", 1, ctypes.addressof(program))
        connection.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, option)
