"""Scrapes of 1,000 containers: how long they take, and how long the event loop stands still.

    python -m benchmarks.bench_scrape [--containers 1000] [--scrapes 100] [--every 5]

The page has the containers' figures and states, and the agent's own with a ledger of two routes to
two sinks. Readings arrive meanwhile, spread over `--every` seconds, as from the poller; the client
is a process of its own, as Prometheus is. Goals: p99 within 150 ms, no stall over 20 ms. What else
the machine does counts as a stall too, so one is also looked for without any scrape.
"""

from __future__ import annotations

import argparse
import asyncio
import copy
import gc
import json
import random
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import Metric, generate_latest

from pipeline.accounting.audit import LedgerMetrics
from pipeline.accounting.auditor import Auditor, BufferSnapshot
from pipeline.accounting.ledger import Ledger
from pipeline.model.container import Container
from pipeline.model.container_state import State
from pipeline.model.metrics import Metrics
from pipeline.model.samples import Inspection, Samples
from pipeline.observe.access import Gate
from pipeline.observe.admin import Admin
from pipeline.observe.metrics_page import Exposition

ANSWER = Path(__file__).parent.parent / "tests/sources/docker/stats_v1.json"

CLIENT = """
import sys, time, http.client
host, port, scrapes, encoding = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
connection = http.client.HTTPConnection(host, port)
for _ in range(scrapes):
    started = time.perf_counter()
    connection.request("GET", "/metrics", headers={"Accept-Encoding": encoding})
    size = len(connection.getresponse().read())
    print(time.perf_counter() - started, size, flush=True)
    time.sleep(0.1)
"""


def readings(containers: int) -> list[Samples]:
    """One for each container, each with figures of its own."""
    answer = json.loads(ANSWER.read_text())
    found = []
    for number in range(containers):
        container_id = random.randbytes(32).hex()
        labels = {"com.docker.compose.project": "shop", "com.docker.compose.service": "api"}
        container = Container(container_id, f"shop-api-{number}", f"shop/api:{number % 50}", labels)
        stats = copy.deepcopy(answer)
        stats["cpu_stats"]["cpu_usage"]["total_usage"] = random.randrange(10**13)
        stats["memory_stats"]["usage"] = random.randrange(10**7, 10**10)
        limits = {"cpu_period": 100_000, "cpu_quota": 50_000, "memory_limit": 2**30}
        inspection = Inspection(
            f"/docker/{container_id}", 1.7e9, "healthy", restarts=0, out_of_memory=0, **limits
        )
        found.append(Samples(container, time.time(), stats, inspection))
    return found


async def feed(exposition: Exposition, samples: list[Samples], every: float) -> None:
    """Every container's reading, decoded anew, each `every` seconds, evenly spread."""
    answers = [json.dumps(one.stats) for one in samples]
    places = [(one.container, one.inspection) for one in samples]
    samples.clear()
    while True:
        for index, (answer, (container, inspection)) in enumerate(
            zip(answers, places, strict=True)
        ):
            exposition.update(Samples(container, time.time(), json.loads(answer), inspection))
            if index % 10 == 9:
                await asyncio.sleep(every * 10 / len(answers))


class Stalls:
    """How much later than asked for the loop comes back, and what it did meanwhile."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self.longest = self.computed = 0.0

    async def watch(self) -> None:
        while True:
            began, cpu = time.perf_counter(), time.thread_time()
            await asyncio.sleep(0.001)
            self.longest = max(self.longest, time.perf_counter() - began - 0.001)
            self.computed = max(self.computed, time.thread_time() - cpu)


class Collections:
    """How long the interpreter's garbage collections take, which stall everything too."""

    def __init__(self) -> None:
        self.started = self.longest = 0.0

    def __call__(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self.started = time.perf_counter()
        else:
            self.longest = max(self.longest, time.perf_counter() - self.started)


@dataclass(frozen=True)
class Figures:
    """Milliseconds, but for the size."""

    megabytes: float
    p50: float
    p99: float
    longest: float
    stall: float
    """The longest time that the event loop did not turn."""
    stall_cpu: float
    """The most CPU time that its thread took between two turns: what is our own doing. The rest of
    a stall is a machine that does something else."""
    stall_idle: float
    """The same before the scrapes, of as many seconds: readings arrive, nobody asks."""
    collection: float
    """The longest garbage collection."""

    def __str__(self) -> str:
        return (
            f"{self.megabytes:.2f} MB, p50 {self.p50:.0f} ms, p99 {self.p99:.0f} ms (goal 150), "
            f"longest {self.longest:.0f} ms; longest stall {self.stall:.1f} ms (goal 20), of CPU "
            f"{self.stall_cpu:.1f} ms, without scrapes {self.stall_idle:.1f} ms; longest garbage "
            f"collection {self.collection:.1f} ms"
        )


def measure(containers: int, scrapes: int, encoding: str, every: float = 5.0) -> Figures:
    """`encoding` is `gzip` or `identity`; `every`: seconds between two readings of a container."""
    return asyncio.run(_measure(containers, scrapes, encoding, every))


async def _measure(containers: int, scrapes: int, encoding: str, every: float) -> Figures:
    metrics, ledger = Metrics(), Ledger()
    states: list[tuple[Container, State]] = []
    exposition = Exposition(registry=metrics.registry, states=lambda: states)
    metrics.registry.register(LedgerMetrics(ledger, lambda: {"papertrail": 0, "archive": 0}))
    samples = readings(containers)
    for one in samples:
        cgroup = one.inspection.cgroup
        state = State("running", "healthy", started=1.7e9, restarts=0, cgroup=cgroup, version=1)
        states.append((one.container, state))
        exposition.update(one)
        metrics.received.labels(one.container.name).inc(1000)
        metrics.received_bytes.labels(one.container.name).inc(142_000)
        page = ledger.container(one.container.id, one.container.name)
        for route in ("all", "errors"):
            page.route("logs", route).bind(("papertrail", "archive"))
    auditor = Auditor(ledger, lambda: BufferSnapshot([], []))
    admin = Admin("127.0.0.1:0", Gate(), exposition, list, auditor.audit)
    await admin.start()
    gc.collect()
    gc.freeze()
    gc.callbacks.append(collections := Collections())
    stalls = Stalls()
    tasks = asyncio.TaskGroup()
    async with tasks:
        helpers = [
            tasks.create_task(feed(exposition, samples, every)),
            tasks.create_task(stalls.watch()),
        ]
        await asyncio.sleep(scrapes * 0.2)
        stall_idle = stalls.longest
        stalls.forget()
        host, port = admin.address.rsplit(":", 1)
        client = await asyncio.create_subprocess_exec(
            sys.executable, "-c", CLIENT, host, port, str(scrapes), encoding,
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        output, _ = await client.communicate()
        for helper in helpers:
            helper.cancel()
    await admin.close()
    gc.callbacks.remove(collections)
    gc.unfreeze()
    rows = [line.split() for line in output.splitlines()]
    times = sorted(float(row[0]) * 1e3 for row in rows)
    return Figures(
        megabytes=int(rows[-1][1]) / 1e6,
        p50=statistics.median(times),
        p99=times[int(len(times) * 0.99)],
        longest=times[-1],
        stall=stalls.longest * 1e3,
        stall_cpu=stalls.computed * 1e3,
        stall_idle=stall_idle * 1e3,
        collection=collections.longest * 1e3,
    )


class Parsed:
    """What a registry of prometheus_client would hold, ready to be rendered."""

    def __init__(self, exposition: Exposition) -> None:
        self.families = list(exposition.collect())

    def collect(self) -> list[Metric]:
        return self.families


def compare(containers: int) -> None:
    """prometheus_client's own rendering of the same readings, which is one stall."""
    exposition = Exposition()
    for one in readings(containers):
        exposition.update(one)
    parsed = Parsed(exposition)
    started = time.perf_counter()
    lines = generate_latest(parsed).count(b"\n")
    elapsed = (time.perf_counter() - started) * 1e3
    print(f"generate_latest of the same, {lines} lines: one stall of {elapsed:.0f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--containers", type=int, default=1000)
    parser.add_argument("--scrapes", type=int, default=100)
    parser.add_argument("--every", type=float, default=5.0)
    options = parser.parse_args()
    print(f"{options.containers} containers, Python {sys.version.split()[0]}")
    for encoding in ("gzip", "identity"):
        figures = measure(options.containers, options.scrapes, encoding, options.every)
        print(f"{encoding:>8}: {figures}")
    compare(options.containers)


if __name__ == "__main__":
    main()
