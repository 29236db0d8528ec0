"""Time in the event loop of the test: waiting for what must become true, and passing it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

PATIENCE = 60.0
"""Seconds until it counts as not happening. Nothing waits for so long that goes well."""


async def until(holds: Callable[[], object], what: str = "it did not happen") -> None:
    """Fails with `what` where it has not become true by then."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not holds():
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(what) from None


def pass_time(seconds: float) -> None:
    """Now, as far as the loop's timers know. What waits for so long is called at its next turn."""
    loop = asyncio.get_running_loop()
    before = loop.time
    loop.time = lambda: before() + seconds  # type: ignore[method-assign]
