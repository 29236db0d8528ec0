"""Reading from peers that ends by itself when the source is to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from types import TracebackType


class Takers:
    """All who read just now."""

    def __init__(self) -> None:
        self.stopping = False
        self._inside: set[Taking] = set()

    def taking(self, finish: Callable[[], None] | None = None) -> Taking:
        return Taking(self, finish)

    def stop(self) -> None:
        """What is read, and what will be, ends. What has begun to be handed in is, to its end."""
        for one in self._inside:
            one.finish()
        self.stopping = True
        for one in self._inside:
            one.stop()

    def enter(self, one: Taking) -> None:
        self._inside.add(one)

    def leave(self, one: Taking) -> None:
        self._inside.discard(one)


def _nothing() -> None:
    pass


class Taking(AbstractAsyncContextManager[None]):
    """One block; see `component.Intake.taking`. Made the way of `asyncio.timeout`: whoever cancels
    the task from outside still does."""

    def __init__(self, takers: Takers, finish: Callable[[], None] | None = None) -> None:
        self._takers = takers
        self.finish = finish or _nothing
        self._stopped = False
        self._task: asyncio.Task[object]
        self._cancelling = 0

    def stop(self) -> None:
        if not self._stopped:
            self._stopped = True
            self._task.cancel()

    async def __aenter__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("only a task can take anything")
        self._task, self._cancelling = task, task.cancelling()
        self._takers.enter(self)
        if self._takers.stopping:
            self.stop()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        self._takers.leave(self)
        if not self._stopped:
            return False
        is_cancelled = isinstance(error, asyncio.CancelledError)
        if not is_cancelled:
            with suppress(asyncio.CancelledError):  # which did not find it waiting for anything
                await asyncio.sleep(0)
        is_ours = self._task.uncancel() <= self._cancelling
        return is_ours and is_cancelled
