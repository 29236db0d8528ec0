"""A server of UDP: datagrams that anybody sends to an address of this host."""

from __future__ import annotations

import socket
import struct
from typing import Final

from pipeline.transport.net.address import Address
from pipeline.transport.net.listen import bound_socket
from pipeline.transport.net.sockets import readable

LARGEST: Final = 2**16
BURST: Final = 512
"""Datagrams that are received before others get the event loop."""
BURST_BYTES: Final = 2**18
"""Of theirs: large ones stay in the kernel until there is room for what is made of them."""

_SO_RXQ_OVFL: Final = 40
_SO_RCVBUFFORCE: Final = 33
_COUNT: Final = struct.Struct("=I")
_ANCILLARY: Final = socket.CMSG_SPACE(_COUNT.size)


class UdpServer:
    """Receives datagrams at one address. May be opened again after it was closed."""

    def __init__(self, address: Address, room: int) -> None:
        """`room`: bytes that may wait in the kernel; where the process may not set that, as many as
        the host allows."""
        self.address = address
        self._room = room
        self._socket: socket.socket | None = None
        self._dropped = 0
        """By the kernel, since it was opened."""

    @property
    def port(self) -> int:
        """The port that it has; before `open` the one that was configured, which may be 0."""
        return self._socket.getsockname()[1] if self._socket is not None else self.address.port

    def reached(self) -> str:
        """The address with the port that it has: `udp://0.0.0.0:514`."""
        return str(Address(self.address.scheme, self.address.host, self.port))

    async def open(self) -> None:
        """Binds the address. Raises `Unavailable`."""
        self.close()
        self._socket = sock = await bound_socket(self.address, socket.SOCK_DGRAM)
        self._dropped = 0
        sock.setsockopt(socket.SOL_SOCKET, _SO_RXQ_OVFL, 1)
        try:
            sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, self._room)
        except PermissionError:  # then as much as the host allows
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._room)

    async def receive(self) -> tuple[list[tuple[bytes, str]], int]:
        """Waits for datagrams: one or more, each with the IP address of its sender; and how many
        the kernel had to drop since the call before."""
        assert self._socket is not None
        while True:
            await readable(self._socket)
            found, dropped = self._receive(self._socket)
            if found:
                return found, dropped

    def _receive(self, sock: socket.socket) -> tuple[list[tuple[bytes, str]], int]:
        found, before = list[tuple[bytes, str]](), self._dropped
        size = 0
        try:
            while len(found) < BURST and size < BURST_BYTES:
                data, ancillary, _, peer = sock.recvmsg(LARGEST, _ANCILLARY)
                for level, kind, value in ancillary:
                    if (level, kind) == (socket.SOL_SOCKET, _SO_RXQ_OVFL):
                        (self._dropped,) = _COUNT.unpack(value)
                size += len(data)
                found.append((data, peer[0].removeprefix("::ffff:")))
        except BlockingIOError:
            pass
        return found, (self._dropped - before) % 2**32

    def close(self) -> None:
        """Receives nothing more; what waits in the kernel is gone."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
