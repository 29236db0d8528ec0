"""Datagrams are sent to a peer that may tell that it is not there."""

import asyncio
import socket
from pathlib import Path

import pytest

from pipeline.model.datagrams import Ended
from pipeline.model.errors import Unavailable
from pipeline.transport.net.address import Address
from pipeline.transport.net.datagrams import _BURST, LARGEST, Datagrams
from pipeline.transport.net.sockets import readable
from tests.servers.ports import free_port
from tests.servers.receivers import udp

pytestmark = pytest.mark.usefixtures("either_loops")


async def came(receiver: socket.socket) -> bytes:
    async with asyncio.timeout(60):
        return await asyncio.get_running_loop().sock_recv(receiver, 65536)


async def test_datagrams_arrive_one_by_one_up_to_the_largest_there_is() -> None:
    async with udp() as receiver:
        peer = Datagrams(Address("udp", "127.0.0.1", receiver.getsockname()[1]))
        await peer.open()
        assert await peer.send([[b"a", b""], Ended(b"x" * LARGEST + b"|")]) == 0
        await peer.close()
        assert [await came(receiver) for _ in range(3)] == [b"a", b"", b"x" * LARGEST]


async def test_what_the_kernel_finds_too_long_is_cut_and_counted() -> None:
    async with udp() as receiver:
        peer = Datagrams(Address("udp", "127.0.0.1", receiver.getsockname()[1]))
        await peer.open()
        long = b"x" * 70_000
        assert await peer.send([[long, b"y"], Ended(long + b"|y|" + long + b"|")]) == 3
        await peer.close()
        half = long[:35_000]
        assert [await came(receiver) for _ in range(5)] == [half, b"y", half, b"y", half]


async def test_what_the_kernel_has_no_room_for_waits_until_it_has(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender,
    ):
        receiver.bind(str(tmp_path / "receiver"))
        for each in (receiver, sender):
            each.setblocking(False)
        sender.connect(receiver.getsockname())
        peer = Datagrams(Address("udp", "127.0.0.1", 514))
        peer._socket = sender
        datagrams = [b"%d" % number for number in range(1000)]
        runs = datagrams[:500], Ended(b"|".join([*datagrams[500:], b""]))
        async with asyncio.TaskGroup() as group, asyncio.timeout(60):
            group.create_task(peer.send(runs))
            found = [await loop.sock_recv(receiver, 65536) for _ in datagrams]
    assert found == datagrams


async def test_ten_thousand_datagrams_leave_the_loop_to_others_meanwhile() -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with udp() as receiver:
        peer = Datagrams(Address("udp", "127.0.0.1", receiver.getsockname()[1]))
        await peer.open()
        async with asyncio.TaskGroup() as group:
            counter = group.create_task(count())
            await peer.send([[b"x"] * 5_000, Ended(b"x|" * 5_000)])
            counter.cancel()
        await peer.close()
    assert turns >= 10_000 // _BURST


async def test_a_refusal_is_told_by_the_payload_that_met_it_or_by_the_next() -> None:
    peer = Datagrams(Address("udp", "127.0.0.1", free_port(socket.SOCK_DGRAM)))
    await peer.open()
    with pytest.raises(Unavailable, match="refused the connection"):
        await peer.send([[b"x"]])
        assert peer._socket is not None
        async with asyncio.timeout(60):  # until the kernel knows
            await readable(peer._socket)
        await peer.send([[b"x"]])
    await peer.close()


@pytest.mark.fault(28)
async def test_a_name_without_an_address_is_told() -> None:
    peer = Datagrams(Address("udp", "nowhere.invalid", 514))
    with pytest.raises(Unavailable, match='no address for the name "nowhere'):
        await peer.open()


async def test_sending_without_opening_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="not open"):
        await Datagrams(Address("udp", "127.0.0.1", 514)).send([[b"x"]])
