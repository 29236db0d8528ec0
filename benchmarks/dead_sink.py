"""Memory and disk of an agent whose only destination is dead, while containers go on logging.

    python -m benchmarks.dead_sink [--minutes 10] [--rate 100000] [--containers 10] [--write]

The destination accepts a connection and never reads from it. Its buffer has 64 MiB of memory, and
disk to spare. Containers log JSON lines of 142 bytes at a steady pace; the Engine rotates their
logs, so whatever the agent does not read in time is lost, and told by the count. Memory is sampled
once a second from /proc, CPU seconds are the operating system's own.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.lines import LENGTH, cpu_of
from benchmarks.writers import Writers
from pipeline.testing.agent_process import AgentProcess
from pipeline.testing.private_engine import PrivateEngine
from pipeline.testing.receivers import TcpReceiver

GOAL_MIB = 200
SETTLED = 5.0
"""Seconds without a line read until the rest counts as lost."""
CONFIG = """
[logs]
containers = 'name.startswith("writer-")'
[agent]
shutdown = "2s"
[sinks.dead]
type = "syslog"
address = "tcp://127.0.0.1:{port}"
buffer = {{ memory = "64MiB", disk = "20GiB" }}
"""


@dataclass
class Sample:
    """Once a second."""

    second: float
    rss_mib: float
    written: int


@dataclass
class Measured:
    samples: list[Sample]
    peak_mib: float
    written: int
    read: int
    seconds: float
    """In which they were written."""
    behind: float
    """Seconds that the agent took to read the rest."""
    cpu: float
    dockerd_cpu: float
    disk: int
    """Bytes of all files of the spool."""
    errors: dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rate", type=float, default=100_000, help="lines a second, together")
    parser.add_argument("--containers", type=int, default=10)
    parser.add_argument("--write", action="store_true", help="keep the figures in results/")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, PrivateEngine() as engine:
        engine.import_busybox()
        version = engine.docker("version", "--format", "{{.Server.Version}}")
        each = arguments.rate / arguments.containers
        measured = measure(engine, Path(folder), arguments.containers, each, arguments.minutes * 60)
    text = report(measured, arguments.rate, arguments.containers, version)
    print(text)
    if arguments.write:
        file = Path(__file__).parent / "results" / "dead_sink.md"
        file.write_text(f"# A destination that is dead\n\n{text}\n")


def measure(
    engine: PrivateEngine, folder: Path, containers: int, rate: float, seconds: float
) -> Measured:
    names = [f"writer-{number}" for number in range(containers)]
    fifos = folder / "fifos"
    fifos.mkdir()
    with Writers(engine, fifos, names, rate) as writers, TcpReceiver() as receiver:
        receiver.reading.clear()
        config = CONFIG.format(port=receiver.port)
        with AgentProcess(folder / "agent", engine.url, config) as agent:
            agent.connected()
            agent.until(lambda: agent.metric("dockline_containers") == containers)
            cpu, dockerd = cpu_of(agent.process.pid), cpu_of(engine.pid)
            began = time.monotonic()
            writers.go()
            samples = sampled(agent, writers, seconds)
            took = time.monotonic() - began
            writers.stop()
            written = writers.written()
            read, behind = at_rest(agent, written)
            return Measured(
                samples,
                peak_mib=memory(agent, "VmHWM"),
                written=written,
                read=read,
                seconds=took,
                behind=behind,
                cpu=cpu_of(agent.process.pid) - cpu,
                dockerd_cpu=cpu_of(engine.pid) - dockerd,
                disk=sum(f.stat().st_size for f in agent.state.rglob("*") if f.is_file()),
                errors=accounts(
                    agent, "dockline_source_errors", "dockline_dropped", "dockline_log_gaps"
                ),
            )


def sampled(agent: AgentProcess, writers: Writers, seconds: float) -> list[Sample]:
    samples = []
    began = time.monotonic()
    while (now := time.monotonic() - began) < seconds:
        samples.append(Sample(now, memory(agent, "VmRSS"), writers.written()))
        if len(samples) % 60 == 0:
            print(f"{now:.0f} s: {samples[-1]}, read {received(agent):,}", file=sys.stderr)
        time.sleep(1)
    return samples


def at_rest(agent: AgentProcess, written: int) -> tuple[int, float]:
    """How many lines have been read once no more come, and seconds until then."""
    began = last = time.monotonic()
    read = received(agent)
    while read < written and time.monotonic() - last < SETTLED:
        time.sleep(0.1)
        if (now := received(agent)) > read:
            read, last = now, time.monotonic()
    return read, last - began


def memory(agent: AgentProcess, what: str) -> float:
    """`VmRSS` or `VmHWM` of the agent, in MiB."""
    status = Path(f"/proc/{agent.process.pid}/status").read_text()
    return int(status.partition(f"{what}:")[2].split()[0]) / 1024


def received(agent: AgentProcess) -> int:
    return int(sum(accounts(agent, "dockline_received_entries_total").values()))


def accounts(agent: AgentProcess, *starts: str) -> dict[str, float]:
    """The agent's samples whose name begins so."""
    pairs = [line.rpartition(" ") for line in agent.get("/metrics")[1].splitlines()]
    return {sample: float(value) for sample, _, value in pairs if sample.startswith(starts)}


def report(measured: Measured, rate: float, containers: int, version: str) -> str:
    millions = measured.read / 1e6
    asked, got = f"{rate:,.0f}", f"{measured.written / measured.seconds:,.0f}"
    errors = ", ".join(f"`{name}` {value:g}" for name, value in measured.errors.items()) or "none"
    rows = {
        "lines a second, asked for": asked,
        "lines a second, written": got,
        "lines written": f"{measured.written:,}",
        "lines read": f"{measured.read:,}",
        "lines lost by rotation": f"{measured.written - measured.read:,}",
        "seconds behind at the end": f"{measured.behind:.1f}",
        f"peak resident memory (VmHWM; goal: under {GOAL_MIB})": f"{measured.peak_mib:.0f} MiB",
        "bytes on disk, per line": f"{measured.disk / measured.read:.1f}",
        "bytes on disk": f"{measured.disk / 2**20:,.0f} MiB",
        "CPU s of the agent per million lines": f"{measured.cpu / millions:.2f}",
        "CPU s of dockerd per million lines": f"{measured.dockerd_cpu / millions:.2f}",
        "the agent's errors, gaps and drops": errors,
    }
    every = max(1, len(measured.samples) // 20)
    return "\n".join(
        [
            f"`python -m benchmarks.dead_sink`: {measured.seconds / 60:.1f} minutes, {containers} "
            f"containers, lines of {LENGTH} bytes, Engine {version}, "
            f"CPython {platform.python_version()}, {os.cpu_count()} cores",
            "",
            "| | |",
            "|---|---|",
            *(f"| {name} | {value} |" for name, value in rows.items()),
            "",
            "Resident memory while it ran:",
            "",
            "| second | MiB | lines written |",
            "|---|---|---|",
            *(
                f"| {sample.second:.0f} | {sample.rss_mib:.0f} | {sample.written:,} |"
                for sample in measured.samples[::every]
            ),
        ]
    )


if __name__ == "__main__":
    main()
