"""Counts the wrong tokens of each client address, and says when there are too many.

A token can't be guessed: a generated one has 256 random bits. This tells clients that keep sending
a wrong one to stop, and the agent's log who they are. The right token is always accepted, so that
nobody is locked out by others behind the same proxy.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from pipeline.support.rate_limit import RateLimit

MOST: Final = 20
"""Wrong tokens of one address within `WINDOW`."""
WINDOW: Final = 60.0
"""Seconds from the first wrong token until an address's count begins again."""
ADDRESSES: Final = 1000
"""Addresses that are counted. The one counted longest makes room."""

log = logging.getLogger(__name__)


class WrongTokens:
    """Counts wrong tokens by address, or by IPv6 network (/64)."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: seconds, monotonic."""
        self._clock = clock
        self._counts: dict[str, tuple[float, int]] = {}
        """When each address sent its first wrong token, and how many; the oldest first."""
        self._log = RateLimit()

    def __len__(self) -> int:
        return len(self._counts)

    def add(self, address: str) -> float:
        """Counts one. Returns 0, or the seconds that the client should wait if it sent too many."""
        now, origin = self._clock(), network(address)
        since, count = self._counts.get(origin, (now, 0))
        if now - since >= WINDOW:
            del self._counts[origin]
            since, count = now, 0
        if origin not in self._counts and len(self._counts) >= ADDRESSES:
            del self._counts[next(iter(self._counts))]
        self._counts[origin] = since, count + 1
        if count < MOST:
            return 0.0
        if wrong := self._log():
            log.warning(
                "%s sent more than %d wrong tokens to the HTTP endpoint within a minute (%d more "
                "since the last message): find out who asks from there",
                origin,
                MOST,
                wrong,
            )
        return since + WINDOW - now


def network(address: str) -> str:
    """The address, or the /64 of an IPv6 one, which is one client's; the text itself if it is
    neither."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, IPv6Address):
        return str(ip.ipv4_mapped or ip_network((ip, 64), strict=False))
    return str(ip)
