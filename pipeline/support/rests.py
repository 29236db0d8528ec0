"""Rests that end together: one timer for all streams whose rests end at about the same time.

A stream that rests is read directly at the end of its rest (`Resting.rested`), without a turn of
the event loop of its own. So a read of a few lines costs neither a timer nor two changes of what
the loop waits for, and what several streams have is handed on together.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from itertools import islice
from math import ceil
from typing import Protocol

log = logging.getLogger(__name__)

FINE = 0.001
"""Rests end at multiples of so many seconds, short ones."""
COARSE = 8
"""Rests that are longer than `LONG` end at every so many of them."""
LONG = 0.016
"""Seconds from which on a rest is long: it may well be a little longer."""
AT_ONCE = 16
"""Rests that end in one turn of the event loop."""


class Resting(Protocol):
    """A stream that is not read for a while."""

    def rested(self) -> None:
        """Called at the end of its rest, in the event loop, also when it is closed by then."""

    def close(self) -> None:
        """Called when `rested` has raised an exception."""


class Rests:
    """The rests of many streams."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._due: dict[int, list[Resting]] = {}
        """Streams by the end of their rests, as a multiple of `FINE`."""

    def begin(self, stream: Resting, seconds: float) -> None:
        """Calls `stream.rested` in some seconds, 8 ms later at most. It cannot be cancelled."""
        due = ceil((self._loop.time() + seconds) / FINE)
        if seconds >= LONG:
            due += -due % COARSE
        together = self._due.get(due)
        if together is None:
            self._due[due] = [stream]
            self._loop.call_at(due * FINE, self._end, due)
        else:
            together.append(stream)

    def _end(self, due: int) -> None:
        self._end_all(self._due.pop(due))

    def _end_all(self, streams: Sequence[Resting]) -> None:
        if len(streams) > AT_ONCE:
            self._loop.call_soon(self._end_all, streams[AT_ONCE:])
        for stream in islice(streams, AT_ONCE):
            try:
                stream.rested()
            except Exception:  # a bug, or no memory; asyncio does the same after a read
                log.exception("a stream of the Engine is closed")
                stream.close()
