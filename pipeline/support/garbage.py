"""Limits how long Python's garbage collector stops the event loop.

A full collection visits every object at once. It takes 0.4 µs for each, and three times as much
when other processes use the same CPU caches: 60 to 200 ms for 150,000 objects. Almost nothing here
needs it, since what is released leaves no reference cycles. So objects that survived a collection
of the youngest generation are set aside (`gc.freeze`) and visited only now and then.

Python 3.14 and later visit old objects a few at a time. There the collector is left as it is.

See https://docs.python.org/3/library/gc.html.
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
"""Objects created, minus those freed, after which the youngest generation is collected. With
Python's default of 700 (2,000 from 3.13 on), objects of a single read survive a collection."""
LOOKS: Final = 2
"""The middle generation is collected with every third (`LOOKS` + 1) collection of the youngest."""
NEVER: Final = 1 << 30
"""A threshold that is never reached."""

MORE: Final = 200_000
"""Objects set aside since the last full collection, after which the next one is due; or half of
what it left, if that is more."""
FEW: Final = 80_000
"""Up to this many objects, a full collection is cheap (some 30 ms). An idle agent has 55,000."""
SELDOM: Final = 600.0
"""Seconds after which a cheap full collection is made even if it isn't due."""
RARELY: Final = 4 * 3600.0
"""Seconds after which any full collection is made: a cycle may hold a lot of memory in few
objects."""
CHECK_EVERY: Final = 1.0
"""Seconds between two checks whether a full collection is due."""

SETS_ASIDE: Final = sys.version_info[:2] < (3, 14)
"""Whether this Python needs objects to be set aside."""


class Collector:
    """Controls the garbage collector while the agent runs."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: seconds, monotonic."""
        self._clock = clock
        self._looked = self._counted = 0.0
        """When the last full collection was, and when objects set aside were last counted."""
        self._limit = 0
        """Objects set aside after which a full collection is due."""
        self._most = 0
        """An upper bound of the objects set aside: some may have been freed. Counting them takes 1
        ms for 15,000 to 100,000."""
        self._before: tuple[int, int, int] | None = None
        """The thresholds to restore; None if another collector of this process has set ours."""

    def start(self) -> None:
        """Sets aside all objects there are, and changes the collector's thresholds.

        What imports have left behind, some 2,000 objects, waits for the first full collection: to
        look for it at once would take 40 ms of the start.
        """
        if SETS_ASIDE:
            self._set_aside()
            own = YOUNG, LOOKS, NEVER
            self._before = None if gc.get_threshold() == own else gc.get_threshold()
            gc.callbacks.append(self._on_collection)
            gc.set_threshold(*own)
        gc.enable()

    def stop(self) -> None:
        """Restores the collector's thresholds, if they were changed."""
        with suppress(ValueError):
            gc.callbacks.remove(self._on_collection)
        if self._before is not None:
            gc.set_threshold(*self._before)
        gc.unfreeze()

    async def run(self) -> None:
        """Makes full collections when they are due, until it is cancelled."""
        while SETS_ASIDE:
            await asyncio.sleep(CHECK_EVERY)
            self.check()

    def check(self) -> bool:
        """Makes a full collection if one is due. Returns whether it did.

        It is due if many objects were set aside, if so few exist that it is cheap, or if the last
        one was long ago.
        """
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
        """Makes a full collection, of objects set aside as well. Blocks the event loop."""
        gc.unfreeze()
        gc.collect()
        self._set_aside()

    def _set_aside(self) -> None:
        gc.freeze()
        self._count()
        self._limit = _limit(self._most)
        self._looked = self._counted

    def _count(self) -> None:
        self._most = gc.get_freeze_count()
        self._counted = self._clock()

    def _on_collection(self, phase: str, details: Mapping[str, Any]) -> None:
        """Python calls this before and after each collection, in any thread."""
        if phase == "stop" and details["generation"] == 1:
            self._most += sum(len(gc.get_objects(generation=one)) for one in range(3))
            gc.freeze()
            if self._most > self._limit:
                self._most = gc.get_freeze_count()


def untie(transport: asyncio.BaseTransport) -> None:
    """Breaks the reference cycles of a closed transport, so that it is freed at once.

    asyncio's socket transports keep bound methods of their own, and so would wait for the garbage
    collector.
    """
    for method in _OWN_METHODS:
        if method in getattr(transport, "__dict__", ()):
            setattr(transport, method, None)


_OWN_METHODS: Final = "_read_ready_cb", "_write_ready"


def _limit(left: int) -> int:
    return left + max(MORE, left // 2)
