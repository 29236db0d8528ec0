"""Fewer, larger reads while data is flowing.

The Engine writes each log line to its socket by itself, and a reader that wakes for each of them
spends more on waking than on reading. With a pause of a third of a millisecond between two looks
at the sockets a read finds 157 lines instead of 4, a million lines cost the reader 0.77 CPU seconds
instead of 2.5, and they come sooner, in 3.6 s instead of 6.9 (`benchmarks/results/coalesce.md`).
The socket holds about 280 lines, so a pause much longer than this starves the Engine instead.
Nothing pauses while little flows.

The pause is a property of the event loop's selector, not of a stream: one pause serves all
connections, and asyncio's own timers cannot wait for less than a millisecond. What flows so fast
that it is worth several reads at once is read here, too, between pauses and without a turn of the
loop for each.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from typing import Protocol

PAUSE = 0.000_35
"""Seconds. `benchmarks/bench_coalesce.py` measures its neighbours; what the agent does with the
lines lengthens the time between two reads, so it is the shorter of those that are equally good."""
FLOWING = 0.002
"""Seconds; two reads no further apart than this say that more is on its way."""
LONGEST = 0.003
"""Seconds that several reads may take, during which the loop does not turn."""


class Flow(Protocol):
    """A stream in which so much comes that it is worth several reads."""

    def more(self) -> bool:
        """Reads once more; whether to go on. If not, what was read has been handed over."""

    def end(self) -> None:
        """Hands over what was read."""


class CoalescingSelector(selectors.DefaultSelector):
    """Waits `PAUSE` before the next look, once, whenever `read` has found data to be flowing."""

    def __init__(self) -> None:
        super().__init__()
        self.flowing = False
        self.flows: list[Flow] = []
        """Those that are to be read from before the next look, and none after it."""
        self._last_read = 0.0

    def read(self) -> None:
        """A stream that is worth coalescing has given something."""
        now = time.monotonic()
        self.flowing = now - self._last_read < FLOWING
        self._last_read = now

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self.flows:
            self._read_on()
            timeout = 0
        elif self.flowing:
            time.sleep(PAUSE)
        self.flowing = False
        return super().select(timeout)

    def _read_on(self) -> None:
        flows, self.flows = self.flows, []
        until = time.monotonic() + LONGEST
        while flows:
            time.sleep(PAUSE)
            flows = [flow for flow in flows if flow.more()]
            if time.monotonic() > until:
                break
        self._last_read = time.monotonic()
        for flow in flows:
            flow.end()


class CoalescingLoop(asyncio.SelectorEventLoop):
    """The standard event loop on a `CoalescingSelector`."""

    def __init__(self) -> None:
        self.coalescing = CoalescingSelector()
        super().__init__(self.coalescing)


def selector_of(loop: asyncio.AbstractEventLoop) -> CoalescingSelector | None:
    """Whom to tell of reads; None on any other kind of loop."""
    return loop.coalescing if isinstance(loop, CoalescingLoop) else None
