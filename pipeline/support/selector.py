"""The event loop's selector, changed so that reads are fewer and larger while data is flowing.

The Engine writes each log line to its socket separately, and a reader that wakes up for each line
spends more time on waking up than on reading. With a pause of 0.5 ms between two calls of `select`,
a read returns 215 lines instead of 4. A million lines take the reader 0.66 CPU seconds instead of
2.5, and arrive sooner: in 3.4 s instead of 6.9 (`benchmarks/results/coalesce.md`). A socket holds
about 280 lines, so with a much longer pause the Engine would have to wait. When reads are small,
though many, the pause may be longer. There is no pause while little data is flowing.

If many containers log a little each, each line would be read separately and become a batch. So
small reads have a rate limit: beyond it, a stream that was just read is not read for a while (it
rests), and its lines wait in its socket. The more streams there are, the longer it rests. A stream
that was silent is read at once.

The pause belongs to the event loop's selector and not to a stream: one pause serves all
connections, and asyncio's own timers are no finer than a millisecond. A stream with enough data for
several reads in a row is read here, too, between pauses and without a turn of the event loop for
each read.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from typing import Protocol

from pipeline.support.rests import Rests
from pipeline.support.small_reads import LONGEST_OWED, SmallReads

PAUSE = 0.000_5
"""Length of the pause in seconds. `benchmarks/bench_coalesce.py` measures its neighbours: W1 took
1.79 CPU seconds with 0.35 ms, 1.72 with 0.5 and with 0.6."""
SMALL_PAUSE = 0.001
"""Length of the pause in seconds if no read since the last one was large: ten lines of a stream
with ten thousand lines per second."""
LARGE = 4096
"""A read of this many bytes shows that the socket is filled fast."""
LARGE_RESTED = 1 << 15
"""The same for a stream that has rested, in bytes: some 180 of the 280 lines that a socket
holds."""
SMALL_READS = 500
"""Limit of small reads per second, for all streams together: ten streams rest for 20 ms, a hundred
for 200 ms. No rest is longer than `LONGEST_REST`, unless the stream had `LARGE` or more bytes after
the last one: then `LONGEST_OWED`."""
FLOWING = 0.002
"""Two reads no more than this many seconds apart show that more data is coming."""
LONGEST = 0.006
"""Seconds that reads in a row may take. The event loop is blocked meanwhile."""

SLICE = 0.003
"""Seconds of work after which a long task should let the event loop run."""


class Flow(Protocol):
    """A stream with enough data for several reads in a row."""

    def more(self) -> bool:
        """Reads once. Returns whether to go on; if not, it has handed over what was read."""

    def end(self) -> None:
        """Hands over what was read."""


class CoalescingSelector(selectors.DefaultSelector):
    """A selector that pauses once before the next `select` if `read` has found that data is
    flowing."""

    def __init__(self) -> None:
        super().__init__()
        self.flowing = False
        self.flows: list[Flow] = []
        """The streams to read from before the next `select`. Empty afterwards."""
        self._large = False
        self._last_read = 0.0
        self._small_reads = SmallReads(SMALL_READS)

    def read(self, size: int, *, rested: bool = False) -> float:
        """Reports a read, of a stream for which larger reads are worth waiting. Returns for how
        many seconds the stream should rest.

        `size`: the bytes read. `rested`: whether the stream had rested before.
        """
        now = time.monotonic()
        since = now - self._last_read
        self._last_read = now
        if not rested:  # else nobody waits for the socket, and nothing is gained by a pause
            self.flowing = self.flowing or since < FLOWING
        if size >= (LARGE_RESTED if rested else LARGE):
            self._large = True
            return 0.0
        if rested and size >= LARGE:
            return self._small_reads.read(now, LONGEST_OWED)
        return self._small_reads.read(now)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Pauses or reads from `flows`, then waits for events as any selector does."""
        if self.flows:
            self._read_on()
            timeout = 0
        elif self.flowing:
            time.sleep(PAUSE if self._large else SMALL_PAUSE)
        self.flowing = self._large = False
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
    """asyncio's event loop with a `CoalescingSelector`."""

    def __init__(self) -> None:
        self.coalescing = CoalescingSelector()
        super().__init__(self.coalescing)
        self.rests = Rests(self)


def selector_of(loop: asyncio.AbstractEventLoop) -> CoalescingSelector | None:
    """The loop's selector, to report reads to; None if it is not a `CoalescingLoop`."""
    return loop.coalescing if isinstance(loop, CoalescingLoop) else None


def rests_of(loop: asyncio.AbstractEventLoop) -> Rests | None:
    """The rests of the loop's streams; None if it is not a `CoalescingLoop`."""
    return loop.rests if isinstance(loop, CoalescingLoop) else None


class Pause:
    """Awaited between pieces of work: lets the event loop run if `SLICE` seconds are used up."""

    __slots__ = ("_loop", "_until")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._until = self._loop.time() + SLICE

    async def __call__(self) -> None:
        """Returns at once, or after a turn of the event loop."""
        if self._loop.time() >= self._until:
            await asyncio.sleep(0)  # callbacks that became due are now queued behind this task
            await asyncio.sleep(0)
            self._until = self._loop.time() + SLICE


class SharedPause(Pause):
    """A `Pause` for several tasks that work at the same time.

    Each gets a slice in turn, in the order in which they asked. So together they use no more of a
    turn of the event loop than one would.
    """

    __slots__ = ("_one",)

    def __init__(self) -> None:
        super().__init__()
        self._one = asyncio.Lock()

    async def __call__(self) -> None:
        """Returns at once, or when it is this task's turn."""
        while self._loop.time() >= self._until:
            async with self._one:
                if self._loop.time() >= self._until:
                    await super().__call__()
                    return
