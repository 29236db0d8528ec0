"""What happens in a run, and when: made from a seed, and nothing but data, so that it can be
printed, made smaller and played again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from random import Random
from typing import Any

FAULTS_END = 1500.0
"""Seconds after which nothing goes wrong any more."""
CALM = 160.0
"""Least seconds between two storms, in which nothing goes wrong."""
STOP = 1700.0
"""When the agent is told to end."""
END = 1800.0
FLEETS = 0.02
"""Share of plans with a queue and hubs."""


@dataclass(frozen=True)
class Sink:
    """A receiver, and how the agent is to send to it."""

    name: str
    kind: str
    """One of `tests.simulation.stores.KINDS`."""
    memory: str = "1MiB"
    disk: str = "0"
    when_full: str = "block"
    linger: str = "0s"
    entries: int = 1000

    @property
    def spooled(self) -> bool:
        """Whether it has a buffer on disk."""
        return self.disk != "0"


@dataclass(frozen=True)
class Setup:
    """What is there from the beginning on."""

    sinks: tuple[Sink, ...]
    agents: tuple[str, ...] = ("alpha",)
    """Hosts with an Engine and an agent."""
    hubs: tuple[str, ...] = ()
    """Hosts with a hub. With any, agents send to a queue and hubs to the sinks."""
    reads: str = "api"
    """`logs.read` of the agents."""
    start: str = "beginning"
    """`logs.start` of the agents. Where it is `now`, no container is older than they are."""
    join: bool = False
    rotation: int = 0
    """Bytes of a log's file; 0 for no rotation."""
    storms: tuple[tuple[float, float], ...] = ()
    """From when to when things go wrong, in seconds."""


@dataclass(frozen=True)
class Step:
    """Something that is done to the world."""

    at: float
    """Seconds since it began."""
    verb: str
    """The name of a method of `Course`."""
    of: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        what = ", ".join(f"{name}={value}" for name, value in self.of.items())
        return f"{self.at:9.3f} s  {self.verb:<14} {what}"


@dataclass(frozen=True)
class Plan:
    """One run."""

    seed: int
    setup: Setup
    steps: tuple[Step, ...]

    def without(self, steps: set[int]) -> Plan:
        """The same without some of its steps, by their places."""
        kept = tuple(step for place, step in enumerate(self.steps) if place not in steps)
        return replace(self, steps=kept)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Plan:
        read = json.loads(text)
        setup = read["setup"]
        setup["sinks"] = tuple(Sink(**one) for one in setup["sinks"])
        setup["storms"] = tuple(map(tuple, setup["storms"]))
        setup["agents"], setup["hubs"] = tuple(setup["agents"]), tuple(setup["hubs"])
        return cls(read["seed"], Setup(**setup), tuple(Step(**one) for one in read["steps"]))


def made(seed: int) -> Plan:
    """The plan of a seed."""
    dice = Random(f"plan {seed}")
    times = Times(dice)
    setup = _setup(dice, times)
    steps: list[Step] = []
    for node in setup.agents:
        steps += [*_containers(dice, node, times), *_agent(dice, node, times)]
        steps += _engine(dice, node, times)
    for node in setup.hubs:
        steps += _agent(dice, node, times)
    for node in (*setup.agents, *setup.hubs):
        steps += _disk(dice, node, times)
    for sink in setup.sinks:
        steps += _sink(dice, sink, times)
    if setup.hubs:
        steps += _queue(dice, times)
    return Plan(seed, setup, tuple(sorted(steps, key=lambda step: step.at)))


class Times:
    """When things go wrong: in storms, between which a fault has to be got over, and in them often
    together, for one that comes alone seldom does any harm."""

    def __init__(self, dice: Random) -> None:
        self._dice = dice
        self.storms: list[tuple[float, float]] = []
        self.meetings: list[float] = []
        """About when several things go wrong at once."""
        at = dice.uniform(5, 60)
        while at < FAULTS_END - CALM:
            end = min(at + dice.uniform(30, 300), FAULTS_END - CALM)
            self.storms.append((round(at, 3), round(end, 3)))
            self.meetings += [dice.uniform(at, end) for _ in range(dice.randint(0, 4))]
            at = end + CALM + dice.uniform(0, 100)

    def some(self, every: float) -> Iterator[float]:
        """Some times, on average one in so many seconds of a storm."""
        dice = self._dice
        for begin, end in self.storms:
            meetings = [one for one in self.meetings if begin <= one <= end]
            at = begin + dice.expovariate(1 / every)
            while at < end:
                when = at
                if meetings and dice.random() < 0.5:
                    apart = dice.choice((0.0, 0.1, 1.0, 8.0))
                    when = dice.choice(meetings) + apart * (dice.random() - 0.5)
                yield round(min(max(when, begin), end), 3)
                at += dice.expovariate(1 / every)

    def lasting(self, at: float, *seconds: float) -> float:
        """How long something that goes wrong then lasts: it ends with its storm."""
        end = next(end for begin, end in self.storms if begin <= at <= end)
        return round(min(self._dice.choice(seconds), max(end - at, 0.1)), 3)


def _setup(dice: Random, times: Times) -> Setup:
    kinds = ["victorialogs", "syslog", "http", "lumberjack", "forward"]
    sinks = []
    for number, kind in enumerate(dice.sample(kinds, dice.choice((1, 2, 2, 3)))):
        spooled = dice.random() < 0.4
        sinks.append(
            Sink(
                f"s{number}",
                kind,
                memory=dice.choice(("64KiB", "256KiB", "1MiB")),
                disk=dice.choice(("256KiB", "4MiB", "64MiB")) if spooled else "0",
                when_full=dice.choice(("block", "block", "block", "drop_newest", "drop_oldest")),
                linger=dice.choice(("0s", "0s", "500ms", "5s")),
                entries=dice.choice((10, 100, 1000)),
            )
        )
    fleet = dice.random() < FLEETS
    return Setup(
        tuple(sinks),
        agents=("alpha", "beta") if fleet else ("alpha",),
        hubs=("hub1", "hub2") if fleet else (),
        reads=dice.choice(("api", "api", "auto")),
        start=dice.choice(("beginning", "now")),
        join=dice.random() < 0.3,
        rotation=dice.choice((0, 0, 20_000, 200_000)),
        storms=tuple(times.storms),
    )


# ------------------------------------------------------------------------------------ containers


def _containers(dice: Random, node: str, times: Times) -> Iterator[Step]:
    for number in range(dice.choice((1, 2, 2, 3, 4))):
        kind = dice.choice((_steady, _steady, _busy, _moments, _restarting, _again))
        yield from kind(dice, node, f"{node[0]}{number}", times)


def _lines(dice: Random, name: str, begin: float, end: float, times: Times) -> Iterator[Step]:
    """What a container writes: in bursts, for most time is quiet."""
    every = dice.choice((60, 200, 600))
    bursts, at = [], begin
    while (at := at + dice.expovariate(1 / every)) < end:
        bursts.append(at)
    bursts += [max(begin, at) for at in times.some(60) if at < end]
    for at in bursts:
        gap = dice.choice((0, 0, 0, 0.001, 0.05))
        yield Step(
            round(at, 3),
            "write",
            {
                "name": name,
                "lines": dice.choice((1, 1, 3, 10) if gap else (1, 3, 10, 30, 100)),
                "size": dice.choice((20, 20, 60, 200, 2000, 20_000)) if dice.random() < 0.8 else 20,
                "gap": gap,
                "stream": dice.choice((1, 1, 1, 2, 3)),
            },
        )
        if dice.random() < 0.1:
            begun = {
                "name": name,
                "size": dice.choice((20, 20_000, 50_000)),
                "at": dice.choice((0, 0, 4096, 8192, 16_384, 20_480)),
            }
            yield Step(round(at + dice.random() * 5, 3), "write_part", begun)


def _steady(dice: Random, node: str, name: str, times: Times) -> Iterator[Step]:
    begin = dice.choice((2.0, 2.0, dice.uniform(2, 300)))
    yield Step(begin, "run_container", {"node": node, "name": name, "tty": dice.random() < 0.15})
    yield from _lines(dice, name, begin + dice.uniform(0.001, 5), FAULTS_END + 60, times)
    if dice.random() < 0.2:
        yield Step(round(dice.uniform(begin, FAULTS_END), 3), "rename", {"name": name})
    if dice.random() < 0.15:
        for at in times.some(100):
            yield Step(at, "truncate", {"node": node, "name": name})


def _busy(dice: Random, node: str, name: str, times: Times) -> Iterator[Step]:
    """One that writes much in one storm, and little before and after it."""
    yield Step(2.0, "run_container", {"node": node, "name": name, "tty": dice.random() < 0.15})
    yield from _lines(dice, name, 2.5, FAULTS_END + 60, times)
    at, end = dice.choice(times.storms)
    end = min(end, at + 200)
    every, size = dice.choice((4, 8, 15)), dice.choice((20, 200, 600))
    while (at := at + dice.expovariate(1 / every)) < end:
        of = {"name": name, "lines": dice.choice((10, 30, 100)), "size": size, "gap": 0}
        yield Step(round(at, 3), "write", {**of, "stream": dice.choice((1, 1, 3))})


def _restarting(dice: Random, node: str, name: str, times: Times) -> Iterator[Step]:
    begin = dice.uniform(2, 200)
    yield Step(begin, "run_container", {"node": node, "name": name, "tty": False})
    yield from _lines(dice, name, begin, FAULTS_END, times)
    for at in (begin + dice.expovariate(1 / 300), *times.some(100)):
        if at > begin:
            away = dice.choice((0.0, 0.005, 0.2, 5.0, 40.0))
            yield Step(round(at, 3), "restart", {"name": name, "away": away})
    if dice.random() < 0.3:
        yield Step(round(dice.uniform(900, FAULTS_END), 3), "die", {"name": name})


def _moments(dice: Random, node: str, name: str, times: Times) -> Iterator[Step]:
    """Containers that live for a moment, and are removed."""
    regular = [dice.uniform(1, FAULTS_END) for _ in range(dice.randint(1, 4))]
    for number, at in enumerate((*regular, *times.some(50))):
        yield Step(
            round(at, 3),
            "moment",
            {
                "node": node,
                "name": f"{name}x{number}",
                "lines": dice.choice((1, 5, 40)),
                "lives": dice.choice((0.01, 0.05, 0.5, 5.0)),
                "removed": dice.random() < 0.5,
            },
        )


def _again(dice: Random, node: str, name: str, times: Times) -> Iterator[Step]:
    """One that is started again and again for a moment, as by cron."""
    begin = round(dice.uniform(2, 100), 3)
    yield Step(begin, "run_container", {"node": node, "name": name, "tty": False})
    lives = dice.choice((0.01, 0.2, 3.0))
    for at in (begin, *times.some(25)):
        if at >= begin:
            lines = dice.choice((1, 5, 40))
            yield Step(at, "run_again", {"name": name, "lines": lines, "lives": lives})


# ----------------------------------------------------------------------------------------- faults


def _agent(dice: Random, node: str, times: Times) -> Iterator[Step]:
    for at in times.some(dice.choice((40, 80, 300))):
        verb = dice.choice(
            ("kill", "kill", "kill_within", "kill_within", "terminate", "crash", "reload")
        )
        of: dict[str, Any] = {"node": node, "away": dice.choice((0.0, 0.5, 5.0, 60.0))}
        if verb == "kill_within":
            of["calls"] = dice.choice((dice.randint(1, 60), dice.randint(1, 600)))
        if verb == "reload":
            of = _reload(dice, node)
        yield Step(at, verb, of)
    if dice.random() < 0.3:
        for at in times.some(40):
            yield Step(at, "reload", _reload(dice, node))


def _reload(dice: Random, node: str) -> dict[str, Any]:
    return {"node": node, "memory": dice.choice(("64KiB", "128KiB", "2MiB"))}


def _engine(dice: Random, node: str, times: Times) -> Iterator[Step]:
    if dice.random() < 0.3:
        return
    for at in times.some(dice.choice((40, 100))):
        verb = dice.choice(
            ("cut_logs", "cut_logs", "cut_events", "engine_down", "engine_down", "lose_events",
             "late_events", "slow_engine", "wrong_engine", "clock", "engine_clock")
        )  # fmt: skip
        of: dict[str, Any] = {"node": node}
        if verb == "clock":
            of["seconds"] = dice.choice((-3600.0, -2.0, 0.5, 3600.0))
        elif verb == "engine_clock":
            of["seconds"] = dice.choice((-30.0, -0.7, 0.0, 0.7, 30.0))
        elif verb in ("lose_events", "late_events"):
            of["seconds"] = times.lasting(at, 2.0, 15.0, 90.0)
        elif not verb.startswith("cut"):
            of["seconds"] = times.lasting(at, 0.5, 5.0, 30.0)
        yield Step(at, verb, of)


def _disk(dice: Random, node: str, times: Times) -> Iterator[Step]:
    if dice.random() < 0.5:
        return
    for at in times.some(100):
        verb = dice.choice(("disk_full", "disk_fails", "disk_stalls"))
        yield Step(at, verb, {"node": node, "seconds": times.lasting(at, 1.0, 10.0, 60.0)})


def _sink(dice: Random, sink: Sink, times: Times) -> Iterator[Step]:
    if dice.random() < 0.2:
        return
    for at in times.some(dice.choice((20, 60))):
        verb = dice.choice(
            ("stall", "refuse", "reset", "mute", "fail", "fail", "forget", "slow", "flaky")
        )
        of: dict[str, Any] = {"sink": sink.name}
        if verb != "reset":
            of["seconds"] = times.lasting(at, 0.5, 3.0, 20.0, 100.0, 300.0)
        if verb in ("fail", "flaky"):
            of["status"] = dice.choice((500, 503, 503, 429))
        if verb == "flaky":
            of["often"] = dice.choice((0.2, 0.5, 0.7))
        yield Step(at, verb, of)


def _queue(dice: Random, times: Times) -> Iterator[Step]:
    for at in times.some(dice.choice((30, 60, 150))):
        seconds = times.lasting(at, 0.5, 5.0, 20.0)
        yield dice.choice(
            (
                Step(at, "queue_restarts", {"kill": dice.random() < 0.7}),
                Step(at, "queue_away", {"seconds": seconds}),
                # The longest is longer than a pin.
                Step(at, "queue_stalls", {"seconds": times.lasting(at, 1.0, 8.0, 20.0, 45.0)}),
                Step(at, "queue_cuts"),
                Step(at, "queue_slow", {"seconds": seconds}),
                Step(at, "queue_forgets", {"seconds": seconds}),
                Step(at, "queue_full", {"seconds": seconds}),
            )
        )
