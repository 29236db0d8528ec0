"""Heartbeats over UDP: a Fluentd with `heartbeat_type udp` sends a byte every second, and considers
a server alive that answers with the same byte.

The sender of a datagram can be forged, and request and answer are the same byte. So a single
datagram could make two servers answer each other for ever. To prevent such a loop, only heartbeats
are answered, never to ports that servers use, and only a few times per second and peer.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from pipeline.transport.net.tcp_server import Refuse

HEARTBEAT: Final = b"\0"
"""The content of a heartbeat, and of its answer."""
PER_SECOND: Final = 3
"""Most answers per second to one address and port: Fluentd sends one heartbeat."""
PEERS: Final = 1024
"""Most addresses and ports that are answered in one second."""
SYSTEM_PORTS: Final = 1024
"""Ports below this one are servers' (RFC 6335)."""
USUAL_PORT: Final = 24224
"""The default port of the protocol."""


class Heartbeats(asyncio.DatagramProtocol):
    """Answers heartbeats. Must be made while an event loop runs."""

    def __init__(self, port: int) -> None:
        """`port` is the source's own port, which is never answered."""
        self.refuse: Refuse | None = None
        """Called with the reason for each datagram that is not answered."""
        self._servers = {port, USUAL_PORT}
        self._answered: dict[tuple[Any, ...], int] = {}
        """Number of answers to each peer in the current second."""
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
        """Why a datagram must not be answered; empty if it may."""
        if data != HEARTBEAT:
            return "a datagram that is not a heartbeat"
        if address[1] < SYSTEM_PORTS or address[1] in self._servers:
            return "a heartbeat from the port of a server, which may be forged"
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
