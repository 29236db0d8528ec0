"""Several reads become one where much comes, and nothing is lost, held back or read twice."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from pipeline.sources.docker.engine.stream import ENOUGH, MOST_GATHERING, GatheredReads, received
from pipeline.support.selector import LARGE, CoalescingSelector


@pytest.fixture(autouse=True)
def no_blocking_calls() -> None:
    """The pause blocks the loop on purpose."""


@pytest.fixture
def selector() -> Iterator[CoalescingSelector]:
    with CoalescingSelector() as one:
        yield one


class Peers:
    """A gathering at one end of a connection, and the other end."""

    def __init__(self, selector: CoalescingSelector) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.ours.setblocking(False)
        self.came: list[bytes] = []
        self.gathering = GatheredReads(self.ours.fileno(), selector, self.came.append)

    def begin(self, data: bytes) -> bool:
        """As if the loop had just read it."""
        received()[: len(data)] = data
        return self.gathering.begin(len(data))

    def close(self) -> None:
        self.ours.close()
        self.theirs.close()


@pytest.fixture
def peers(selector: CoalescingSelector) -> Iterator[Peers]:
    both = Peers(selector)
    yield both
    both.gathering.end()
    both.close()


FIRST, SECOND = b"a" * LARGE, b"b" * LARGE


def test_what_comes_during_the_pauses_is_put_behind_what_was_read_before(
    selector: CoalescingSelector, peers: Peers
) -> None:
    assert peers.begin(FIRST)
    assert peers.came == []
    peers.theirs.send(SECOND)
    assert selector.select() == []  # it does not wait: something is to be done with what came
    assert peers.came == [FIRST + SECOND]
    assert not selector.flows


@pytest.mark.parametrize("size", [1, LARGE - 1, ENOUGH])
def test_little_is_not_worth_it_and_enough_needs_no_more(peers: Peers, size: int) -> None:
    assert not peers.begin(b"x" * size)
    assert bytes(received()[:size]) == b"x" * size


def test_it_ends_when_there_is_enough(selector: CoalescingSelector, peers: Peers) -> None:
    peers.theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * ENOUGH)
    assert peers.begin(FIRST)
    peers.theirs.setblocking(False)
    sent = 0
    while sent < 2 * ENOUGH:
        sent += peers.theirs.send(b"c" * LARGE)
    selector.select(0)
    assert ENOUGH <= len(peers.came[0]) <= 2 * ENOUGH
    left = 0
    while len(peers.came[0]) + left < LARGE + sent:
        left += len(peers.ours.recv(1 << 20))
    assert len(peers.came[0]) + left == LARGE + sent


def test_the_end_of_the_connection_ends_it_and_is_left_to_the_loop(
    selector: CoalescingSelector, peers: Peers
) -> None:
    assert peers.begin(FIRST)
    peers.theirs.close()
    selector.select(0)
    assert peers.came == [FIRST]
    assert peers.ours.recv(1) == b""


def test_ended_before_its_turn_it_reads_no_more_from_what_may_be_another_socket(
    selector: CoalescingSelector, peers: Peers
) -> None:
    assert peers.begin(FIRST)
    peers.theirs.send(SECOND)
    peers.gathering.end()
    assert peers.came == [FIRST]
    selector.select(0)
    assert peers.came == [FIRST]
    assert peers.ours.recv(2 * LARGE) == SECOND


def test_only_so_many_gather_at_a_time_and_their_bytes_are_their_own(
    selector: CoalescingSelector,
) -> None:
    many = [Peers(selector) for _ in range(MOST_GATHERING + 1)]
    begun = [one.begin(bytes([number]) * LARGE) for number, one in enumerate(many)]
    assert begun == [True] * MOST_GATHERING + [False]
    selector.select(0)
    assert [one.came for one in many[:MOST_GATHERING]] == [
        [bytes([n]) * LARGE] for n in range(MOST_GATHERING)
    ]
    assert many[MOST_GATHERING].begin(FIRST)
    many[MOST_GATHERING].gathering.end()
    for one in many:
        one.close()
