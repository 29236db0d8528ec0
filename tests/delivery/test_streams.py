"""Syslog, Logstash and GELF over TCP and TLS: what a receiver's kernel had and the receiver never
read is lost, to the byte; at most the payload in flight comes twice; all else comes in order."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from typing import Any

import pytest

from pipeline.model.component import Duration, TLSConfig
from tests.delivery.breaking import SO_DETACH_FILTER, Breaking, deafen
from tests.delivery.sending import PAYLOAD, line, numbers, sending, until
from tests.servers.certificates import Authority
from tests.servers.receivers import server_context

LINES = 20_000
APPETITE = 1_000_000
SUBSTANTIAL = 50_000
PAYLOAD_LINES = PAYLOAD // len(line(0))


@dataclass(frozen=True)
class Way:
    """How a sink gets its messages to the other side."""

    kind: str
    scheme: str
    end: bytes | None
    """Of a message; None where its length stands before it."""

    def settings(self, port: int, authority: Authority) -> dict[str, Any]:
        tls = {"tls": TLSConfig(ca=authority.ca)} if self.scheme == "tls" else {}
        address = f"{self.scheme}://localhost:{port}"
        return {"address": address, "timeout": Duration(60), **tls}

    def messages(self, data: bytes) -> list[bytes]:
        """All that are whole, as they came."""
        if self.end is not None:
            return [one + self.end for one in data.split(self.end)[:-1]]
        found, at = [], 0
        while (length := re.compile(rb"(\d+) ").match(data, at)) is not None:
            end = length.end() + int(length[1])
            if end > len(data):
                break
            found.append(data[at:end])
            at = end
        return found


WAYS = [
    pytest.param(Way("syslog", "tcp", None), id="syslog-tcp"),
    pytest.param(Way("syslog", "tls", None), id="syslog-tls"),
    pytest.param(Way("papertrail", "tls", b"\n"), id="papertrail"),
    pytest.param(Way("logstash", "tcp", b"\n"), id="logstash-tcp"),
    pytest.param(Way("logstash", "tls", b"\n"), id="logstash-tls"),
    pytest.param(Way("gelf", "tcp", b"\0"), id="gelf-tcp"),
    pytest.param(Way("gelf", "tls", b"\0"), id="gelf-tls"),
]
BREAKS = {
    "reset-with-data-unread": Breaking.reset,
    "reset-with-all-read": Breaking.reset_when_all_is_read,
    "fin-with-data-unread": Breaking.finish,
    "fin-with-all-read": Breaking.finish_when_all_is_read,
}


@pytest.mark.parametrize("broken", BREAKS)
@pytest.mark.parametrize("way", WAYS)
async def test_a_broken_connection_loses_what_the_kernel_had_and_repeats_a_payload_at_most(
    way: Way, broken: str, authority: Authority
) -> None:
    tls = server_context(authority.issue(way.kind)) if way.scheme == "tls" else None
    with Breaking(tls, appetite=APPETITE) as receiver:
        async with sending(way.kind, **way.settings(receiver.port, authority)) as sent:
            sent.lines(LINES)
            await until(lambda: receiver.resting and receiver.in_kernel > SUBSTANTIAL)
            in_kernel = BREAKS[broken](receiver)
            settled = sent.settled
            await until(lambda: sent.settled == LINES, "not everything arrived")
            assert sent.delivered == LINES
            await until(lambda: receiver.data[-1].find(line(LINES - 1).encode()) > 0)
        first, second = receiver.data
    before, after = numbers(first), numbers(second)
    assert before == list(range(len(before)))
    assert after == list(range(after[0], LINES))
    assert settled <= after[0]
    whole = way.messages(first)
    lost = (after[0] - len(before)) * len(whole[-1])
    half_a_message = len(first) - sum(map(len, whole))
    assert lost <= in_kernel + (half_a_message if in_kernel else 0)
    assert len(before) - after[0] <= PAYLOAD_LINES


async def test_a_network_that_eats_acknowledgements_repeats_all_that_was_in_flight() -> None:
    """The receiver has it all; but as far as the sender can know, it has nothing."""
    with Breaking() as receiver:
        async with sending("syslog", address=f"tcp://127.0.0.1:{receiver.port}") as sent:
            sent.lines(1000)
            await until(lambda: sent.settled == len(numbers(b"".join(receiver.data))) == 1000)
            receiver.appetite = len(receiver.data[0]) + 10_000  # for which there is room, it knows
            sock = sent.sink._connection._socket
            deafen(sock)
            sent.lines(LINES - 1000)
            await until(lambda: receiver.resting)
            receiver.reset_when_all_is_read()
            assert sent.settled == 1000
            sock.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)
            await until(lambda: sent.settled == LINES, "not everything arrived")
            await until(lambda: receiver.data[-1].find(line(LINES - 1).encode()) > 0)
        first, second = receiver.data
    assert numbers(first) == list(range(len(numbers(first))))
    assert numbers(second) == list(range(1000, LINES))
