"""An event loop in a thread of its own, for an asynchronous library that blocks now and then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from threading import Thread
from typing import Any, TypeVar

Result = TypeVar("Result")


class Background:
    """Runs coroutines in a loop in a thread, one after another: a library that reads files, signs
    and compresses in them holds nobody up."""

    def __init__(self, name: str) -> None:
        """`name` is that of the thread."""
        self._name = name
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turn = asyncio.Lock()

    async def run(
        self, call: Callable[..., Coroutine[Any, Any, Result]], *arguments: Any
    ) -> Result:
        """The call's result, or its exception. Cancelling this cancels it, without waiting for
        that; but what is run next waits for its end."""
        if self._loop is None:
            self._turn, self._loop = asyncio.Lock(), asyncio.new_event_loop()
            Thread(target=_work, args=(self._loop,), name=self._name, daemon=True).start()
        turn = _in_turn(self._turn, call, *arguments)
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(turn, self._loop))

    @property
    def running(self) -> bool:
        """Whether the thread runs: something was run, and `stop` was not called since."""
        return self._loop is not None

    def stop(self) -> None:
        """Cancels what still runs, and lets the thread end. A later `run` starts another."""
        loop, self._loop = self._loop, None
        if loop is not None:
            loop.call_soon_threadsafe(loop.stop)


async def _in_turn(
    turn: asyncio.Lock, call: Callable[..., Coroutine[Any, Any, Result]], *arguments: Any
) -> Result:
    async with turn:
        return await call(*arguments)


def _work(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
        loop.run_until_complete(_end(loop))
    finally:
        loop.close()


async def _end(loop: asyncio.AbstractEventLoop) -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await loop.shutdown_asyncgens()
    await loop.shutdown_default_executor()
