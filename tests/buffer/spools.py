"""What tests of spools share: numbered entries, and all that can be read of a folder."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.buffer.spool import Spool
from pipeline.model.batch import Batch
from pipeline.testing.builders import batch, container

LIMIT = 2**20
API = container("api-1", number=1)


def numbered(start: int, count: int = 1, *, size: int = 0) -> Batch:
    """Entries that say their number, of at least `size` bytes that do not compress."""
    lines = [
        b"%d %s" % (number, random.Random(number).randbytes(size))
        for number in range(start, start + count)
    ]
    return batch(*lines, of=API, start=start)


def numbers(batches: Sequence[Batch]) -> list[int]:
    """What the entries of `numbered` say."""
    return [int(line.split()[0]) for one in batches for line in one.lines]


@contextmanager
def opened(folder: Path, limit: int = LIMIT, *, drop_oldest: bool = False) -> Iterator[Spool]:
    spool = Spool(folder, limit, drop_oldest=drop_oldest)
    spool.open()
    try:
        yield spool
    finally:
        spool.close()


def write(folder: Path, *records: Batch, limit: int = LIMIT) -> None:
    """One record for each batch, as an agent that ends afterwards leaves them."""
    with opened(folder, limit) as spool:
        for one in records:
            spool.append([one], 0)
            assert not spool.full


def read(spool: Spool, position: int | None = None, limit: int = 1 << 30) -> tuple[list[int], int]:
    """The numbers of all entries from a position on, and how many are lost."""
    position = spool.settled if position is None else position
    found: list[int] = []
    lost = 0
    while position < spool.end:
        chunk = spool.read(position, spool.end, limit)
        assert chunk.position > position
        found += numbers([one for _, one in chunk.batches])
        lost += chunk.lost
        position = chunk.position
    return found, lost


def reopened(folder: Path) -> tuple[list[int], int]:
    """What the next agent finds."""
    with opened(folder) as spool:
        return read(spool)


def segments(folder: Path) -> list[Path]:
    """The segment files, in order."""
    return sorted(folder.glob("*.segment"))


def used(folder: Path) -> int:
    """Bytes of all files, while some may be removed."""
    sizes = []
    for file in folder.iterdir():
        with suppress(FileNotFoundError):
            sizes.append(file.stat().st_size)
    return sum(sizes)
