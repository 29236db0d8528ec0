"""What a large fleet would need, computed from what was measured on one machine.

    python -m benchmarks.fleet_model [--write] [--hosts 10000]

It reads results/hub.json (CPU of agents, queue, hubs and store; bytes of a line in the queue) and
results/fleet.json (how long containers stood still and what came twice when a hub was killed), and
prints the tables of docs/guides/fleet.md; `--write` puts them there. It multiplies. It knows
nothing of networks, of disks, or of what happens when ten times as many share something.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import hub_figures
from benchmarks.hub_figures import LARGE, SMALL, QueueFigures
from tests.fleet import results
from tests.fleet.results import Run

GUIDE = Path(__file__).parents[1] / "docs/guides/fleet.md"
NAMES = {"nats": "NATS", "kafka": "Kafka"}
HUB = '`parse = "json"`, to VictoriaLogs'
"""The row of a hub that does what hubs are for."""
KILLED = "a hub is killed"


@dataclass(frozen=True)
class Fleet:
    """What there is, and what is wanted."""

    hosts: int = 10_000
    containers: int = 20
    """Of each host."""
    lines: int = 50
    """A second, of each host."""
    linger: float = 5.0
    """Seconds for which an agent gathers (`batch.linger`), so that a message has 12 lines."""
    zones: int = 3
    """Hubs and the queue's servers are spread over them evenly."""
    replicas: int = 3
    """Of each message."""
    load: float = 0.5
    """Part of what a hub can take that it is given."""

    @property
    def rate(self) -> int:
        """Lines a second, of all hosts."""
        return self.hosts * self.lines


@dataclass(frozen=True)
class Need:
    """What a fleet needs with one queue."""

    fleet: Fleet
    figures: QueueFigures
    run: Run
    stand_in: bool = False
    """Whether the queue's own figures are of a program that only stands in for it."""

    @property
    def _million(self) -> float:
        """Millions of lines a second."""
        return self.fleet.rate / 1e6

    @property
    def messages(self) -> float:
        """A second, each of the lines of one container while its agent gathers."""
        return self.fleet.hosts * self.fleet.containers / self.fleet.linger

    @property
    def capacity(self) -> float:
        """Lines a second of a hub with a core of its own."""
        return 1e6 / self.figures.hub(HUB, SMALL).hub

    @property
    def hubs(self) -> int:
        """The same number in each zone."""
        least = self.fleet.rate / (self.capacity * self.fleet.load)
        return math.ceil(least / self.fleet.zones) * self.fleet.zones

    @property
    def agent(self) -> float:
        """Part of a core that publishing takes of each host."""
        return self.figures.published[SMALL].agent * self.fleet.lines / 1e6

    @property
    def written(self) -> float:
        """Bytes a second that the queue takes, without replicas."""
        return self.fleet.rate * self.figures.published[SMALL].size

    @property
    def queue_cores(self) -> float:
        """Each replica takes what is published, one gives it out."""
        row, taken = self.figures.hub(HUB, SMALL), self.figures.published[SMALL].broker
        return self._million * (taken * self.fleet.replicas + row.broker)

    @property
    def store_cores(self) -> float:
        return self._million * (self.figures.hub(HUB, SMALL).store or 0.0)

    @property
    def hour(self) -> float:
        """Bytes on all disks of the queue after an hour without hubs."""
        return self.written * 3600 * self.fleet.replicas

    # ------------------------------------------------------------- a zone without its hubs

    @property
    def stands(self) -> float:
        """Seconds until others read what the lost hubs read."""
        return self.run.after(KILLED).silence

    @property
    def left(self) -> float:
        """Part of what hubs can take that the others are given then."""
        return self.fleet.rate / (self._others * self.capacity)

    @property
    def backlog(self) -> float:
        """Lines that have come meanwhile."""
        return self.fleet.rate / self.fleet.zones * self.stands

    @property
    def catch_up(self) -> float:
        """Seconds until that is delivered."""
        spare = self._others * self.capacity - self.fleet.rate
        return self.backlog / spare if spare > 0 else math.inf

    @property
    def repeated(self) -> int:
        """Lines that are delivered twice, where each hub had as much in flight as that one."""
        return self.hubs // self.fleet.zones * self.run.after(KILLED).repeated

    @property
    def _others(self) -> int:
        return self.hubs - self.hubs // self.fleet.zones


ROWS: Sequence[tuple[str, Callable[[Need], str]]] = (
    ("messages a second", lambda need: f"{need.messages:,.0f}"),
    ("publishing, of a host's core", lambda need: f"{need.agent:.2%}"),
    ("into the queue, each replica", lambda need: f"{need.written / 1e6:,.0f} MB/s"),
    (
        "cores of the queue, with replicas",
        lambda need: "not measured" if need.stand_in else f"{need.queue_cores:,.0f}",
    ),
    ("hubs", lambda need: f"{need.hubs:,}"),
    ("partitions, two for each hub", lambda need: f"{need.hubs * 2:,}"),
    ("cores of VictoriaLogs", lambda need: f"{need.store_cores:,.0f}"),
    ("an hour without hubs, with replicas", lambda need: f"{need.hour / 1e9:,.0f} GB"),
    ("**a zone is lost**: its partitions stand still", lambda need: f"{need.stands:.0f} s"),
    ("the other hubs then work at", lambda need: f"{need.left:.0%}"),
    ("what has gathered", lambda need: f"{need.backlog / 1e6:,.1f} million lines"),
    ("and is delivered after", lambda need: f"{need.catch_up:,.0f} s"),
    ("of which twice, at most", lambda need: f"{need.repeated:,} lines"),
)


def needs(fleet: Fleet) -> dict[str, Need]:
    """By the queue's name."""
    runs = results.load()
    return {
        queue: Need(fleet, figures, runs[queue], stand_in=queue == "kafka")
        for queue, figures in hub_figures.load().items()
        if queue in runs
    }


def table(fleet: Fleet) -> str:
    """As Markdown."""
    found = needs(fleet)
    out = [
        f"| {fleet.hosts:,} hosts | {' | '.join(NAMES[one] for one in found)} |",
        "|---|" + "---|" * len(found),
    ]
    for what, figure in ROWS:
        out.append(f"| {what} | {' | '.join(figure(need) for need in found.values())} |")
    return "\n".join(out)


def sizing() -> str:
    """What one hub takes, as Markdown."""
    out = [
        "| one hub | queue | lines of a message | CPU s per million lines "
        "| so at most, lines a second with a core of its own |",
        "|---|---|---|---|---|",
    ]
    for queue, figures in hub_figures.load().items():
        out += [
            f"| {row.what} | {NAMES[queue]} | {row.message} | {row.hub:.2f} "
            f"| {1e6 / row.hub:,.0f} |"
            for row in figures.drained
        ]
    return "\n".join(out)


def others() -> str:
    """CPU seconds per million lines beside the hubs, and bytes, as Markdown."""
    found = hub_figures.load()
    names = " | ".join(NAMES[one] for one in found)
    out = [
        f"| messages of {LARGE} lines, and of {SMALL} | {names} |",
        "|---|" + "---|" * len(found),
    ]
    rows: Sequence[tuple[str, Callable[[QueueFigures, int], float]]] = (
        ("an agent, to publish them", lambda one, size: one.published[size].agent),
        ("the queue, to take them", lambda one, size: one.published[size].broker),
        ("the queue, to give them out", lambda one, size: one.hub(HUB, size).broker),
        ("VictoriaLogs, with parsed fields", lambda one, size: one.hub(HUB, size).store or 0.0),
        ("bytes of a line in the queue", lambda one, size: one.published[size].size),
    )
    for what, figure in rows:
        cells = (f"{figure(one, LARGE):.2f}, {figure(one, SMALL):.2f}" for one in found.values())
        out.append(f"| {what} | {' | '.join(cells)} |")
    return "\n".join(out)


def tables(fleet: Fleet) -> list[str]:
    """All that stand in the guide."""
    return [sizing(), others(), table(fleet)]


def replaced(text: str, new: str) -> str:
    """The text with a table in place of the one whose first cell is the same. Raises `ValueError`
    where there is none."""
    lines, first = text.split("\n"), new.split(" | ", 1)[0]
    start = next((n for n, line in enumerate(lines) if line.startswith(first + " | ")), None)
    if start is None:
        raise ValueError(f"there is no table that begins with {first!r}")
    end = start
    while end < len(lines) and lines[end].startswith("|"):
        end += 1
    return "\n".join([*lines[:start], new, *lines[end:]])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet_model", description=__doc__)
    parser.add_argument("--hosts", type=int, default=Fleet.hosts)
    parser.add_argument("--write", action="store_true", help="into docs/guides/fleet.md")
    arguments = parser.parse_args()
    found = tables(Fleet(hosts=arguments.hosts))
    print("\n\n".join(found))
    if arguments.write:
        text = GUIDE.read_text()
        for one in found:
            text = replaced(text, one)
        GUIDE.write_text(text)


if __name__ == "__main__":
    main()
