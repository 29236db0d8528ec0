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

    __slots__ = ("_data", "_width", "depth", "filled", "lines")

    def __init__(self, width: int, depth: int) -> None:
        """`width`: figures in a reading. `depth`: readings that are kept."""
        self._width = width
        self.depth = depth
        self.filled = 0
        """Readings so far, at most `depth`."""
        self.lines = 0
        """Lines of the container at the last reading."""
        self._data = array("f", [_NOTHING]) * (width * depth)

    def put(self, number: int, reading: Sequence[float | None]) -> None:
        """Puts the reading with this number; numbers count up by one for all rings together."""
        at = number % self.depth * self._width
        self._data[at : at + self._width] = array(
            "f", [_NOTHING if value is None else value for value in reading]
        )
        self.filled = min(self.depth, self.filled + 1)

    def series(self, number: int, figure: int) -> list[float | None]:
        """One figure of all readings up to the one with this number, oldest first."""
        places = range(number - self.filled + 1, number + 1)
        values = (self._data[place % self.depth * self._width + figure] for place in places)
        return [None if isnan(value) else round(value, 4) for value in values]

    def resized(self, number: int, depth: int) -> Ring:
        """A ring of another depth with the newest readings of this one."""
        other = Ring(self._width, depth)
        other.lines = self.lines
        for place in range(number - min(self.filled, depth) + 1, number + 1):
            at = place % self.depth * self._width
            other.put(place, [None if isnan(v) else v for v in self._data[at : at + self._width]])
        return other


class Rings:
    """The rings of all containers, and of the host."""

    def __init__(self) -> None:
        self.number = 0
        """The number of the last reading."""
        self.end = 0.0
        """When it was taken, in seconds since the epoch; 0 if there is none yet."""
        self.depth = DEPTHS[0]
        self.host = Ring(len(OF_HOST), DEPTHS[0])
        self.by_id: dict[str, Ring] = {}

    def ring(self, container_id: str) -> Ring | None:
        """The container's ring, made if there is room for it."""
        ring = self.by_id.get(container_id)
        if ring is None:
            if len(self.by_id) >= _room(DEPTHS[-1]):
                return None
            ring = self.by_id[container_id] = Ring(len(FIGURES), self.depth)
        return ring if ring.depth == self.depth else self._resize(container_id, ring)

    def _resize(self, container_id: str, ring: Ring) -> Ring:
        ring = self.by_id[container_id] = ring.resized(self.number - 1, self.depth)
        return ring

    def begin(self, containers: int, now: float) -> None:
        """Begins a reading of that many containers, at `now`. Rings that are read next get a depth
        for which all of them fit."""
        self.number += 1
        self.end = now
        self.depth = next((depth for depth in DEPTHS if containers <= _room(depth)), DEPTHS[-1])

    def keep(self, ids: frozenset[str]) -> None:
        """Forgets the rings of all other containers."""
        for gone in self.by_id.keys() - ids:
            del self.by_id[gone]


def _room(depth: int) -> int:
    """How many rings of this depth fit."""
    return MOST_BYTES // (4 * len(FIGURES) * depth)
