"""Sockets that do not block: connecting one, waiting for it, asking the kernel about it."""

from __future__ import annotations

import asyncio
import fcntl
import select
import socket
import struct
import termios
from collections.abc import Callable

from pipeline.model.errors import untraced
from pipeline.transport.net.address import Address

_OPTIONS = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    # a peer that has not taken a byte for two minutes; Linux itself waits for fifteen
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 120_000),
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
)


async def connect(address: Address, timeout: float) -> socket.socket:
    """A connected socket that does not block: the first of the name's addresses that answers.

    Raises `OSError`, of the last address that was tried; each gets an equal share of `timeout`.
    """
    loop = asyncio.get_running_loop()
    if address.scheme == "unix":
        return await _connect_unix(address.host, timeout)
    async with asyncio.timeout(timeout):
        found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    for family, kind, protocol, _, where in found:
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setblocking(False)
            for option in _OPTIONS:
                sock.setsockopt(*option)
            async with asyncio.timeout(timeout / len(found)):
                await loop.sock_connect(sock, where)
            return sock
        except OSError as error:
            sock.close()
            last = untraced(error)
        except BaseException:
            sock.close()
            raise
    try:
        raise last
    finally:
        del last  # else it has this frame, and the frame it, with all that is to be sent


async def _connect_unix(path: str, timeout: float) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        async with asyncio.timeout(timeout):
            await asyncio.get_running_loop().sock_connect(sock, path)
    except BaseException:
        sock.close()
        raise
    return sock


async def readable(sock: socket.socket) -> None:
    """Returns when `sock` has something to read, or has ended."""
    loop = asyncio.get_running_loop()
    await _ready(sock, loop.add_reader, loop.remove_reader)


async def writable(sock: socket.socket) -> None:
    """Returns when the kernel takes more for `sock`, or it has failed."""
    loop = asyncio.get_running_loop()
    await _ready(sock, loop.add_writer, loop.remove_writer)


async def _ready(
    sock: socket.socket, add: Callable[..., object], remove: Callable[[socket.socket], object]
) -> None:
    ready = asyncio.Event()
    add(sock, ready.set)
    try:
        await ready.wait()
    finally:
        remove(sock)


def hung_up(sock: socket.socket) -> bool:
    """Whether the peer has said that it sends no more, be what it said before read or not.

    `POLLRDHUP` of poll(2).
    """
    poll = select.poll()
    poll.register(sock, select.POLLRDHUP)
    return bool(poll.poll(0))


def unacknowledged(sock: socket.socket) -> int:
    """Bytes that the peer's kernel has not acknowledged; also after the connection broke.

    `SIOCOUTQ` of tcp(7), which has the number of `TIOCOUTQ`.
    """
    (count,) = struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, b"\0\0\0\0"))
    return int(count)
