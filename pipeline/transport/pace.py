"""How often a destination may be asked."""

from __future__ import annotations

import asyncio
from math import inf


class Pace:
    """Lets requests begin at least `every` seconds apart, for destinations that limit them. For one
    sink: calls never overlap."""

    def __init__(self, every: float) -> None:
        """`every`: seconds; 0 for no limit."""
        self._every = every
        self._next = -inf

    async def turn(self) -> None:
        """Returns when the next request may begin."""
        if self._every <= 0:
            return
        now = asyncio.get_running_loop().time
        if (early := self._next - now()) > 0:
            await asyncio.sleep(early)
        self._next = now() + self._every
