"""Which datagrams are answered."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.forward.heartbeats import PEERS, PER_SECOND, Heartbeats

OWN = 24225


class Beaten:
    """Heartbeats without a network, and their clock."""

    def __init__(self) -> None:
        self.heartbeats = Heartbeats(OWN)
        self.heartbeats._now = lambda: self.now
        self.heartbeats.connection_made(self)
        self.heartbeats.refuse = lambda kind, why: self.refused.append(why)
        self.now = 100.0
        self.answered: list[Any] = []
        self.refused: list[str] = []

    def sendto(self, data: bytes, address: Any) -> None:
        assert data == b"\0"
        self.answered.append(address)

    def beat(self, port: int, host: str = "192.0.2.1", data: bytes = b"\0") -> None:
        self.heartbeats.datagram_received(data, (host, port))


@pytest.fixture
async def beaten() -> Beaten:
    return Beaten()


@pytest.mark.fault(108)
@pytest.mark.parametrize("port", [OWN, 24224, 53, 1023])
async def test_no_port_of_a_server_is_answered(beaten: Beaten, port: int) -> None:
    beaten.beat(port)
    assert beaten.answered == []
    assert "the port of a server" in beaten.refused[0]


@pytest.mark.parametrize("data", [b"", b"\1", b"\0\0", b"x" * 1000])
async def test_what_is_no_heartbeat_is_not_answered(beaten: Beaten, data: bytes) -> None:
    beaten.beat(40000, data=data)
    assert (beaten.answered, len(beaten.refused)) == ([], 1)


@pytest.mark.fault(108)
async def test_each_peer_is_answered_some_times_a_second(beaten: Beaten) -> None:
    for _ in range(2):
        for port in (40000, 40001):
            for _ in range(PER_SECOND + 5):
                beaten.beat(port)
        assert len(beaten.answered) == 2 * PER_SECOND
        assert len(beaten.refused) == 10
        beaten.answered.clear()
        beaten.refused.clear()
        beaten.now += 1


async def test_no_more_peers_are_remembered_than_there_is_room_for(beaten: Beaten) -> None:
    for number in range(PEERS + 5):
        beaten.beat(40000, host=f"peer {number}")
    assert (len(beaten.answered), len(beaten.refused)) == (PEERS, 5)
    assert len(beaten.heartbeats._answered) == PEERS
