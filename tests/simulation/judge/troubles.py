"""When something was wrong, and with whom: what may have been lost or repeated depends on it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from tests.simulation.course import Course, Written
from tests.simulation.plan import Step
from tests.simulation.world.world import FOREVER, SECOND

_ENGINE = {
    "cut_logs", "cut_events", "engine_down", "lose_events", "late_events",
    "slow_engine", "wrong_engine", "clock", "engine_clock",
}  # fmt: skip
_DISK = {"disk_full", "disk_fails", "disk_stalls"}
_AGENT = {"reload"}
CLOCK = 2 * SECOND
"""How far the Engine's clock and that of the host are apart at the most."""
SILENT = 310 * SECOND
"""How long it may take until the agent notices that a stream of a truncated log is silent."""
_GAP = re.compile(r"logs of (\S+): lines between (.+) and (.+) may be lost")


class Window(NamedTuple):
    """From when to when something was wrong, in nanoseconds of the world."""

    begin: int
    end: int
    verb: str


class Gap(NamedTuple):
    """What an agent has said of lines that may be lost."""

    said: int
    """When, in nanoseconds of the world."""
    since: int
    until: int
    """From when to when the lines were written, as the host's clock has it."""


class Troubles:
    """All windows of a run."""

    def __init__(self, course: Course) -> None:
        self.sinks: dict[str, list[Window]] = {name: [] for name in course.stores}
        """By sink: faults of the receiver and of the network before it."""
        self.queue: list[Window] = []
        self.engines: dict[str, list[Window]] = {name: [] for name in course.nodes}
        self.disks: dict[str, list[Window]] = {name: [] for name in course.nodes}
        self.reloads: dict[str, list[Window]] = {name: [] for name in course.nodes}
        self.ends: dict[str, list[Window]] = {name: [] for name in course.nodes}
        """By node, for each end of the agent: from the end to its next start."""
        self.stops: dict[str, list[Window]] = {name: [] for name in course.nodes}
        """By node, for each end of the agent: from when it was told to end to its end."""
        self.gaps = _gaps(course)
        """By container."""
        for step in course.plan.steps:
            self._add(step)
        for name, node in course.nodes.items():
            starts = [*node.starts[1:], None]
            for ended, start in zip(node.ends, starts, strict=False):
                until = start or course.world.now
                power = any(ended.ended <= when <= until for when in node.crashes)
                how = "power" if power else ended.how
                self.ends[name].append(Window(ended.ended, until, how))
                self.stops[name].append(Window(ended.told, ended.ended, how))

    def _add(self, step: Step) -> None:
        begin = int(step.at * SECOND)
        window = Window(begin, begin + int(step.of.get("seconds", 0) * SECOND), step.verb)
        if "sink" in step.of:
            self.sinks[step.of["sink"]].append(window)
        elif step.verb.startswith("queue"):
            self.queue.append(window)
        elif step.verb == "truncate":
            self.engines[step.of["node"]].append(Window(begin, begin + SILENT, step.verb))
        elif step.verb == "clock":
            self.engines[step.of["node"]].append(Window(begin, begin, step.verb))
        else:
            for verbs, kept in (
                (_ENGINE, self.engines),
                (_DISK, self.disks),
                (_AGENT, self.reloads),
            ):
                if step.verb in verbs:
                    kept[step.of["node"]].append(window)

    def unheard(self, node: str) -> list[Window]:
        """When events did not reach the agent: of a container that starts and ends meanwhile it
        hears nothing until it is started again itself."""
        return [one for one in self.engines[node] if one.verb in ("lose_events", "engine_down")]

    def clock_set_while_away(self, node: str, written: Written) -> bool:
        """Whether the clock of the Engine or the host was set after a container was created, before
        the agent that had not seen it was started."""
        clocks = [one for one in self.engines[node] if one.verb in ("clock", "engine_clock")]
        return any(
            away.begin <= written.ended_at
            and written.created <= away.end
            and overlaps(clocks, written.created, away.end + SECOND)
            for away in self.ends[node]
        )

    def ended_between(self, node: str, begin: int, end: int) -> bool:
        """Whether an agent has ended between two times."""
        return any(begin <= one.begin <= end for one in self.ends[node])

    def all(self) -> Iterator[Window]:
        """All that went wrong, with anybody."""
        yield from self.queue
        for kept in (self.sinks, self.engines, self.disks, self.reloads, self.ends, self.stops):
            for windows in kept.values():
                yield from windows

    def of_node(self, node: str) -> Iterator[Window]:
        """All that went wrong on a host."""
        for kept in (self.engines, self.disks, self.ends, self.stops):
            yield from kept[node]


def _gaps(course: Course) -> dict[str, list[Gap]]:
    gaps = defaultdict(list)
    for said, _, note in course.world.notes:
        if found := _GAP.search(note):
            since = _nanoseconds(found[2]) - CLOCK if found[2] != "its beginning" else 0
            until = _nanoseconds(found[3]) + CLOCK if found[3] != "its end" else FOREVER
            gaps[found[1].removesuffix("-renamed")].append(Gap(said, since, until))
    return gaps


def _nanoseconds(stamp: str) -> int:
    return int(datetime.fromisoformat(stamp).timestamp()) * SECOND


def overlaps(windows: Iterator[Window] | list[Window], begin: int, end: int) -> bool:
    """Whether any of the windows was open at a time between these."""
    return any(window.begin <= end and window.end >= begin for window in windows)
