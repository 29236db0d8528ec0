"""Datagrams to one peer over UDP."""

from __future__ import annotations

import asyncio
import errno
import os
import socket

from pipeline import native
from pipeline.model.errors import Unavailable
from pipeline.transport.net.address import Address
from pipeline.transport.net.errors import unavailable

LARGEST = 65_487
"""Bytes of data in one datagram, for IPv4 and IPv6 alike."""

_BURST = 128
"""Datagrams sent before others get the event loop: half a millisecond."""


class Datagrams:
    """Sends datagrams to one peer. The socket is connected, so that the kernel tells when nothing
    listens at the other end.

    It tells late, and only of a host that answers: a datagram that was taken is gone, not
    delivered. All methods raise `Unavailable`.
    """

    def __init__(self, address: Address, *, timeout: float = 10.0) -> None:
        """`timeout` in seconds is for finding the address of the name."""
        self.address = address
        self._timeout = timeout
        self._socket: socket.socket | None = None

    async def open(self) -> None:
        """Looks the name up, again each time, and makes a socket. Sends nothing."""
        await self.close()
        loop = asyncio.get_running_loop()
        where = self.address
        try:
            async with asyncio.timeout(self._timeout):
                found = await loop.getaddrinfo(where.host, where.port, type=socket.SOCK_DGRAM)
            family, kind, protocol, _, peer = found[0]
            self._socket = _connected(family, kind, protocol, peer)
        except (OSError, UnicodeError) as error:
            raise unavailable(self.address, error) from error

    def reached(self) -> str:
        """The address, with the IP address that its name was found to have."""
        if self._socket is None:
            return str(self.address)
        found = self._socket.getpeername()[0]
        return f"{self.address} ({found}); over UDP nothing tells whether anybody listens"

    async def send(self, datagrams: list[bytes]) -> int:
        """Sends each datagram. Returns when the kernel has taken all: how many of them had to be
        cut to fit its limit.

        A refusal of what was sent before is raised too, since nothing else would report it.
        """
        if self._socket is None:
            raise Unavailable(f"{self.address} is not open")
        cut = 0
        try:
            for start in range(0, len(datagrams), _BURST):
                stop = min(start + _BURST, len(datagrams))
                cut += await _send_all(self._socket, datagrams, start, stop)
                await asyncio.sleep(0)
            if code := self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                raise OSError(code, os.strerror(code))
        except OSError as error:
            raise unavailable(self.address, error) from error
        return cut

    def unconfirmed(self) -> int:
        """Always 0: a datagram is gone once it is sent."""
        return 0

    def give_up(self) -> None:
        """Does nothing: nothing would be sent again."""

    async def close(self) -> None:
        """Closes the socket. Never raises, and may be called at any time."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _connected(family: int, kind: int, protocol: int, where: tuple[object, ...]) -> socket.socket:
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        sock.connect(where)  # of a datagram socket: sets the peer, sends nothing
    except BaseException:
        sock.close()
        raise
    return sock


async def _send_all(sock: socket.socket, datagrams: list[bytes], at: int, stop: int) -> int:
    """How many had to be cut."""
    cut = 0
    while True:
        at, problem = _run(sock, datagrams, at, stop)
        if not problem:
            return cut
        cut += await _send_odd(sock, datagrams[at], problem)
        at += 1


def _run(sock: socket.socket, datagrams: list[bytes], at: int, stop: int) -> tuple[int, int]:
    """As `Loops.datagrams`."""
    if native.loops is not None:
        found = native.loops.datagrams(sock.fileno(), datagrams, at, stop)
        if found is not None:
            return found
    try:
        while at < stop:
            sock.send(datagrams[at])
            at += 1
    except OSError as error:
        return at, error.errno or errno.EIO
    return stop, 0


async def _send_odd(sock: socket.socket, datagram: bytes, problem: int) -> bool:
    """Sends one that the kernel did not take at once; whether it had to be cut."""
    if problem in (errno.EAGAIN, errno.EWOULDBLOCK):
        await asyncio.get_running_loop().sock_sendall(sock, datagram)
        return False
    if problem != errno.EMSGSIZE or len(datagram) < 2:
        raise OSError(problem, os.strerror(problem))
    half = [datagram[: len(datagram) // 2]]
    await _send_all(sock, half, 0, 1)
    return True
