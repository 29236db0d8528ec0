"""The goals, and each one's figure in the results of a run."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Results = dict[str, Any]
"""As `benchmarks.suite` writes them."""
API, FILES = "dockline, API", "dockline, files"


@dataclass(frozen=True)
class Goal:
    """One figure that is to be at most, or at least, so much."""

    what: str
    limit: float
    figure: Callable[[Results], float | None]
    """None where it was not measured."""
    form: str = "{:.2f}"
    least: bool = False
    """Whether the limit is the least that it may be, not the most."""

    def met(self, figure: float) -> bool:
        return figure >= self.limit if self.least else figure <= self.limit

    def shown(self, figure: float) -> str:
        return self.form.format(figure)

    @property
    def goal(self) -> str:
        return f"{'≥' if self.least else '≤'} {self.form.format(self.limit)}"


def median(results: Results, program: str, workload: str, figure: str) -> float | None:
    """Over the runs that did what they were asked for; None if none did."""
    runs = results.get("throughput", {}).get(program, {}).get(workload, [])
    found = [run[figure] for run in runs if not run["failed"] and figure in run]
    return statistics.median(found) if found else None


def best_bare(results: Results) -> float | None:
    """Lines per second of the best of the bare readers."""
    ways = results.get("throughput", {}).get("bare reader", {})
    rates = [median(results, "bare reader", way, "rate") for way in ways]
    return max((rate for rate in rates if rate is not None), default=None)


def _of_runs(program: str, workload: str, figure: str) -> Callable[[Results], float | None]:
    return lambda results: median(results, program, workload, figure)


def _to_bare(results: Results) -> float | None:
    ours, bare = median(results, API, "w1", "rate"), best_bare(results)
    return ours / bare if ours and bare else None


def _route(results: Results) -> float | None:
    """Of each round, W3 to W2."""
    return of_rounds(results, FILES, "w3", "w2")


def of_rounds(results: Results, program: str, one: str, other: str) -> float | None:
    """The CPU of one workload to that of another, median of the rounds in which both did well."""
    runs = results.get("throughput", {}).get(program, {})
    pairs = zip(runs.get(one, ()), runs.get(other, ()), strict=False)
    found = [a["cpu"] / b["cpu"] for a, b in pairs if not a["failed"] + b["failed"]]
    return statistics.median(found) if found else None


def _mixed(results: Results) -> float | None:
    found = results.get("mixed", {}).get(FILES, {})
    return None if found.get("failed") else found.get("cpu")


def _fan_out(program: str) -> Callable[[Results], float | None]:
    """Of each round, the run with three sinks to that with one."""

    def of(results: Results) -> float | None:
        return of_rounds(results, program, "fan-out", "w1")

    return of


def _peak(results: Results) -> float | None:
    found = [
        median(results, program, workload, "peak_mib")
        for program in (API, FILES)
        for workload in ("w1", "w2")
    ]
    return max((one for one in found if one is not None), default=None)


def _latency(program: str, figure: str) -> Callable[[Results], float | None]:
    def of(results: Results) -> float | None:
        runs = results.get("latency", {}).get(program, [])
        found = [run[figure] for run in runs if not run.get("failed")]
        return statistics.median(found) if found else None

    return of


def _single(part: str, figure: str) -> Callable[[Results], float | None]:
    """Of the parts that have one figure each; `many.cpu_idle` is that of the part `many`."""

    def of(results: Results) -> float | None:
        found = results.get(part, {}).get(figure)
        return None if found is None else float(found)

    return of


def _memory(results: Results) -> float | None:
    """With stats or without, whichever is more."""
    many = results.get("many")
    return max(many["kib_idle"], many["kib_stats"]) if many else None


def _busy(read: str) -> Callable[[Results], float | None]:
    def of(results: Results) -> float | None:
        found = results.get("many", {}).get("busy", {}).get(read)
        return found["ratio"] if found else None

    return of


GOALS = (
    Goal("W1 over the API, CPU to `docker logs`", 0.45, _of_runs(API, "w1", "cpu_ratio")),
    Goal("W2 over the API, CPU to `docker logs`", 0.65, _of_runs(API, "w2", "cpu_ratio")),
    Goal("W1 reading files, CPU to `docker logs`", 0.35, _of_runs(FILES, "w1", "cpu_ratio")),
    Goal("W2 reading files, CPU to `docker logs`", 0.50, _of_runs(FILES, "w2", "cpu_ratio")),
    Goal("W3 (README's route) reading files, CPU to W2", 1.6, _route),
    Goal("W4 (fifty mixed containers), CPU of a line", 8, _mixed, "{:.1f} µs"),
    Goal("Lines per second over the API, to the best bare reader", 0.95, _to_bare, least=True),
    Goal(
        "W1 reading files, lines per second to `docker logs`", 3.8,
        _of_runs(FILES, "w1", "rate_ratio"), least=True,
    ),
    Goal(
        "W2 reading files, lines per second to `docker logs`", 2.5,
        _of_runs(FILES, "w2", "rate_ratio"), least=True,
    ),
    Goal("W1 to three sinks, over the API, CPU to one sink", 1.6, _fan_out(API)),
    Goal("W1 to three sinks, reading files, CPU to one sink", 1.6, _fan_out(FILES)),
    Goal(
        "500 idle containers without stats, CPU of a core", 0.01, _single("many", "cpu_idle"),
        "{:.2%}",
    ),
    Goal(
        "500 idle containers, stats every 10 s, CPU of a core", 0.05,
        _single("many", "cpu_stats"), "{:.2%}",
    ),
    Goal("500 idle containers, memory of each", 64, _memory, "{:.1f} KiB"),
    Goal("500 idle containers, all attached after", 5, _single("many", "attached"), "{:.2f} s"),
    Goal("500 containers of 200 lines/s, API, CPU per line to one container's", 1.5, _busy("api")),
    Goal(
        "500 containers of 200 lines/s, files, CPU per line to one container's", 1.5, _busy("file")
    ),
    Goal("Latency at 10,000 lines/s, API, p50", 5, _latency(API, "p50"), "{:.1f} ms"),
    Goal("Latency at 10,000 lines/s, API, p99", 50, _latency(API, "p99"), "{:.1f} ms"),
    Goal("Latency at 10,000 lines/s, files, p50", 5, _latency(FILES, "p50"), "{:.1f} ms"),
    Goal("Latency at 10,000 lines/s, files, p99", 50, _latency(FILES, "p99"), "{:.1f} ms"),
    Goal("`/metrics` of 1,000 containers, p99", 150, _single("scrape", "p99"), "{:.0f} ms"),
    Goal(
        "`/metrics` of 1,000 containers, longest stall of the event loop", 20,
        _single("scrape", "stall"), "{:.1f} ms",
    ),
    Goal("Start to ready", 0.6, _single("start", "ready"), "{:.2f} s"),
    Goal("Import", 0.25, _single("start", "import"), "{:.2f} s"),
    Goal("Peak memory, W1 and W2", 80, _peak, "{:.0f} MiB"),
)  # fmt: skip
