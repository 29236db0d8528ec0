"""The whole agent on a real Engine, beside `docker logs`: CPU, wall time and memory.

One container has logged a million JSON lines of 142 bytes. `docker logs --timestamps` reads them
into /dev/null; dockline reads them, makes RFC 5424 of them and sends them over TCP, octet-counted,
to a receiver that counts them. Both in turn, several times, on the same lines of the same Engine;
the medians are printed and, with `--write`, kept in `benchmarks/results/`.

    python -m benchmarks.agent [--lines 1000000] [--runs 3] [--write]

CPU seconds are the operating system's own: of the child from `wait4`, of dockerd from /proc.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.lines import LENGTH, cpu_of, engine_with_lines
from benchmarks.receiver import Receiver
from pipeline.testing.private_engine import PrivateEngine

CONFIG = """\
[engine]
url = "{url}"
[logs]
start = "beginning"
[stats]
every = "off"
[http]
listen = "off"
[state]
directory = "{state}"
[sinks.out]
type = "syslog"
address = "tcp://127.0.0.1:{port}"
"""


@dataclass
class Measured:
    """One run of one program."""

    cpu: float
    """Seconds, user and system."""
    dockerd_cpu: float
    wall: float
    peak_mib: float
    lines: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="keep the figures in results/")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, engine_with_lines(arguments.lines) as engine:
        runs: dict[str, list[Measured]] = {"docker logs": [], "dockline": []}
        for number in range(arguments.runs):
            runs["docker logs"].append(docker_logs(engine, arguments.lines))
            runs["dockline"].append(dockline(engine, Path(folder) / str(number), arguments.lines))
            print(f"run {number + 1} of {arguments.runs}", file=sys.stderr)
        version = engine.docker("version", "--format", "{{.Server.Version}}")
    text = table(runs, arguments.lines, version)
    print(text)
    if arguments.write:
        keep(text, runs)


def docker_logs(engine: PrivateEngine, count: int) -> Measured:
    command = ["docker", "logs", "--timestamps", "lines"]
    null = subprocess.DEVNULL
    with measuring(engine.pid) as measured:
        child = subprocess.Popen(command, stdout=null, stderr=null, env=engine.environment)
        usage = ended(child)
        return measured(usage, count)


def dockline(engine: PrivateEngine, folder: Path, count: int) -> Measured:
    folder.mkdir()
    with Receiver() as receiver:
        config = folder / "dockline.toml"
        config.write_text(CONFIG.format(url=engine.url, state=folder, port=receiver.port))
        command = [sys.executable, "-m", "pipeline", "run", "-c", str(config)]
        with measuring(engine.pid) as measured:
            child = subprocess.Popen(command)
            try:
                receiver.wait_for(count, timeout=120)
                wall = time.perf_counter()
            finally:
                child.send_signal(signal.SIGTERM)
            return measured(ended(child), receiver.count(), wall)


def ended(child: subprocess.Popen[bytes]) -> resource.struct_rusage:
    """Waits for a child's end; what it used."""
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{child.args!r} ended with {child.returncode}")
    return usage


@contextmanager
def measuring(dockerd: int) -> Iterator[Callable[..., Measured]]:
    """Gives a function that tells what has happened since here, up to now or to `wall`."""
    began, before = time.perf_counter(), cpu_of(dockerd)

    def measured(usage: resource.struct_rusage, lines: int, wall: float | None = None) -> Measured:
        return Measured(
            cpu=usage.ru_utime + usage.ru_stime,
            dockerd_cpu=cpu_of(dockerd) - before,
            wall=(wall or time.perf_counter()) - began,
            peak_mib=usage.ru_maxrss / 1024,
            lines=lines,
        )

    yield measured


def table(runs: dict[str, list[Measured]], count: int, version: str) -> str:
    def median(name: str, figure: str) -> float:
        return statistics.median(getattr(run, figure) for run in runs[name])

    base = median("docker logs", "cpu")
    python = platform.python_version()
    rows = [
        f"{count:,} lines of {LENGTH} bytes, Engine {version}, CPython {python}, "
        f"{os.cpu_count()} cores, medians of {len(runs['dockline'])}",
        "",
        "| | CPU s | ratio to `docker logs` | dockerd CPU s | wall s | peak MiB | lines |",
        "|---|---|---|---|---|---|---|",
    ]
    rows += [
        f"| {name} | {median(name, 'cpu'):.2f} | {median(name, 'cpu') / base:.2f} "
        f"| {median(name, 'dockerd_cpu'):.2f} | {median(name, 'wall'):.2f} "
        f"| {median(name, 'peak_mib'):.0f} | {median(name, 'lines'):,.0f} |"
        for name in runs
    ]
    return "\n".join(rows)


def keep(text: str, runs: dict[str, list[Measured]]) -> None:
    folder = Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    (folder / "agent.md").write_text(f"# The agent beside `docker logs`\n\n{text}\n")
    figures = {name: [asdict(run) for run in each] for name, each in runs.items()}
    (folder / "agent.json").write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
