"""Ends work for a client that has gone. aiohttp goes on with a handler until it wants to write."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from aiohttp import web

EVERY: Final = 0.1
"""Seconds between two looks at the connection."""


@contextmanager
def while_connected(request: web.Request) -> Iterator[None]:
    """A context whose body is cancelled as soon as the client of the request has gone.

    It must be used in a task, like `asyncio.timeout`. Raises `ConnectionResetError` after the body
    has ended, if it was cancelled for that.
    """
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None
    gone, timer = False, asyncio.TimerHandle(0, lambda: None, (), loop)

    def look() -> None:
        nonlocal gone, timer
        gone = request.transport is None or request.transport.is_closing()
        if gone:
            task.cancel()
        else:
            timer = loop.call_later(EVERY, look)

    timer = loop.call_later(EVERY, look)
    try:
        yield
    except asyncio.CancelledError:
        if gone and task.uncancel() == 0:
            raise ConnectionResetError("the client has gone") from None
        raise
    finally:
        timer.cancel()
