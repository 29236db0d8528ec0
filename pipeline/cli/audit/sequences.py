"""Gaps and repeats in the sequence numbers of a container's entries.

The numbers may come in any order. An entry that a stage split has several parts with one number:
each part counts as an entry, and the number counts as present when any part is there.

Memory grows with the number of gaps and repeats, not of entries, because only the ends of a run of
numbers are kept. A shuffled input has many runs for a while (about 200 bytes each). The parts of
each split entry are a run that stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from operator import itemgetter

FEWEST = 1000
"""Runs that are collected, at least, before they are merged with the others."""

Time = str | int | float | None
"""A timestamp as the store has it, or None."""
Run = tuple[int, int, Time, Time]
"""First and last number of a run without a gap, and the timestamps of these two."""
PARTS = 1 << 64
"""More than an entry can have parts: a part is kept as the number `sequence * PARTS + part`."""


@dataclass(frozen=True)
class Gap:
    """Missing numbers, `first` to `last`, and the timestamps of the entries around them."""

    first: int
    last: int
    after: Time
    before: Time


class Numbers:
    """A set of numbers, given in any order, and those that were given more than once."""

    def __init__(self) -> None:
        self._runs: list[Run] = []
        """Sorted, with a gap between each and the next."""
        self._new: list[Run] = []
        self._repeated: list[Run] = []
        # The run that grows while numbers come in order, as they nearly always do.
        self._first, self._last = 0, -1
        self._began: Time = None
        self._ended: Time = None

    def add(self, number: int, time: Time) -> None:
        """Adds a number, with the timestamp of its entry."""
        if number == self._last + 1:
            self._last, self._ended = number, time
            return
        self._end_run()
        self._first = self._last = number
        self._began = self._ended = time
        if len(self._new) > FEWEST + len(self._runs) // 2:
            self._merge()

    @property
    def last_added(self) -> int:
        """The number given last; -1 before any was."""
        return self._last

    @property
    def runs(self) -> list[Run]:
        """The numbers as sorted runs, with a gap between one and the next."""
        self._end_run()
        self._merge()
        return self._runs

    @property
    def repeated(self) -> list[Run]:
        """Sorted runs of the numbers that were given more than once."""
        self._end_run()
        self._merge()
        return self._repeated

    def _end_run(self) -> None:
        if self._last >= self._first:
            self._new.append((self._first, self._last, self._began, self._ended))
        self._first, self._last = 0, -1

    def _merge(self) -> None:
        if self._new:
            self._runs, again = merge(self._runs + self._new)
            self._new = []
            self._repeated, _ = merge(self._repeated + again)


class Series:
    """The sequence numbers of one container and one dataset (`docker.logs`, for example).

    Ask for runs, gaps and repeats only when at least one number was added; more may be added later.
    """

    def __init__(self, container: str, name: str, dataset: str) -> None:
        self.container = container
        """The container's id, or its name if the store has no ids."""
        self.name = name
        self.dataset = dataset
        self.entries = 0
        self._whole = Numbers()
        self._split: Numbers | None = None
        """Numbers of split entries."""
        self._parts = Numbers()
        """The parts of split entries, each as `sequence * PARTS + part`."""

    def add(self, number: int, time: Time, part: int = 0) -> None:
        """Counts one entry. `part` is from 1 for a part of a split entry, and 0 for any other."""
        self.entries += 1
        if not part:
            self._whole.add(number, time)
            return
        if self._split is None:
            self._split = Numbers()
        if number != self._split.last_added:
            self._split.add(number, time)
        self._parts.add(number * PARTS + part, None)

    @property
    def runs(self) -> list[Run]:
        """The numbers as sorted runs, with a gap between one and the next."""
        whole = self._whole.runs
        return whole if self._split is None else merge(whole + self._split.runs)[0]

    @property
    def first(self) -> int:
        """The lowest number."""
        return self.runs[0][0]

    @property
    def last(self) -> int:
        """The highest number."""
        return self.runs[-1][1]

    @property
    def gaps(self) -> Iterator[Gap]:
        """The gaps between the lowest and the highest number, in order."""
        for (_, end, _, after), (start, _, before, _) in pairwise(self.runs):
            yield Gap(end + 1, start - 1, after, before)

    @property
    def missing(self) -> int:
        """How many numbers are missing between the lowest and the highest."""
        runs = self.runs
        return runs[-1][1] - runs[0][0] + 1 - _count(runs)

    @property
    def repeats(self) -> int:
        """How many entries are repeats of an earlier one."""
        return self.entries - _count(self._whole.runs) - _count(self._parts.runs)

    @property
    def repeated(self) -> list[tuple[int, int]]:
        """Sorted ranges (first, last) of the numbers that have a repeated entry or part."""
        repeated = self._whole.repeated
        if self._split is not None:
            parts = self._parts.repeated
            of = [(first // PARTS, last // PARTS, None, None) for first, last, *_ in parts]
            repeated, _ = merge([*repeated, *of])
        return [(first, last) for first, last, *_ in repeated]


def _count(runs: Iterable[Run]) -> int:
    return sum(last - first + 1 for first, last, *_ in runs)


def merge(runs: list[Run]) -> tuple[list[Run], list[Run]]:
    """The union of these runs, sorted, and the parts of runs that overlap an earlier run.

    Sorts `runs` in place.
    """
    runs.sort(key=itemgetter(0))  # nearly sorted: the old ones are
    union: list[Run] = []
    again: list[Run] = []
    first, end, began, ended = runs[0] if runs else (0, -1, None, None)
    for run in runs[1:]:
        start, last, _, time = run
        if start > end + 1:
            union.append((first, end, began, ended))
            first, end, began, ended = run
            continue
        if start <= end:
            again.append((start, min(last, end), None, None))
        if last > end:
            end, ended = last, time
    if runs:
        union.append((first, end, began, ended))
    return union, again
