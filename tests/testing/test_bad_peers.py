"""Bad peers are as bad as they say."""

from __future__ import annotations

import fcntl
import socket
import struct
import termios
import time
from collections.abc import Callable, Iterator

import pytest

from pipeline.testing.bad_peers import HalfOpen, Resetting, Still, Trickle
from pipeline.testing.receivers import TcpReceiver
from pipeline.transport.net.sockets import unacknowledged

DATA = b"x" * 1000


@pytest.fixture
def connected() -> Iterator[Callable[[TcpReceiver], socket.socket]]:
    with socket.socket() as client:

        def to(peer: TcpReceiver) -> socket.socket:
            client.connect(("127.0.0.1", peer.port))
            return client

        yield to


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def unread(peer: TcpReceiver) -> int:
    """Bytes that its kernel has and it has not read."""
    until(lambda: peer._connections)
    answer = fcntl.ioctl(peer._connections[0], termios.FIONREAD, b"\0" * 4)
    return int(struct.unpack("i", answer)[0])


def retransmissions(client: socket.socket) -> int:
    """Of what it waits to be acknowledged now; `tcpi_retransmits` of Linux."""
    return client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)[2]


def test_one_stands_still(connected: Callable[[TcpReceiver], socket.socket]) -> None:
    with Still() as peer:
        client = connected(peer)
        client.sendall(DATA)
        until(lambda: unread(peer) == len(DATA))
        assert unacknowledged(client) == 0
        client.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                client.send(b"x" * (1 << 16))


def test_one_reads_a_byte_at_a_time(connected: Callable[[TcpReceiver], socket.socket]) -> None:
    with Trickle() as peer:
        connected(peer).sendall(DATA)
        until(lambda: unread(peer) == len(DATA) - 1)
        until(lambda: unread(peer) == len(DATA) - 2)


def test_one_resets(connected: Callable[[TcpReceiver], socket.socket]) -> None:
    with Resetting() as peer:
        client = connected(peer)
        client.sendall(DATA)
        with pytest.raises(ConnectionResetError):
            client.recv(1)


def test_one_is_gone_without_a_word(connected: Callable[[TcpReceiver], socket.socket]) -> None:
    with HalfOpen() as peer:
        client = connected(peer)

        def unheard() -> bool:
            client.send(b"x")
            return retransmissions(client) >= 2

        until(unheard)
        assert unacknowledged(client) > 0
