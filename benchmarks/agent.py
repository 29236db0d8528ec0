"""The whole agent on a real Engine, beside `docker logs`: CPU, time, memory, and what was lost.

One container has logged a million JSON lines of 142 bytes. `docker logs --timestamps` reads them
into /dev/null; dockline reads them over the API or from the file, does with them what the workload
says (`workloads`), and sends them over TCP to a receiver that looks at each line. Both in turn,
several times, on the same lines of the same Engine; the ratios are those of pairs.

    python -m benchmarks.agent [--workload w1|w2] [--read api|file] [--python PATH]
                               [--lines 1000000] [--runs 3]

`--python` is the interpreter of the agent, one with what dockline needs. `--read` and `--workload`
may be given several times. CPU seconds are the operating system's own.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys

from benchmarks.lines import LENGTH, engine_with_lines
from benchmarks.measured import Measured, median_of, progress
from benchmarks.programs import docker_logs, dockline, refusal
from benchmarks.workloads import Workload

Pairs = list[tuple[Measured, Measured]]
"""`docker logs` and the agent, one after the other."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0], formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--workload", choices=["w1", "w2"], action="append", help="default: w1")
    parser.add_argument("--read", choices=["api", "file"], action="append", help="default: api")
    parser.add_argument("--python", default=sys.executable, help="interpreter of the agent")
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    wanted = [
        (Workload(name, arguments.lines), read)
        for read in arguments.read or ["api"]
        for name in arguments.workload or ["w1"]
    ]
    for _, read in wanted:
        if refused := refusal(read, arguments.python):
            raise SystemExit(f'read = "{read}": {refused}')
    pairs: dict[str, Pairs] = {f"{workload.name}, {read}": [] for workload, read in wanted}
    with engine_with_lines(arguments.lines) as engine:
        for run in range(arguments.runs):
            for workload, read in wanted:
                base = docker_logs(engine, arguments.lines)
                agent = dockline(engine, workload, read, arguments.python)
                if failed := base.failed or agent.failed:
                    raise SystemExit(failed)
                pairs[f"{workload.name}, {read}"].append((base, agent))
                progress(f"run {run + 1}, {workload.name}, {read}: {agent.cpu / base.cpu:.2f}")
        version = engine.docker("version", "--format", "{{.Server.Version}}")
    print(
        f"{arguments.lines:,} lines of {LENGTH} bytes, Engine {version}, {arguments.python}, "
        f"{os.cpu_count()} cores, Linux {platform.release()}, medians of {arguments.runs}\n"
    )
    print(table(pairs))


def table(pairs: dict[str, Pairs]) -> str:
    rows = [
        "| | CPU s | to `docker logs` | lines/s | ratio | dockerd CPU s | peak MiB | faults |",
        "|---|---|---|---|---|---|---|---|",
    ]
    bases = [base for each in pairs.values() for base, _ in each]
    agents = {name: [agent for _, agent in each] for name, each in pairs.items()}
    for name, runs in {"docker logs": bases, **agents}.items():
        each = pairs.get(name, [])
        cpu = statistics.median([agent.cpu / base.cpu for base, agent in each] or [1.0])
        rate = statistics.median([agent.rate / base.rate for base, agent in each] or [1.0])
        rows.append(
            f"| {name} | {median_of(runs, 'cpu'):.2f} | {cpu:.2f} "
            f"| {median_of(runs, 'rate'):,.0f} | {rate:.2f} "
            f"| {median_of(runs, 'dockerd_cpu'):.2f} | {median_of(runs, 'peak_mib'):.0f} "
            f"| {'; '.join(sorted({run.faults for run in runs}))} |"
        )
    return "\n".join(rows)


if __name__ == "__main__":
    main()
