"""Heartbeats over UDP: a client of Fluentd with `heartbeat_type udp` sends a byte every second, and
takes a server that answers with the same byte for alive.

Anybody can write anybody's address on a datagram, and question and answer are the same byte. So two
servers that answer everything could be made to answer each other for ever, by one datagram. Here
nothing else is answered than a heartbeat, no port where a server may be, and each peer only some
times a second: a datagram that is not answered ends such a circle.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from pipeline.transport.net.tcp_server import Refuse

HEARTBEAT: Final = b"\0"
PER_SECOND: Final = 3
"""Answers to one address and port in a second: Fluentd sends one."""
PEERS: Final = 1024
"""Addresses and ports that are answered in one second."""
SYSTEM_PORTS: Final = 1024
"""Below are those of servers (RFC 6335)."""
USUAL_PORT: Final = 24224
"""Where others of this protocol listen."""


class Heartbeats(asyncio.DatagramProtocol):
    """Answers those that come to `port`."""

    def __init__(self, port: int) -> None:
        self.refuse: Refuse | None = None
        """To be told of what is not answered."""
        self._servers = {port, USUAL_PORT}
        self._answered: dict[tuple[Any, ...], int] = {}
        """How often, in this second."""
        self._second = 0
        self._now = asyncio.get_running_loop().time

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, address: tuple[Any, ...]) -> None:
        why = self._objection(data, address)
        if not why:
            self._transport.sendto(HEARTBEAT, address)
        elif self.refuse is not None:
            self.refuse("heartbeat", f"{address[0]}, port {address[1]}: {why}")

    def _objection(self, data: bytes, address: tuple[Any, ...]) -> str:
        """Why it is not to be answered; empty if it is."""
        if data != HEARTBEAT:
            return "a datagram that is no heartbeat"
        if address[1] < SYSTEM_PORTS or address[1] in self._servers:
            return "a heartbeat from the port of a server, as which somebody else may pose"
        if (second := int(self._now())) != self._second:
            self._answered.clear()
            self._second = second
        count = self._answered.get(address, 0)
        if count >= PER_SECOND:
            return f"more than {PER_SECOND} heartbeats in a second"
        if not count and len(self._answered) >= PEERS:
            return f"heartbeats of more than {PEERS} peers in a second"
        self._answered[address] = count + 1
        return ""
