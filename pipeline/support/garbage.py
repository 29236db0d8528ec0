"""Python's garbage collector, kept from holding the event loop.

A full collection looks at every object there is, at once: 0.4 microseconds for each, three times as
much where other processes use the same caches, so 60 to 200 ms with 150,000 of them. Next to
nothing here needs it: what is let go leaves no cycles. So objects that outlived a collection of the
young ones are set aside (`gc.freeze`), and looked at again only now and then.

From Python 3.14 on, which looks at the old ones a few at a time, it is left to itself.

Reference: https://docs.python.org/3/library/gc.html
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

YOUNG: Final = 10_000
"""Objects made, less those gone, after which these are looked at. With Python's own 700 (2,000 from
3.13 on), what is made of one read outlives such a look."""
LOOKS: Final = 2
"""Of those looks, so many and one more come before one that is at their survivors, too."""
NEVER: Final = 1 << 30

MORE: Final = 200_000
"""Objects set aside, beyond what the last full look left, after which the next one is due; half as
many again as it left, where that is more."""
FEW: Final = 80_000
"""Objects that may be looked at without need: some 30 ms. An idle agent has 55,000."""
SELDOM: Final = 600.0
"""Seconds after which a few are looked at without need."""
RARELY: Final = 4 * 3600.0
"""Seconds after which all are, however many: a cycle may hold much that is no object."""
CHECK_EVERY: Final = 1.0
"""Seconds between two checks whether a full look is due."""

SETS_ASIDE: Final = sys.version_info[:2] < (3, 14)


class Collector:
    """Sets the garbage collector up for as long as the agent runs."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._looked = self._counted = 0.0
        """When the last full look was, and when the objects set aside were counted last."""
        self._limit = 0
        """Objects set aside from which on all are to be looked at."""
        self._most = 0
        """Objects that are set aside, at most: some may have gone. Counting them takes 1 ms for
        15,000 to 100,000."""
        self._before: tuple[int, int, int] | None = None
        """The thresholds to go back to; None where another one of this process has set ours."""

    def start(self) -> None:
        """What is alive now stays so, as a rule: it is set aside, without what importing left."""
        self.look()
        if SETS_ASIDE:
            own = YOUNG, LOOKS, NEVER
            self._before = None if gc.get_threshold() == own else gc.get_threshold()
            gc.callbacks.append(self._noted)
            gc.set_threshold(*own)
        gc.enable()

    def stop(self) -> None:
        """Leaves the collector to Python again, if it has been started."""
        with suppress(ValueError):
            gc.callbacks.remove(self._noted)
        if self._before is not None:
            gc.set_threshold(*self._before)
        gc.unfreeze()

    async def run(self) -> None:
        """Looks at all objects whenever that is due, until it is cancelled."""
        while SETS_ASIDE:
            await asyncio.sleep(CHECK_EVERY)
            self.check()

    def check(self) -> bool:
        """A full look, where there are so many objects that some should go, or so few that it
        costs little, or where the last one was long ago. True where there was one."""
        due = self._most > self._limit
        now = self._clock()
        if now - self._counted >= SELDOM:
            self._count()
            self._limit = min(self._limit, _limit(self._most))
            due = due or self._most < FEW or now - self._looked >= RARELY
        if due:
            self.look()
        return due

    def look(self) -> None:
        """A full look, at everything that was set aside as well. Holds the event loop."""
        gc.unfreeze()
        gc.collect()
        gc.freeze()
        self._count()
        self._limit = _limit(self._most)
        self._looked = self._counted

    def _count(self) -> None:
        self._most = gc.get_freeze_count()
        self._counted = self._clock()

    def _noted(self, phase: str, details: Mapping[str, Any]) -> None:
        """Python calls this before and after each collection, in whichever thread that is."""
        if phase == "stop" and details["generation"] == 1:
            self._most += sum(len(gc.get_objects(generation=one)) for one in range(3))
            gc.freeze()
            if self._most > self._limit:
                self._most = gc.get_freeze_count()


def untie(transport: asyncio.BaseTransport) -> None:
    """One that is done with goes at once. asyncio's transports of sockets keep a method of their
    own, and so themselves, until the collector comes."""
    for method in _OWN_METHODS:
        if method in getattr(transport, "__dict__", ()):
            setattr(transport, method, None)


_OWN_METHODS: Final = "_read_ready_cb", "_write_ready"


def _limit(left: int) -> int:
    return left + max(MORE, left // 2)
