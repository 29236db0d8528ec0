"""The figures of a run, as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.chaos.tally import Compared

SHOWN = 20
"""Lines that are listed of each kind of trouble."""


@dataclass
class Figures:
    seed: int
    minutes: float
    containers: Counter[str]
    """By kind."""
    removed: int
    sinks: Mapping[str, Compared]
    injected: Counter[str]
    lives: int
    exits: list[int]
    peak: int
    settled: float
    """Seconds from the last fault until all was delivered, or given up."""
    troubles: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return not self.troubles and all(sink.good for sink in self.sinks.values())

    def table(self) -> str:
        written = next(iter(self.sinks.values())).written
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(self.containers.items()))
        rows = [
            f"seed {self.seed}, {self.minutes:g} minutes",
            f"{self.containers.total()} containers ({kinds}), {self.removed} of them removed",
            f"{written:,} lines in the Engine's logs",
            f"{self.lives} lives of the agent, at most {self.peak / 2**20:.0f} MiB resident",
            f"{self.settled:.0f} s after the last fault "
            + ("all was delivered" if self.good else "it was not waited for any longer"),
            "",
            "| sink | delivered | lost | taken by its kernel, never read | repeated "
            "| out of order | not the Engine's |",
            "|---|---|---|---|---|---|---|",
        ]
        for name, sink in self.sinks.items():
            rows.append(
                f"| {name} | {sink.delivered:,} | {len(sink.lost):,} | {sink.unread:,} "
                f"| {sink.repeated:,} | {len(sink.disordered):,} | {len(sink.foreign):,} |"
            )
        rows += ["", "| fault | times |", "|---|---|"]
        rows += [f"| {fault} | {times} |" for fault, times in sorted(self.injected.items())]
        return "\n".join(rows)

    def wrong(self) -> list[str]:
        """What was not as it should be, a line for each kind and some examples."""
        said = list(self.troubles)
        for name, sink in self.sinks.items():
            for what, lines in (("lost", sink.lost), ("out of order", sink.disordered),
                                ("not the Engine's", sink.foreign)):  # fmt: skip
                said += [f"{name}: {what}: {line}"[:300] for line in lines[:SHOWN]]
        return said
