"""W4 of dockline and its peers: microseconds of CPU that each line of fifty containers costs.

All are attached, and then log at a pace that leaves the machine idle for the most part; so what
counts is what a few lines at a time cost, not how quick a program is with many.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.crowd import PREFIX, Crowd, crowd_of
from benchmarks.lines import cpu_of
from benchmarks.measured import memory, progress, running
from benchmarks.mixed import CONTAINERS, MARK, SECONDS, Pace, expected, faults
from benchmarks.receiver import Receiver
from benchmarks.suite.many import empty_logs
from benchmarks.suite.programs import Program, can

SETTLING = 6.0
PATIENCE, IDLE = 30.0, 4.0


def mixed(
    programs: Sequence[Program], *, in_time: Callable[[], bool] = lambda: True
) -> dict[str, Any]:
    """By name; those that read files, and have a configuration for it."""
    found: dict[str, Any] = {}
    with crowd_of(CONTAINERS) as crowd:
        for program in programs:
            if program.read != "file" or not can(program, "w4") or (found and not in_time()):
                continue
            try:
                found[program.name] = measure(crowd, program)
            except Exception as error:
                found[program.name] = {"failed": f"{type(error).__name__}: {error}"[:300]}
            progress(f"{program.name}: {found[program.name]}")
    return found


def measure(crowd: Crowd, program: Program, seconds: float = SECONDS) -> dict[str, Any]:
    """CPU from the first line's writing until all entries have come, start not included."""
    empty_logs(crowd)
    pace = Pace(crowd, seconds=seconds)
    with tempfile.TemporaryDirectory() as name, Receiver(MARK) as receiver:
        folder = Path(name)
        command = program.prepare(crowd.engine, folder, "w4", [receiver.port], f"{PREFIX}*")  # type: ignore[arg-type]
        started = running(command, crowd.dockerd, folder / "log", program.environment)
        with started as process:
            pid = process.process.pid
            time.sleep(SETTLING)
            cpu, began = cpu_of(pid), time.monotonic()
            pace.go()
            pace.join()
            receiver.come(expected(crowd.count, pace.each), PATIENCE, IDLE)
            took, lines = time.monotonic() - began, pace.each * crowd.count
            used = cpu_of(pid) - cpu
            if not receiver.count():
                return {"failed": f"nothing came: {process.said[-200:]}"}
            resident = memory(pid, "VmRSS")
            process.end()
            return {
                "cpu": used / lines * 1e6,
                "share": used / took,
                "lines": lines,
                "rate": lines / took,
                "came": receiver.count(),
                "resident_mib": resident,
                "faults": faults(receiver, crowd.count, pace.each) or "none",
            }
