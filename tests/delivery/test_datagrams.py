"""Syslog, Logstash and GELF over UDP: sent is delivered, whatever becomes of it; and only a host
that says that nothing listens there gets a payload twice."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest

from pipeline.model.component import BatchConfig, Size
from pipeline.transport.net.datagrams import _BURST
from tests.delivery.sending import numbers, sending, until
from tests.servers.ports import free_port

SINKS = ["syslog", "logstash", "gelf"]
READABLE: dict[str, dict[str, str]] = {"gelf": {"compression": "none"}}


def listen(port: int, room: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    sock.setblocking(False)
    sock.bind(("127.0.0.1", port))
    return sock


def received(sock: socket.socket) -> Iterator[int]:
    try:
        while True:
            yield from numbers(sock.recv(65536))
    except BlockingIOError:
        return


@pytest.mark.parametrize("kind", SINKS)
async def test_what_does_not_fit_is_lost_and_counts_as_delivered(kind: str) -> None:
    with listen(0, 20_000) as sock:
        address = f"udp://127.0.0.1:{sock.getsockname()[1]}"
        async with sending(kind, address=address, **READABLE.get(kind, {})) as sent:
            sent.lines(1000)
            await until(lambda: sent.settled == 1000)
            assert sent.delivered == 1000
        had = list(received(sock))
    assert had == list(range(len(had)))
    assert 0 < len(had) < 100


@pytest.mark.parametrize("kind", SINKS)
async def test_while_nothing_listens_nothing_counts_as_delivered(kind: str) -> None:
    """A host that answers says so; and before the first answer a payload can be no whole one."""
    port = free_port(socket.SOCK_DGRAM)
    async with sending(kind, address=f"udp://127.0.0.1:{port}", **READABLE.get(kind, {})) as sent:
        sent.lines(1000)
        await until(lambda: sent.count("retried_payloads") > 1)
        assert sent.delivered == 0
        with listen(port, 2**22) as sock:
            await until(lambda: sent.settled == 1000)
            had = list(received(sock))
    assert sorted(set(had)) == list(range(1000))


@pytest.mark.parametrize("kind", SINKS)
async def test_a_receiver_that_goes_in_the_middle_of_a_payload_has_the_first_part_of_it_again(
    kind: str,
) -> None:
    lines = 3 * _BURST
    port = free_port(socket.SOCK_DGRAM)
    with listen(port, 2**22) as sock:
        one = {"batch": BatchConfig(bytes=Size(2**20)), **READABLE.get(kind, {})}
        async with sending(kind, address=f"udp://127.0.0.1:{port}", **one) as sent:
            sent.lines(lines)
            while not (had := list(received(sock))):
                await asyncio.sleep(0)  # between two bursts others have the event loop
            sock.close()
            await until(lambda: sent.count("retried_payloads"))
            with listen(port, 2**22) as again:
                await until(lambda: sent.settled == lines)
                after = list(received(again))
    assert had == list(range(_BURST))
    assert after == list(range(lines))
