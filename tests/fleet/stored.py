"""Which lines VictoriaLogs has of each container, by one query, and what that leaves missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tests.servers.victoria import VictoriaLogs

QUERY = (
    "* | stats by (container.id) count() rows, count_uniq(event.sequence) numbers, "
    "count_uniq(n) lines, min(event.sequence) first, max(event.sequence) last"
)


@dataclass(frozen=True)
class Stored:
    """Of one container."""

    rows: int
    numbers: int
    """Different values of `event.sequence`."""
    lines: int
    """Different lines, by the number that the container has written into each."""
    first: int
    last: int

    @property
    def repeated(self) -> int:
        return self.rows - self.numbers

    def missing(self, written: int) -> int:
        """Lines that are not there, of so many. 0 only where the numbers are those from 1 on, and
        each is a line of its own."""
        here = (
            self.numbers
            if (self.first, self.last) == (1, written)
            else min(self.numbers, written - 1)
        )
        return written - min(here, self.lines)


NOTHING = Stored(0, 0, 0, 0, 0)


def stored(store: VictoriaLogs) -> dict[str, Stored]:
    """By container id."""
    return {
        row["container.id"]: Stored(
            *(int(row[name]) for name in ("rows", "numbers", "lines", "first", "last"))
        )
        for row in store.stats(QUERY)
    }


def missing(there: Mapping[str, Stored], written: Mapping[str, int]) -> int:
    """Lines that are not there, of all that were written."""
    return sum(there.get(one, NOTHING).missing(count) for one, count in written.items())
