"""Which lines of each container came, in which order, and when: as a store saw them come."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class Progress:
    """Of one container, whose lines are numbered from 1 on."""

    highest: int = 0
    skipped: set[int] = field(default_factory=set)
    """Lower numbers that have not come."""
    repeated: int = 0
    late: int = 0
    """Lines that came for the first time after a higher one."""
    new_at: float = 0.0
    """When a line came last that had not come before; 0 before the first."""
    silence: float = 0.0
    """The longest time between two such, since `mark`."""

    def note(self, number: int) -> bool:
        """Whether it is new."""
        if number == self.highest + 1:
            self.highest = number
        elif number > self.highest:
            self.skipped.update(range(self.highest + 1, number))
            self.highest = number
        elif number in self.skipped:
            self.skipped.remove(number)
            self.late += 1
        else:
            self.repeated += 1
            return False
        return True

    @property
    def lines(self) -> int:
        """Different ones."""
        return self.highest - len(self.skipped)


class Arrivals:
    """Of all containers, by their names. Not for two threads at once."""

    def __init__(self) -> None:
        self.of: dict[str, Progress] = defaultdict(Progress)
        self._marked = 0.0

    def take(self, body: bytes, now: float) -> None:
        """Notes one request that a hub has made: lines of a container's name and a number. Raises
        `ValueError` for anything else."""
        fresh = set()
        for line in body.splitlines():
            name, _, number = line.rpartition(b" ")
            container = name.decode()
            if self.of[container].note(int(number)):
                fresh.add(container)
        for container in fresh:
            one = self.of[container]
            if one.new_at:
                one.silence = max(one.silence, now - one.new_at)
            one.new_at = now

    def mark(self, now: float) -> None:
        """Something happens: silences are counted anew."""
        self._marked = now
        for one in self.of.values():
            one.silence = 0.0

    def recovered(self, written: Mapping[str, int]) -> bool:
        """Whether each container that had lines left to come has had a new one since `mark`."""
        return all(
            self.of[name].lines >= count or self.of[name].new_at > self._marked
            for name, count in written.items()
        )

    @property
    def lines(self) -> int:
        return sum(one.lines for one in self.of.values())

    @property
    def repeated(self) -> int:
        return sum(one.repeated for one in self.of.values())

    @property
    def late(self) -> int:
        return sum(one.late for one in self.of.values())

    @property
    def silence(self) -> float:
        return max((one.silence for one in self.of.values()), default=0.0)
