"""Datagrams are sent in C as far as the kernel takes them, and no further."""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline import native


@pytest.fixture(params=[socket.AF_INET, socket.AF_INET6])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[socket.socket, socket.socket]]:
    """One that sends to the other."""
    host = "127.0.0.1" if request.param == socket.AF_INET else "::1"
    with (
        socket.socket(request.param, socket.SOCK_DGRAM) as receiver,
        socket.socket(request.param, socket.SOCK_DGRAM) as sender,
    ):
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**20)
        receiver.bind((host, 0))
        receiver.settimeout(60)
        sender.setblocking(False)
        sender.connect(receiver.getsockname())
        yield sender, receiver


Pair = tuple[socket.socket, socket.socket]


def test_each_is_a_datagram_and_they_come_in_order(c: native.Loops, pair: Pair) -> None:
    sender, receiver = pair
    datagrams = [b"zero", b"one", b"", b"x" * 9000, b"four"]
    assert c.datagrams(sender.fileno(), datagrams, 1, 3) == (4, 3, 0)
    assert [receiver.recv(65536) for _ in range(3)] == datagrams[1:4]
    assert c.datagrams(sender.fileno(), datagrams, 2, 0) == (2, 0, 0)
    assert c.datagrams(sender.fileno(), datagrams, 4, 9) == (5, 1, 0)


def test_in_one_piece_each_ends_with_the_last_byte(c: native.Loops, pair: Pair) -> None:
    sender, receiver = pair
    run = b"zero|one||" + b"x" * 9000 + b"|four|"
    assert c.datagrams(sender.fileno(), run, 5, 3) == (len(run) - 5, 3, 0)
    assert [receiver.recv(65536) for _ in range(3)] == [b"one", b"", b"x" * 9000]
    assert c.datagrams(sender.fileno(), run, 5, 0) == (5, 0, 0)
    assert c.datagrams(sender.fileno(), run, len(run) - 5, 9) == (len(run), 1, 0)
    assert receiver.recv(65536) == b"four"
    assert c.datagrams(sender.fileno(), run, len(run), 9) == (len(run), 0, 0)
    assert c.datagrams(sender.fileno(), b"", 0, 9) == (0, 0, 0)
    assert c.datagrams(sender.fileno(), b"|", 0, 9) == (1, 1, 0)
    assert receiver.recv(65536) == b""


def test_it_stops_at_what_the_kernel_does_not_take(c: native.Loops, pair: Pair) -> None:
    sender, receiver = pair
    datagrams = [b"one", b"x" * 70_000, b"three"]
    assert c.datagrams(sender.fileno(), datagrams, 0, 3) == (1, 1, errno.EMSGSIZE)
    assert c.datagrams(sender.fileno(), b"|".join(datagrams) + b"|", 0, 3) == (4, 1, errno.EMSGSIZE)
    assert [receiver.recv(65536) for _ in range(2)] == [b"one", b"one"]
    receiver.setblocking(False)
    with pytest.raises(BlockingIOError):
        receiver.recv(65536)


@pytest.mark.parametrize(("run", "at"), [([b"one", b"two"], 1), (b"one|two|", 4)])
def test_a_refusal_is_told_by_the_next_datagram_which_is_not_sent(
    c: native.Loops, pair: Pair, run: Any, at: int
) -> None:
    sender, receiver = pair
    receiver.close()
    assert c.datagrams(sender.fileno(), run, 0, 2) == (at, 1, errno.ECONNREFUSED)


def test_it_does_not_wait_for_room(c: native.Loops) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind("\0dockline-test-datagrams")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.connect(receiver.getsockname())  # blocking, and still nobody waits
            found = c.datagrams(sender.fileno(), [b"x"] * 100_000, 0, 100_000)
    assert found is not None
    at, sent, problem = found
    assert 0 < at == sent < 100_000
    assert problem == errno.EAGAIN


def test_a_closed_socket_is_a_problem(c: native.Loops, pair: Pair) -> None:
    assert c.datagrams(-1, [b"one"], 0, 1) == (0, 0, errno.EBADF)


@pytest.mark.parametrize(
    "odd",
    [
        ([b"one"], -1, 1),
        ([b"one"], 2, 0),
        ([b"one"], 0, -1),
        (b"one", -1, 1),
        (b"one", 4, 1),
        (b"one", 0, -1),
        ((b"one",), 0, 1),
        (bytearray(b"one"), 0, 1),
        ([b"one", "two"], 0, 2),
        ([b"one", bytearray(b"two")], 0, 2),
        ([b"one", None], 0, 2),
    ],
)
def test_what_does_not_fit_is_given_back_and_nothing_is_sent(
    c: native.Loops, pair: Pair, odd: Any
) -> None:
    sender, receiver = pair
    assert c.datagrams(sender.fileno(), *odd) is None
    receiver.setblocking(False)
    with pytest.raises(BlockingIOError):
        receiver.recv(65536)


def test_nothing_is_kept_of_what_was_sent(c: native.Loops, pair: Pair) -> None:
    sender, _ = pair

    def send() -> int:
        for _ in range(200):
            c.datagrams(sender.fileno(), [b"one", b"x" * 70_000], 0, 2)
            c.datagrams(sender.fileno(), b"one|two|", 0, 2)
            c.datagrams(sender.fileno(), [b"one", None], 0, 2)  # type: ignore[list-item]
        return sys.getallocatedblocks()

    send()
    first = send()
    assert max(send() - first, send() - first) < 100


def test_what_is_no_bytes_has_no_longest(c: native.Loops) -> None:
    with pytest.raises(TypeError):
        c.longest([b"one"])  # type: ignore[arg-type]
