"""How long to pause between two reads of a log stream that flows.

    python -m benchmarks.bench_coalesce [--lines 1000000] [--runs 3]

Each pause in turn, several times, on the same lines of the same Engine: CPU seconds of the reading
process alone, wall seconds, and how many lines a read found. Nothing but reading is done.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import resource
import statistics
import time
from multiprocessing.connection import Connection

from benchmarks.lines import NAME, engine_with_lines
from pipeline.sources.docker.engine.client import Engine
from pipeline.sources.docker.engine.endpoint import resolve
from pipeline.support import selector

PAUSES = (0.0, 0.0002, 0.00035, 0.0005, 0.0008)
"""Seconds; 0 is the standard loop."""
Figures = tuple[float, float, int]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    runs: dict[float, list[Figures]] = {pause: [] for pause in PAUSES}
    with engine_with_lines(arguments.lines) as engine:
        for _ in range(arguments.runs):
            for pause in PAUSES:
                runs[pause].append(in_a_process(engine.url, pause))
    print("pause ms   CPU s  wall s  lines a read")
    for pause, figures in runs.items():
        cpu, wall, reads = (statistics.median(column) for column in zip(*figures, strict=True))
        print(f"{pause * 1000:8.2f} {cpu:7.2f} {wall:7.2f} {arguments.lines / reads:13.0f}")


def in_a_process(url: str, pause: float) -> Figures:
    """CPU and wall seconds and the number of reads of one reading."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_read, args=(url, pause, theirs))
    process.start()
    figures: Figures = ours.recv()
    process.join()
    return figures


def _read(url: str, pause: float, answer: Connection) -> None:
    selector.PAUSE = selector.SMALL_PAUSE = pause
    factory = selector.CoalescingLoop if pause else asyncio.SelectorEventLoop
    with asyncio.Runner(loop_factory=factory) as runner:
        answer.send(runner.run(_drain(url)))


async def _drain(url: str) -> Figures:
    engine = Engine(resolve(url, None, {}))
    await engine.connect()
    before, began, reads = _cpu(), time.perf_counter(), 0
    stream = await engine.logs(NAME, stdout="1", stderr="1", timestamps="1")
    while await stream.read():
        reads += 1
    stream.close()
    figures = _cpu() - before, time.perf_counter() - began, reads
    await engine.close()
    return figures


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
