"""The programs that read one container's log, each run once: dockline, and what it is held against.

`docker logs --timestamps` into /dev/null is the unit of all ratios. `bare_reader` is what a Python
process can do at best that throws everything away.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks import bare
from benchmarks.checking import FAULTLESS
from benchmarks.lines import NAME
from benchmarks.measured import Measured, Running, running
from benchmarks.receiver import Receiver
from benchmarks.workloads import CONFIG, ROUTES, Read, Workload
from pipeline.testing.private_engine import PrivateEngine

PATIENCE = 180.0
IDLE = 5.0
"""Seconds without a message after which the rest counts as lost."""


def docker_logs(engine: PrivateEngine, lines: int) -> Measured:
    command = ["docker", "logs", "--timestamps", NAME]
    with running(command, engine.pid, Path(os.devnull), engine.environment) as program:
        cpu, dockerd = program.ended(PATIENCE)
        wall = time.time() - program.began
    failed = f"it ended with {code}" if (code := program.process.returncode) else ""
    return Measured(cpu, dockerd, wall, peak_mib=0.0, lines=lines, failed=failed)


def bare_reader(engine: PrivateEngine, lines: int, pause: float) -> Measured:
    """As many lines of the same log, thrown away; see `bare`."""
    socket = engine.url.removeprefix("unix://")
    command = [sys.executable, "-S", bare.__file__, socket, NAME, str(pause)]
    with (
        tempfile.TemporaryDirectory() as folder,
        running(command, engine.pid, Path(folder) / "said") as program,
    ):
        cpu, dockerd = program.ended(PATIENCE)
        wall, said = time.time() - program.began, program.said
    if program.process.returncode:
        return Measured(cpu, dockerd, wall, 0.0, lines, failed=said)
    return Measured(cpu, dockerd, wall, 0.0, lines, flow=float(said.split()[0]))


def dockline(
    engine: PrivateEngine,
    workload: Workload,
    read: Read,
    python: str = sys.executable,
    *,
    container: str = NAME,
    routes: str = "",
    sinks: int = 1,
) -> Measured:
    """`routes` stands for those of the workload. With more than one sink, each has all of them,
    at a receiver of its own: what came is that of the first, and the faults are those of all."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        receivers = [stack.enter_context(Receiver()) for _ in range(sinks)]
        written = routes or ROUTES[workload.name]
        ports = [receiver.port for receiver in receivers]
        config = Path(folder) / "dockline.toml"
        config.write_text(configuration(engine.url, read, folder, container, written, ports))
        command = [python, "-m", "pipeline", "run", "-c", str(config)]
        with running(command, engine.pid, Path(folder) / "log") as program:
            return delivered(program, receivers, workload)


def configuration(
    url: str, read: Read, state: str, container: str, routes: str, ports: Sequence[int]
) -> str:
    """Routes that have one sink called `out` have as many as there are ports: `out`, `out1` …
    A name that ends in `*` stands for all containers whose names begin so."""
    text = CONFIG.format(url=url, read=read, container=container, state=state)
    if container.endswith("*"):
        text = text.replace(f'name == "{container}"', f'name.startswith("{container[:-1]}")')
    text += routes.format(port=ports[0])
    for number, port in enumerate(ports[1:], 1):
        text += ROUTES["w1"].format(port=port).replace("out", f"out{number}")
    return text


def delivered(program: Running, receivers: Sequence[Receiver], workload: Workload) -> Measured:
    """Waits until all has come, or nothing comes any more; ends the program, and looks at it."""
    complete = True
    for each in receivers:
        complete &= each.come(workload.expected, PATIENCE, IDLE)
    alive, peak = program.alive, program.peak()
    cpu, dockerd = program.end()
    receiver, last = receivers[0], max(each.last() for each in receivers)
    verdicts = sorted({str(workload.check(each)) for each in receivers} - {FAULTLESS})
    failed = "" if complete or alive else f"it ended: {program.said[-300:]}"
    return Measured(
        cpu=cpu,
        dockerd_cpu=dockerd,
        wall=last - program.began,
        flow=last - min(each.first() for each in receivers),
        peak_mib=peak,
        lines=workload.lines,
        came=receiver.count(),
        faults="; ".join(verdicts) or FAULTLESS,
        failed=failed or ("" if receiver.count() else f"nothing came: {program.said[-300:]}"),
    )


def refusal(read: Read, python: str = sys.executable) -> str:
    """Why dockline does not read that way; empty if it does."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "dockline.toml"
        config.write_text(f'[logs]\nread = "{read}"\n')
        command = [python, "-m", "pipeline", "check", "-c", str(config)]
        checked = subprocess.run(command, capture_output=True, text=True, check=False)
    said = (checked.stdout + checked.stderr).replace(f"{config}:", "").strip()
    return said.splitlines()[0] if checked.returncode else ""
