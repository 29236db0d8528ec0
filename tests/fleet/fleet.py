"""What a fleet is made of: hosts with an agent each, a queue, hubs, and two stores."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.testing.agent_process import AgentProcess
from pipeline.testing.docker_client import BUSYBOX
from pipeline.testing.private_engine import PrivateEngine
from tests.fleet.queues.queue import Queue
from tests.fleet.register import Register
from tests.fleet.stored import Stored, stored
from tests.servers.victoria import VictoriaLogs

HOSTS, HUBS, CONTAINERS = 4, 2, 4
"""Engines, hubs, and writing containers of each engine."""

SCRIPT = b"""#!/bin/sh
# write LINES BURST NAME: lines numbered from 1 on, in bursts, each of some 140 bytes
n=1
rest='"level":"info","path":"/api/v1/orders/7f3a2b","status":200,"msg":"served in 12 ms"'
while [ $n -le $1 ]; do
  last=$((n + $2 - 1))
  [ $last -le $1 ] || last=$1
  seq $n $last | sed "s|.*|{\\"n\\":&,$rest,\\"worker\\":\\"$3\\"}|"
  n=$((last + 1))
  sleep 0.1
done
"""

AGENT = """
[stats]
every = "off"
[events]
enabled = false
[sinks.queue]
{queue}
buffer = {{ memory = "4MiB", disk = "1GiB" }}
retry = {{ max = "2s" }}
"""

HUB = """
[stats]
every = "off"
[events]
enabled = false
[sources.queue]
{queue}
[sinks.register]
{register}
[sinks.store]
type = "victorialogs"
url = "{store}"
retry = {{ max = "2s" }}
[routes.all]
stages = [{{ parse = "json" }}]
to = ["store", "register"]
"""


@dataclass
class Fleet:
    """All of it, running."""

    folder: Path
    queue: Queue
    engines: list[PrivateEngine]
    agents: list[AgentProcess]
    hubs: list[AgentProcess]
    """Those that run."""
    store: VictoriaLogs
    register: Register
    stack: ExitStack
    """What ends with the fleet."""
    written: dict[str, int] = field(default_factory=dict)
    """Lines of each container, by its id, when all are written."""
    names: dict[str, str] = field(default_factory=dict)
    """Of the containers."""
    exits: dict[str, int] = field(default_factory=dict)
    """Codes with which agents and hubs have ended that were told to, by the names of their
    folders."""

    @property
    def by_name(self) -> dict[str, int]:
        """Lines of each container, by its name."""
        return {self.names[one]: count for one, count in self.written.items()}

    def write(self, lines: int, burst: int) -> None:
        """Has containers write so many lines together, each `burst` of its own every tenth of a
        second."""
        each, rest = divmod(lines, HOSTS * CONTAINERS)
        made: dict[PrivateEngine, list[str]] = {engine: [] for engine in self.engines}
        for host, engine in enumerate(self.engines):
            for number in range(CONTAINERS):
                count = each + (rest if not self.written else 0)
                name = f"host{host + 1}-writer{number + 1}"
                create = ("create", "--network", "none", "--name", name, BUSYBOX, "/bin/write")
                container = engine.docker(*create, str(count), str(burst), name)
                made[engine].append(container)
                self.written[container] = count
                self.names[container] = name
        with ThreadPoolExecutor() as pool:
            started = [
                pool.submit(engine.docker, "start", *containers)
                for engine, containers in made.items()
            ]
        for one in started:
            one.result()

    def more_hubs(self) -> None:
        """One. Returns when it has begun."""
        self.add_hub()
        self.hubs[-1].address  # noqa: B018 - waits

    def add_hub(self) -> None:
        """Starts one more."""
        config = HUB.format(queue=self.queue.hub, store=self.store.url, register=self.register.sink)
        name = f"hub{len(self.hubs) + 1}"
        hub = self.stack.enter_context(AgentProcess(self.folder / name, "", config))
        self.hubs.append(hub)

    def stop_hub(self, index: int) -> None:
        """One of those that run, in good order."""
        self._stop(self.hubs.pop(index))

    def stop(self) -> None:
        """Agents first, then hubs, in good order."""
        for one in (*self.agents, *self.hubs):
            self._stop(one)

    def stored(self) -> dict[str, Stored]:
        """What the store has of each container, by its id."""
        return stored(self.store)

    def said(self) -> str:
        """The end of what each process has said."""
        return "\n".join(
            f"{one.folder.name}: {one.said[-1500:]}" for one in (*self.agents, *self.hubs)
        )

    def _stop(self, one: AgentProcess) -> None:
        self.exits[one.folder.name] = one.stop()


@contextmanager
def fleet(folder: Path, queue: Queue) -> Iterator[Fleet]:
    """Everything in `folder`, around a queue that is not running yet; nothing of it is left
    afterwards but files."""
    with ExitStack() as stack:
        stack.enter_context(queue)
        (folder / "store").mkdir()
        store = stack.enter_context(VictoriaLogs(folder / "store"))
        register = stack.enter_context(Register())
        it = Fleet(folder, queue, [], [], [], store, register, stack)
        for _ in range(HUBS):
            it.add_hub()
        for number in range(HOSTS):
            engine = stack.enter_context(PrivateEngine())
            engine.import_busybox(BUSYBOX, {"/bin/write": SCRIPT})
            config = AGENT.format(queue=queue.agent)
            agent = AgentProcess(folder / f"agent{number + 1}", engine.url, config)
            it.agents.append(stack.enter_context(agent))
            it.engines.append(engine)
        for agent in it.agents:
            agent.connected()
        yield it
