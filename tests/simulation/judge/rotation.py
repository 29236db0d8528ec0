"""What the Engine passes over when it rotates a log faster than it follows it itself."""

from __future__ import annotations

from bisect import bisect_left

from tests.simulation.course import Written
from tests.simulation.judge.troubles import CLOCK
from tests.simulation.peers.engine import Container
from tests.simulation.world.world import SECOND

SOON = 5 * SECOND
"""A line that has lived so long was read, if all was well."""


def rotated_meanwhile(one: Container, at: int) -> bool:
    """Whether the Engine has removed a file while a line was new. Then its stream may have jumped
    to a newer file, which shows only by the times of the lines, if they are apart."""
    index = bisect_left(one.gone, at - SECOND, key=lambda gone: gone[1])
    return index < len(one.gone) and one.gone[index][1] <= at + SOON


def behind_clock(written: Written) -> set[int]:
    """The lines that are older than one before them, by their numbers, where lines have left the
    log: see fault 9 in docs/explain/reliability.md."""
    newest, behind = 0, set[int]()
    if written.container.gone:
        for number, stamp in enumerate(written.stamps):
            if written.first[number] >= 0:
                newest = max(newest, stamp)
                if stamp < newest - CLOCK:
                    behind.add(number)
    return behind
