"""`/audit` and `/top` of many containers: how long they hold the event loop, and what they cost.

    python -m benchmarks.bench_audit [--containers 1000 10000] [--asks 5] [--markdown]

An agent's own ledger, router, sinks and HTTP server, with two routes to two sinks (files). The
client is a process of its own. Each answer is asked for in three states:

    idle    everything is delivered
    busy    2,000 batches a second come and are delivered
    stuck   nothing is delivered, and 100,000 batches wait in the buffers

`held` is the longest turn of the event loop, in CPU time of its thread: the rest of a stall is a
machine that does something else. `without` is the same while nobody asks. The CPU of an answer
isn't told while the agent is busy, since less is fed then.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import selectors
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from pipeline.accounting.offsets import Offsets
from pipeline.config.file import parse
from pipeline.model.container import Container
from pipeline.runtime.agent import Agent
from pipeline.support.garbage import Collector
from pipeline.support.selector import CoalescingLoop, CoalescingSelector
from pipeline.testing.builders import batch
from pipeline.testing.intake_room import until
from pipeline.topology import ContainerLanes

TOKEN = "a-token-of-some-length"
CONFIG = """
[engine]
enabled = false
[state]
directory = "{folder}/state"
[http]
listen = "127.0.0.1:0"
token = "{token}"
[sources.hub]
type = "syslog"
listen = "127.0.0.1:0"
[sinks.archive]
type = "file"
path = "{folder}/archive"
buffer = {{ memory = "1GiB" }}
[sinks.papertrail]
type = "file"
path = "{folder}/papertrail"
buffer = {{ memory = "1GiB" }}
[routes.all]
from = ["logs"]
to = ["archive", "papertrail"]
[routes.errors]
from = ["logs"]
stages = [{{ keep = "message == 'b'" }}]
to = ["archive", "papertrail"]
"""
CLIENT = """
import sys, time, http.client
host, port, path, asks = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
connection = http.client.HTTPConnection(host, port)
for _ in range(asks):
    started = time.perf_counter()
    connection.request("GET", path, headers={"Authorization": "Bearer TOKEN"})
    answer = connection.getresponse()
    size = len(answer.read())
    print(answer.status, time.perf_counter() - started, size, flush=True)
    time.sleep(0.2)
""".replace("TOKEN", TOKEN)
STUCK = 100_000
"""Batches that wait, over all buffers, while nothing is delivered."""
STATES = ("idle", "busy", "stuck")


class Turns(CoalescingSelector):
    """Notes the most CPU time that the loop's thread took between two looks at its sockets."""

    def __init__(self) -> None:
        super().__init__()
        self.longest = self._began = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.longest = max(self.longest, time.thread_time() - self._began)
        ready = super().select(timeout)
        self._began = time.thread_time()
        return ready


class Loop(CoalescingLoop):
    """The agent's event loop, with `Turns`."""

    def __init__(self) -> None:
        self.coalescing = self.turns = Turns()
        asyncio.SelectorEventLoop.__init__(self, self.coalescing)


class Figures(NamedTuple):
    """Milliseconds, but for the size."""

    path: str
    containers: int
    state: str
    held: float
    without: float
    cpu: float
    """CPU time of the loop's thread for each answer, less what it took without."""
    took: float
    """Until the client had the answer, the median."""
    megabytes: float

    @property
    def _cpu(self) -> str:
        return "–" if self.state == "busy" else f"{self.cpu:.0f}"

    def __str__(self) -> str:
        return (
            f"{self.path:24} {self.containers:6} {self.state:6} held {self.held:6.1f} ms, without "
            f"{self.without:5.1f}; {self._cpu:>5} ms of CPU, after {self.took:6.0f} ms, "
            f"{self.megabytes:.2f} MB"
        )

    @property
    def row(self) -> str:
        return (
            f"| `{self.path}` | {self.containers:,} | {self.state} | {self.held:.1f} | "
            f"{self.without:.1f} | {self._cpu} | {self.took:.0f} | {self.megabytes:.2f} |"
        )


async def feed(lanes: Sequence[ContainerLanes]) -> None:
    """Twenty containers' batches every 10 ms."""
    number = 0
    sent = [1] * len(lanes)
    while True:
        for _ in range(20):
            number = (number + 1) % len(lanes)
            of = CONTAINERS[number]
            await lanes[number].distribute(batch("a", "b", start=sent[number], of=of))
            sent[number] += 2
        await asyncio.sleep(0.01)


CONTAINERS: list[Container] = []


@asynccontextmanager
async def running(folder: Path, containers: int, state: str) -> AsyncIterator[Agent]:
    """An agent in that state, but for what reads sources."""
    reading = parse(CONFIG.format(folder=folder, token=TOKEN), {})
    agent = await asyncio.to_thread(Agent, reading, {})
    assert agent.admin is not None
    await agent.admin.start()
    CONTAINERS[:] = [
        Container(f"{number:064x}", f"shop-api-{number}", "shop/api:1", {})
        for number in range(containers)
    ]
    lanes = [agent._router.bind(one, Offsets({}))["logs"] for one in CONTAINERS]
    for one, lane in zip(CONTAINERS, lanes, strict=True):
        agent.ledger.container(one.id, one.name).followed = True
        agent.metrics.received_bytes.labels(one.name).inc(142_000)
        agent.ledger.container(one.id, one.name).read["logs"] = 0
        if state == "idle":
            await _distribute(agent, one, lane, 1)
    collector = Collector()
    async with asyncio.TaskGroup() as tasks:
        helpers = []
        if state != "stuck":
            agent.outputs.start(tasks)
            await until(lambda: not any(output.buffer.entries for output in agent.outputs))
        else:
            for number in range(STUCK // 4):
                at = number % containers
                await _distribute(agent, CONTAINERS[at], lanes[at], number // containers + 1)
        collector.start()
        if state == "busy":
            helpers.append(tasks.create_task(feed(lanes), name="feed"))
        yield agent
        for helper in helpers:
            helper.cancel()
        if state != "stuck":
            await agent.outputs.drain(20)
            await agent.outputs.finish()
    collector.stop()
    await agent.admin.close()


async def _distribute(agent: Agent, of: Container, lanes: ContainerLanes, number: int) -> None:
    await lanes.distribute(batch("b", start=number, of=of))


async def measure(path: str, containers: int, state: str, asks: int) -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        async with running(Path(folder), containers, state) as agent:
            loop = asyncio.get_running_loop()
            assert isinstance(loop, Loop)
            turns = loop.turns
            assert agent.admin is not None
            host, port = agent.admin.address.rsplit(":", 1)
            await asyncio.sleep(0.5)
            turns.longest, began, cpu = 0.0, time.perf_counter(), time.thread_time()
            await asyncio.sleep(3)
            share = (time.thread_time() - cpu) / (time.perf_counter() - began)
            without, turns.longest = turns.longest, 0.0
            began, cpu = time.perf_counter(), time.thread_time()
            client = await asyncio.create_subprocess_exec(
                sys.executable, "-c", CLIENT, host, port, path, str(asks),
                stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
            output, _ = await client.communicate()
            spent = time.thread_time() - cpu - share * (time.perf_counter() - began)
            held = turns.longest
    rows = [line.split() for line in output.splitlines()]
    assert len(rows) == asks and all(row[0] == b"200" for row in rows), rows
    took = sorted(float(row[1]) for row in rows)[asks // 2]
    size = int(rows[-1][2]) / 1e6
    return Figures(
        path, containers, state, held * 1e3, without * 1e3, spent / asks * 1e3, took * 1e3, size
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--containers", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--paths", nargs="+", default=["/audit", "/top"])
    parser.add_argument("--states", nargs="+", default=list(STATES), choices=STATES)
    parser.add_argument("--asks", type=int, default=5)
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args()
    for path in options.paths:
        for containers in options.containers:
            for state in options.states:
                gc.unfreeze()
                gc.collect()
                with asyncio.Runner(loop_factory=Loop) as runner:
                    figures = runner.run(measure(path, containers, state, options.asks))
                print(figures.row if options.markdown else figures, flush=True)


if __name__ == "__main__":
    main()
