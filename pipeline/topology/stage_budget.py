"""Limits how long stages may hold the event loop, over all containers.

Stages are synchronous, so the cost of a batch is known only afterwards. Batches therefore go
through stages in small portions. When the portions of one iteration of the event loop have used up
`BUDGET`, the rest waits for the next iteration, first come, first served.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from pipeline.model.batch import Batch, text_size
from pipeline.model.records import Fields, nested

BUDGET: Final = 0.010
"""Seconds of CPU that stages may use per iteration of the event loop before no further portion
starts."""
NOTED: Final = BUDGET / 4
"""Seconds of CPU below which it isn't checked whether a new iteration has begun."""

LIGHT: Final = 64 << 10
"""Largest weight of a portion (`benchmarks/results/turns.md`). Lines that are made to be slow cost
stages up to 600 ns per byte."""
LIGHTEST: Final = 2 << 10
"""Largest weight of a portion where larger ones were slow."""
OF_AN_ENTRY: Final = 48
"""Weight of an entry beside its message's bytes, of each of its fields, and of each value in
them."""

Clock = Callable[[], float]


class StageBudget:
    """The stages' budget of one event loop.

    The caller checks `over` before each portion, waits with `wait` if it is True, and reports with
    `use` what the portion cost.
    """

    def __init__(self, clock: Clock = time.thread_time) -> None:
        """`clock` returns seconds of CPU time of the current thread."""
        self.clock = clock
        self.waited = 0
        """How often a caller has waited."""
        self.entries = 0
        """Entries that were read and that no stage has seen yet, over all containers."""
        self._used = 0.0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._turning = False

    @property
    def over(self) -> bool:
        """Whether no further portion should start in this iteration of the event loop."""
        return self._used >= BUDGET

    def use(self, seconds: float) -> None:
        """Reports that stages have run for so many seconds."""
        self._used += seconds
        if self._used >= NOTED:
            self._turn()

    async def wait(self) -> None:
        """Waits for the next iteration of the event loop, and for those who asked earlier."""
        self.waited += 1
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        self._turn()
        await waiting

    def _turn(self) -> None:
        if not self._turning:
            self._turning = True
            asyncio.get_running_loop().call_soon(self._turned)

    def _turned(self) -> None:
        self._used, self._turning = 0.0, False
        while self._waiting:
            first = self._waiting.popleft()
            if not first.done():
                self._turn()  # before the first continues: what it uses counts for its iteration
                first.set_result(None)
                return


class PortionSize:
    """Decides how much of one container's batches goes through its stages at once.

    It halves after a slow portion, and doubles again after quick ones.
    """

    __slots__ = ("_most",)

    def __init__(self) -> None:
        self._most = LIGHT

    def note(self, seconds: float) -> None:
        """Reports how many seconds a portion has taken."""
        if seconds > BUDGET:
            self._most = max(LIGHTEST, self._most // 2)
        elif seconds < BUDGET / 4 and self._most < LIGHT:
            self._most *= 2

    def portions(self, batch: Batch) -> Iterator[Batch]:
        """Yields the batch's entries in order, as one or more batches. Each is cut when it is asked
        for."""
        count = len(batch)
        if _is_light(batch, self._most):
            yield batch
            return
        start = 0
        while start < count:
            stop = self._stop(batch, start)
            yield batch if stop - start == count else batch.part(start, stop)
            start = stop

    def _stop(self, batch: Batch, start: int) -> int:
        """The index after the last entry of the portion that begins at `start`; it has at least one
        entry."""
        most, parsed = self._most, batch.parsed
        if type(parsed) is list:
            return _first_beyond(batch.lines, parsed, start, most)
        count = min(len(batch) - start, most // OF_AN_ENTRY)
        while count > 1:
            stop = start + count
            weight = _of_lines(batch.lines[start:stop])
            if weight <= most:
                return stop
            count = count * most // weight
        return start + 1


def _is_light(batch: Batch, most: int) -> bool:
    """Whether the batch weighs at most `most`. Stops looking at fields when it weighs more."""
    weight = _of_lines(batch.lines)
    if type(batch.parsed) is list:
        for fields in batch.parsed:
            if weight > most:
                break
            weight += _of_fields(fields)
    return weight <= most


def _first_beyond(lines: list[bytes], parsed: Sequence[Fields], start: int, most: int) -> int:
    """The index of the first entry after `start` that makes the weight exceed `most`."""
    weight = 0
    for place in range(start, len(lines)):
        weight += OF_AN_ENTRY + len(lines[place]) + _of_fields(parsed[place])
        if weight > most and place > start:
            return place
    return len(lines)


def _of_lines(lines: list[bytes]) -> int:
    return text_size(lines) + OF_AN_ENTRY * len(lines)


def _of_fields(fields: Fields) -> int:
    return OF_AN_ENTRY * (len(fields) + nested(fields))
