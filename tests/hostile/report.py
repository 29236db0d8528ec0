"""What came of a run, and whether it is as it should be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.hostile.neighbours import Noticed
from tests.hostile.watched import Watched

MOST_MEMORY = 256 << 20
LONGEST_TURN = 0.1
"""Seconds of CPU of the loop's own."""
LONGEST_SILENCE = 5.0
"""Seconds that `/healthz` may take, on a machine that does more than it can."""


@dataclass(frozen=True)
class Figures:
    seed: int
    minutes: float
    status: int
    """0 or 1 (some destination was away at the end) when it ended as it was told to."""
    containers: int
    attacks: Mapping[str, int]
    watched: Watched
    turns: Sequence[Mapping[str, Any]]
    noticed: Noticed
    leaked: int
    bugs: int
    """Tracebacks in its log."""
    failures: Sequence[str]

    @property
    def wrong(self) -> list[str]:
        """A line for each thing that is not as it should be."""
        it, seen, longest = self.watched, self.noticed, self.longest
        checks = {
            f"it ended with {self.status}": self.status not in (0, 1),
            f"{it.peak >> 20} MiB were resident": it.peak > MOST_MEMORY,
            f"its loop stood still for {longest * 1000:.0f} ms of CPU": longest > LONGEST_TURN,
            f"/healthz took {it.slowest:.1f} s": it.slowest > LONGEST_SILENCE,
            f"/healthz was silent {it.silent} times": it.silent > 0,
            f"its books did not balance: {it.unbalanced[:3]}": bool(it.unbalanced),
            f"honest lines: {seen}": not seen.good,
            f"{self.leaked} lines with a secret came through `redact`": self.leaked > 0,
            f"{self.bugs} tracebacks in its log": self.bugs > 0,
        }
        return [text for text, is_wrong in checks.items() if is_wrong] + list(self.failures)[:10]

    @property
    def longest(self) -> float:
        """Seconds of CPU of the loop's longest turn."""
        return float(self.turns[0]["cpu"]) if self.turns else 0.0

    def table(self) -> str:
        it, seen, sums = self.watched, self.noticed, self.watched.figures
        hundredths = sum(float(turn["cpu"]) > 0.05 for turn in self.turns)
        rows = {
            "minutes, seed": f"{self.minutes:g}, {self.seed}",
            "hostile containers": f"{self.containers:,}",
            "attacks by clients": ", ".join(f"{n:,} {name}" for name, n in self.attacks.items()),
            "entries received": f"{sums.get('dockline_received_entries_total', 0):,.0f}",
            "CPU of the agent": f"{it.cpu:,.0f} s",
            "memory, peak resident": f"{it.peak >> 20} MiB",
            "longest turn of the loop": f"{self.longest * 1000:.0f} ms of its own CPU; "
            f"{hundredths:,} turns over 50 ms",
            "slowest answer of /healthz": f"{it.slowest:.2f} s",
            "scrapes, unbalanced": f"{it.scrapes:,}, {len(it.unbalanced)}",
            "honest lines, missing, repeated, out of order": f"{seen.lines:,}, {seen.missing}, "
            f"{seen.repeated}, {seen.disordered}",
            "oldest honest line that was waited for": f"{it.stale:.1f} s",
            "secrets behind `redact`": f"{self.leaked}",
            "tracebacks in its log": f"{self.bugs}",
        }
        lines = [f"| {name} | {value} |" for name, value in rows.items()]
        return "\n".join(["| | |", "|---|---|", *lines])
