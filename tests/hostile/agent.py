"""The agent that is attacked, with its loop's turns on record."""

from __future__ import annotations

import socket
from pathlib import Path

from pipeline.testing.agent_process import AgentProcess

SOMEWHERE = ("192.0.2.1", 9)
"""An address for documentation (RFC 5737): asked for the way to it, no packet is sent."""


class Attacked(AgentProcess):
    """Reachable from other hosts, as where its port is published."""

    def __init__(self, folder: Path, engine: str) -> None:
        super().__init__(folder, engine)
        self.turns = folder / "turns.ndjson"
        self._module = ("tests.hostile.turns", str(self.turns))
        self._listen = "0.0.0.0:0"

    @property
    def ended(self) -> int | None:
        """Its exit status; None while it lives."""
        return self.process.poll()


def outside() -> str:
    """An address of this host that is not its loopback; that where it has no other."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        try:
            peer.connect(SOMEWHERE)
        except OSError:
            return "127.0.0.1"
        return str(peer.getsockname()[0])
