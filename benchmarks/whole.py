"""Whole agents, from one container's file to a sink: dockline beside its peers, in turns.

The container has logged a million JSON lines of 142 bytes, which nobody parses. Each run is a
process of its own, from its start until the destination has the last line; the destination
(`collector`) is the same for all, and afterwards looks for each line.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from benchmarks.collector import AT_NATS, Collector
from benchmarks.lines import NAME, engine_with_lines
from benchmarks.measured import progress, running
from benchmarks.suite.peers import Peer
from benchmarks.suite.programs import Dockline, our_version
from benchmarks.whole_ways import WholeWay
from pipeline.testing.private_engine import PrivateEngine
from tests.servers.nats import NatsServer

PATIENCE, IDLE = 300.0, 30.0
"""Seconds that a run may take, and without a line after which the rest counts as lost."""
OURS = "dockline"

Run = dict[str, Any]
Runs = dict[str, dict[str, list[Run]]]
"""By way, by program: the figures of each run, or why it `failed`."""


class Agent(Protocol):
    """A program that takes part."""

    @property
    def name(self) -> str: ...

    @property
    def environment(self) -> Mapping[str, str]: ...

    def command(
        self, engine: PrivateEngine, folder: Path, way: WholeWay, port: int
    ) -> Sequence[str]:
        """Writes what it needs to `folder`. It raises `LookupError` if it has no such way."""


@dataclass(frozen=True)
class Ours:
    """dockline, reading files, with one sink and no stages."""

    version: str
    name: str = OURS

    @property
    def environment(self) -> Mapping[str, str]:
        return {}

    def command(
        self, engine: PrivateEngine, folder: Path, way: WholeWay, port: int
    ) -> Sequence[str]:
        text = f'[sinks.out]\ntype = "{way.sink}"\n{way.settings}\n'
        text = text.replace("@PORT@", str(port)).replace("@FOLDER@", str(folder))
        routes = text.replace("{", "{{").replace("}", "}}")
        program = Dockline("file", self.version, routes=routes)
        return program.prepare(engine, folder, "w1", [port], NAME)


@dataclass(frozen=True)
class Theirs:
    """A peer, configured for each way by its file."""

    peer: Peer

    @property
    def name(self) -> str:
        return self.peer.name

    @property
    def environment(self) -> Mapping[str, str]:
        return self.peer.environment

    def command(
        self, engine: PrivateEngine, folder: Path, way: WholeWay, port: int
    ) -> Sequence[str]:
        return self.peer.prepare(engine, folder, way.slug, [port], NAME)


def measure(
    ways: Sequence[WholeWay],
    peers: Sequence[Peer],
    lines: int,
    turns: int,
    in_time: Callable[[], bool] = lambda: True,
) -> Runs:
    """All ways take turns, and in each the programs; every second round goes backwards. After the
    first round, no way begins that is not `in_time`."""
    agents: list[Agent] = [Ours(our_version()), *map(Theirs, peers)]
    runs: Runs = {way.slug: {agent.name: [] for agent in agents} for way in ways}
    with engine_with_lines(lines) as engine:
        for turn in range(turns):
            for way in ways[:: -1 if turn % 2 else 1]:
                if turn and not in_time():
                    return runs
                for agent in agents[:: -1 if turn % 2 else 1]:
                    one = attempt(agent, engine, way, lines)
                    runs[way.slug][agent.name].append(one)
                    progress(f"{turn + 1} {way.slug}, {agent.name}: {one}")
    return runs


def attempt(agent: Agent, engine: PrivateEngine, way: WholeWay, lines: int) -> Run:
    """A run; one that cannot be made is a result too."""
    try:
        return once(agent, engine, way, lines)
    except (Exception, pytest.skip.Exception) as error:  # a server that is not there skips tests
        return {"failed": f"{type(error).__name__}: {error}"[:500]}


def once(agent: Agent, engine: PrivateEngine, way: WholeWay, lines: int) -> Run:
    """CPU seconds and lines per second, per million lines; bytes of a line; and what was lost."""
    with tempfile.TemporaryDirectory() as name, _destination(way, Path(name)) as there:
        folder = Path(name)
        command = agent.command(engine, folder, way, there.port)
        with running(command, engine.pid, folder / "log", agent.environment) as program:
            complete = there.come(lines, PATIENCE, IDLE, lambda: program.alive)
            alive, peak = program.alive, program.peak()
            cpu, _ = program.end()
            took = time.time() - program.began
        found = there.checked(range(lines))
        if not there.count or not (complete or alive):
            return {"failed": f"{there.count:,} lines came: {program.said[-400:].strip()}"}
        return {
            "cpu": round(cpu / lines * 1e6, 3),
            "rate": round(lines / there.flow) if there.flow else 0,
            "size": round(found.size / lines, 1),
            "peak_mib": round(peak),
            "faults": str(found.verdict),
            "took": round(took, 1),
        }


@contextmanager
def _destination(way: WholeWay, folder: Path) -> Iterator[Collector]:
    if way.to not in AT_NATS:
        with Collector(way.to, folder / "out") as there:
            yield there
        return
    room = "max_payload: 8MB\nmax_pending: 1GB"
    with (
        NatsServer(folder / "nats", more=room) as server,
        Collector(way.to, server=server.port) as there,
    ):
        yield there
