"""Which lines a sink has, by the number in each, and what is wrong with that."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

NUMBER = re.compile(r"^(?:begin|  at|debug) (\d+) ", re.MULTILINE)
"""Of each line in a message; `join` makes messages of several lines."""

Entry = tuple[str, int | None, str]
"""Container, `event.sequence` where the sink tells it, message."""
Lines = set[tuple[str, int]]
"""Container and number of each."""


class Tally:
    """The lines that a sink has, in the order in which they came."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.times: Counter[tuple[str, int]] = Counter()
        """How often each line came."""
        self.highest: Counter[str] = Counter()
        """Number, by container."""
        self.disordered = 0
        self.misnumbered = 0
        for name, sequence, message in entries:
            numbers = [int(number) for number in NUMBER.findall(message)]
            self.misnumbered += not numbers or sequence not in (None, numbers[0])
            for number in numbers:
                known = (name, number) in self.times
                self.disordered += number < self.highest[name] and not known
                self.highest[name] = max(self.highest[name], number)
                self.times[name, number] += 1

    def against(self, wanted: Lines) -> dict[str, int]:
        """Lines that the sink must have, and how many are lost; repeated; came for the first time
        after a later line of their container; are in an entry whose `event.sequence` is not the
        number of its first line (a container is read from its first line on, so both count from 1);
        or are foreign: nobody wrote them, or a stage should have dropped them."""
        had = self.times.keys()
        return {
            "lines": len(wanted),
            "lost": len(wanted - had),
            "repeated": self.times.total() - len(had),
            "out of order": self.disordered,
            "wrong number": self.misnumbered,
            "foreign": len(had - wanted),
        }


def expected(last: Mapping[str, int], *, debug: bool) -> Lines:
    """The lines that a sink must have, by the number of each container's last line. Every fourth
    line is for debugging."""
    numbers = ((name, number) for name in last for number in range(1, last[name] + 1))
    return {(name, number) for name, number in numbers if debug or number % 4}


def good(figures: Mapping[str, int], allowed: int) -> bool:
    """`figures`: those of `Tally.against`. `allowed`: lines that may be repeated."""
    wrong = sum(figures.values()) - figures["lines"] - figures["repeated"]
    return wrong == 0 and figures["repeated"] <= allowed
