"""The figures of the last hour, for charts: one reading of each container every 20 seconds.

A reading is seven numbers of four bytes, so that an hour of a container takes 5 kB. All rings are
read at the same moments, and share one position.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from math import isnan
from typing import Final

EVERY: Final = 20.0
"""Seconds between two readings."""
DEPTHS: Final = (180, 60, 20)
"""Readings kept: as many as fit into `MOST_BYTES` for all containers that there are."""
MOST_BYTES: Final = 16 << 20
"""Bytes of all rings together at most. Beyond 29,000 containers, new ones get none."""

FIGURES: Final = ("cpu", "memory", "receive", "transmit", "disk", "lines", "lag")
"""What a ring of a container has."""
OF_HOST: Final = ("lines", "delivered", "dropped", "cpu", "memory", "lag")
"""What the ring of the host has."""

_NOTHING: Final = float("nan")


class Ring:
    """The last readings of one container, or of the host."""

    __slots__ = ("_data", "_width", "depth", "filled", "last", "lines")

    def __init__(self, width: int, depth: int) -> None:
        """`width`: figures in a reading. `depth`: readings that are kept."""
        self._width = width
        self.depth = depth
        self.filled = 0
        """Readings so far, at most `depth`."""
        self.last = 0
        """The number of the last one."""
        self.lines = 0
        """Lines of the container at the last reading."""
        self._data = array("f", [_NOTHING]) * (width * depth)

    def put(self, number: int, reading: Sequence[float | None]) -> None:
        """Puts the reading with this number; numbers count up by one for all rings together.

        Readings between the last one and this one were missed, and have no figures. A second
        reading with the number of the last one replaces it.
        """
        if self.filled:
            missed = range(max(self.last + 1, number - self.depth + 1), number)
            for place in missed:
                self._write(place, [None] * self._width)
            self.filled = min(self.depth, self.filled + number - self.last)
        else:
            self.filled = 1
        self._write(number, reading)
        self.last = number

    def _write(self, number: int, reading: Sequence[float | None]) -> None:
        at = number % self.depth * self._width
        self._data[at : at + self._width] = array(
            "f", [_NOTHING if value is None else value for value in reading]
        )

    def series(self, number: int, figure: int) -> list[float | None]:
        """One figure of all readings up to the one with this number, oldest first.

        Later ones than the last one are None. There must be a reading.
        """
        places = range(self.last - self.filled + 1, min(number, self.last) + 1)
        values = (self._data[place % self.depth * self._width + figure] for place in places)
        found = [None if isnan(value) else round(value, 4) for value in values]
        return [*found, *[None] * (number - self.last)][-self.depth :]

    def resized(self, depth: int) -> Ring:
        """A ring of another depth with the newest readings of this one."""
        other = Ring(self._width, depth)
        other.lines = self.lines
        for place in range(self.last - min(self.filled, depth) + 1, self.last + 1):
            at = place % self.depth * self._width
            other.put(place, [None if isnan(v) else v for v in self._data[at : at + self._width]])
        return other


class Rings:
    """The rings of all containers, and of the host.

    A reading begins with `begin` and counts from `finish` on. What is asked for in between is
    answered with the readings before it.
    """

    def __init__(self) -> None:
        self.number = 0
        """The number of the last reading that is finished."""
        self.end = 0.0
        """When it was taken, in seconds since the epoch; 0 if there is none yet."""
        self.depth = DEPTHS[0]
        self.host = Ring(len(OF_HOST), DEPTHS[0])
        self.by_id: dict[str, Ring] = {}

    def begin(self, containers: int) -> int:
        """Begins a reading of that many containers, and returns its number. Rings that are read
        next get a depth for which all of them fit."""
        self.depth = next((depth for depth in DEPTHS if containers <= _room(depth)), DEPTHS[-1])
        return self.number + 1

    def ring(self, container_id: str) -> Ring | None:
        """The container's ring, made if there is room for it."""
        ring = self.by_id.get(container_id)
        if ring is None:
            if len(self.by_id) >= _room(DEPTHS[-1]):
                return None
            ring = self.by_id[container_id] = Ring(len(FIGURES), self.depth)
        elif ring.depth != self.depth:
            ring = self.by_id[container_id] = ring.resized(self.depth)
        return ring

    def finish(self, number: int, now: float) -> None:
        """Finishes a reading that was taken at `now`, in seconds since the epoch."""
        self.number, self.end = number, now

    def keep(self, ids: frozenset[str]) -> None:
        """Forgets the rings of all other containers."""
        for gone in self.by_id.keys() - ids:
            del self.by_id[gone]


def _room(depth: int) -> int:
    """How many rings of this depth fit."""
    return MOST_BYTES // (4 * len(FIGURES) * depth)
