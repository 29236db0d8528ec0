"""A file is on the disk when its entries count as delivered, or when it is moved aside, or when the
kernel likes; and a line that was cut short spoils no other."""

from __future__ import annotations

import json
import os
import stat
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.model.component import Size
from pipeline.sinks.file import RotateConfig
from tests.delivery.sending import Sending, numbers, sending, until

LINES = 20_000


class Disk:
    """Of each file, by inode, how many bytes the disk has for certain: a machine that crashes
    then has no more. Not to be had from a real disk without cutting its power."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.safe: Counter[int] = Counter()
        for name in ("fsync", "fdatasync"):
            monkeypatch.setattr(os, name, self._noting(getattr(os, name)))

    def _noting(self, sync: Callable[[int], None]) -> Callable[[int], None]:
        def call(descriptor: int) -> None:
            found = os.fstat(descriptor)
            sync(descriptor)
            if stat.S_ISREG(found.st_mode):
                self.safe[found.st_ino] = found.st_size

        return call

    def entries(self, file: Path) -> int:
        """Whole lines that a crash would leave of it."""
        return len(numbers(file.read_bytes()[: self.safe[file.stat().st_ino]]))


def files(folder: Path) -> list[Path]:
    """The oldest first."""
    return sorted(folder.iterdir(), key=lambda file: -int(file.suffix[1:] or 0))


async def test_with_fsync_batch_what_counts_as_delivered_is_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, disk = tmp_path / "out", Disk(monkeypatch)
    settlements: list[tuple[int, int]] = []

    def settle(one: Sending, position: int) -> None:
        settlements.append((sum(disk.safe.values()), position))
        one.settled = position

    monkeypatch.setattr(Sending, "_settle", settle)
    async with sending("file", path=str(path), fsync="batch") as sent:
        sent.lines(2000)
        await until(lambda: sent.settled == 2000)
    written = path.read_bytes()
    assert numbers(written) == list(range(2000))
    assert [one for one in settlements if len(numbers(written[: one[0]])) < one[1]] == []


@pytest.mark.parametrize("fsync", ["rotate", "never"])
async def test_without_it_a_crash_of_the_host_may_cost_the_file_of_the_moment_or_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fsync: str
) -> None:
    disk = Disk(monkeypatch)
    rotate = RotateConfig(size=Size(2**20), keep=100)
    async with sending("file", path=str(tmp_path / "out"), fsync=fsync, rotate=rotate) as sent:
        sent.lines(LINES)
        await until(lambda: sent.settled == LINES)
        *aside, current = files(tmp_path)
        assert len(aside) > 3
        assert disk.entries(current) == 0
        for file in aside:
            there = len(numbers(file.read_bytes()))
            assert disk.entries(file) == (there if fsync == "rotate" else 0)


async def test_a_line_that_an_end_has_cut_short_stands_alone_and_comes_again_whole(
    tmp_path: Path,
) -> None:
    """A kill in the middle of a write leaves it, for the payload was not delivered yet."""
    path = tmp_path / "out"
    async with sending("file", path=str(path)) as sent:
        sent.lines(200)
        await until(lambda: sent.settled == 200)
    whole = path.read_bytes()
    start = whole.index(b"\n", len(whole) // 2) + 1
    path.write_bytes(whole[: start + 150])
    async with sending("file", path=str(path)) as sent:
        sent.lines(200)
        await until(lambda: sent.settled == 200)
    kept = numbers(whole[:start])
    lines = path.read_bytes().splitlines()
    assert lines.pop(len(kept)) == whole[start : start + 150]
    assert [json.loads(one)["message"][1:8] for one in lines] == [
        f"{number:07}" for number in [*kept, *range(200)]
    ]
