"""Fewer, larger reads while data is flowing.

The Engine writes each log line to its socket by itself, and a reader that wakes for each of them
spends more on waking than on reading. With a pause of half a millisecond between two looks at the
sockets a read finds 215 lines instead of 4, a million lines cost the reader 0.66 CPU seconds
instead of 2.5, and they come sooner, in 3.4 s instead of 6.9 (`benchmarks/results/coalesce.md`).
The socket holds about 280 lines, so a pause much longer than this starves the Engine instead.
Where reads are small, though many, it may be longer. Nothing pauses while little flows.

Many containers that log a little each are read one by one, at the price of a batch for each line.
So small reads have a rate: beyond it a stream that was just read is left alone for a while, and its
lines wait in its socket. The more streams there are, the longer; one that was silent is read at
once.

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

PAUSE = 0.000_5
"""Seconds. `benchmarks/bench_coalesce.py` measures its neighbours. The agent on W1 took 1.79 CPU
seconds and 4.63 s with 0.35 ms, 1.72 and 4.68 with 0.5, 1.72 and 4.90 with 0.6 (medians of 3)."""
SMALL_PAUSE = 0.001
"""Seconds, where no read since the last pause was large: ten lines of a stream of ten thousand a
second."""
LARGE = 4096
"""Bytes of a read that say that the socket is being filled quickly."""
LARGE_RESTED = 1 << 15
"""Likewise, after a rest: some 180 lines, of the 280 that a socket holds."""
SMALL_READS = 1000
"""Small reads a second, of all streams together: ten streams rest for a hundredth of a second, a
hundred for a tenth. A hundred containers with 20,000 lines a second together took 7.6 µs of CPU a
line, 10.2 with 2,000 reads and 15 with 8,000; 25 of them 7.2, 6.8 and 8.7."""
BURST = 30
"""Small reads that may come at once without a rest."""
LONGEST_REST = 0.25
"""Seconds, whatever the rate: five hundred streams are read four times a second each. One that is
left alone for longer might fill its socket."""
FLOWING = 0.002
"""Seconds; two reads no further apart than this say that more is on its way."""
LONGEST = 0.004
"""Seconds that several reads may take, during which the loop does not turn."""

SLICE = 0.003
"""Seconds of work after which a long piece of it lets the event loop run."""


class Flow(Protocol):
    """A stream in which so much comes that it is worth several reads."""

    def more(self) -> bool:
        """Reads once more; whether to go on. If not, what was read has been handed over."""

    def end(self) -> None:
        """Hands over what was read."""


class CoalescingSelector(selectors.DefaultSelector):
    """Waits for a moment before the next look, once, whenever `read` has found data to flow."""

    def __init__(self) -> None:
        super().__init__()
        self.flowing = False
        self.flows: list[Flow] = []
        """Those that are to be read from before the next look, and none after it."""
        self._large = False
        self._last_read = 0.0
        self._small_reads = 0.0
        """Those that are not paid off yet, by the rate that they may have."""

    def read(self, size: int, *, rested: bool = False) -> float:
        """A stream that is worth coalescing has given so many bytes, `rested` after it was left
        alone; for how many seconds it should be left alone."""
        now = time.monotonic()
        since = now - self._last_read
        self.flowing = self.flowing or since < FLOWING
        self._last_read = now
        if size >= (LARGE_RESTED if rested else LARGE):
            self._large = True
            return 0.0
        left = max(0.0, self._small_reads - since * SMALL_READS) + 1
        self._small_reads = min(left, BURST + LONGEST_REST * SMALL_READS)
        return max(0.0, self._small_reads - BURST) / SMALL_READS

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
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
    """The standard event loop on a `CoalescingSelector`."""

    def __init__(self) -> None:
        self.coalescing = CoalescingSelector()
        super().__init__(self.coalescing)


def selector_of(loop: asyncio.AbstractEventLoop) -> CoalescingSelector | None:
    """Whom to tell of reads; None on any other kind of loop."""
    return loop.coalescing if isinstance(loop, CoalescingLoop) else None


class Pause:
    """Awaited between pieces of work: lets the event loop run once `SLICE` is used up."""

    __slots__ = ("_loop", "_until")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._until = self._loop.time() + SLICE

    async def __call__(self) -> None:
        if self._loop.time() >= self._until:
            await asyncio.sleep(0)  # what came due meanwhile is now queued, but behind us
            await asyncio.sleep(0)
            self._until = self._loop.time() + SLICE


class SharedPause(Pause):
    """The same for several that work side by side: each has a slice in its turn, first come, first
    served, so that all together use no more of a turn of the loop than one would."""

    __slots__ = ("_one",)

    def __init__(self) -> None:
        super().__init__()
        self._one = asyncio.Lock()

    async def __call__(self) -> None:
        while self._loop.time() >= self._until:
            async with self._one:
                if self._loop.time() >= self._until:
                    await super().__call__()
                    return
