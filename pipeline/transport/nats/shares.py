"""Who of several processes is to read which of a number of partitions.

Everybody computes it alone, from the names of those that are there. All get as many, or one more;
when one comes or goes, most partitions stay where they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random


def assign(shares: int, hubs: Sequence[str]) -> list[str]:
    """The hub of each share, from share 0 on. `hubs` are at least one, each with another name;
    their order does not matter.

    Each hub likes each share more or less, by what a generator says that its name has started. A
    share goes to the one that likes it most of those that have room.
    """
    each, rest = divmod(shares, len(hubs))
    likes = {hub: _likes(hub, shares) for hub in hubs}
    room = dict.fromkeys(hubs, each)
    found = []
    for share in range(shares):
        for hub in sorted(hubs, key=lambda one: (likes[one][share], one), reverse=True):
            if room[hub] > 0 or (room[hub] == 0 and rest > 0):
                rest -= room[hub] == 0
                room[hub] -= 1
                found.append(hub)
                break
    return found


def _likes(hub: str, shares: int) -> list[float]:
    generator = Random(hub)
    return [generator.random() for _ in range(shares)]
