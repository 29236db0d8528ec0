"""The spool that 0013 measures is a fair one: it loses nothing, and counts what is damaged."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.spool_files import FileSpool
from pipeline.model.batch import Batch
from pipeline.testing.builders import batch


def numbered(*numbers: int) -> Batch:
    return batch(*(b"%d" % number for number in numbers))


def written(folder: Path) -> list[Path]:
    """Three files with the entries 0 and 1, 2 and 3, 4 and 5."""
    spool = FileSpool(folder)
    spool.open()
    for first in (0, 2, 4):
        spool.append([numbered(first, first + 1)])
    return sorted(folder.iterdir())


def reopened(folder: Path, limit: int = 2**20) -> tuple[list[int], int]:
    """The entries that the next start reads, and how many it counts as lost."""
    spool = FileSpool(folder)
    spool.open()
    found: list[int] = []
    lost, position = 0, spool.settled
    while position < spool.end:
        chunk = spool.read(position, spool.end, limit)
        assert chunk.position > position
        found += numbers([one for _, one in chunk.batches])
        lost, position = lost + chunk.lost, chunk.position
    return found, lost


def numbers(batches: Sequence[Batch]) -> list[int]:
    return [int(line) for one in batches for line in one.lines]


@pytest.mark.parametrize("limit", [1, 2**20])
def test_all_that_was_appended_is_read_in_order(tmp_path: Path, limit: int) -> None:
    written(tmp_path)
    assert reopened(tmp_path, limit) == ([0, 1, 2, 3, 4, 5], 0)


def test_a_flip_of_any_byte_costs_the_entries_of_its_file_and_they_are_counted(
    tmp_path: Path,
) -> None:
    _, second, _ = written(tmp_path)
    whole = second.read_bytes()
    for at in range(len(whole)):
        second.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert reopened(tmp_path) == ([0, 1, 4, 5], 2)


def test_a_name_that_is_not_what_was_written_is_damage(tmp_path: Path) -> None:
    _, second, _ = written(tmp_path)
    first, entries, rest = second.name.split("-", 2)
    second.rename(second.with_name(f"{first}-{int(entries) - 1}-{rest}"))
    assert reopened(tmp_path) == ([0, 1, 4, 5], 2)


def test_a_file_that_is_missing_or_empty_between_others_is_counted(tmp_path: Path) -> None:
    _, second, _ = written(tmp_path)
    os.truncate(second, 0)
    assert reopened(tmp_path) == ([0, 1, 4, 5], 2)
    second.unlink()
    assert reopened(tmp_path) == ([0, 1, 4, 5], 2)


def test_a_last_file_that_is_not_whole_was_never_safe(tmp_path: Path) -> None:
    last = written(tmp_path)[-1]
    os.truncate(last, last.stat().st_size - 1)
    assert reopened(tmp_path) == ([0, 1, 2, 3], 0)


def test_a_file_that_is_delivered_is_removed_and_not_read_again(tmp_path: Path) -> None:
    files = written(tmp_path)
    spool = FileSpool(tmp_path)
    spool.open()
    spool.settle(3)
    assert sorted(tmp_path.iterdir()) == files[1:]
    assert reopened(tmp_path) == ([2, 3, 4, 5], 0)


def test_a_first_file_that_is_missing_looks_as_if_it_were_delivered(tmp_path: Path) -> None:
    """Without a cursor nobody can tell: this is what speaks against it."""
    written(tmp_path)[0].unlink()
    assert reopened(tmp_path) == ([2, 3, 4, 5], 0)


def test_an_append_that_fails_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path)
    spool = FileSpool(tmp_path)
    spool.open()
    monkeypatch.setattr(os, "fdatasync", refused)
    with pytest.raises(OSError, match="fails"):
        spool.append([numbered(6), numbered(7)])
    assert reopened(tmp_path) == ([0, 1, 2, 3, 4, 5], 0)


def refused(_: int) -> None:
    raise OSError(5, "it fails")
