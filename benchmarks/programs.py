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
from pathlib import Path

from benchmarks.lines import NAME
from benchmarks.measured import Measured, Running, running
from benchmarks.receiver import Receiver
from benchmarks.workloads import CONFIG, ROUTES, Read, Workload
from pipeline.testing.private_engine import PrivateEngine

PATIENCE = 180.0
IDLE = 8.0
"""Seconds without a message after which the rest counts as lost."""


def docker_logs(engine: PrivateEngine, lines: int) -> Measured:
    command = ["docker", "logs", "--timestamps", NAME]
    with running(command, engine.pid, Path(os.devnull), engine.environment) as program:
        cpu, dockerd = program.ended(PATIENCE)
        wall = time.time() - program.began
    failed = f"it ended with {code}" if (code := program.process.returncode) else ""
    return Measured(cpu, dockerd, wall, peak_mib=0.0, lines=lines, failed=failed)


def dockline(
    engine: PrivateEngine, workload: Workload, read: Read, python: str = sys.executable
) -> Measured:
    with tempfile.TemporaryDirectory() as folder, Receiver() as receiver:
        config = Path(folder) / "dockline.toml"
        config.write_text(configuration(engine.url, workload, read, folder, receiver.port))
        command = [python, "-m", "pipeline", "run", "-c", str(config)]
        with running(command, engine.pid, Path(folder) / "log") as program:
            return delivered(program, receiver, workload)


def configuration(url: str, workload: Workload, read: Read, state: str, port: int) -> str:
    start = CONFIG.format(url=url, read=read, container=NAME, state=state)
    return start + ROUTES[workload.name].format(port=port)


def delivered(program: Running, receiver: Receiver, workload: Workload) -> Measured:
    """Waits until all has come, or nothing comes any more; ends the program, and looks at it."""
    complete = receiver.come(workload.expected, PATIENCE, IDLE)
    alive, peak = program.alive, program.peak()
    cpu, dockerd = program.end()
    verdict = workload.check(receiver)
    failed = "" if complete or alive else f"it ended: {program.said[-300:]}"
    return Measured(
        cpu=cpu,
        dockerd_cpu=dockerd,
        wall=receiver.last() - program.began,
        peak_mib=peak,
        lines=workload.lines,
        came=receiver.count(),
        faults=str(verdict),
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
