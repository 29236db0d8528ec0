"""What a sink's receiver has got, by container and line."""

from __future__ import annotations

from collections import defaultdict

from tests.simulation.peers.stores import Store


class Arrivals:
    """The lines that one receiver has got."""

    def __init__(self, store: Store) -> None:
        self.first: dict[str, dict[int, int]] = defaultdict(dict)
        """By container and number: when it came first. In the order in which they came."""
        self.again: list[tuple[str, int, int, int]] = []
        """Lines that had been there: container, number, when it came last before, and when."""
        last: dict[tuple[str, int], int] = {}
        for got in store.got:
            key = got.name, got.number
            if key in last:
                self.again.append((*key, last[key], got.time))
            else:
                self.first[got.name][got.number] = got.time
            last[key] = got.time
