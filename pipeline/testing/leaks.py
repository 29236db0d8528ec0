"""Whether something leaves tasks or file descriptors behind."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from pathlib import Path


async def unchanged(operation: Callable[[], Awaitable[None]]) -> None:
    """Runs it; it leaves no more tasks and file descriptors than there were."""
    before = held()
    await operation()
    for _ in range(200):  # the other end, where it lives in this process, notices a little later
        if all(now <= then for now, then in zip(held(), before, strict=True)):
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"tasks and file descriptors: {before} before, {held()} after")


def held() -> tuple[int, int]:
    gc.collect()
    return len(asyncio.all_tasks()), len(list(Path("/proc/self/fd").iterdir()))
