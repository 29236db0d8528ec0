"""A limit for what the agent says of things that may happen with every batch."""

from __future__ import annotations

import time

EVERY = 10.0
"""Seconds between two messages of the same kind."""


class RateLimit:
    """Lets the first one through, then one every `EVERY` seconds, which stands for all since.

    if count := self._refusals(len(batch)):
        log.warning("%d entries refused", count)
    """

    __slots__ = ("_count", "_silent_until")

    def __init__(self) -> None:
        self._count = 0
        self._silent_until = 0.0

    def __call__(self, count: int = 1) -> int:
        """How often it has happened since it was last said, now included; 0 while it is too early
        to say it again."""
        self._count += count
        now = time.monotonic()
        if now < self._silent_until:
            return 0
        self._silent_until = now + EVERY
        count, self._count = self._count, 0
        return count
