"""What a fleet is made of: hosts with an agent each, NATS, hubs, and VictoriaLogs."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.testing.agent_process import AgentProcess
from pipeline.testing.docker_client import BUSYBOX
from pipeline.testing.private_engine import PrivateEngine
from tests.fleet.stored import Stored, stored
from tests.servers.nats import NatsServer
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
type = "nats"
urls = ["{nats}"]
buffer = {{ memory = "4MiB", disk = "1GiB" }}
retry = {{ max = "2s" }}
"""

HUB = """
[stats]
every = "off"
[events]
enabled = false
[sources.queue]
type = "nats"
urls = ["{nats}"]
[sinks.store]
type = "victorialogs"
url = "{store}"
retry = {{ max = "2s" }}
[routes.all]
stages = [{{ parse = "json" }}]
to = ["store"]
"""


@dataclass
class Fleet:
    """All of it, running."""

    engines: list[PrivateEngine]
    agents: list[AgentProcess]
    nats: NatsServer
    hubs: list[AgentProcess]
    store: VictoriaLogs
    written: dict[str, int] = field(default_factory=dict)
    """Lines of each container, by its id, when all are written."""
    names: dict[str, str] = field(default_factory=dict)
    """Of the containers."""

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
            for engine, containers in made.items():
                pool.submit(engine.docker, "start", *containers)

    def stored(self) -> dict[str, Stored]:
        """What the store has of each container, by its id."""
        return stored(self.store)

    def stop(self) -> list[int]:
        """Agents first, then hubs, in good order; their exit codes."""
        return [one.stop() for one in (*self.agents, *self.hubs)]


@contextmanager
def fleet(folder: Path) -> Iterator[Fleet]:
    """Everything in `folder`; nothing of it is left afterwards but files."""
    with ExitStack() as stack:
        nats = stack.enter_context(NatsServer(folder / "nats"))
        (folder / "store").mkdir()
        store = stack.enter_context(VictoriaLogs(folder / "store"))
        hubs = [
            stack.enter_context(AgentProcess(folder / f"hub{number + 1}", "", _hub(nats, store)))
            for number in range(HUBS)
        ]
        engines, agents = [], []
        for number in range(HOSTS):
            engine = stack.enter_context(PrivateEngine())
            engine.import_busybox(BUSYBOX, {"/bin/write": SCRIPT})
            agent = AgentProcess(folder / f"agent{number + 1}", engine.url, _agent(nats))
            agents.append(stack.enter_context(agent))
            engines.append(engine)
        for agent in agents:
            agent.connected()
        yield Fleet(engines, agents, nats, hubs, store)


def _agent(nats: NatsServer) -> str:
    return AGENT.format(nats=nats.url)


def _hub(nats: NatsServer, store: VictoriaLogs) -> str:
    return HUB.format(nats=nats.url, store=store.url)
