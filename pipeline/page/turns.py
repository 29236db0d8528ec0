"""Limits how many expensive requests are answered at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

MOST_WAITING: Final = 3
"""Requests of one client that may wait for one of its own."""


class TooManyError(Exception):
    """A request can't be answered now, since there are too many others."""


class Turns:
    """Answers one request of each client at a time, and so many in all."""

    def __init__(self, most: int) -> None:
        """`most`: requests at once, over all clients."""
        self._most = most
        self._running = 0
        self._clients: dict[str, _Client] = {}

    @asynccontextmanager
    async def of(self, client: str) -> AsyncIterator[None]:
        """A context in which a request is answered. Waits for an earlier one of the same client.

        `client`: such as its address. Raises `TooManyError`.
        """
        queue = self._clients.setdefault(client, _Client())
        if queue.inside > MOST_WAITING:
            raise TooManyError
        queue.inside += 1
        try:
            async with queue.lock:
                if self._running >= self._most:
                    raise TooManyError
                self._running += 1
                try:
                    yield
                finally:
                    self._running -= 1
        finally:
            queue.inside -= 1
            if not queue.inside:
                del self._clients[client]


class _Client:
    """The requests of one client."""

    __slots__ = ("inside", "lock")

    def __init__(self) -> None:
        self.inside = 0
        """Those that are answered or wait."""
        self.lock = asyncio.Lock()
