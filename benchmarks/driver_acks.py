"""What Docker's fluentd driver costs with `fluentd-request-ack=true`, and what it loses.

    python -m benchmarks.driver_acks [--lines 4000] [--runs 3] [--write]

A container writes lines as fast as it can and ends; its driver sends them to the `forward` source
of an agent, one at a time, and waits for the acknowledgement of each before it sends the next. The
agent acknowledges a line when its sink, a file, has it. What Docker has not got rid of some seconds
after the end of the container is lost, whatever the agent does: it lets go of the driver.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from pipeline.testing.agent_process import AgentProcess
from pipeline.testing.private_engine import PrivateEngine
from tests.servers.ports import free_port

CONFIG = """
[logs]
containers = 'name == "none"'
[sources.fluent]
type = "forward"
listen = "127.0.0.1:{port}"
[sinks.file]
type = "file"
path = "{folder}/lines"
{buffer}
[routes.driver]
from = ["fluent"]
to = ["file"]
"""
DISK = 'buffer.disk = "64MiB"'
ACKS = "fluentd-request-ack=true"
CASES = (
    ("acknowledged", 1, (ACKS,), ""),
    ("acknowledged, `fluentd-async=true`", 1, (ACKS, "fluentd-async=true"), ""),
    ("acknowledged, four containers", 4, (ACKS,), ""),
    ("acknowledged, `buffer.disk`", 1, (ACKS,), DISK),
    ("not acknowledged", 1, (), ""),
)
QUIET = 6.0
"""Seconds without a line after which no more will come."""


@dataclass
class Run:
    rate: float
    """Lines a second, of all containers."""
    cpu: float
    """Microseconds of the agent's for each line."""
    lost: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--lines", type=int, default=4000, help="of each container")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="keep the figures in results/")
    arguments = parser.parse_args()
    with PrivateEngine() as engine:
        engine.import_busybox()
        rows = [row(engine, case, arguments.lines, arguments.runs) for case in CASES]
        version = engine.docker("version", "--format", "{{.Server.Version}}")
    python, cores = platform.python_version(), os.cpu_count()
    each = f"{arguments.lines:,} lines of each container, medians of {arguments.runs} runs"
    text = "\n".join(
        [
            f"Engine {version}, CPython {python}, {cores} cores; {each}; losses of each run",
            "",
            "| | lines/s | µs of the agent's CPU for a line | lost |",
            "|---|---|---|---|",
            *rows,
        ]
    )
    print(text)
    if arguments.write:
        file = Path(__file__).parent / "results" / "driver_acks.md"
        file.write_text(f"# Docker's fluentd driver, with acknowledgements\n\n{text}\n")


def row(
    engine: PrivateEngine, case: tuple[str, int, tuple[str, ...], str], lines: int, runs: int
) -> str:
    name, containers, options, buffer = case
    found = [run(engine, containers, options, buffer, lines) for _ in range(runs)]
    rate = statistics.median(one.rate for one in found)
    cpu = statistics.median(one.cpu for one in found)
    lost = ", ".join(f"{one.lost:,}" for one in found)
    print(f"{name}: {rate:,.0f} lines/s", flush=True)
    return f"| {name} | {rate:,.0f} | {cpu:.0f} | {lost} |"


def run(
    engine: PrivateEngine, containers: int, options: tuple[str, ...], buffer: str, lines: int
) -> Run:
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        config = CONFIG.format(port=port, folder=folder, buffer=buffer)
        with AgentProcess(Path(folder), "", config) as agent:
            agent.until(lambda: agent.get("/readyz")[0] == 200)
            driver = ["--log-driver", "fluentd", "--log-opt", f"fluentd-address=127.0.0.1:{port}"]
            for option in options:
                driver += ["--log-opt", option]
            names = [f"acks-{number}" for number in range(containers)]
            for name in names:
                engine.docker(
                    "create", "--network", "none", "--name", name, *driver,
                    "busybox:local", "seq", str(lines),
                )  # fmt: skip
            before = _cpu(agent.process.pid)
            try:
                engine.docker("start", *names)
                seconds, arrived = _arrived(Path(folder) / "lines", lines * containers)
            finally:
                engine.docker("rm", "--force", *names)
            cpu = _cpu(agent.process.pid) - before
    return Run(arrived / seconds, cpu / arrived * 1e6, lines * containers - arrived)


def _arrived(path: Path, wanted: int) -> tuple[float, int]:
    """Seconds from the first line to the last one, and how many came."""
    first = last = looked = time.monotonic()
    count = size = 0
    while count < wanted and time.monotonic() - last < QUIET:
        time.sleep(0.02)
        now = path.stat().st_size if path.exists() else 0
        if now != size:
            last = time.monotonic()
            first = first if size else looked
            size = now
            count = path.read_bytes().count(b"\n")
        looked = time.monotonic()
    return last - first, count


def _cpu(pid: int) -> float:
    """Seconds that a process has used, of itself and of the kernel for it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
