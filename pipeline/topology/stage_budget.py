"""How long stages may hold the event loop, all containers' together, before it turns.

Stages are synchronous, so what a batch costs is known when it is done: batches go through them in
light portions, the loop turns when those of one turn have used up `BUDGET`, and whoever has more
waits for its turn, first come, first served.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from pipeline import native
from pipeline.model.batch import Batch
from pipeline.model.records import Fields, nested

BUDGET: Final = 0.010
"""Seconds of CPU that stages may use in one turn of the loop before no other portion begins."""
NOTED: Final = BUDGET / 4
"""Seconds that are too little to look whether the loop has turned since."""

LIGHT: Final = 64 << 10
"""Weight of a portion, at most. What a container writes to be slow takes stages up to 600 ns for
each byte (`benchmarks/results/turns.md`)."""
LIGHTEST: Final = 2 << 10
"""Weight of a portion where stages were slow with larger ones."""
OF_AN_ENTRY: Final = 48
"""Weight of an entry beside its message's bytes, of each of its fields and each value in those."""

Clock = Callable[[], float]


class StageBudget:
    """Of one event loop."""

    def __init__(self, clock: Clock = time.thread_time) -> None:
        self.clock = clock
        self.waited = 0
        """How often somebody has waited for a turn."""
        self.entries = 0
        """Read, and no stage has seen them yet: all containers' together."""
        self._used = 0.0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._turning = False

    @property
    def over(self) -> bool:
        """Whether no portion more should begin before the loop has turned."""
        return self._used >= BUDGET

    def use(self, seconds: float) -> None:
        """Stages have run for so long."""
        self._used += seconds
        if self._used >= NOTED:
            self._turn()

    async def wait(self) -> None:
        """Returns when the loop has turned, and all have begun that waited before."""
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
                self._turn()  # before the first goes on, so that what it uses counts for its turn
                first.set_result(None)
                return


class PortionSize:
    """How much of one container's batches goes through its stages at once: less where that was
    slow."""

    __slots__ = ("_most",)

    def __init__(self) -> None:
        self._most = LIGHT

    def note(self, seconds: float) -> None:
        """A portion has taken so long."""
        if seconds > BUDGET:
            self._most = max(LIGHTEST, self._most // 2)
        elif seconds < BUDGET / 4 and self._most < LIGHT:
            self._most *= 2

    def portions(self, batch: Batch) -> Iterator[Batch]:
        """The same entries in order. Each portion is cut when it is asked for."""
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
        """Where the portion ends that begins there: it has one entry, however heavy that is."""
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
    """Looks at no more fields than tell."""
    weight = _of_lines(batch.lines)
    if type(batch.parsed) is list:
        for fields in batch.parsed:
            if weight > most:
                break
            weight += _of_fields(fields)
    return weight <= most


def _first_beyond(lines: list[bytes], parsed: Sequence[Fields], start: int, most: int) -> int:
    """The first entry behind `start` with which the weight is above `most`."""
    weight = 0
    for place in range(start, len(lines)):
        weight += OF_AN_ENTRY + len(lines[place]) + _of_fields(parsed[place])
        if weight > most and place > start:
            return place
    return len(lines)


def _of_lines(lines: list[bytes]) -> int:
    return native.total(lines) + OF_AN_ENTRY * len(lines)


def _of_fields(fields: Fields) -> int:
    return OF_AN_ENTRY * (len(fields) + nested(fields))
