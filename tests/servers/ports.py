"""Ports of the loopback that are this process's own until it ends.

A port that the kernel has given and got back may be anybody's a moment later: another server's, or
a client's that connects to somewhere. These are below those that the kernel gives. A stretch of
them is claimed with an abstract unix socket, which goes with the process, however it ends.
"""

from __future__ import annotations

import random
import socket
from pathlib import Path

LOWEST = 10_000
STRETCH = 250
"""Ports that a process claims. They come again when all were given."""


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    """A port of 127.0.0.1 that nothing uses, and that no other process of tests is given."""
    for _ in range(STRETCH):
        port = next(_own)
        with socket.socket(socket.AF_INET, kind) as sock:
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise OSError(f"none of the {STRETCH} ports of this process is free")


class _Stretch:
    """Gives its ports in turn."""

    def __init__(self) -> None:
        self._claim, self._first = _claimed()
        self._given = 0

    def __next__(self) -> int:
        self._given += 1
        return self._first + self._given % STRETCH


def _claimed() -> tuple[socket.socket, int]:
    """A stretch that no other process has, and what holds it."""
    stretches = list(range(LOWEST, _highest() - STRETCH, STRETCH))
    random.SystemRandom().shuffle(stretches)
    for first in stretches:
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0dockline-test-ports-{first}")
        except OSError:
            claim.close()
        else:
            return claim, first
    raise OSError("all stretches of ports are claimed")


def _highest() -> int:
    """The lowest of those that the kernel gives: see ip_local_port_range in ip(7)."""
    given = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    return given if given > LOWEST + STRETCH else 32_768


_own = _Stretch()
