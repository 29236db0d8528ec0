"""The whole suite: dockline beside its peers, and each goal beside its figure.

    python -m benchmarks.suite [--run 1] [--quick] [--lines 1000000] [--rounds 3] [--minutes 25]
                               [--containers 500] [--only PART ...]

A run leaves `results/full-RUN.json`; report and plots are made of all runs there are, so a second
one is a column beside the first. `--quick` has W1 and W2 once, for dockline and `docker logs`, and
leaves `results/quick.json` and `quick.md`. `--only` measures some parts, and keeps what the run's
file has of the others. `--report` makes the report, the plots and README's table anew.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from typing import Any

from benchmarks import bench_scrape, start
from benchmarks.lines import LENGTH, engine_with_lines
from benchmarks.measured import progress
from benchmarks.programs import refusal
from benchmarks.suite import files, goals, machine, peers, plots, readme, report
from benchmarks.suite.latency import latency
from benchmarks.suite.many import CONTAINERS, many
from benchmarks.suite.mixed import mixed
from benchmarks.suite.programs import Dockline, Program, can, our_version
from benchmarks.suite.turns import throughput
from benchmarks.workloads import Name

PARTS = ("throughput", "latency", "start", "scrape", "mixed", "many")
SHARE = 0.45
"""Of the minutes, after which peers have no further round of W1 and W2."""
LATENCIES = 3
SCRAPES, SCRAPED = 100, 1000
STARTS = 9


class Suite:
    """One run: what it has found so far, and how much of its time is left."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.began = time.monotonic()
        self.ours, absent = _ours()
        self.peers: list[peers.Peer] = []
        if not arguments.quick:
            found, missing = peers.found()
            self.peers, absent = found, absent | missing
        self.file = files.path(arguments.run, arguments.quick)
        partly = arguments.only != PARTS and self.file.exists()
        self.results: dict[str, Any] = (files.read(self.file) if partly else {}) | {
            "run": arguments.run,
            "began": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "lines": arguments.lines,
            "length": LENGTH,
            "machine": machine.described(),
            "programs": {program.name: _about(program) for program in self.programs},
            "absent": absent,
            "failed": {},
        }

    @property
    def programs(self) -> Sequence[Program]:
        return [*self.ours, *self.peers]

    def in_time(self, share: float) -> bool:
        return time.monotonic() - self.began < share * self.arguments.minutes * 60

    def part(self, name: str, measure: Callable[[], Any]) -> None:
        """Keeps what it finds at once; one that fails is reported, and the others go on."""
        if name not in self.arguments.only:
            return
        progress(name)
        try:
            self.results[name] = measure()
        except Exception as error:
            traceback.print_exc()
            self.results["failed"][name] = f"{type(error).__name__}: {error}"[:500]
        self.results["took"] = round(time.monotonic() - self.began)
        files.write(self.file, self.results)

    def throughput_and_latency(self) -> None:
        """On one Engine, as both need no other container."""
        lines, rounds = self.arguments.lines, self.arguments.rounds
        with engine_with_lines(lines) as engine:
            self.part(
                "throughput",
                lambda: throughput(
                    engine, self.programs, lines, rounds,
                    thorough=not self.arguments.quick, in_time=lambda: self.in_time(SHARE),
                ),
            )  # fmt: skip
            engine.docker("rm", "--force", "lines")
            if not self.arguments.quick:
                self.part("latency", lambda: self._latency(engine))

    def _latency(self, engine: Any) -> dict[str, Any]:
        found: dict[str, Any] = {program.name: [] for program in self.programs}
        for turn in range(LATENCIES):
            for program in self.programs if turn == 0 else self.ours:
                found[program.name].append(latency(engine, program))
        return found

    def all(self) -> None:
        self.throughput_and_latency()
        if self.arguments.quick:
            return
        self.part("start", _start)
        self.part("scrape", _scrape)
        programs = self.programs
        self.part("mixed", lambda: mixed(programs, in_time=lambda: self.in_time(0.7)))
        self.part("many", self._many)

    def _many(self) -> dict[str, Any]:
        reads, count = [program.read for program in self.ours], self.arguments.containers
        named = [peer for peer in self.peers if peer.names]
        return many(named, reads, containers=count, in_time=lambda: self.in_time(0.9))


def _ours() -> tuple[list[Program], dict[str, str]]:
    version = our_version()
    programs: list[Program] = [Dockline("api", version)]
    if refused := refusal("file"):
        return programs, {goals.FILES: f"not supported: {refused}"}
    return [*programs, Dockline("file", version)], {}


def _about(program: Program) -> dict[str, Any]:
    names: tuple[Name, ...] = ("w1", "w2", "w3", "w4")
    texts = {name: program.configuration(name) for name in names if can(program, name)}
    return {"reads": program.read, "version": program.version, "configuration": texts}


def _start() -> dict[str, Any]:
    with start.engine_with_containers(start.CONTAINERS) as engine:
        figures = start.measure(engine.url, STARTS)
    found: dict[str, Any] = {what: took.wall for what, took in figures.items()}
    return found | {f"{what}_cpu": took.cpu for what, took in figures.items()}


def _scrape() -> dict[str, Any]:
    """In a process of its own; what a client that compresses gets, and one that does not."""
    spawn = multiprocessing.get_context("spawn")
    found = {}
    for encoding in ("gzip", "identity"):
        with ProcessPoolExecutor(1, mp_context=spawn) as pool:
            figures = pool.submit(bench_scrape.measure, SCRAPED, SCRAPES, encoding).result()
        progress(f"{encoding}: {figures}")
        found[encoding] = asdict(figures)
    worst = {name: max(one[name] for one in found.values()) for name in ("p99", "stall")}
    return worst | found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0], formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--run", type=int, default=1)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--report", action="store_true", help="measure nothing")
    parser.add_argument("--lines", type=int)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--containers", type=int, default=CONTAINERS)
    parser.add_argument("--minutes", type=float, default=25)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    arguments = parser.parse_args()
    arguments.lines = arguments.lines or (750_000 if arguments.quick else 1_000_000)
    arguments.rounds = arguments.rounds or (1 if arguments.quick else 3)
    if not arguments.report:
        Suite(arguments).all()
    if arguments.quick:
        print(text := report.quick(files.quick()))
        (files.FOLDER / "quick.md").write_text(text)
        return
    runs = files.runs()
    (files.FOLDER / "full.md").write_text(text := report.full(runs))
    plots.peers(runs, files.FOLDER / "full-peers.png")
    plots.goals(runs, files.FOLDER / "full-goals.png")
    if any("throughput" in run for run in runs):
        readme.README.write_text(readme.rewritten(readme.README.read_text(), runs))
    print(text)


if __name__ == "__main__":
    main()
