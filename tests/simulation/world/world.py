"""`World`: the clock, what is to happen next, and the processes that live in it.

Nothing here waits. The clock stands still while somebody acts, and jumps to whatever is due next.
Everything that could go one way or another is decided by `World.chance`, so a seed says all.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from random import Random
from typing import Any, Final

from greenlet import getcurrent

SECOND: Final = 10**9
"""Nanoseconds. All times here are nanoseconds since the world began, unless a name says else."""
MICROSECOND: Final = 10**3
FOREVER: Final = 1 << 62
"""A time that never comes."""
EPOCH: Final = 1_790_000_000 * SECOND
"""When the world begins, in nanoseconds since 1970: 2026-09-21."""
UPTIME: Final = 100_000 * SECOND
"""What `time.monotonic` says when the world begins."""


class Livelock(Exception):
    """Far more happens than should."""


class Due:
    """Something that is to happen. `cancel` it, and it will not."""

    __slots__ = ("act", "arguments")

    def __init__(self, act: Callable[..., object] | None, arguments: tuple[Any, ...]) -> None:
        self.act = act
        self.arguments = arguments

    def cancel(self) -> None:
        self.act, self.arguments = None, ()


class World:
    """One world. `run` lets time pass."""

    def __init__(self, seed: int | str) -> None:
        self.now = 0
        self.seed = seed
        self.root = getcurrent()
        """Where `run` is called. Strands switch back to it when they wait."""
        self.current: Any = None
        """The `Strand` that acts; None while something acts that is no process."""
        self._streams: dict[str, Random] = {}
        self._heap: list[tuple[int, int, Due]] = []
        self._number = 0
        self._until = 0
        self.most_steps = 300_000
        self.steps = 0
        """How much has happened: of two runs of one seed, this is the same."""
        self.notes: list[tuple[int, str, str]] = []
        """The timeline: when, who, and what."""

    def chance(self, of: str) -> Random:
        """Random numbers for one purpose. What one purpose takes does not change what others get,
        so a plan that was made smaller still meets much the same world."""
        stream = self._streams.get(of)
        if stream is None:
            stream = self._streams[of] = Random(f"{self.seed} {of}")
        return stream

    def at(self, when: int, act: Callable[..., object], *arguments: Any) -> Due:
        """Has `act(*arguments)` called at that time."""
        due = Due(act, arguments)
        self._number += 1
        heapq.heappush(self._heap, (max(when, self.now), self._number, due))
        return due

    def after(self, seconds: float, act: Callable[..., object], *arguments: Any) -> Due:
        """Has `act(*arguments)` called in so many seconds."""
        return self.at(self.now + int(seconds * SECOND), act, *arguments)

    def nothing_before(self, when: int) -> bool:
        """Whether nothing happens until then, and it is not over by then."""
        heap = self._heap
        while heap and heap[0][2].act is None:
            heapq.heappop(heap)
        return when <= self._until and (not heap or heap[0][0] > when)

    def run(self, until: int) -> None:
        """Lets time pass until then."""
        self._until = until
        heap, pop = self._heap, heapq.heappop
        while heap and heap[0][0] <= until:
            when, _, due = pop(heap)
            if due.act is None:
                continue
            self.now = when
            self.steps += 1
            if self.steps > self.most_steps:
                raise Livelock(f"{self.steps} steps by {self.now / SECOND:.3f} s")
            due.act(*due.arguments)
        self.now = max(self.now, until)

    def note(self, who: str, what: str) -> None:
        """Writes a line into the timeline."""
        self.notes.append((self.now, who, what))
