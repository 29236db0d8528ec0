"""`BlockingThread`: runs blocking calls in a thread of their own, one after another."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

Result = TypeVar("Result")


class BlockingThread:
    """A thread for calls that may block (a disk, a pipe that nobody reads), so that the event loop
    doesn't.

    Unlike with `asyncio.to_thread`, calls keep their order even if some are cancelled, and a call
    that hangs blocks neither the shared thread pool nor the end of the process.
    """

    def __init__(self, name: str) -> None:
        """`name`: the thread's name. The thread starts with the first call."""
        self._name = name
        self._calls: SimpleQueue[Callable[[], None] | None] | None = None

    async def run(self, call: Callable[..., Result], *arguments: Any) -> Result:
        """Runs `call(*arguments)` in the thread. Returns its result or raises its exception.

        If cancelled, a call that has begun runs to its end, and one that has not begun is never
        made. Raises `OSError` if no thread can be started, because of memory or a limit of
        processes; a later call tries again.
        """
        future: Future[Result] = Future()

        if self._calls is None:
            self._calls = _started(self._name)
        self._calls.put(partial(_run_call, future, call, arguments))
        waiting = asyncio.wrap_future(future)
        del future
        try:
            return await waiting
        finally:
            del waiting  # otherwise an exception and this frame refer to each other

    def stop(self, last: Callable[[], None] | None = None) -> None:
        """Ends the thread after the calls that are queued, and after `last`, which must not raise.
        Doesn't wait for it.

        A later `run` starts a new thread.
        """
        if self._calls is not None:
            if last is not None:
                self._calls.put(last)
            self._calls.put(None)
            self._calls = None


def _run_call(
    future: Future[Result], call: Callable[..., Result], arguments: tuple[Any, ...]
) -> None:
    """Makes the call, in the thread."""
    try:
        if future.set_running_or_notify_cancel():
            future.set_result(call(*arguments))
    except BaseException as error:
        future.set_exception(error)
    finally:
        del future, call, arguments  # as above


def _started(name: str) -> SimpleQueue[Callable[[], None] | None]:
    calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
    try:
        Thread(target=_work, args=(calls,), name=name, daemon=True).start()
    except RuntimeError as error:
        raise OSError(errno.EAGAIN, str(error)) from None
    return calls


def _work(calls: SimpleQueue[Callable[[], None] | None]) -> None:
    while (call := calls.get()) is not None:
        call()
