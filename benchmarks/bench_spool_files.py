"""Today's spool beside one with a file for each record (`spool_files`), over the same entries.

    python -m benchmarks.bench_spool_files [--runs 5] [--scale 1] [--folder /var/tmp] [--write]

Each run is a process of its own, and the ways take turns. CPU is all of that process, the kernel's
work for it included, without the making of the batches; fsyncs are counted where Python calls
`os.fsync` and `os.fdatasync`, with the wall seconds that they take. Loads: many small lines of 50
containers, in appends of 4,000 lines (what 1 MiB gathers); a few lines of one container in each
append (what 50 ms gather of 100 lines a second); lines of 16 KiB.

Then: how long opening takes, with all in the page cache, and which faults are counted.

The folder must be on a disk: fsync on tmpfs does nothing. It takes up to ten minutes.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import re
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar
from unittest.mock import patch

from benchmarks.bench_spool import batches
from benchmarks.calibration import json_lines
from benchmarks.spool_files import FileSpool
from pipeline.buffer import columns
from pipeline.buffer.reader import Chunk
from pipeline.buffer.spool import RECORD_SIZE, Spool
from pipeline.model.batch import Batch
from pipeline.testing.builders import batch

T = TypeVar("T")
LIMIT = 2**34
CHUNK = 2**20
"""Bytes of memory that one reading asks for."""
RESULTS = Path(__file__).parent / "results" / "spool.md"
HEADING = "## One file for each record"
INTRODUCTION = """\
`python -m benchmarks.bench_spool_files --write`, CPython {python}, {cores} shared cores, {system}
in `{folder}`, medians of {runs}. What was decided:
[0013](../../docs/decisions/0013-one-file-per-record-batch.md). KiB and MiB are of memory that a
record or a file gathers at the most."""


class Store(Protocol):
    """What the two ways have in common."""

    @property
    def settled(self) -> int: ...
    @property
    def end(self) -> int: ...
    def open(self) -> None: ...
    def append(self, batches: Iterable[Batch], handed_out: int, /) -> None: ...
    def read(self, position: int, end: int, limit: int) -> Chunk: ...
    def settle(self, number: int) -> None: ...
    def close(self) -> None: ...


def segments(folder: Path, record_size: int = RECORD_SIZE, limit: int = LIMIT) -> Store:
    return Spool(folder, limit, record_size=record_size)


def files(folder: Path, record_size: int = RECORD_SIZE) -> Store:
    return FileSpool(folder, record_size)


Way = Callable[..., Store]
TWO: dict[str, Way] = {"segments": segments, "files of 256 KiB": files}
THREE: dict[str, Way] = TWO | {"files of 1 MiB": partial(files, record_size=2**20)}


# ------------------------------------------------------------------------------------ loads


class Load(NamedTuple):
    lines: int
    per_append: int
    make: Callable[[int], Iterator[Batch]]
    """Batches of so many lines."""
    ways: dict[str, Way] = THREE


def _mixed(lines: int) -> Iterator[Batch]:
    return batches(lines, 160)


def _few(lines: int) -> Iterator[Batch]:
    return batches(lines, 5)


def _long(lines: int) -> Iterator[Batch]:
    texts = b"".join(json_lines())
    long = [texts[at : at + 16 * 1024] for at in range(0, 512 * 16 * 1024, 16 * 1024)]
    made = [batch(*long[at : at + 4]) for at in range(0, len(long), 4)]
    return islice(cycle(made), lines // 4)


LOADS = {
    "50 containers, 4,000 lines in each append": Load(1_000_000, 4000, _mixed),
    "5 lines in each append": Load(5_000, 5, _few, TWO),
    "lines of 16 KiB, 64 in each append": Load(16_384, 64, _long),
}


@dataclass(frozen=True)
class Figures:
    """Of one run."""

    write: float
    """CPU seconds."""
    read: float
    """CPU seconds, settling included."""
    wall: float
    """Seconds of writing."""
    fsyncs: int
    """Of writing."""
    fsync_wall: float
    settling: int
    """Fsyncs of reading and settling."""
    files: int
    content: int
    """Bytes that the files say they have."""
    disk: int
    """Bytes of their blocks, and the folder's."""


class Fsyncs:
    """Counts calls of `os.fsync` and `os.fdatasync`, and the wall seconds that they take."""

    def __init__(self) -> None:
        self.count = 0
        self.wall = 0.0

    @contextmanager
    def counted(self) -> Iterator[None]:
        with (
            patch.object(os, "fsync", partial(self._call, os.fsync)),
            patch.object(os, "fdatasync", partial(self._call, os.fdatasync)),
        ):
            yield

    def _call(self, sync: Callable[[int], None], descriptor: int) -> None:
        began = time.perf_counter()
        try:
            sync(descriptor)
        finally:
            self.wall += time.perf_counter() - began
            self.count += 1


def run(way: Way, folder: Path, load: str, scale: float) -> Figures:
    """All is written, then all is read and settled."""
    it = LOADS[load]
    lines = int(it.lines * scale)
    store, source = way(folder), it.make(lines)
    store.open()
    appends = _appends(source, it.per_append)
    syncs = Fsyncs()
    with syncs.counted():
        began, wall = time.process_time(), time.perf_counter()
        for some in appends:
            store.append(some, 0)
        write, wall = time.process_time() - began, time.perf_counter() - wall
        written, fsync_wall = syncs.count, syncs.wall
        names = [file for file in folder.iterdir() if file.suffix in (".segment", ".record")]
        stats = [file.stat() for file in names]
        disk = 512 * (folder.stat().st_blocks + sum(one.st_blocks for one in stats))
        began = time.process_time()
        for chunk in _read(store):
            store.settle(chunk.position)
        read = time.process_time() - began
    store.close()
    return Figures(
        write, read, wall, written, fsync_wall, syncs.count - written,
        len(stats), sum(one.st_size for one in stats), disk,
    )  # fmt: skip


def _appends(source: Iterator[Batch], lines: int) -> Iterator[list[Batch]]:
    for first in source:
        yield [first, *islice(source, lines // len(first) - 1)]


def _read(store: Store) -> Iterator[Chunk]:
    position = store.settled
    while position < store.end:
        chunk = store.read(position, store.end, CHUNK)
        if chunk.position == position:
            raise RuntimeError("reading makes no progress")
        position = chunk.position
        yield chunk


# ----------------------------------------------------------------------------------- opening


class Opening(NamedTuple):
    cpu: float
    wall: float
    memory: int
    """Bytes that Python holds for the index."""


def build_large(way: Way, folder: Path, scale: float) -> None:
    """1 GiB in records of 256 KiB, not compressed."""
    with unsynced(), patch.object(columns, "LEVEL", 0):
        _build(way(folder), (batch(os.urandom(256 * 1024)) for _ in range(int(4096 * scale))), 64)


def build_tiny(way: Way, folder: Path, scale: float) -> None:
    """100,000 records of one line."""
    with unsynced():
        _build(way(folder, record_size=1), batches(int(100_000 * scale), 1), 1000)


CONTENTS = {
    "1 GiB in records of 256 KiB": build_large,
    "100,000 records of one line": build_tiny,
}


def _build(store: Store, source: Iterator[Batch], size: int) -> None:
    store.open()
    while some := list(islice(source, size)):
        store.append(some, 0)
    store.close()


@contextmanager
def unsynced() -> Iterator[None]:
    """Nothing waits for the disk: what is built so is the same."""
    with patch.object(os, "fsync"), patch.object(os, "fdatasync"):
        yield


def opening(way: Way, folder: Path) -> Opening:
    store = way(folder)
    began, wall = time.process_time(), time.perf_counter()
    store.open()
    cpu, wall = time.process_time() - began, time.perf_counter() - wall
    store.close()
    tracemalloc.start()
    again = way(folder)
    again.open()
    memory, _ = tracemalloc.get_traced_memory()
    again.close()
    return Opening(cpu, wall, memory)


# ------------------------------------------------------------------------------------ faults

RECORDS, ENTRIES = 12, 10


def _missing(at: int) -> Callable[[list[Path]], None]:
    return lambda found: found[at].unlink()


def _emptied(found: list[Path]) -> None:
    os.truncate(found[1], 0)


def _flipped(found: list[Path]) -> None:
    content = bytearray(found[1].read_bytes())
    content[1000] ^= 1  # of the first payload
    found[1].write_bytes(content)


FAULTS: dict[str, Callable[[list[Path]], None]] = {
    "none": lambda _: None,
    "a flipped bit in the second file": _flipped,
    "the second file is empty": _emptied,
    "the second file is missing": _missing(1),
    "the first file is missing": _missing(0),
    "the last file is missing": _missing(-1),
}


class Answer(NamedTuple):
    """What the next start finds."""

    read: int
    lost: int

    @property
    def unnoticed(self) -> int:
        return RECORDS * ENTRIES - self.read - self.lost


def after(way: Way, folder: Path, damage: Callable[[list[Path]], None]) -> Answer:
    """Twelve records of ten entries, one append each, in four segments or twelve files."""
    store = way(folder)
    store.open()
    for _ in range(RECORDS):
        store.append([batch(*(os.urandom(1500) for _ in range(ENTRIES)))], 0)
    store.close()
    damage(sorted(file for file in folder.iterdir() if file.suffix in (".segment", ".record")))
    chunks = list(_read_again(way(folder)))
    return Answer(
        sum(len(one) for chunk in chunks for _, one in chunk.batches),
        sum(chunk.lost for chunk in chunks),
    )


def _read_again(store: Store) -> Iterator[Chunk]:
    store.open()
    yield from _read(store)
    store.close()


def repeated(way: Way, folder: Path) -> int:
    """Entries that are delivered and come again after a restart: one record of ten batches, nine of
    which were delivered."""
    store = way(folder)
    store.open()
    store.append([batch(*[b"one line"] * ENTRIES) for _ in range(10)], 0)
    store.settle(9 * ENTRIES)
    store.close()
    again = sum(len(one) for chunk in _read_again(way(folder)) for _, one in chunk.batches)
    return again - ENTRIES


# ---------------------------------------------------------------------------------- the runs


def in_a_process(call: Callable[..., T], *arguments: Any) -> T:
    """What `call(*arguments)` returns."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_answer, args=(theirs, call, arguments))
    process.start()
    theirs.close()
    answer: T = ours.recv()
    process.join()
    return answer


def _answer(to: Connection, call: Callable[..., Any], arguments: Sequence[Any]) -> None:
    to.send(call(*arguments))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="of the number of lines")
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp"), help="on a disk")
    parser.add_argument("--write", action="store_true", help="keep the figures in results/spool.md")
    given = parser.parse_args()
    text = "\n\n".join(
        [
            INTRODUCTION.format(
                python=platform.python_version(), cores=os.cpu_count(), folder=given.folder,
                system=filesystem(given.folder), runs=given.runs,
            ),
            loads(given.folder, given.runs, given.scale),
            "Opening, with all in the page cache:",
            openings(given.folder, given.runs, given.scale),
            "Twelve records of ten entries, and what the next start finds of them (entries):",
            faults(given.folder),
        ]
    )  # fmt: skip
    print(text)
    if given.write:
        before = re.split(rf"\n+{HEADING}\n", RESULTS.read_text().rstrip(), maxsplit=1)[0]
        RESULTS.write_text(f"{before}\n\n{HEADING}\n\n{text}\n")


def loads(folder: Path, runs: int, scale: float) -> str:
    rows = [
        "| | CPU s per million lines: write | read | fsyncs for each append | ms for each append "
        "| of it, fsync | fsyncs of settling | files | bytes on disk for each byte written |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for load, it in LOADS.items():
        rows.append(f"| **{load}** |" + " |" * 8)
        taken: dict[str, list[Figures]] = {name: [] for name in it.ways}
        for _ in range(runs):
            for name, way in it.ways.items():
                with tempfile.TemporaryDirectory(dir=folder) as inside:
                    one = in_a_process(run, way, Path(inside) / "spool", load, scale)
                taken[name].append(one)
        lines = int(it.lines * scale)
        for name, some in taken.items():
            rows.append(_row(name, some, lines / 1e6, lines / it.per_append))
    return "\n".join(rows)


def _row(name: str, runs: Sequence[Figures], millions: float, appends: float) -> str:
    def median(of: str) -> float:
        return statistics.median(getattr(one, of) for one in runs)

    return (
        f"| {name} | {median('write') / millions:.2f} | {median('read') / millions:.2f} "
        f"| {median('fsyncs') / appends:.2f} | {1000 * median('wall') / appends:.2f} "
        f"| {1000 * median('fsync_wall') / appends:.2f} | {median('settling'):.0f} "
        f"| {median('files'):,.0f} | {median('disk') / median('content'):.2f} |"
    )


def openings(folder: Path, runs: int, scale: float) -> str:
    rows = ["| | ms | CPU ms | MiB of memory for the index |", "|---|---:|---:|---:|"]
    for content, build in CONTENTS.items():
        rows.append(f"| **{content}** |" + " |" * 3)
        for name, way in TWO.items():
            with tempfile.TemporaryDirectory(dir=folder) as inside:
                spool = Path(inside) / "spool"
                in_a_process(build, way, spool, scale)
                some = [in_a_process(opening, way, spool) for _ in range(runs)]
            cpu, wall, memory = map(statistics.median, zip(*some, strict=True))
            rows.append(f"| {name} | {1000 * wall:.0f} | {1000 * cpu:.0f} | {memory / 2**20:.1f} |")
    return "\n".join(rows)


def faults(folder: Path) -> str:
    ways: list[Way] = [partial(segments, limit=2**20), files]
    rows = [
        "| | segments: read | counted as lost | not noticed | files: read | counted as lost "
        "| not noticed |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for fault, damage in FAULTS.items():
        cells = []
        for way in ways:
            with tempfile.TemporaryDirectory(dir=folder) as inside:
                found = after(way, Path(inside) / "spool", damage)
            cells += [found.read, found.lost, found.unnoticed]
        rows.append(f"| {fault} | {' | '.join(map(str, cells))} |")
    again = []
    for way in ways:
        with tempfile.TemporaryDirectory(dir=folder) as inside:
            again.append(repeated(way, Path(inside) / "spool"))
    rows.append("")
    rows.append(
        "A restart when 90 of the 100 entries of a record are delivered repeats "
        f"{again[0]} of these with segments, {again[1]} with files."
    )
    return "\n".join(rows)


def filesystem(folder: Path) -> str:
    """The type of the file system that a folder is on."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    above = [one for one in mounts if folder.resolve().is_relative_to(one[1])]
    return max(above, key=lambda one: len(one[1]))[2]


if __name__ == "__main__":
    main()
