"""A real rsyslog, killed while it takes messages and started again."""

from __future__ import annotations

import asyncio
import os
import re
import selectors
import signal
import time
from typing import Any

import pytest

from pipeline.model.component import TLSConfig
from tests.delivery.breaking import in_kernel
from tests.delivery.sending import PAYLOAD, Sending, line, sending, until
from tests.servers.certificates import Authority
from tests.servers.rsyslog import Rsyslog

LINES = 60_000
PAYLOAD_LINES = PAYLOAD // len(line(0))
STANDING = 1.0
QUEUE = 50_000
"""Messages that rsyslog reads before it has written them, at the most: its main queue."""


def stored(server: Rsyslog) -> list[int]:
    """Numbers of the lines that it has written down whole."""
    written = server.output.read_bytes() if server.output.exists() else b""
    return [int(found) for found in re.findall(rb'"message":"<(\d{7})>x{91}"', written)]


def end_of(server: Rsyslog) -> bytes:
    """What it has written last."""
    if not server.output.exists():
        return b""
    with server.output.open("rb") as file:
        file.seek(max(0, server.output.stat().st_size - 10_000))
        return file.read()


async def everything_again(server: Rsyslog, sent: Sending) -> None:
    await asyncio.to_thread(server.start)
    await until(lambda: sent.settled == LINES, "not everything arrived")
    last = f"{LINES - 1:07}".encode()
    await until(lambda: last in end_of(server))


def gap(found: list[int]) -> tuple[int, int]:
    """What one break has lost and what has come twice; all else is there, in order."""
    if (start := next((at for at, n in enumerate(found) if at != n), None)) is None:
        assert len(found) == LINES
        return 0, 0
    assert found[start:] == list(range(found[start], LINES))
    return max(0, found[start] - start), max(0, start - found[start])


@pytest.mark.server
@pytest.mark.parametrize("scheme", ["tcp", "tls"])
async def test_killed_while_it_stands_still_it_has_lost_what_its_kernel_had(
    rsyslog: Rsyslog, authority: Authority, scheme: str
) -> None:
    """It stands still with all that it has read written down, so that the count is exact."""
    port = getattr(rsyslog, scheme)
    tls = {"tls": TLSConfig(ca=authority.ca)} if scheme == "tls" else {}
    async with sending("syslog", address=f"{scheme}://localhost:{port}", **tls) as sent:
        sent.lines(1000)
        await until(lambda: sent.delivered == 1000 == len(stored(rsyslog)))
        size = sent.count("delivered_bytes") // 1000
        assert rsyslog.process is not None
        os.kill(rsyslog.process.pid, signal.SIGSTOP)
        sent.lines(LINES - 1000)
        looks: list[tuple[float, int]] = []
        await until(lambda: is_stuck(sent) and is_full(port, looks))
        _, waiting = looks[-1]
        assert sent.delivered >= 1000
        await asyncio.to_thread(rsyslog.kill)
        await everything_again(rsyslog, sent)
        lost, repeated = gap(stored(rsyslog))
    print(f"{scheme}: {lost} lost, {waiting} bytes in the kernel, {repeated} repeated")
    assert 0 < lost * size <= waiting
    assert repeated == 0


def is_full(port: int, looks: list[tuple[float, int]]) -> bool:
    """The kernel of the other side has taken nothing for longer than this side's waits before it
    fills what is left with a part of a segment."""
    looks.append((time.monotonic(), max(in_kernel(port))))
    if looks[-1][1] != looks[0][1]:
        del looks[:-1]
    return looks[-1][0] - looks[0][0] > STANDING


def is_stuck(sent: Sending) -> bool:
    """A part of a payload waits for room in this side's kernel."""
    sock = sent.sink._connection._socket
    loop: Any = asyncio.get_running_loop()
    key = loop._selector.get_map().get(sock.fileno())
    return key is not None and bool(key.events & selectors.EVENT_WRITE)


@pytest.mark.server
@pytest.mark.parametrize("scheme", ["tcp", "tls"])
async def test_killed_in_mid_stream_it_has_lost_one_run_of_messages_at_most(
    rsyslog: Rsyslog, authority: Authority, scheme: str
) -> None:
    port = getattr(rsyslog, scheme)
    tls = {"tls": TLSConfig(ca=authority.ca)} if scheme == "tls" else {}
    async with sending("syslog", address=f"{scheme}://localhost:{port}", **tls) as sent:
        sent.lines(LINES)
        await sent.kill_behind(5000, rsyslog)
        await everything_again(rsyslog, sent)
        lost, repeated = gap(stored(rsyslog))
    print(f"{scheme}: {lost} lost, {repeated} repeated")
    assert lost <= QUEUE
    assert repeated <= PAYLOAD_LINES


@pytest.mark.server
@pytest.mark.parametrize("framing", ["octet-counting", "lf"])
async def test_what_ends_in_the_middle_of_a_message_is_half_a_message_with_lf_and_none_without(
    rsyslog: Rsyslog, framing: str
) -> None:
    """The agent ends while rsyslog stands still: the kernel still sends what it has taken."""
    assert rsyslog.process is not None
    address = f"tcp://127.0.0.1:{rsyslog.tcp}"
    async with sending("syslog", address=address, framing=framing) as sent:
        sent.lines(1000)
        await until(lambda: len(stored(rsyslog)) == 1000)
        os.kill(rsyslog.process.pid, signal.SIGSTOP)
        sent.lines(LINES - 1000)
        await until(lambda: is_stuck(sent))
        settled = sent.settled
    os.kill(rsyslog.process.pid, signal.SIGCONT)
    await until(lambda: not list(in_kernel(rsyslog.tcp)), "rsyslog keeps the connection")
    # It does not wait for long, when it is stopped, until all that it has is written down.
    await until(lambda: len(stored(rsyslog)) >= settled, "not everything arrived")
    await asyncio.to_thread(rsyslog.stop)
    whole = stored(rsyslog)
    assert whole == list(range(len(whole)))
    assert len(whole) >= settled
    first, *_ = records = [one.raw for one in rsyslog.received(0)]
    halves = records[len(whole) :]
    assert len(halves) <= (framing == "lf")  # what the kernel took may end where a message does
    assert all(len(half) < len(first) for half in halves)
