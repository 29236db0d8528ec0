"""What one hub takes: a queue is filled, one hub empties it, and its CPU is the operating system's.

    python -m benchmarks.hub [--lines 1000000] [--containers 64] [--write]

JSON lines are published with the `nats` sink as an agent would (payloads of a megabyte, messages of
500 lines of one container; the last row: of 12), to a nats-server on the same machine. Then a hub
starts, with a file and with VictoriaLogs as its sink, with and without a stage that parses. Lines a
second are from the first message acknowledged to the last; what a hub has in flight is bounded, so
this is the pace that it keeps. CPU is of publishing process, hub, nats-server and store, user and
system.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import resource
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.lines import cpu_of
from pipeline.model import registry
from pipeline.model.batch import Batch
from pipeline.model.component import SinkContext
from pipeline.model.container import Container
from pipeline.testing.agent_process import AgentProcess
from tests.servers.nats import NatsServer
from tests.servers.victoria import VictoriaLogs

PAYLOAD = 7000
"""Lines of a payload."""
LARGE, SMALL = 500, 12
"""Lines of a message: of an agent with a flood, and of one whose containers write a little and that
gathers for some seconds."""
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
type = "nats"
urls = ["{nats}"]
[sinks.store]
{sink}
[routes.all]
stages = [{stages}]
to = ["store"]
"""


@dataclass
class Row:
    """One run."""

    what: str
    pace: float
    """Lines a second."""
    hub: float
    """CPU seconds per million lines, like the others."""
    nats: float
    store: float | None
    peak_mib: float


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


async def publish(url: str, all_of_them: list[Batch]) -> tuple[float, float]:
    """Seconds, and CPU seconds."""
    config = registry.config_type("sinks", "nats")(type="nats", urls=[url])
    sink = registry.implementation("sinks", "nats")(config, SinkContext("queue", host="web"))
    await sink.open()
    began, cpu = time.monotonic(), _own_cpu()
    step = PAYLOAD // len(all_of_them[0])
    for start in range(0, len(all_of_them), step):
        payload = sink.encode(all_of_them[start : start + step])
        await sink.send(payload)
    spent = time.monotonic() - began, _own_cpu() - cpu
    await sink.close()
    return spent


def drain(folder: Path, server: NatsServer, lines: int, what: str, sink: str, stages: str) -> Row:
    """One hub, until the queue is empty."""
    config = HUB.format(nats=server.url, sink=sink, stages=stages)
    nats = server.process
    assert nats is not None
    with AgentProcess(folder, "", config) as hub:
        before = _left(server)
        while _left(server) == before:
            time.sleep(0.005)
        began, nats_cpu, hub_cpu = time.monotonic(), cpu_of(nats.pid), cpu_of(hub.process.pid)
        part = 1 - _left(server) / before
        while _left(server):
            time.sleep(0.2)
        seconds = time.monotonic() - began
        million = lines * (1 - part) / 1e6
        row = Row(
            what,
            lines * (1 - part) / seconds,
            (cpu_of(hub.process.pid) - hub_cpu) / million,
            (cpu_of(nats.pid) - nats_cpu) / million,
            None,
            _peak(hub.process.pid),
        )
        assert hub.stop() == 0, hub.said
    return row


def _left(server: NatsServer) -> int:
    return _state(server)["messages"]


def _state(server: NatsServer) -> dict[str, int]:
    stream = server.stream("DOCKLINE")
    assert stream is not None
    return stream["state"]  # type: ignore[no-any-return]


def _own_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _peak(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hub", description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--containers", type=int, default=64)
    parser.add_argument("--write", action="store_true", help="to benchmarks/results/hub.md")
    arguments = parser.parse_args()
    lines = arguments.lines
    rows: list[Row] = []
    publishing: list[tuple[float, float, float, int]] = []
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        (folder / "logs").mkdir()
        store = stack.enter_context(VictoriaLogs(folder / "logs"))
        file = f'type = "file"\npath = "{folder}/out.json"\nrotate = {{ size = "1GiB", keep = 1 }}'
        victoria = f'type = "victorialogs"\nurl = "{store.url}"'
        assert store.process is not None
        for number, (what, sink, stages, size) in enumerate([
            ("to a file", file, "", LARGE),
            ("`parse = \"json\"`, to a file", file, '{ parse = "json" }', LARGE),
            ("to VictoriaLogs", victoria, "", LARGE),
            ("`parse = \"json\"`, to VictoriaLogs", victoria, '{ parse = "json" }', LARGE),
            (f"to a file, messages of {SMALL} lines", file, "", SMALL),
        ]):  # fmt: skip
            # a payload has a container once, or its batches would be joined to larger messages
            made = batches(lines, max(arguments.containers, PAYLOAD // size), size)
            plain = sum(len(line) for batch in made for line in batch.lines)
            with NatsServer(folder / f"nats{number}") as server:
                assert server.process is not None
                nats_cpu = cpu_of(server.process.pid)
                seconds, cpu = asyncio.run(publish(server.url, made))
                nats_cpu = cpu_of(server.process.pid) - nats_cpu
                publishing.append((seconds, cpu, nats_cpu, _state(server)["bytes"]))
                stored = cpu_of(store.process.pid)
                row = drain(folder / f"hub{number}", server, lines, what, sink, stages)
                if "VictoriaLogs" in what:
                    row.store = (cpu_of(store.process.pid) - stored) / lines * 1e6
                rows.append(row)
    text = report(lines, arguments.containers, plain, publishing, rows)
    print(text)
    if arguments.write:
        (Path(__file__).parent / "results/hub.md").write_text(text)


def report(
    lines: int,
    containers: int,
    plain: int,
    publishing: list[tuple[float, float, float, int]],
    rows: list[Row],
) -> str:
    """As Markdown."""
    per = 1e6 / lines
    large, small = publishing[0], publishing[-1]
    out = [
        "# What one hub takes",
        "",
        f"`python -m benchmarks.hub`: {lines:,} lines of {plain / lines:.0f} bytes, {containers} "
        f"containers, nats-server and store on the same {os.cpu_count()} cores, "
        f"CPython {platform.python_version()}",
        "",
        f"| | messages of {LARGE} lines | of {SMALL} |",
        "|---|---|---|",
        f"| published, lines a second | {lines / large[0]:,.0f} | {lines / small[0]:,.0f} |",
        f"| CPU s of publishing, per million lines | {large[1] * per:.2f} | {small[1] * per:.2f} |",
        f"| CPU s of nats-server for it | {large[2] * per:.2f} | {small[2] * per:.2f} |",
        f"| bytes of a line in the queue | {large[3] / lines:.1f} | {small[3] / lines:.1f} |",
        "",
        "CPU seconds per million lines:",
        "",
        "| one hub | lines a second | hub | nats-server | store | peak MiB of the hub |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        store = "–" if row.store is None else f"{row.store:.2f}"
        out.append(
            f"| {row.what} | {row.pace:,.0f} | {row.hub:.2f} | {row.nats:.2f} | {store} "
            f"| {row.peak_mib:.0f} |"
        )
    return "\n".join(out) + "\n"


if __name__ == "__main__":
    main()
