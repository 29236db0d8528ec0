"""Blocking calls, one after another, in a thread of their own."""

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
    """Runs what may block (a disk, a pipe that nobody reads) without the event loop waiting.

    Unlike asyncio's own threads it keeps the order of the calls, whoever was cancelled meanwhile,
    and one that hangs keeps neither the others' thread pool nor the end of the process waiting.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._calls: SimpleQueue[Callable[[], None] | None] | None = None

    async def run(self, call: Callable[..., Result], *arguments: Any) -> Result:
        """The call's result, or its exception. When cancelled, a call that has begun goes on to
        its end, and one that has not is never made. Raises `OSError` where no thread can be
        started, for want of memory or by a limit of processes; a later call may find one."""
        future: Future[Result] = Future()

        if self._calls is None:
            self._calls = _started(self._name)
        self._calls.put(partial(_settle, future, call, arguments))
        waiting = asyncio.wrap_future(future)
        del future
        try:
            return await waiting
        finally:
            del waiting  # else an exception has this frame, and the frame it

    def stop(self, last: Callable[[], None] | None = None) -> None:
        """Lets the thread end after the calls it has, and after `last`, which must not raise. A
        later `run` starts another."""
        if self._calls is not None:
            if last is not None:
                self._calls.put(last)
            self._calls.put(None)
            self._calls = None


def _settle(
    future: Future[Result], call: Callable[..., Result], arguments: tuple[Any, ...]
) -> None:
    """In the thread."""
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
