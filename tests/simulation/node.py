"""A host of the world with the agent, or the hub, that runs on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from tests.simulation.agent import CONFIG, AgentProcess
from tests.simulation.peers.engine import SimulatedEngine
from tests.simulation.world.host import Host
from tests.simulation.world.process import Process
from tests.simulation.world.world import World

SIGHUP, SIGTERM = 1, 15


class Ended(NamedTuple):
    """How one process of the agent has ended."""

    began: int
    told: int
    """When it was told to end, and read nothing new any more; as `ended` if it was not."""
    ended: int
    status: int | None
    how: str
    """`SIGTERM`, `SIGKILL`, `killed` in a call of the system, `power`, or `by itself`."""


class Node:
    """A host, and what runs on it."""

    def __init__(
        self,
        world: World,
        host: Host,
        engine: SimulatedEngine | None,
        configuration: Callable[[], str],
        problem: Callable[[str, str], object],
    ) -> None:
        """`configuration` gives the text of the configuration's file as it is to be now."""
        self.world = world
        self.host = host
        self.engine = engine
        self.agent: AgentProcess | None = None
        self.looks = 0
        """How many times the books of its agents were found to balance."""
        self.starts: list[int] = []
        self.ends: list[Ended] = []
        self.crashes: list[int] = []
        """When its host lost its power."""
        self.dropped: Counter[str] = Counter()
        """By sink, how many entries all its agents have counted as dropped."""
        self.over = False
        """It is not started any more."""
        self._configuration = configuration
        self._problem = problem
        self._how = ""
        self._away = 0.0
        self._began = self._told = 0

    def configure(self) -> None:
        """Writes the configuration's file, in one piece."""
        disk = self.host.disk
        try:
            disk.find("/simulated/etc")
        except OSError:
            disk.make_folder("/simulated/etc")
        file = disk.make(CONFIG)
        file.data += self._configuration().encode()
        for folder in ("/", "/simulated", "/simulated/etc"):
            disk.find(folder).sync()

    def start(self) -> None:
        if self.over or self.alive is not None:
            return
        self.agent = AgentProcess(self.host, {}, self._wrong)
        self.agent.process.ended = self._ended
        self._began, self._told, self._how = self.world.now, 0, ""
        self.starts.append(self.world.now)
        self.agent.start()

    @property
    def alive(self) -> Process | None:
        """The process, if it runs."""
        if self.agent is not None and self.agent.process.alive:
            return self.agent.process
        return None

    def kill(self, away: float, calls: int = 0) -> None:
        """SIGKILL, now or in one of its next `calls` of the system. It is started again `away`
        seconds later."""
        if (process := self.alive) is not None:
            self._away = away
            if calls:
                process.kill_at = calls
            else:
                self._how = "SIGKILL"
                process.kill()

    def terminate(self, away: float) -> None:
        if (process := self.alive) is not None:
            self._away, self._how = away, "SIGTERM"
            self._told = self._told or self.world.now
            process.signal(SIGTERM)

    def crash(self, away: float) -> None:
        """The host loses its power."""
        self._away, self._how = away, "power"
        self.crashes.append(self.world.now)
        alive = self.alive is not None
        self.host.crash()
        if not alive:
            self.world.after(away, self.start)

    def look(self) -> None:
        """Has the agent judge its own books (see `AgentProcess.look`)."""
        if self.agent is not None:
            self.agent.look()

    def _wrong(self, kind: str, text: str) -> None:
        self._problem(kind, f"the agent on {self.host.name}: {text}")

    def reload(self) -> None:
        self.configure()
        if self.agent is not None:
            self.agent.reloaded = True
        if (process := self.alive) is not None and SIGHUP in process.signals:
            process.signal(SIGHUP)

    def _ended(self, process: Process) -> None:
        how = self._how or ("by itself" if process.exit_status is not None else "killed")
        assert self.agent is not None
        self.looks += self.agent.looks
        if self.agent.agent is not None:
            for metric in self.agent.agent.metrics.dropped.collect():
                for sample in metric.samples:
                    if sample.name.endswith("_total"):
                        self.dropped[sample.labels["sink"]] += int(sample.value)
        now = self.world.now
        self.ends.append(Ended(self._began, self._told or now, now, process.exit_status, how))
        self.world.note(self.host.name, f"the agent is gone: {how}, status {process.exit_status}")
        if process.error is not None:
            self._problem("crash", f"the agent on {self.host.name} has crashed: {process.error!r}")
            return
        if how == "by itself":
            self._problem("end", f"the agent on {self.host.name} has ended by itself")
            return
        self.world.after(self._away, self.start)
