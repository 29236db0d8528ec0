"""The other end of a sink, as a process of its own: one loop, and commands on standard input.

Each command is a line, and so is its answer, in JSON. The end of standard input ends the process.

A connection is broken exactly: first the kernel is told to drop every further packet to it, so that
it acknowledges nothing more, then what it has acknowledged is read to the last byte. What the
sender's kernel says is unacknowledged, and what was read here, then make up all that was sent.
"""

from __future__ import annotations

import ctypes
import json
import os
import selectors
import socket
import struct
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_ATTACH_FILTER, _DETACH_FILTER = 26, 27  # SO_… of socket(7)
_DROP_ALL = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))  # BPF: return 0
PIECE = 1 << 18


class Connection:
    """One of the agent's. What it says is told to `Receiver.data`."""

    def __init__(self, sock: socket.socket, number: int) -> None:
        self.socket = sock
        self.number = number
        self.received = 0


class Receiver:
    """What the receivers of both protocols have in common."""

    def __init__(self, port: int, folder: Path) -> None:
        self.folder = folder
        self.connections: list[Connection] = []
        self._port = port
        self._selector = selectors.DefaultSelector()
        self._listener: socket.socket | None = None
        self._accepted = 0
        self._deaf = False
        self._silent = False
        self.commands: dict[str, Callable[[], object]] = {
            "listen": self.listen,
            "vanish": self.vanish,
            "reset": self.reset,
            "silence": lambda: self._silence(True),
            "speak": lambda: self._silence(False),
            "deaf": lambda: self._hear(False),
            "hear": lambda: self._hear(True),
            "newest": self.newest,
        }

    def run(self) -> None:
        self._selector.register(sys.stdin.fileno(), selectors.EVENT_READ, "commands")
        self.listen()
        print("ready", flush=True)
        while True:
            for key, _ in self._selector.select():
                if key.data == "commands":
                    if not self._command():
                        return
                elif key.data == "listener":
                    self._accept()
                elif key.data in self.connections:  # not one that was just closed
                    self._read(key.data)

    def _command(self) -> bool:
        given = os.read(sys.stdin.fileno(), 4096).decode().split()
        for name in given:
            print(json.dumps(self.commands[name]()), flush=True)
        return bool(given)

    # ------------------------------------------------------------------ what a protocol does

    def data(self, connection: Connection, data: bytes) -> bool:
        """Something came. False when the connection is to be closed."""
        raise NotImplementedError

    def closed(self, connection: Connection) -> None:
        """Nothing more comes on it."""

    # ----------------------------------------------------------------------------- commands

    def listen(self) -> None:
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self._port), backlog=64)
            self._listener.setblocking(False)
            self._selector.register(self._listener, selectors.EVENT_READ, "listener")

    def vanish(self) -> int:
        """Ends every connection and takes no more. How many there were."""
        return self._break(self.drain, listening=False)

    def reset(self) -> int:
        """Resets every connection. How many there were."""
        return self._break(self.discard, listening=True)

    def newest(self) -> int:
        """Bytes that came on the newest connection that is open; 0 for none."""
        return self.connections[-1].received if self.connections else 0

    def _silence(self, silent: bool) -> None:
        self._silent = silent
        self._accept()
        for connection in self.connections:
            mute(connection.socket, silent)

    def _hear(self, hearing: bool) -> None:
        self._deaf = not hearing
        for connection in self.connections:
            if hearing:
                self._selector.register(connection.socket, selectors.EVENT_READ, connection)
            else:
                self._selector.unregister(connection.socket)

    # --------------------------------------------------------------------------- connections

    def _accept(self) -> None:
        while self._listener is not None:
            try:
                sock, _ = self._listener.accept()
            except BlockingIOError:
                return
            sock.setblocking(False)
            if self._silent:
                mute(sock, True)
            self._accepted += 1
            connection = Connection(sock, self._accepted)
            self.connections.append(connection)
            if not self._deaf:
                self._selector.register(sock, selectors.EVENT_READ, connection)

    def _read(self, connection: Connection) -> bool:
        """Whether there may be more."""
        try:
            data = connection.socket.recv(PIECE)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        connection.received += len(data)
        if not data or not self.data(connection, data):
            self.close(connection)
            return False
        return True

    def close(self, connection: Connection) -> None:
        self.connections.remove(connection)
        if not self._deaf:
            self._selector.unregister(connection.socket)
        connection.socket.close()
        self.closed(connection)

    def _break(self, end: Callable[[Connection], None], *, listening: bool) -> int:
        if self._listener is not None and not listening:
            mute(self._listener, True)  # a connection that is being made inherits it
            self._accept()
            self._selector.unregister(self._listener)
            self._listener.close()
            self._listener = None
        alive = list(self.connections)
        for connection in alive:
            mute(connection.socket, True)
        time.sleep(0.002)  # what was on its way through the kernel has arrived
        for connection in alive:
            end(connection)
        return len(alive)

    def drain(self, connection: Connection) -> None:
        """Reads what the kernel has, and closes it."""
        while self._read(connection):
            pass
        if connection in self.connections:
            self.close(connection)

    def discard(self, connection: Connection) -> None:
        """Closes it with a reset, whatever the kernel has."""
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close(connection)


def mute(sock: socket.socket, silent: bool) -> None:
    """The kernel drops every packet that comes for it, as if the network were cut."""
    if silent:
        program = struct.pack("@HP", 1, ctypes.addressof(_DROP_ALL))
        sock.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, program)
    else:
        with suppress(OSError):  # accepted after the silence: there is none to take off
            sock.setsockopt(socket.SOL_SOCKET, _DETACH_FILTER, struct.pack("i", 0))


def main(kind: Callable[[int, Path], Receiver]) -> None:
    """`python -m tests.chaos.KIND PORT FOLDER`."""
    kind(int(sys.argv[1]), Path(sys.argv[2])).run()
