"""A million lines to disk and back: CPU seconds, megabytes a second, and bytes on disk.

    python -m benchmarks.bench_spool [--lines 1000000] [--runs 3] [--folder /var/tmp]

JSON lines of 142 bytes of 50 containers in turn, in batches of 160, as many as a read of a log
finds. All is written, then all is read. Each run is a process of its own; CPU is all of that
process, its threads and the kernel's work for it included, but not the making of the batches.

The blocking half alone, with zlib at several levels (0 is no compression); and the whole
`SpooledBuffer`, in small batches and in such of a thousand lines.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.calibration import json_lines
from pipeline.accounting.envelope import Envelope
from pipeline.accounting.ledger import NOBODY
from pipeline.buffer import columns
from pipeline.buffer.spool import Spool
from pipeline.buffer.spooled import SpooledBuffer
from pipeline.model.batch import Batch
from pipeline.model.component import BufferConfig, Size
from pipeline.model.container import Container

LENGTH = 142
COMMIT = 4000
"""Lines of one `append` of the blocking half, which ends with an fsync."""
LIMIT = 2**34
Figures = tuple[float, float, float, float, float]
"""CPU and wall seconds of writing and of reading, and bytes on disk."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    arguments = parser.parse_args()
    ways: dict[str, tuple[Callable[[Path, int, int], Figures], int, int]] = {
        "Spool, zlib level 0": (blocking, 0, 160),
        "Spool, zlib level 1": (blocking, 1, 160),
        "Spool, zlib level 3": (blocking, 3, 160),
        "Spool, zlib level 6": (blocking, 6, 160),
        "SpooledBuffer, batches of 160": (buffered, 1, 160),
        "SpooledBuffer, batches of 1000": (buffered, 1, 1000),
    }
    runs: dict[str, list[Figures]] = {name: [] for name in ways}
    for _ in range(arguments.runs):
        for name, (way, level, size) in ways.items():
            runs[name].append(in_a_process(way, level, arguments.folder, arguments.lines, size))
    millions = arguments.lines / 1e6
    python = platform.python_version()
    print(f"CPython {python}, {arguments.lines:,} lines, medians of {arguments.runs}\n")
    print("| | write: CPU s per million lines | MB/s | read: CPU s | MB/s | bytes per line |")
    print("|---|---|---|---|---|---|")
    for name, figures in runs.items():
        cpu, wall, read, read_wall, size = map(statistics.median, zip(*figures, strict=True))
        speed, read_speed = (LENGTH * millions / seconds for seconds in (wall, read_wall))
        print(
            f"| {name} | {cpu / millions:.2f} | {speed:.0f} | {read / millions:.2f} "
            f"| {read_speed:.0f} | {size / arguments.lines:.1f} |"
        )


def in_a_process(
    way: Callable[[Path, int, int], Figures], level: int, folder: Path, lines: int, size: int
) -> Figures:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    with tempfile.TemporaryDirectory(dir=folder) as inside:
        process = context.Process(target=_run, args=(way, level, Path(inside), lines, size, theirs))
        process.start()
        figures: Figures = ours.recv()
        process.join()
    return figures


def _run(
    way: Callable[[Path, int, int], Figures],
    level: int,
    folder: Path,
    lines: int,
    size: int,
    answer: Connection,
) -> None:
    columns.LEVEL = level
    answer.send(way(folder / "spool", lines, size))


def batches(lines: int, size: int) -> Iterator[Batch]:
    """So many lines; each hundred thousand are the same again."""
    texts = json_lines()
    times = [b"2026-01-31T23:59:%02d.%09dZ" % divmod(i * 523_481, 10**9) for i in range(len(texts))]
    containers = [
        Container(
            f"{number:064x}", f"shop-api-{number}", "registry.example.com/shop/api:1.4",
            {
                "com.docker.compose.project": "shop",
                "com.docker.compose.service": "api",
                "com.docker.compose.container-number": str(number),
                "com.docker.compose.config-hash": f"{number * 7919:064x}",
                "com.docker.compose.project.working_dir": "/srv/shop",
            },
            host="web-1",
        )
        for number in range(50)
    ]  # fmt: skip
    made = [
        Batch(container, texts[at : at + size], times[at : at + size], b"\1" * size, range(size))
        for at, container in zip(range(0, len(texts), size), cycle(containers), strict=False)
        if at + size <= len(texts)
    ]
    return islice(cycle(made), lines // size)


def blocking(folder: Path, lines: int, size: int) -> Figures:
    """The spool alone."""
    spool = Spool(folder, LIMIT)
    spool.open()
    source = batches(lines, size)
    began = time.process_time(), time.perf_counter()
    while some := list(islice(source, COMMIT // size)):
        spool.append(some, 0)
    written = time.process_time(), time.perf_counter(), spool.bytes
    position = 0
    while position < spool.end:
        position = spool.read(position, spool.end, 2**20).position
        spool.settle(position)
    read = time.process_time(), time.perf_counter()
    spool.close()
    return _figures(began, written, read)


def buffered(folder: Path, lines: int, size: int) -> Figures:
    """The whole buffer, in an event loop."""
    return asyncio.run(_buffered(folder, lines, size))


async def _buffered(folder: Path, lines: int, size: int) -> Figures:
    config = BufferConfig(memory=Size(16 * 2**20), disk=Size(LIMIT))
    buffer = SpooledBuffer(config, folder, lambda *_: None, lambda *_: None, lambda _: NOBODY)
    await buffer.open()
    source = batches(lines, size)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(buffer.run())
        began = time.process_time(), time.perf_counter()
        for batch in source:
            envelope = Envelope(batch)
            if not buffer.offer(envelope):
                await buffer.put(envelope)
        while buffer.unsaved:  # noqa: ASYNC110 - nobody rings when all is written
            await asyncio.sleep(0.001)
        written = time.process_time(), time.perf_counter(), buffer.disk.bytes
        buffer.close()
        while taken := await buffer.take(2**20, 10_000, 0):
            for envelope in taken:
                buffer.release(envelope)
                envelope.ack.settle()
        read = time.process_time(), time.perf_counter()
        buffer.finish()
    return _figures(began, written, read)


def _figures(
    began: tuple[float, float], written: tuple[float, float, int], read: tuple[float, float]
) -> Figures:
    cpu, wall, size = written
    return cpu - began[0], wall - began[1], read[0] - cpu, read[1] - wall, size


if __name__ == "__main__":
    main()
