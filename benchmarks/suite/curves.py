"""How cost grows: with lines per second, containers, sinks, stages and the length of lines.

    python -m benchmarks.suite.curves [--only rate containers sinks stages length] [--report]

Leaves `results/curves.json`, `curves.md` and `curves.png`. CPU is the agent's, from the operating
system, without what a start takes where a whole log is read; each point is the median of `--runs`
runs, those of all points in turns.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.crowd import ALONE, PREFIX, Crowd, Pace, crowd_of
from benchmarks.lines import cpu_of, engine_with_lines
from benchmarks.measured import progress
from benchmarks.programs import refusal
from benchmarks.receiver import Receiver
from benchmarks.suite import files, goals, machine, plots
from benchmarks.suite.latency import latency
from benchmarks.suite.programs import Dockline, our_version, run
from benchmarks.suite.report import table
from benchmarks.workloads import ROUTES, Workload
from pipeline.testing.agent_process import AgentProcess
from pipeline.testing.private_engine import PrivateEngine

RATES = (1_000, 2_000, 5_000, 10_000, 20_000, 50_000)
CONTAINERS = (1, 10, 50, 100, 250)
TOTAL, TALK = 20_000, 8.0
"""Lines per second of all containers together, and seconds."""
SINKS = (1, 2, 3, 4, 6, 8)
STAGES = (0, 1, 2, 4, 8, 16)
LENGTHS = (50, 142, 500, 1_000, 4_000, 16_000)
LINES, BYTES = 400_000, 300 << 20
"""At the most of each log that is read."""
PARTS = ("rate", "containers", "sinks", "stages", "length")
PARSE, SET = '{ parse = "json" }', '{ set = { s%d = "{container.name}" } }'
CROWD = """
[logs]
start = "now"
read = "{read}"
containers = '{which}'
[stats]
every = "off"
[sinks.out]
type = "syslog"
address = "tcp://127.0.0.1:{port}"
"""

Points = dict[str, dict[float, list[dict[str, float]]]]
"""By program, by what grows: the figures of each run."""
Measure = Callable[[Dockline, Any], dict[str, float]]


def measured(programs: Sequence[Dockline], xs: Sequence[float], runs: int, one: Measure) -> Points:
    points: Points = defaultdict(lambda: defaultdict(list))
    for turn in range(runs):
        for x in xs[:: -1 if turn % 2 else 1]:
            for program in programs:
                found = one(program, x)
                progress(f"{program.name}, {x:g}: {found}")
                points[program.name][x].append(found)
    return points


# ---------------------------------------------------------------------------------- what grows


def by_rate(programs: Sequence[Dockline], runs: int) -> Points:
    with PrivateEngine() as engine:
        engine.import_busybox()

        def one(program: Dockline, rate: Any) -> dict[str, float]:
            return latency(engine, program, int(rate), window=5.0)

        return measured(programs, RATES, runs, one)


def by_containers(programs: Sequence[Dockline], runs: int) -> Points:
    with crowd_of(max(CONTAINERS)) as crowd:
        return measured(
            programs, CONTAINERS, runs, lambda program, count: _crowded(crowd, program, int(count))
        )


def _crowded(crowd: Crowd, program: Dockline, count: int) -> dict[str, float]:
    """`count` of the containers are followed, and log so many lines a second together."""
    names = [ALONE] if count == 1 else crowd.names[:count]
    which = f'name == "{ALONE}"'
    if count > 1:
        which = f'name.startswith("{PREFIX}") and name <= "{names[-1]}"'
    with tempfile.TemporaryDirectory() as folder, Receiver() as receiver:
        config = CROWD.format(read=program.read, which=which, port=receiver.port)
        with AgentProcess(Path(folder) / "agent", crowd.engine.url, config) as agent:
            agent.until(lambda: agent.metric("dockline_containers") == count, "not followed")
            pid, pace = agent.process.pid, Pace(crowd, names, TOTAL / count, TALK)
            lines, cpu = pace.each * count, cpu_of(pid)
            pace.go()
            pace.join()
            receiver.come(lines, 60, 5)
            took = cpu_of(pid) - cpu
            return {"cpu": took / lines * 1e6, "lost": float(lines - receiver.count())}


def by_sinks(programs: Sequence[Dockline], runs: int) -> Points:
    with engine_with_lines(LINES) as engine:
        start = _start(engine, programs)

        def one(program: Dockline, sinks: Any) -> dict[str, float]:
            return _read(program, engine, Workload("w1", LINES), start, sinks=int(sinks))

        return measured(programs, SINKS, runs, one)


def by_stages(programs: Sequence[Dockline], runs: int) -> Points:
    """Parsed lines, and so many stages that set a field."""
    with engine_with_lines(LINES) as engine:
        start = _start(engine, programs)

        def one(program: Dockline, count: Any) -> dict[str, float]:
            stages = ", ".join([PARSE, *(SET % number for number in range(int(count)))])
            table = f'[routes.all]\nstages = [{stages}]\nto = ["out"]\n'
            routes = ROUTES["w1"].replace("syslog", "logstash")
            routes += table.replace("{", "{{").replace("}", "}}")
            several = Dockline(program.read, program.version, routes=routes)
            return _read(several, engine, Parsed("w2", LINES), start)

        return measured(programs, STAGES, runs, one)


class Parsed(Workload):
    """All lines, as JSON."""

    @property
    def expected(self) -> int:
        return self.lines

    def check(self, receiver: Receiver) -> Any:
        return receiver.count() - self.lines or "none"


def by_length(programs: Sequence[Dockline], runs: int) -> Points:
    with PrivateEngine() as engine, tempfile.TemporaryDirectory() as folder:
        image = engine.import_busybox()
        counts = {length: min(LINES, BYTES // length) for length in LENGTHS}
        for length, count in counts.items():
            _log(engine, Path(folder), image, length, count)
        start = _start(engine, programs)

        def one(program: Dockline, length: Any) -> dict[str, float]:
            workload = Long("w1", counts[length])
            found = _read(program, engine, workload, start, of=f"long-{length}")
            kib = length / 1024
            return found | {"mib": found["rate"] * kib / 1024, "cpu_kib": found["cpu"] / kib}

        return measured(programs, LENGTHS, runs, one)


class Long(Parsed):
    """Lines of any length, which have no more in common with those of W1 than a mark."""


def _log(engine: PrivateEngine, folder: Path, image: str, length: int, count: int) -> None:
    file = folder / f"long-{length}"
    with file.open("wb") as out:
        for number in range(count):
            start = b'{"seq":%d,"text":"' % number
            out.write(start + b"x" * (length - len(start) - 2) + b'"}\n')
    engine.docker(
        "run", "--detach", "--network", "none", "--name", file.name,
        "--volume", f"{file}:/lines:ro", image, "sh", "-c", "cat /lines; exec sleep 1000000",
    )  # fmt: skip
    log = engine.docker("inspect", "--format", "{{.LogPath}}", file.name)
    while int(subprocess.check_output(["wc", "-l", log]).split()[0]) < count:
        time.sleep(0.2)


def _start(engine: PrivateEngine, programs: Sequence[Dockline]) -> dict[str, float]:
    """CPU seconds of each for a log of one line, by name."""
    engine.docker(
        "run", "--detach", "--network", "none", "--name", "short", "busybox:local",
        "sh", "-c", """echo '{"seq":0}'; exec sleep 1000000""",
    )  # fmt: skip
    one = Parsed("w1", 1)
    return {
        program.name: statistics.median(run(program, engine, one, of="short").cpu for _ in range(5))
        for program in programs
    }


def _read(
    program: Dockline,
    engine: PrivateEngine,
    workload: Workload,
    start: Mapping[str, float],
    **options: Any,
) -> dict[str, float]:
    result = run(program, engine, workload, **options)
    if result.failed:
        raise RuntimeError(result.failed)
    return {
        "cpu": (result.cpu - start[program.name]) / result.lines * 1e6,
        "rate": result.rate,
        "mib": result.peak_mib,
        "lost": float(workload.expected - result.came),
    }


# --------------------------------------------------------------------------------- what is left


@dataclass(frozen=True)
class Axis:
    """One way in which cost may grow, and the figure that is drawn of it."""

    measure: Callable[[Sequence[Dockline], int], Points]
    title: str
    x: str
    figure: str
    y: str
    by: float = 1.0
    log: bool = True


AXES = {
    "rate": Axis(
        by_rate, "Lines per second, one container", "lines per second", "cpu",
        "CPU, % of a core", 100,
    ),
    "containers": Axis(
        by_containers, f"Containers that log {TOTAL:,} lines/s together", "containers", "cpu",
        "CPU µs per line",
    ),
    "sinks": Axis(
        by_sinks, "Syslog sinks that each get every line", "sinks", "cpu", "CPU µs per line",
        log=False,
    ),
    "stages": Axis(
        by_stages, "Stages that set a field, behind `parse`", "stages", "cpu",
        "CPU µs per line", log=False,
    ),
    "length": Axis(
        by_length, "Length of lines", "bytes", "cpu_kib", "CPU µs per KiB of lines",
    ),
}  # fmt: skip

LATENCY = replace(
    AXES["rate"], title="Latency by lines per second", figure="p99", y="p99, ms", by=1
)


def panel(axis: Axis, points: Points) -> dict[str, Any]:
    """What is drawn: medians, without runs that failed."""
    series = {}
    for name, by_x in points.items():
        good = {
            float(x): [run[axis.figure] for run in runs if axis.figure in run]
            for x, runs in by_x.items()
        }
        series[name] = [(x, statistics.median(runs) * axis.by) for x, runs in good.items() if runs]
        series[name].sort()
    return {"title": axis.title, "x": axis.x, "y": axis.y, "log": axis.log, "series": series}


def report(results: dict[str, Any]) -> str:
    it = results["machine"]
    parts = [
        "# How cost grows",
        f"`make bench-curves` wrote this and `curves.json`. {it['cores']} cores of "
        f"{it['processor']}, {it['engine']}, CPython {it['python']}; runs of each point: "
        f"{results['runs']}, medians; {results['began']}.",
        "![Curves](curves.png)",
    ]
    for name in AXES:
        if points := results["points"].get(name):
            parts += [f"## {AXES[name].title}", _rows(AXES[name], points)]
    parts += [f"{name}: not measured, {why}" for name, why in results["absent"].items()]
    return "\n\n".join(parts) + "\n"


SHOWN = {
    "cpu": ("CPU µs per line", "{:.3g}"), "cpu_kib": ("CPU µs per KiB", "{:.3g}"),
    "p50": ("p50 ms", "{:.1f}"), "p99": ("p99 ms", "{:.1f}"), "rate": ("lines/s", "{:,.0f}"),
    "mib": ("MiB", "{:.0f}"), "lost": ("lost", "{:.0f}"),
}  # fmt: skip


def _rows(axis: Axis, points: Points) -> str:
    some = next(iter(next(iter(points.values())).values()))
    figures = [name for name in SHOWN if any(name in run for run in some)]
    units = {
        "cpu": axis.y if axis.by != 1 else SHOWN["cpu"][0],
        "mib": "MiB/s" if axis.x == "bytes" else "peak MiB",
    }
    heads = [units.get(name, SHOWN[name][0]) for name in figures]
    rows = []
    for program, by_x in points.items():
        for x, runs in sorted(by_x.items(), key=lambda item: float(item[0])):
            row = [program, f"{float(x):,.0f}"]
            for name in figures:
                found = [run[name] for run in runs if name in run]
                scale = axis.by if name == "cpu" else 1
                shown = SHOWN[name][1].format(statistics.median(found) * scale) if found else "–"
                row.append(shown)
            rows.append(row)
    return table(["", axis.x, *heads], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--report", action="store_true", help="measure nothing")
    arguments = parser.parse_args()
    file = files.FOLDER / "curves.json"
    kept = json.loads(file.read_text()) if file.exists() else {}
    if not arguments.report:
        version = our_version()
        programs, absent = [Dockline("api", version)], {}
        if refused := refusal("file"):
            absent[goals.FILES] = f"not supported: {refused}"
        else:
            programs.append(Dockline("file", version))
        began = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        kept = {"points": {}, **kept, "machine": machine.described(), "began": began}
        kept |= {"runs": arguments.runs, "absent": absent, "version": version}
        for name in arguments.only:
            progress(name)
            kept["points"][name] = AXES[name].measure(programs, arguments.runs)
            files.write(file, kept)
        kept = json.loads(file.read_text())
    points = kept["points"]
    kept["panels"] = [panel(AXES[name], points[name]) for name in AXES if name in points]
    if "rate" in points:
        kept["panels"].insert(1, panel(LATENCY, points["rate"]))
    plots.curves(kept, files.FOLDER / "curves.png")
    (files.FOLDER / "curves.md").write_text(text := report(kept))
    print(text)


if __name__ == "__main__":
    main()
