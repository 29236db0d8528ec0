"""What one hub takes: a queue is filled, one hub empties it, and its CPU is the operating system's.

    python -m benchmarks.hub [--queue nats] [--lines 1000000] [--containers 64] [--write]

JSON lines are published with the sink of an agent (payloads of a megabyte, messages of 500 lines of
one container, or of 12), to a queue on the same machine. Then a hub starts, with a file and with
VictoriaLogs as its sink, with and without a stage that parses. Lines a second are from the first
message acknowledged to the last; what a hub has in flight is bounded, so this is the pace that it
keeps. CPU is of publishing process, hub, queue and store, user and system.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import resource
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import msgspec

from benchmarks import hub_figures
from benchmarks.hub_figures import LARGE, SMALL, Drained, Published, QueueFigures
from benchmarks.lines import cpu_of
from pipeline.config.file import parse
from pipeline.model import registry
from pipeline.model.batch import Batch
from pipeline.model.component import SinkContext
from pipeline.model.container import Container
from pipeline.testing.agent_process import AgentProcess
from tests.fleet.queues import QUEUES, why_not
from tests.fleet.queues.queue import Queue
from tests.servers.victoria import VictoriaLogs

PAYLOAD = 7000
"""Lines of a payload."""
LINE = (
    b'{"level":"info","path":"/api/v1/orders/%08d","status":200,"ms":12.5,"user":"u%04d",'
    b'"msg":"request served","trace":"%024x"}'
)
HUB = """
[stats]
every = "off"
[events]
enabled = false
[sources.queue]
{queue}
[sinks.store]
{sink}
[routes.all]
stages = [{stages}]
to = ["store"]
"""
PARSE = '{ parse = "json" }'
TO_FILE, TO_STORE = "to a file", "to VictoriaLogs"
RUNS = [
    (TO_FILE, TO_FILE, "", LARGE),
    (f'`parse = "json"`, {TO_FILE}', TO_FILE, PARSE, LARGE),
    (TO_STORE, TO_STORE, "", LARGE),
    (f'`parse = "json"`, {TO_STORE}', TO_STORE, PARSE, LARGE),
    (TO_FILE, TO_FILE, "", SMALL),
    (f'`parse = "json"`, {TO_STORE}', TO_STORE, PARSE, SMALL),
]
"""Each: its name, its sink, its stages, and the lines of a message."""


def batches(lines: int, containers: int, size: int = LARGE) -> list[Batch]:
    """All that is published; line by line, for what repeats is compressed away."""
    some = [
        Container(f"{n:064x}", f"shop-api-{n}", "shop/api:1.4", {"app": "shop"}, f"web-{n % 8}")
        for n in range(containers)
    ]
    made = []
    for start in range(0, lines, size):
        number = start // size
        texts = [
            LINE % (i * 7919 % 10**8, i % 9973, i * 2654435761) for i in range(start, start + size)
        ]
        second = number // 10
        time_of = b"2026-01-31T%02d:%02d:%02d." % (
            second // 3600 % 24,
            second // 60 % 60,
            second % 60,
        )
        times = [time_of + b"%09dZ" % (number % 10 * 10**8 + i * 1000) for i in range(size)]
        first = number // containers * size
        sequences = range(first + 1, first + size + 1)
        made.append(Batch(some[number % containers], texts, times, b"\1" * size, sequences))
    return made


async def publish(options: str, all_of_them: list[Batch]) -> tuple[float, float]:
    """With the sink of these options. Seconds, and CPU seconds."""
    config = parse(f"[sinks.queue]\n{options}", {}).config.sinks["queue"]
    sink = registry.implementation("sinks", config.type)(config, SinkContext("queue", host="web"))
    await sink.open()
    began, cpu = time.monotonic(), _own_cpu()
    step = PAYLOAD // len(all_of_them[0])
    for start in range(0, len(all_of_them), step):
        payload = sink.encode(all_of_them[start : start + step])
        await sink.send(payload)
    spent = time.monotonic() - began, _own_cpu() - cpu
    await sink.close()
    return spent


def drain(folder: Path, queue: Queue, lines: int, config: str, store: VictoriaLogs) -> Drained:
    """One hub, until the queue is empty. Without its name and the lines of a message."""
    assert store.process is not None
    with AgentProcess(folder, "", config) as hub:
        before = queue.messages()
        while queue.messages() == before:
            time.sleep(0.005)
        pids = hub.process.pid, queue.pid, store.process.pid
        began, cpu = time.monotonic(), [cpu_of(pid) for pid in pids]
        part = 1 - queue.messages() / before
        while queue.messages():
            time.sleep(0.2)
        seconds = time.monotonic() - began
        million = lines * (1 - part) / 1e6
        used = [(cpu_of(pid) - was) / million for pid, was in zip(pids, cpu, strict=True)]
        row = Drained(
            what="",
            message=0,
            pace=lines * (1 - part) / seconds,
            hub=used[0],
            broker=used[1],
            store=used[2],
            peak_mib=_peak(hub.process.pid),
        )
        assert hub.stop() == 0, hub.said
    return row


def _own_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _peak(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def measure(name: str, lines: int, containers: int) -> QueueFigures:
    rows: list[Drained] = []
    published: dict[int, Published] = {}
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        folder = Path(temporary)
        (folder / "logs").mkdir()
        store = stack.enter_context(VictoriaLogs(folder / "logs"))
        sinks = {
            TO_FILE: f'type = "file"\npath = "{folder}/out.json"\n'
            'rotate = { size = "1GiB", keep = 1 }',
            TO_STORE: f'type = "victorialogs"\nurl = "{store.url}"',
        }
        for number, (what, sink, stages, size) in enumerate(RUNS):
            # a payload has a container once, or its batches would be joined to larger messages
            made = batches(lines, max(containers, PAYLOAD // size), size)
            plain = sum(len(line) for batch in made for line in batch.lines)
            (here := folder / f"queue{number}").mkdir()
            with QUEUES[name](here, 1) as queue:
                was, cpu = queue.kept(), cpu_of(queue.pid)
                seconds, agent = asyncio.run(publish(queue.agent, made))
                per = 1e6 / lines
                published.setdefault(
                    size,
                    Published(
                        pace=lines / seconds,
                        agent=agent * per,
                        broker=(cpu_of(queue.pid) - cpu) * per,
                        size=(queue.kept() - was) / lines,
                    ),
                )
                config = HUB.format(queue=queue.hub, sink=sinks[sink], stages=stages)
                row = drain(folder / f"hub{number}", queue, lines, config, store)
                row = msgspec.structs.replace(row, what=what, message=size)
                rows.append(row if sink == TO_STORE else msgspec.structs.replace(row, store=None))
                version = queue.version
    machine = f"{os.cpu_count()} cores, CPython {platform.python_version()}"
    return QueueFigures(
        version=version, machine=machine, lines=lines, line=plain / lines, containers=containers,
        published=published, drained=rows,
    )  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hub", description=__doc__)
    parser.add_argument("--queue", choices=sorted(QUEUES), default="nats")
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--containers", type=int, default=64)
    parser.add_argument(
        "--write", action="store_true", help="to results/hub.json and hub.md, of this queue"
    )
    arguments = parser.parse_args()
    if reason := why_not(arguments.queue):
        print(f"hub: {reason}")
        return 1
    found = measure(arguments.queue, arguments.lines, arguments.containers)
    print(hub_figures.report({arguments.queue: found}))
    if arguments.write:
        hub_figures.save(hub_figures.load() | {arguments.queue: found})
    return 0


if __name__ == "__main__":
    sys.exit(main())
