"""Checks that nothing leaves tasks, file descriptors or reference cycles behind."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

_TURNS = 6000
_OLD = {20, 200, _TURNS - 1}
"""In these turns all generations are collected. In the others only young ones, where recent garbage
is."""


async def unchanged(operation: Callable[[], Awaitable[None]]) -> None:
    """Runs `operation` and checks that there are no more tasks and file descriptors afterwards than
    before."""
    gc.collect()
    before = held()
    await operation()
    for turn in range(_TURNS):  # a peer in this process notices a little later
        gc.collect(2 if turn in _OLD else 1)
        if all(now <= then for now, then in zip(held(), before, strict=True)):
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"tasks and file descriptors: {before} before, {held()} after")


def held() -> tuple[int, int]:
    """The numbers of tasks and of open file descriptors."""
    return len(asyncio.all_tasks()), len(list(Path("/proc/self/fd").iterdir()))


@contextmanager
def no_garbage(but: Collection[str] = ()) -> Iterator[None]:
    """Checks that objects of ours released in the block don't need the garbage collector.

    It visits old objects only now and then (see `pipeline.support.garbage`). `but`: names of
    classes that may need it.
    """
    gc.collect()
    gc.disable()
    try:
        yield
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        ours = Counter(_name(one) for one in gc.garbage if _is_ours(one, but))
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert not ours, f"only the garbage collector lets go of {ours}"


def _is_ours(one: object, but: Collection[str]) -> bool:
    """Whether it is an object of this package, or a frame of its code, which may hold what was to
    be sent."""
    module = one.f_globals["__name__"] if type(one) is FrameType else type(one).__module__
    return str(module).startswith("pipeline.") and type(one).__name__ not in but


def _name(one: object) -> str:
    name = type(one).__qualname__
    return f"{name} {one.f_code.co_qualname}" if type(one) is FrameType else name
