"""What each step of the agent's work takes by itself: how low the whole could get.

    python -m benchmarks.floor [--lines 1000000] [--runs 3] [--write]

One container's million lines of 142 bytes, as in `benchmarks.agent`. Each step is charged what the
kernel and the interpreter take for it alone, in CPU seconds of its process, on blocks that the step
before it has just left in the processor's caches. Beside their sum stand the whole agent, which
does all of it at once, and the goal, as multiples of `docker logs` in the same run: with the loops
of `pipeline.native` in Python, and in C where they were built. What the agent
takes beyond the sum is for what lies between the steps: the event loop, buffers, the ledger,
acknowledgements, and caches that the kernel and dockerd have emptied meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from benchmarks.bare import PAUSES, drain
from benchmarks.lines import NAME, engine_with_lines
from benchmarks.measured import as_installed, progress
from benchmarks.programs import docker_logs, dockline
from benchmarks.receiver import Receiver
from benchmarks.workloads import Name, Read, Workload
from pipeline import native
from pipeline.encode.json import JsonEncoder
from pipeline.encode.syslog import SyslogEncoder
from pipeline.model.batch import Batch
from pipeline.sources.docker.decode.decoded import DecodedLines
from pipeline.sources.docker.decode.frames import FrameDecoder
from pipeline.sources.docker.decode.rows import RowDecoder
from pipeline.sources.docker.logs.files.log_files import BLOCK
from pipeline.stages import keep, parse
from pipeline.testing.builders import container

Key = TypeVar("Key")
Value = TypeVar("Value")
LIBRARIES = "import asyncio, aiohttp, aiodocker, msgpack, msgspec, orjson, prometheus_client"
MAX_LINE = 1 << 20
STEPS: dict[tuple[Name, Read], tuple[str, ...]] = {
    ("w1", "api"): ("libraries", "receive", "frames", "syslog", "send w1"),
    ("w1", "file"): ("libraries", "read", "rows", "syslog", "send w1"),
    ("w2", "api"): ("libraries", "receive", "frames", "parse", "keep", "json", "send w2"),
    ("w2", "file"): ("libraries", "read", "rows", "parse", "keep", "json", "send w2"),
}
GOALS: dict[tuple[Name, Read], float] = {
    ("w1", "api"): 0.45,
    ("w1", "file"): 0.35,
    ("w2", "api"): 0.65,
    ("w2", "file"): 0.50,
}
"""CPU to `docker logs`."""
WORDS = {
    "libraries": "the interpreter, and importing aiohttp and the other libraries",
    "receive": "receiving from dockerd, and throwing it away (the best of three pauses)",
    "read": "reading the file",
    "frames": "frames to columns of lines",
    "rows": "rows of the json-file to columns of lines",
    "syslog": "lines to RFC 5424",
    "parse": "parsing JSON",
    "keep": "keeping half",
    "json": "these to JSON lines",
    "send w1": "sending RFC 5424",
    "send w2": "sending JSON lines",
}


# ------------------------------------------------------------ in the process of some steps


class Clock:
    """CPU seconds of this process, by step."""

    def __init__(self) -> None:
        self.taken: dict[str, float] = defaultdict(float)

    def of(self, step: str, call: Callable[[], Value]) -> Value:
        before = time.process_time()
        value = call()
        self.taken[step] += time.process_time() - before
        return value


def receive(clock: Clock, socket_path: str) -> None:
    for pause in PAUSES:
        clock.of(f"pause {pause}", lambda pause=pause: drain(socket_path, NAME, pause))
    clock.taken = {"receive": min(clock.taken.values())}


def read(clock: Clock, log: str) -> None:
    clock.of("read", lambda: [None for _ in blocks(log)])


def work(clock: Clock, log: str) -> None:
    """All that is done with the lines, block by block, so that each step finds what the one before
    it has just made."""
    of, first = container(), 0
    lines, frames = RowDecoder(MAX_LINE), FrameDecoder(MAX_LINE)
    syslog, ecs = SyslogEncoder(), JsonEncoder()
    parser, half = parse.Stage("json").bind(of), keep.Stage("status == 200 and duration_ms >= 250")
    for block in blocks(log):
        columns = clock.of("rows", lambda block=block: lines.feed(block))
        stream = _framed(columns)
        clock.of("frames", lambda stream=stream: frames.feed(stream))
        count = len(columns.lines)
        numbers = range(first, first + count)
        batch = Batch(of, columns.lines, columns.times, bytes(columns.streams), numbers)
        first += count
        clock.of("syslog", lambda batch=batch: syslog.stream([batch]))
        parsed = clock.of("parse", lambda batch=batch: parser(batch))
        kept = clock.of("keep", lambda parsed=parsed: half(parsed))
        if kept is not None:
            bare = kept.replace(bare=True)
            clock.of("json", lambda bare=bare: ecs.encode([bare]))


def send(clock: Clock, log: str) -> None:
    sizes = {"w1": 0, "w2": 0}
    of, lines = container(), RowDecoder(MAX_LINE)
    syslog, ecs = SyslogEncoder(), JsonEncoder()
    parser, half = parse.Stage("json").bind(of), keep.Stage("status == 200 and duration_ms >= 250")
    for block in blocks(log):
        columns = lines.feed(block)
        count = len(columns.lines)
        batch = Batch(of, columns.lines, columns.times, bytes(columns.streams), range(count))
        sizes["w1"] += len(syslog.stream([batch]).data)
        if (parsed := parser(batch)) and (kept := half(parsed)):
            sizes["w2"] += len(ecs.encode([kept.replace(bare=True)]))
    piece = bytes(1 << 20)
    for workload, size in sizes.items():
        with Receiver() as receiver, socket.create_connection(("127.0.0.1", receiver.port)) as peer:
            pieces = range(size >> 20)
            clock.of(
                f"send {workload}",
                lambda peer=peer, pieces=pieces: [peer.sendall(piece) for _ in pieces],
            )


PROCESSES: dict[str, Callable[[Clock, str], None]] = {
    "receive": receive,
    "read": read,
    "work": work,
    "send": send,
}


def blocks(log: str) -> Iterator[bytes]:
    """Of the file, as the agent reads it."""
    with Path(log).open("rb", buffering=0) as file:
        while block := file.read(BLOCK):
            yield block


def _framed(columns: DecodedLines) -> bytes:
    """As the Engine's stream has them."""
    payloads = [b"%b %b\n" % pair for pair in zip(columns.times, columns.lines, strict=True)]
    return b"".join([b"\1\0\0\0%b%b" % (len(one).to_bytes(4, "big"), one) for one in payloads])


# ---------------------------------------------------------------------------- the whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="to benchmarks/results/floor.md")
    parser.add_argument("--process", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.process:
        name, of = arguments.process
        clock = Clock()
        PROCESSES[name](clock, of)
        print(json.dumps(clock.taken))
        return
    text = report(arguments.lines, arguments.runs)
    print(text)
    if arguments.write:
        (Path(__file__).parent / "results" / "floor.md").write_text(text)


def report(lines: int, runs: int) -> str:
    ways = ["Python"] if native.loops is None else ["Python", "C"]
    taken = {way: {name: list[float]() for name in WORDS} for way in ways}
    whole = {way: {key: list[float]() for key in STEPS} for way in ways}
    base: list[float] = []
    with engine_with_lines(lines) as engine:
        log = engine.docker("inspect", "--format", "{{.LogPath}}", NAME).strip()
        for run in range(runs):
            base.append(docker_logs(engine, lines).cpu)
            for way in ways:
                os.environ["DOCKLINE_NATIVE"] = "0" if way == "Python" else ""
                for name, took in _steps(engine.url.removeprefix("unix://"), log).items():
                    taken[way][name].append(took)
                for workload, read in STEPS:
                    measured = dockline(engine, Workload(workload, lines), read)
                    if measured.failed:
                        raise SystemExit(measured.failed)
                    whole[way][workload, read].append(measured.cpu)
            progress(f"run {run + 1}")
    unit = statistics.median(base)
    about = (
        f"# What each step takes by itself\n\n`python -m benchmarks.floor`: {lines:,} lines of 142 "
        f"bytes, CPython {platform.python_version()}, {os.cpu_count()} cores, Linux "
        f"{platform.release()}; medians of {runs}, CPU seconds per million lines. Each step "
        f"by itself, its data in the caches; `docker logs` took {unit / (lines / 1e6):.2f}.\n"
    )
    tables = [
        f"\n## Loops in {way}\n\n" + _table(lines, unit, _medians(taken[way]), _medians(whole[way]))
        for way in ways
    ]
    return about + "".join(tables)


def _steps(socket_path: str, log: str) -> dict[str, float]:
    process = subprocess.Popen([sys.executable, "-c", LIBRARIES], env=as_installed())
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    taken = {"libraries": usage.ru_utime + usage.ru_stime}
    for name in PROCESSES:
        of = socket_path if name == "receive" else log
        command = [sys.executable, "-m", "benchmarks.floor", "--process", name, of]
        taken |= json.loads(subprocess.check_output(command))
    return taken


def _medians(taken: dict[Key, list[float]]) -> dict[Key, float]:
    return {name: statistics.median(each) for name, each in taken.items()}


def _table(
    lines: int,
    base: float,
    taken: dict[str, float],
    whole: dict[tuple[Name, Read], float],
) -> str:
    millions = lines / 1e6
    heads = [f"{workload.upper()}, {read}" for workload, read in STEPS]

    def row(what: str, values: Sequence[float | None]) -> str:
        cells = ["" if value is None else f"{value:.2f}" for value in values]
        return f"| {what} | {' | '.join(cells)} |"

    sums = [sum(taken[name] for name in steps) for steps in STEPS.values()]
    rows = [
        row(words, [taken[name] / millions if name in steps else None for steps in STEPS.values()])
        for name, words in WORDS.items()
    ]
    parts = [
        f"| | {' | '.join(heads)} |\n|---|{'---|' * len(heads)}",
        *rows,
        row("**all steps, one by one**", [each / millions for each in sums]),
        row("the agent, all at once", [each / millions for each in whole.values()]),
        row("the goal", [GOALS[key] * base / millions for key in STEPS]),
        row("steps to `docker logs`", [each / base for each in sums]),
        row("agent to `docker logs`", [each / base for each in whole.values()]),
        row("goal to `docker logs`", [GOALS[key] for key in STEPS]),
    ]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    main()
