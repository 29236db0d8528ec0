"""What came of a run, as figures and as tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.fleet.queues.queue import Rest
from tests.fleet.stored import NOTHING, Stored, missing


@dataclass
class Moment:
    """Something that happens to the fleet, and what came of it until the next."""

    what: str
    came: int
    """Lines that hubs had delivered by then."""
    in_queue: int
    """Messages that no hub had acknowledged."""
    away: float | None = None
    """Seconds that what was killed was not there."""
    repeated: int = 0
    silence: float = 0.0
    """The longest time without a new line of a container, in seconds."""


@dataclass
class Order:
    """As lines came from all hubs together."""

    missing: int = 0
    repeated: int = 0
    late: int = 0
    """Lines that came for the first time after a later one of their container."""
    odd: str = ""


@dataclass
class Outcome:
    """What came of it."""

    hosts: int
    queue: str
    written: Mapping[str, int]
    """Lines of each container, by its id."""
    names: Mapping[str, str]
    stored: Mapping[str, Stored]
    moments: list[Moment]
    order: Order
    seconds: float
    """From the first line written until all were in the store, or none came any more."""
    exits: Mapping[str, int] = field(default_factory=dict)
    """Of agents and hubs that were not killed at their end, by their names."""
    rest: Rest = field(default_factory=Rest)

    @property
    def missing(self) -> int:
        return missing(self.stored, self.written)

    @property
    def repeated(self) -> int:
        return sum(one.repeated for one in self.stored.values())

    @property
    def good(self) -> bool:
        """Every line is there, in order, nobody else's are, and all that ran has ended in good
        order."""
        return not self.odd()

    def odd(self) -> list[str]:
        """What is not as it should be."""
        ended = ", ".join(f"{who} with {code}" for who, code in self.exits.items() if code)
        found = {
            f"{self.missing:,} lines are missing": self.missing,
            f"{self.order.missing:,} lines did not come to the register": self.order.missing,
            f"{self.order.late:,} lines came after later ones": self.order.late,
            f"this came to the register: {self.order.odd}": self.order.odd,
            "the store has lines of other containers": self.stored.keys() - self.written.keys(),
            f"these have ended badly: {ended}": ended,
        }
        return [what for what, holds in found.items() if holds] + self.rest.odd()

    def table(self) -> str:
        """For people."""
        lines = sum(self.written.values())
        rows = [
            f"{self.queue}: {lines:,} lines of {len(self.written)} containers on {self.hosts} "
            f"hosts, in the store after {self.seconds:.0f} s ({lines / self.seconds:,.0f} lines/s)",
            "",
            "| what happens | when so many lines had come | messages in the queue | away "
            "| repeated, until the next | longest that a container stood still |",
            "|---|---|---|---|---|---|",
            *map(_row, self.moments),
            "",
            "| host | written | in the store | missing | repeated |",
            "|---|---|---|---|---|",
        ]
        for host in sorted({name.partition("-")[0] for name in self.names.values()}):
            ids = [it for it, name in self.names.items() if name.startswith(f"{host}-")]
            rows.append(self._host(host, ids))
        rows += [self._host("all", list(self.names)), "", self._came()]
        return "\n".join(rows)

    def _came(self) -> str:
        order = "all in order" if not self.order.late else f"{self.order.late:,} out of order"
        notes = "".join(f" At the end {note}." for note in self.rest.notes)
        return (
            f"As hubs delivered them: {order} but for {self.order.repeated:,} that came again. "
            f"Exit codes of {len(self.exits)} agents and hubs: "
            f"{', '.join(map(str, sorted(set(self.exits.values()))))}.{notes}"
        )

    def _host(self, host: str, ids: list[str]) -> str:
        there = [self.stored.get(one, NOTHING) for one in ids]
        written = sum(self.written[one] for one in ids)
        gone = sum(one.missing(self.written[it]) for it, one in zip(ids, there, strict=True))
        repeated = sum(one.repeated for one in there)
        unique = sum(one.numbers for one in there)
        return f"| {host} | {written:,} | {unique:,} | {gone:,} | {repeated:,} |"


def _row(one: Moment) -> str:
    away = "–" if one.away is None else f"{one.away:.1f} s"
    return (
        f"| {one.what} | {one.came:,} | {one.in_queue:,} | {away} | {one.repeated:,} "
        f"| {one.silence:.1f} s |"
    )
