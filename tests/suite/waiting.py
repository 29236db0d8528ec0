"""Waiting for what must become true in the event loop of the test."""

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
