"""What is done when, as a pure function of the seed and the minutes.

Each lane does its actions in order and in its own time: one that takes long delays those behind it
in its lane, and no others. So the plan of a seed is always the same, its course is not.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tests.chaos.talk import Talker

CONTAINER_LANES = 3
SINKS = ("syslog", "logstash", "spooled")
FAULTS = {
    "syslog": ("vanish", "silence", "deaf", "reset", "kill"),
    "logstash": ("vanish", "silence", "freeze", "reset", "kill", "half"),
    "spooled": ("kill", "vanish", "freeze"),
}
"""By sink. `vanish`: it ends its connections and takes none; `silence`: no packet reaches it;
`deaf` and `freeze`: it does not read; `reset`: it resets its connections; `half`: it acknowledges
half a window and ends the connection; `kill`: SIGKILL, and it is started again."""


class Action(NamedTuple):
    at: float
    """Seconds from the beginning."""
    lane: str
    verb: str
    name: str = ""
    """Of a container."""
    seconds: float = 0.0
    """How long the fault lasts, or its victim is away."""
    talker: Talker | None = None

    def __str__(self) -> str:
        said = f"{self.at:6.1f} s  {self.lane:<12} {self.verb:<8} {self.name}"
        if self.seconds:
            said += f"for {self.seconds:.1f} s"
        if self.talker is not None:
            said += f"  {self.talker.lines} lines"
            said += f" of {self.talker.size} bytes" if self.talker.size else ""
        return said.rstrip()


def plan(seed: int, minutes: float) -> list[Action]:
    """All that happens, in the order in which it should."""
    dice, end = random.Random(seed), 60 * minutes
    actions = [*_containers(dice, end), *_agent(dice, end), *_engine(dice, end)]
    for sink in SINKS:
        actions += _sink(dice, end, sink)
    return sorted(actions, key=lambda action: action.at)


# -------------------------------------------------------------------------------- containers


def _moment(dice: random.Random, name: str) -> Talker:
    """A few milliseconds to a second."""
    lines = dice.randint(1, 50)
    pause = dice.choice((0.0, 0.0, dice.uniform(0.01, 0.9)))
    return Talker(name, "moment", lines, errors=dice.choice((0, 3)), burst=lines // 2 + 1,
                  pause=round(pause, 2))  # fmt: skip


def _flood(dice: random.Random, name: str) -> Talker:
    return Talker(name, "flood", dice.randint(100_000, 150_000), dice.randint(10, 100))


def _both(dice: random.Random, name: str) -> Talker:
    return Talker(name, "both", dice.randint(5_000, 30_000), 20, errors=dice.randint(2, 4))


def _long(dice: random.Random, name: str) -> Talker:
    """Each line is several of Docker's partial messages."""
    return Talker(name, "long", dice.randint(20, 150), dice.randint(17_000, 120_000), errors=3,
                  burst=5, pause=0.1)  # fmt: skip


def _steady(dice: random.Random, name: str) -> Talker:
    return Talker(name, "steady", 1_000_000, dice.randint(0, 60), errors=dice.choice((0, 5)),
                  burst=dice.randint(1, 20), pause=round(dice.uniform(0.05, 0.4), 2))  # fmt: skip


def _loop(dice: random.Random, name: str) -> Talker:
    """Ends again and again, and is started again by its policy."""
    status = dice.choice((0, 1))
    return Talker(name, "loop", dice.randint(1, 200), errors=4, burst=100, pause=0.1,
                  status=status, restart="on-failure" if status else "always")  # fmt: skip


_KINDS: dict[str, tuple[Callable[[random.Random, str], Talker], int]] = {
    "moment": (_moment, 50), "flood": (_flood, 8), "both": (_both, 12), "long": (_long, 10),
    "steady": (_steady, 12), "loop": (_loop, 8),
}  # fmt: skip
"""With how often each comes."""
_BETWEEN = 1.5
"""Seconds from one container's start to the next one's, in the mean."""


def _containers(dice: random.Random, end: float) -> Iterator[Action]:
    """One of each kind at first, then as the dice say."""
    kinds, weights = list(_KINDS), [weight for _, weight in _KINDS.values()]
    at, number = 0.0, 0
    while (at := at + dice.expovariate(1 / _BETWEEN)) < end - 1:
        kind = kinds[number] if number < len(kinds) else dice.choices(kinds, weights)[0]
        number += 1
        talker = _KINDS[kind][0](dice, f"c{number:03d}-{kind}")
        lane = f"containers-{number % CONTAINER_LANES}"
        yield Action(round(at, 1), lane, "start", talker.name, talker=talker)
        yield from _fate(dice, end, lane, at, talker)


def _fate(
    dice: random.Random, end: float, lane: str, at: float, talker: Talker
) -> Iterator[Action]:
    """What is done to a container after its start. All of them are ended at the very end."""
    verbs = {"steady": ("restart", "kill", "stop"), "loop": ("kill", "stop"), "flood": ("kill",),
             "long": ("kill", "restart")}.get(talker.kind, ())  # fmt: skip
    if verbs and (talker.kind in ("steady", "loop") or dice.random() < 0.3):
        for _ in range(dice.randint(1, 3) if "restart" in verbs else 1):
            at += dice.uniform(1, 5 if talker.kind in ("flood", "long") else 40)
            if at < end:
                yield Action(round(at, 1), lane, dice.choice(verbs), talker.name)
    if dice.random() < 0.4 and (at := at + dice.uniform(1, 30)) < end:
        yield Action(round(at, 1), lane, "remove", talker.name)


# ------------------------------------------------------------------------------------ faults


def _agent(dice: random.Random, end: float) -> Iterator[Action]:
    at = dice.uniform(4, 12)
    while at < end:
        verb = dice.choice(("SIGKILL", "SIGKILL", "SIGTERM"))
        yield Action(round(at, 1), "agent", verb, seconds=round(dice.uniform(0, 3), 1))
        at += dice.uniform(6, 20)


def _engine(dice: random.Random, end: float) -> Iterator[Action]:
    at = dice.uniform(10, 30)
    while at < end:
        verb = dice.choice(("SIGKILL", "SIGTERM"))
        yield Action(round(at, 1), "engine", verb, seconds=round(dice.uniform(0, 4), 1))
        at += dice.uniform(45, 90)


def _sink(dice: random.Random, end: float, sink: str) -> Iterator[Action]:
    """The spooled one is away half of the time, the others a quarter of it."""
    at = dice.uniform(3, 10)
    while at < end:
        away = dice.uniform(5, 15) if sink == "spooled" else dice.uniform(0.5, 5)
        yield Action(round(at, 1), sink, dice.choice(FAULTS[sink]), seconds=round(away, 1))
        at += away + (dice.uniform(5, 15) if sink == "spooled" else dice.uniform(4, 14))
