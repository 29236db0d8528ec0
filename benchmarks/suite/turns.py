"""W1 and W2 for every program, and W3 for those that read files, in turns: what a noisy minute
does, it does to all of them.

In each round `docker logs` runs before each way of dockline, and before the peers; a ratio is that
of a run to the `docker logs` before it. Every second round goes backwards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from benchmarks import bare
from benchmarks.measured import Measured, progress
from benchmarks.programs import bare_reader, docker_logs
from benchmarks.suite.programs import Dockline, Program, can, run
from benchmarks.workloads import Name, Workload
from pipeline.testing.private_engine import PrivateEngine

DOCKER_LOGS, BARE = "docker logs", "bare reader"
FAN_OUT = 3

Runs = dict[str, dict[str, list[dict[str, Any]]]]
"""By program, by workload: a record of each run."""


def throughput(
    engine: PrivateEngine,
    programs: Sequence[Program],
    lines: int,
    rounds: int,
    *,
    thorough: bool = True,
    in_time: Callable[[], bool] = lambda: True,
) -> Runs:
    """`thorough` has W3, bare readers and fan-out too. Peers have no further round once it is not
    `in_time`."""
    runs: Runs = {}
    for turn in range(rounds):
        base: Measured | None = None
        for program in list(programs)[:: -1 if turn % 2 else 1]:
            ours = isinstance(program, Dockline)
            if turn and not ours and not in_time():
                continue
            if ours or base is None:
                base = docker_logs(engine, lines)
                _keep(runs, DOCKER_LOGS, "read", base, None)
            for name in _workloads(program, thorough):
                measured = attempt(engine, program, Workload(name, lines))
                _keep(runs, program.name, name, measured, base)
            if ours and thorough:
                three = attempt(engine, program, Workload("w1", lines), sinks=FAN_OUT)
                _keep(runs, program.name, "fan-out", three, base)
        if thorough:
            for pause in bare.PAUSES:
                read = bare_reader(engine, lines, pause)
                _keep(runs, BARE, f"{pause * 1000:g} ms", read, base)
    return runs


def _workloads(program: Program, thorough: bool) -> list[Name]:
    names: tuple[Name, ...] = ("w1", "w2", "w3") if thorough else ("w1", "w2")
    if program.read != "file":
        names = names[:2]
    return [name for name in names if can(program, name)]


def attempt(
    engine: PrivateEngine, program: Program, workload: Workload, *, sinks: int = 1
) -> Measured:
    """A run; one that cannot be made is a result too."""
    try:
        return run(program, engine, workload, sinks=sinks)
    except Exception as error:
        return Measured(0, 0, 0, 0, workload.lines, failed=f"{type(error).__name__}: {error}"[:500])


def _keep(runs: Runs, name: str, workload: str, measured: Measured, base: Measured | None) -> None:
    record = asdict(measured)
    if not measured.failed:
        record["rate"] = measured.rate
        if base is not None and not base.failed:
            record["cpu_ratio"] = measured.cpu / base.cpu
            record["rate_ratio"] = measured.rate / base.rate
    runs.setdefault(name, {}).setdefault(workload, []).append(record)
    said = measured.failed or (
        f"CPU {measured.cpu:.2f} s ({record.get('cpu_ratio', 1):.2f}), {measured.rate:,.0f} lines/s"
        f" ({record.get('rate_ratio', 1):.2f}); faults: {measured.faults}"
    )
    progress(f"{name}, {workload}: {said}")
