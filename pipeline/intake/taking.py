"""Contexts for reading from peers, which end by themselves when the source is to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from types import TracebackType


class Takers:
    """All `Taking` blocks of a source that are entered now, and those to come."""

    def __init__(self) -> None:
        self.stopping = False
        self._inside: set[Taking] = set()

    def taking(self, finish: Callable[[], None] | None = None) -> Taking:
        """Returns a context to read in. `finish` is called when the source stops, while it may
        still take."""
        return Taking(self, finish)

    def stop(self) -> None:
        """Ends all blocks, and every one that is entered later at once.

        First their `finish` functions run, which may still take the rest of a message.
        """
        for one in self._inside:
            one.finish()
        self.stopping = True
        for one in self._inside:
            one.stop()

    def enter(self, one: Taking) -> None:
        """Called by a block when it is entered."""
        self._inside.add(one)

    def leave(self, one: Taking) -> None:
        """Called by a block when it is left."""
        self._inside.discard(one)


def _nothing() -> None:
    pass


class Taking(AbstractAsyncContextManager[None]):
    """A block that is cancelled when the source is to stop, and then ends as if it were complete.

    It works like `asyncio.timeout`: a cancellation of the task from outside still takes effect.
    """

    def __init__(self, takers: Takers, finish: Callable[[], None] | None = None) -> None:
        self._takers = takers
        self.finish = finish or _nothing
        self._stopped = False
        self._task: asyncio.Task[object]
        self._cancelling = 0

    def stop(self) -> None:
        """Cancels the code inside, once. The block then ends without raising."""
        if not self._stopped:
            self._stopped = True
            self._task.cancel()

    async def __aenter__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("`taking` needs a task to run in")
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
            with suppress(asyncio.CancelledError):  # the cancellation that is still to arrive
                await asyncio.sleep(0)
        is_ours = self._task.uncancel() <= self._cancelling
        return is_ours and is_cancelled
