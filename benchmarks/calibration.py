"""What the benchmarks of hot loops share: a million's worth of lines, and a loop to compare by.

Machines differ, and a shared one differs from minute to minute. So each figure is the median of
several rounds, and stands beside its ratio to a plain loop over the same lines, taken in turn.
"""

from __future__ import annotations

import gc
import statistics
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from pipeline.model.batch import Batch
from pipeline.testing.builders import batch

LINES = 100_000
PER_BATCH = 1000
ROUNDS = 9


def json_lines() -> list[bytes]:
    """Lines of 142 bytes of nine fields: half of them with status 200 and at least 250 ms."""
    text = (
        '{"level":"%s","msg":"request served","status":%d,"duration_ms":%d,'
        '"path":"/items/%06d","user":"u%05d","id":"0af7651916cd","up":true,"n":%d}'
    )
    lines = []
    for number in range(LINES):
        kept = number * 7919 % 100 < 50
        status, duration = (200, 250 + number % 750) if kept else ((200, 404, 503)[number % 3], 100)
        level = "error" if status == 503 else "info"
        values = level, status, duration, number, number, number % 10
        lines.append((text % values).encode())
    return lines


def batches(lines: Sequence[bytes], fields: Sequence[dict[str, Any]] | None = None) -> list[Batch]:
    """The lines in batches, parsed already where there are fields."""
    return [
        batch(
            *lines[start : start + PER_BATCH],
            fields=None if fields is None else fields[start : start + PER_BATCH],
        )
        for start in range(0, len(lines), PER_BATCH)
    ]


def headline(title: str) -> None:
    version = sys.version.split()[0]
    print(
        f"{title}; CPython {version}, {LINES} lines in batches of {PER_BATCH}, medians of {ROUNDS}"
    )


def measure(name: str, function: Callable[[Batch], object], batches: Sequence[Batch]) -> float:
    """Prints and returns the microseconds of CPU that `function` takes for each line of the
    batches. Results are let go at once, as they are where batches flow."""
    lines = sum(map(len, batches))
    times, ratios = [], []
    for _ in range(ROUNDS):
        plain = _seconds(_plain, batches)
        taken = _seconds(function, batches)
        times.append(taken / lines * 1e6)
        ratios.append(taken / plain)
    median = statistics.median(times)
    print(f"  {name:52} {median:7.3f} µs per line, {statistics.median(ratios):6.1f} plain loops")
    return median


def _plain(batch: Batch) -> list[bool]:
    return [line[:4] == b"1000" for line in batch.lines]


def _seconds(function: Callable[[Batch], object], batches: Sequence[Batch]) -> float:
    gc.collect()
    started = time.process_time()
    deque(map(function, batches), maxlen=0)
    return time.process_time() - started


def stopwatch(name: str, call: Callable[[], object], *, lines: int, rounds: int) -> None:
    """Prints the best of seven, as seconds per million lines; a call handles `lines` of them."""
    best = float("inf")
    for _ in range(7):
        started = time.process_time()
        for _ in range(rounds):
            call()
        best = min(best, time.process_time() - started)
    print(f"{name:42} {best / rounds / lines * 1e6:.3f} s per million lines")
