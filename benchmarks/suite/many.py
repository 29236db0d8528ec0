"""Hundreds of containers: dockline by `benchmarks.many`, and its peers on the same containers.

A peer has them attached, is watched while they are silent, and then all of them log. What they had
logged before is not for it: one that reads the API asks for none of that, and for one that reads
files the logs are emptied. That comes last, for dockerd follows no log that was.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.crowd import ALONE, Crowd, Pace, crowd_of, faults
from benchmarks.lines import cpu_of
from benchmarks.many import measure_busy, measure_idle
from benchmarks.measured import memory, progress, running
from benchmarks.receiver import Receiver
from benchmarks.suite.programs import Program

CONTAINERS, RATE = 500, 200.0
IDLE, TALK = 45.0, 10.0
"""Seconds that are measured."""
PEER_IDLE = 10.0
SETTLING = 8.0
PATIENCE = 60.0


def many(
    programs: Sequence[Program],
    reads: Sequence[str],
    *,
    containers: int = CONTAINERS,
    idle: float = IDLE,
    in_time: Callable[[], bool] = lambda: True,
) -> dict[str, Any]:
    """The goals' figures, `busy` by way of reading, and `peers` by name."""
    with crowd_of(containers) as crowd:
        found: dict[str, Any] = asdict(figures := measure_idle(crowd, idle))
        progress(str(figures))
        found["busy"] = {}
        for read in reads:
            busy = measure_busy(crowd, RATE, TALK, read)
            progress(f"{read}: {busy}")
            found["busy"][read] = asdict(busy) | {"ratio": busy.ratio}
        found["peers"] = {}
        for program in sorted(programs, key=lambda program: program.read):
            if in_time():
                found["peers"][program.name] = attempt(crowd, program)
                progress(f"{program.name}: {found['peers'][program.name]}")
    return found


def attempt(crowd: Crowd, program: Program) -> dict[str, Any]:
    """A peer's figures; one that cannot do it has the reason instead."""
    try:
        return _peer(crowd, program)
    except Exception as error:
        return {"failed": f"{type(error).__name__}: {error}"[:300]}


def _peer(crowd: Crowd, program: Program) -> dict[str, Any]:
    if program.read == "file":
        empty_logs(crowd)
    with tempfile.TemporaryDirectory() as name, Receiver() as receiver:
        folder = Path(name)
        command = program.prepare(crowd.engine, folder, "w1", [receiver.port], "")  # type: ignore[arg-type]
        for config in folder.glob("peer.*"):
            config.write_text(config.read_text().replace("tail=all", "tail=0"))
        environment = program.environment
        with running(command, crowd.dockerd, folder / "log", environment) as process:
            pid = process.process.pid
            time.sleep(SETTLING)
            crowd.say([ALONE, *crowd.names], b'{"seq":here}')
            if not receiver.come(len(crowd.names) + 1, PATIENCE, PATIENCE):
                return {"failed": f"{receiver.count()} of {len(crowd.names) + 1} attached"}
            idle = _cpu_over(pid, PEER_IDLE)
            resident = memory(pid, "VmRSS")
            one = _talk(crowd, pid, receiver, [ALONE], RATE * crowd.count)
            all_ = _talk(crowd, pid, receiver, crowd.names, RATE)
            return {"cpu_idle": idle, "resident_mib": resident, "one": one, "many": all_}


def _talk(
    crowd: Crowd, pid: int, receiver: Receiver, names: Sequence[str], rate: float
) -> dict[str, Any]:
    pace = Pace(crowd, names, rate, TALK / 2)
    lines, before, cpu = pace.each * len(names), receiver.count(), cpu_of(pid)
    pace.go()
    pace.join()
    receiver.come(before + lines, PATIENCE, 5)
    return {
        "cpu": (cpu_of(pid) - cpu) / lines * 1e6,
        "lines": lines,
        "came": receiver.count() - before,
        "faults": faults(receiver, names, pace.each),
    }


def _cpu_over(pid: int, seconds: float) -> float:
    before, began = cpu_of(pid), time.perf_counter()
    time.sleep(seconds)
    return (cpu_of(pid) - before) / (time.perf_counter() - began)


def empty_logs(crowd: Crowd) -> None:
    """dockerd appends, so it goes on at the beginning."""
    for log in (crowd.folder / "data" / "containers").glob("*/*-json.log*"):
        if log.suffix == ".log":
            os.truncate(log, 0)
        else:
            log.unlink()
