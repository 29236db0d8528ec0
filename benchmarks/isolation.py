"""What one bad destination, and one container that floods, do to all others.

    python -m benchmarks.isolation [--lines 500000] [--seconds 10] [--runs 3] [--write]

A good syslog receiver alone, beside a second good one, and beside one that is bad, with a disk
behind its buffer:

- throughput: a log of half a million JSON lines of 142 bytes is read from its beginning; lines a
  second at the good receiver from its first to its last, and the agent's CPU seconds until then,
  as the operating system counts them. A second destination costs CPU, good or bad: where that is
  scarce, compare a bad one with a second good one;
- latency: ten containers log 10,000 lines a second together; from Docker's time to the receiver.

And 49 quiet containers of five lines a second each, alone, beside one that logs as fast as it can,
and with a destination that stands still beside the good one: the latency of the quiet ones.

All in turn in each run; the medians are printed.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path

from benchmarks.lags import MARK, syslog_lags
from benchmarks.lines import LENGTH, cpu_of, engine_with_lines
from benchmarks.receiver import Receiver
from benchmarks.writers import Writers
from pipeline.testing.agent_process import AgentProcess
from pipeline.testing.bad_peers import HalfOpen, Resetting, Still, Trickle
from pipeline.testing.private_engine import PrivateEngine

CONFIG = """
[logs]
start = "{start}"
[stats]
every = "off"
[agent]
shutdown = "1s"
[sinks.good]
type = "syslog"
address = "tcp://127.0.0.1:{good}"
"""
SECOND = """
[sinks.second]
type = "syslog"
address = "tcp://127.0.0.1:{port}"
buffer = {{ disk = "4GiB" }}
"""
BESIDE: dict[str, Callable[[], Receiver | Still | Trickle | Resetting | HalfOpen] | None] = {
    "alone": None,
    "a second good one": Receiver,
    "one that stands still": Still,
    "one that reads a byte a second": Trickle,
    "one that resets": Resetting,
    "one that is half open": HalfOpen,
}
RATE, WRITERS = 10_000, 10
QUIET, QUIET_RATE = 49, 5
WARM_UP = 3.0
"""Seconds before the latency counts. The memory of a sink that stands still is full after 6.4, and
goes to the disk: that is to count."""
PATIENCE = 120.0

Figures = dict[str, dict[str, list[float]]]
"""By what stood beside, by figure: one of each run."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--lines", type=int, default=500_000)
    parser.add_argument("--seconds", type=float, default=10, help="of each measured latency")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="keep the figures in results/")
    arguments = parser.parse_args()
    figures: Figures = defaultdict(lambda: defaultdict(list))
    floods: Figures = defaultdict(lambda: defaultdict(list))
    with engine_with_lines(arguments.lines) as engine, tempfile.TemporaryDirectory() as folder:
        version = engine.docker("version", "--format", "{{.Server.Version}}")
        for run in range(arguments.runs):
            for beside in in_turn(BESIDE, run):
                throughput(engine, Path(folder), beside, arguments.lines, figures[beside])
                told(run, beside, figures[beside])
        engine.docker("rm", "--force", "lines")
        for run in range(arguments.runs):
            for beside in in_turn(BESIDE, run):
                steady(engine, Path(folder), beside, arguments.seconds, figures[beside])
                told(run, beside, figures[beside])
        names = [f"quiet-{number}" for number in range(QUIET)]
        with Writers(engine, made(Path(folder)), names, QUIET_RATE) as writers:
            writers.go()
            for run in range(arguments.runs):
                for name in in_turn(FLOODS, run):
                    flood(engine, Path(folder), name, arguments.seconds, floods[name])
                    told(run, name, floods[name])
    text = report(figures, floods, arguments.lines, arguments.runs, version)
    print(text)
    if arguments.write:
        file = Path(__file__).parent / "results" / "isolation.md"
        file.write_text(f"# What a bad destination and a flood do to others\n\n{text}\n")


def in_turn(names: Iterable[str], run: int) -> list[str]:
    """Every second time backwards, so that who comes first comes last, too."""
    return list(names)[:: -1 if run % 2 else 1]


def throughput(
    engine: PrivateEngine, folder: Path, beside: str, count: int, figures: dict[str, list[float]]
) -> None:
    with (
        Receiver() as good,
        second(beside) as port,
        agent(engine, folder, "beginning", good.port, port) as process,
    ):
        process.until(good.count, "nothing came")
        began, before = time.perf_counter(), good.count()
        good.wait_for(count, PATIENCE)
        took, cpu = time.perf_counter() - began, cpu_of(process.process.pid)
        figures["rate"].append((count - before) / took)
        figures["cpu"].append(cpu / count * 1e6)
        figures["disk"].append(on_disk(process))


def steady(
    engine: PrivateEngine,
    folder: Path,
    beside: str,
    seconds: float,
    figures: dict[str, list[float]],
) -> None:
    """With new containers each time: the Engine reads a log from its beginning to find where to
    follow it, which would be part of what is measured."""
    names = [f"steady-{number}" for number in range(WRITERS)]
    with Writers(engine, made(folder), names, RATE / WRITERS) as writers:
        latency(engine, folder, beside, seconds, figures, "steady-", writers)


def latency(
    engine: PrivateEngine,
    folder: Path,
    beside: str,
    seconds: float,
    figures: dict[str, list[float]],
    app: str,
    writers: Writers | None,
) -> None:
    """Of the containers whose name begins with `app`, while `writers` write as well."""
    running = len(engine.docker("ps", "--quiet").split())
    with (
        Receiver(MARK) as good,
        second(beside) as port,
        agent(engine, folder, "now", good.port, port) as process,
    ):
        process.until(lambda: process.metric("dockline_containers") == running, "not followed")
        if writers is not None:
            writers.go()
        process.until(lambda: syslog_lags(good, app), "nothing came")
        time.sleep(WARM_UP)
        before, began = time.time(), time.monotonic()
        flooded = writers.written() if writers else 0
        time.sleep(seconds)
        took = time.monotonic() - began
        lags = syslog_lags(good, app, before)
        figures["written"].append(((writers.written() if writers else 0) - flooded) / took)
        figures["lines"].append(len(lags) / took)
        figures["p50"].append(lags[len(lags) // 2] * 1000)
        figures["p99"].append(lags[len(lags) * 99 // 100] * 1000)
        figures["max"].append(lags[-1] * 1000)
        figures["disk"].append(on_disk(process))


FLOODS = {
    "alone": (False, "alone"),
    "one container floods": (True, "alone"),
    "one floods, and a destination stands still": (True, "one that stands still"),
}


def flood(
    engine: PrivateEngine, folder: Path, name: str, seconds: float, figures: dict[str, list[float]]
) -> None:
    flooding, beside = FLOODS[name]
    one = Writers(engine, made(folder), ["flood"], 0) if flooding else nullcontext()
    with one as writers:
        latency(engine, folder, beside, seconds, figures, "quiet-", writers)


@contextmanager
def second(beside: str) -> Iterator[int | None]:
    """The port of what stands beside the good receiver."""
    make = BESIDE[beside]
    if make is None:
        yield None
        return
    with make() as peer:
        yield peer.port


@contextmanager
def agent(
    engine: PrivateEngine, folder: Path, start: str, good: int, port: int | None
) -> Iterator[AgentProcess]:
    """A new one, without a past; killed at the end."""
    config = CONFIG.format(start=start, good=good)
    if port is not None:
        config += SECOND.format(port=port)
    with ExitStack() as stack:
        inside = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=folder)))
        yield stack.enter_context(AgentProcess(inside, engine.url, config))


def made(folder: Path) -> Path:
    """A new folder in it."""
    return Path(tempfile.mkdtemp(dir=folder))


def on_disk(process: AgentProcess) -> float:
    """MiB that wait on the disk for what stands beside: that it was bad indeed."""
    return (process.metric('dockline_buffer_bytes{sink="second",kind="disk"}') or 0) / 2**20


def told(run: int, name: str, figures: dict[str, list[float]]) -> None:
    last = {figure: round(values[-1], 2) for figure, values in figures.items()}
    print(f"run {run + 1}, {name}: {last}", file=sys.stderr)


def report(figures: Figures, floods: Figures, lines: int, runs: int, version: str) -> str:
    def row(name: str, found: dict[str, list[float]], *columns: str) -> str:
        medians = {figure: statistics.median(values) for figure, values in found.items()}
        return f"| {name} | " + " | ".join(column.format(**medians) for column in columns) + " |"

    for found in figures.values():
        for base, name in (("alone", "to_alone"), ("a second good one", "to_good")):
            found[name] = [
                statistics.median(found["rate"]) / statistics.median(figures[base]["rate"])
            ]
        found["spread"] = [max(found["rate"]) / min(found["rate"])]
    return "\n".join(
        [
            f"`python -m benchmarks.isolation`: {lines:,} lines of {LENGTH} bytes, Engine "
            f"{version}, CPython {platform.python_version()}, {os.cpu_count()} cores, medians of "
            f"{runs}",
            "",
            "A good destination, and what stands beside it. Latency at 10,000 lines a second.",
            "",
            "| beside it | lines/s | to alone | to a second good one | fastest to slowest run "
            "| agent's CPU s per million lines | p50 ms | p99 ms | slowest ms | MiB on disk |",
            "|---|---|---|---|---|---|---|---|---|---|",
            *(
                row(
                    name, found, "{rate:,.0f}", "{to_alone:.2f}", "{to_good:.2f}", "{spread:.2f}",
                    "{cpu:.2f}", "{p50:.1f}", "{p99:.1f}", "{max:.0f}", "{disk:.1f}",
                )
                for name, found in figures.items()
            ),
            "",
            f"{QUIET} quiet containers, {QUIET_RATE} lines a second each, from Docker to arrival.",
            "",
            "| beside them | quiet lines/s | p50 ms | p99 ms | slowest ms | flood, lines/s |",
            "|---|---|---|---|---|---|",
            *(
                row(
                    name, found, "{lines:,.0f}", "{p50:.1f}", "{p99:.1f}", "{max:.0f}",
                    "{written:,.0f}",
                )
                for name, found in floods.items()
            ),
        ]
    )  # fmt: skip


if __name__ == "__main__":
    main()
