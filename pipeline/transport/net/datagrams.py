"""Datagrams to one peer over UDP."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Iterable

from pipeline import native
from pipeline.model.datagrams import Ended, Run, one_by_one
from pipeline.model.errors import Unavailable
from pipeline.transport.net.address import Address
from pipeline.transport.net.errors import unavailable

LARGEST = 65_487
"""Bytes of data in one datagram, for IPv4 and IPv6 alike."""

_BURST = 256
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

    async def send(self, runs: Iterable[Run]) -> int:
        """Sends each datagram of each run. Returns when the kernel has taken all: how many of them
        had to be cut to fit its limit.

        A refusal of what was sent before is raised too, since nothing else would report it.
        """
        if self._socket is None:
            raise Unavailable(f"{self.address} is not open")
        try:
            cut = await _send_all(self._socket, runs)
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


async def _send_all(sock: socket.socket, runs: Iterable[Run]) -> int:
    """How many had to be cut."""
    cut, left = 0, _BURST
    for run in runs:
        data = run.data if isinstance(run, Ended) and native.loops else one_by_one(run)
        at = 0
        while at < len(data):
            at, sent, problem = _burst(sock, data, at, left)
            left -= sent
            if problem:
                datagram, at = _next(data, at)
                cut += await _send_odd(sock, datagram, problem)
            elif left <= 0:
                await asyncio.sleep(0)
                left = _BURST
    await asyncio.sleep(0)
    return cut


def _burst(
    sock: socket.socket, data: bytes | list[bytes], start: int, most: int
) -> tuple[int, int, int]:
    """As `Loops.datagrams`."""
    if native.loops is not None:
        found = native.loops.datagrams(sock.fileno(), data, start, most)
        if found is not None:
            return found
    assert isinstance(data, list)
    at, stop = start, min(start + most, len(data))
    try:
        while at < stop:
            sock.send(data[at])
            at += 1
    except OSError as error:
        return at, at - start, error.errno or errno.EIO
    return stop, stop - start, 0


def _next(data: bytes | list[bytes], at: int) -> tuple[bytes, int]:
    """The datagram there, and where the one behind it is."""
    if isinstance(data, list):
        return data[at], at + 1
    stop = data.index(data[-1:], at)
    return data[at:stop], stop + 1


async def _send_odd(sock: socket.socket, datagram: bytes, problem: int) -> bool:
    """Sends one that the kernel did not take at once; whether it had to be cut."""
    if problem in (errno.EAGAIN, errno.EWOULDBLOCK):
        await asyncio.get_running_loop().sock_sendall(sock, datagram)
        return False
    if problem != errno.EMSGSIZE or len(datagram) < 2:
        raise OSError(problem, os.strerror(problem))
    await _send_all(sock, [[datagram[: len(datagram) // 2]]])
    return True
