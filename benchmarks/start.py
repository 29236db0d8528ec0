"""How long the agent takes to import and to start.

    python -m benchmarks.start [--runs 15] [--engine URL] [--write]

- import: an interpreter that imports what `dockline run` does, from its start to its end;
- ready: `dockline run` with a configuration of defaults, from the start of the process until
  `/readyz` answers 200, on an Engine with ten containers.

Medians, with the process's CPU seconds beside them: on a machine that does other things too, those
of a clock say less. Each interpreter has its byte code, as that of an installed package does.
Goals: 0.25 s and 0.6 s.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from pipeline.testing.private_engine import PrivateEngine

IMPORT = (
    "import pipeline.cli.run, pipeline.runtime.agent, pipeline.config, pipeline.support.selector"
)
CONFIG = """\
[engine]
url = "{url}"
[http]
listen = "127.0.0.1:{port}"
[state]
directory = "{folder}/state"
"""
CONTAINERS = 10
PATIENCE = 60.0
GOALS = {"import": 0.25, "ready": 0.6}


class Took(NamedTuple):
    """Seconds of one process, or the medians of several."""

    wall: float
    cpu: float


def measure(engine: str, runs: int) -> dict[str, Took]:
    """By what is measured. `engine` is the address of one with some containers."""
    with tempfile.TemporaryDirectory() as folder:
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        environ["PYTHONPYCACHEPREFIX"] = f"{folder}/bytecode"
        environ.pop("PYTHONDONTWRITEBYTECODE", None)
        ready(engine, Path(folder), environ)  # leaves the byte code
        return {
            "import": _median(lambda: imported(environ), runs),
            "ready": _median(lambda: ready(engine, Path(folder), environ), runs),
        }


def _median(measured: Callable[[], Took], runs: int) -> Took:
    return Took(*map(statistics.median, zip(*(measured() for _ in range(runs)), strict=True)))


def imported(environ: dict[str, str]) -> Took:
    began = time.perf_counter()
    child = subprocess.Popen([sys.executable, "-c", IMPORT], env=environ)
    usage = _ended(child)
    return Took(time.perf_counter() - began, usage.ru_utime + usage.ru_stime)


def ready(engine: str, folder: Path, environ: dict[str, str]) -> Took:
    port = _free_port()
    config = folder / "dockline.toml"
    config.write_text(CONFIG.format(url=engine, port=port, folder=folder))
    command = [sys.executable, "-m", "pipeline", "run", "-c", str(config), "--log-level", "error"]
    began = time.perf_counter()
    child = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL)
    try:
        while not _is_ready(port):
            if time.perf_counter() - began > PATIENCE:
                raise TimeoutError(f"not ready within {PATIENCE:g} s")
            time.sleep(0.002)
        took = Took(time.perf_counter() - began, _cpu_of(child.pid))
    finally:
        child.send_signal(signal.SIGTERM)
        _ended(child)
    return took


def _is_ready(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as peer:
            peer.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
            return b" 200 " in peer.recv(64)
    except OSError:
        return False


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _cpu_of(pid: int) -> float:
    """Of all threads of a process, in nanoseconds' steps: /proc/PID/stat has hundredths."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def _ended(child: subprocess.Popen[bytes]) -> resource.struct_rusage:
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return usage


@contextmanager
def engine_with_containers(count: int) -> Iterator[PrivateEngine]:
    with PrivateEngine() as engine:
        image = engine.import_busybox()
        for _ in range(count):
            engine.docker("run", "--detach", "--network", "none", image, "sleep", "1000000")
        yield engine


def table(figures: dict[str, Took]) -> str:
    """As Markdown, each beside its goal."""
    rows = ["| | wall s | CPU s | goal |", "|---|---|---|---|"]
    for what, took in figures.items():
        rows.append(f"| {what} | {took.wall:.3f} | {took.cpu:.3f} | {GOALS[what]} |")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--engine", metavar="URL", help="an Engine that has some containers")
    parser.add_argument("--write", action="store_true", help="keep the figures in results/")
    arguments = parser.parse_args()
    if arguments.engine:
        figures = measure(arguments.engine, arguments.runs)
    else:
        with engine_with_containers(CONTAINERS) as engine:
            figures = measure(engine.url, arguments.runs)
    python, cores = platform.python_version(), os.cpu_count()
    text = f"CPython {python}, {cores} cores, medians of {arguments.runs}\n\n{table(figures)}"
    print(text)
    if arguments.write:
        file = Path(__file__).parent / "results" / f"start-{python.rpartition('.')[0]}.md"
        file.write_text(f"# Start\n\n{text}\n")


if __name__ == "__main__":
    main()
