"""Whatever has happened to the folder, what can be read is read, and the rest is counted."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.buffer.columns import ColumnCodec
from pipeline.buffer.record import HEADER
from pipeline.buffer.spool import Spool
from tests.buffer.spools import (
    LIMIT,
    numbered,
    opened,
    read,
    reopened,
    segments,
    used,
    write,
)
from tests.suite.examples import examples

RECORDS = [numbered(0, 3), numbered(3, 1), numbered(4, 5)]
"""Three records of one segment."""
ALL = list(range(9))


def only_segment(folder: Path) -> Path:
    (file,) = segments(folder)
    return file


def ends() -> list[int]:
    """Where each of the `RECORDS` ends in its file."""
    sizes = [HEADER + len(ColumnCodec().encode([one])[0]) for one in RECORDS]
    return [sum(sizes[: n + 1]) for n in range(3)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A spool of `RECORDS`, in one segment."""
    with opened(tmp_path / "spool") as spool:
        for one in RECORDS:
            spool.append([one], 0)
    return tmp_path / "spool"


def many(folder: Path) -> list[Path]:
    """A spool of 40 entries in several segments of a few records each."""
    write(folder, *(numbered(number, size=12_000) for number in range(40)))
    files = segments(folder)
    assert len(files) > 4
    return files


def first_number(file: Path) -> int:
    return int(file.name.split("-")[0])


# --------------------------------------------------------------------------- one file, damaged


@pytest.mark.fault(31)
def test_after_a_cut_at_any_byte_all_whole_records_are_there_and_nothing_is_lost(
    folder: Path,
) -> None:
    file = only_segment(folder)
    whole = file.read_bytes()
    assert ends()[-1] == len(whole)
    for at in range(len(whole)):
        file.write_bytes(whole[:at])
        with opened(folder) as spool:
            records = sum(end <= at for end in ends())
            assert read(spool) == (ALL[: (0, 3, 4, 9)[records]], 0), at
            assert used(folder) == spool.bytes == 512 + (0, *ends())[records]


@pytest.mark.fault(31)
@pytest.mark.parametrize("bit", range(0, 8, 7))
def test_after_a_flip_of_any_bit_at_most_its_record_is_lost_and_that_is_counted(
    folder: Path, bit: int
) -> None:
    file = only_segment(folder)
    whole = file.read_bytes()
    parts = [ALL[:3], ALL[3:4], ALL[4:]]
    for at in range(len(whole)):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << bit
        file.write_bytes(damaged)
        hit = sum(end <= at for end in ends())
        in_header = at - (0, *ends())[hit] < HEADER
        left = [n for i, part in enumerate(parts) if in_header or i != hit for n in part]
        assert reopened(folder) == (left, len(ALL) - len(left)), at


@given(st.data())
@settings(max_examples=examples(150))
def test_whatever_stands_in_place_of_a_part_every_entry_is_read_or_counted(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    write(folder, *RECORDS)
    file = only_segment(folder)
    raw = bytearray(file.read_bytes())
    begin = data.draw(st.integers(0, ends()[1]))
    end = data.draw(st.integers(begin, ends()[1]))
    filling = data.draw(st.binary(min_size=1, max_size=300)) * (end - begin)
    raw[begin:end] = filling[: end - begin]
    file.write_bytes(raw)
    found, lost = reopened(folder)
    assert found[-5:] == ALL[-5:]
    assert found == sorted(set(found))
    assert len(found) + lost == len(ALL)


@given(st.data())
@settings(max_examples=examples(150))
def test_a_file_cut_and_glued_together_anyhow_gives_no_entry_twice_and_none_out_of_order(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    write(folder, *RECORDS)
    file = only_segment(folder)
    whole = file.read_bytes()
    places = st.integers(0, len(whole))
    parts = data.draw(st.lists(st.tuples(places, places), max_size=4))
    file.write_bytes(b"".join(whole[begin:end] for begin, end in parts))
    found, lost = reopened(folder)
    assert found == sorted(set(found))
    assert len(found) + lost <= len(ALL)


@pytest.mark.fault(31)
def test_a_tail_of_zeros_is_cut(folder: Path) -> None:
    file = only_segment(folder)
    size = file.stat().st_size
    with file.open("ab") as out:
        out.write(b"\0" * 100_000)
    assert reopened(folder) == (ALL, 0)
    assert file.stat().st_size == size


def test_what_is_written_after_a_cut_follows_what_was_left(folder: Path) -> None:
    file = only_segment(folder)
    os.truncate(file, ends()[1] + 50)
    with opened(folder) as spool:
        assert spool.end == 4
        spool.append([numbered(4, 2)], 0)
        assert read(spool) == ([0, 1, 2, 3, 4, 5], 0)
    assert reopened(folder) == ([0, 1, 2, 3, 4, 5], 0)


def test_a_record_of_another_segment_is_no_record_of_this_one(tmp_path: Path) -> None:
    """As where a file system, after a crash, shows blocks that belonged to another file."""
    write(tmp_path / "one", numbered(0))
    write(tmp_path / "two", numbered(0), numbered(1))
    file = only_segment(tmp_path / "one")
    with file.open("ab") as out:
        out.write(only_segment(tmp_path / "two").read_bytes())
    assert reopened(tmp_path / "one") == ([0], 0)


def test_what_a_valid_record_holds_may_be_rubbish_and_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug in writing, or a later version of the format."""
    with opened(tmp_path) as spool:
        spool.append([numbered(0)], 0)
        monkeypatch.setattr(spool._columns, "encode", lambda batches: (b"\xc1rubbish", 8))
        spool.append([numbered(1, 2)], 0)
        monkeypatch.undo()
        spool.append([numbered(3)], 0)
    assert reopened(tmp_path) == ([0, 3], 2)


# ------------------------------------------------------------------------------- many files


@pytest.mark.fault(31)
def test_a_missing_segment_is_noticed_and_its_entries_are_counted(tmp_path: Path) -> None:
    files = many(tmp_path)
    first, after = first_number(files[2]), first_number(files[3])
    files[2].unlink()
    assert reopened(tmp_path) == ([*range(first), *range(after, 40)], after - first)


def test_a_missing_first_segment_is_noticed(tmp_path: Path) -> None:
    files = many(tmp_path)
    after = first_number(files[1])
    files[0].unlink()
    assert reopened(tmp_path) == (list(range(after, 40)), after)


def test_a_segment_in_the_middle_that_was_cut_is_counted_exactly(tmp_path: Path) -> None:
    files = many(tmp_path)
    after = first_number(files[2])
    os.truncate(files[1], files[1].stat().st_size - 1)
    assert reopened(tmp_path) == ([*range(after - 1), *range(after, 40)], 1)


@pytest.mark.parametrize(
    "ruin",
    [
        lambda file: file.write_bytes(b"\0" * file.stat().st_size),
        lambda file: file.write_bytes(os.urandom(50_000)),
        lambda file: file.write_bytes(b"not a segment at all, but longer than a header" * 4),
    ],
    ids=["zeros", "noise", "text"],
)
def test_a_segment_in_which_nothing_can_be_read_is_set_aside_and_counted(
    tmp_path: Path, ruin: Callable[[Path], object]
) -> None:
    files = many(tmp_path)
    first, after = first_number(files[2]), first_number(files[3])
    ruin(files[2])
    content = files[2].read_bytes()
    assert reopened(tmp_path) == ([*range(first), *range(after, 40)], after - first)
    assert not files[2].exists()
    assert files[2].with_name(files[2].name + ".aside").read_bytes() == content
    assert reopened(tmp_path) == ([*range(first), *range(after, 40)], after - first)


def test_an_empty_segment_is_removed(tmp_path: Path) -> None:
    files = many(tmp_path)
    first, after = first_number(files[2]), first_number(files[3])
    os.truncate(files[2], 0)
    assert reopened(tmp_path) == ([*range(first), *range(after, 40)], after - first)
    assert not files[2].exists()


def test_what_is_set_aside_counts_for_the_limit_and_goes_when_its_room_is_needed(
    tmp_path: Path,
) -> None:
    files = many(tmp_path)
    files[0].write_bytes(b"\0" * 500_000)
    with opened(tmp_path, LIMIT) as spool:
        (aside,) = tmp_path.glob("*.aside")
        assert spool.bytes == used(tmp_path)
        spool.append([numbered(40)], 0)
        assert aside.exists()
        spool.append([numbered(41, 4, size=100_000)], 0)
        assert not aside.exists()
        assert not spool.full
        assert spool.bytes == used(tmp_path) <= LIMIT


def test_a_segment_that_is_lost_while_the_agent_runs_is_counted(tmp_path: Path) -> None:
    files = many(tmp_path)
    first, after = first_number(files[2]), first_number(files[3])
    with opened(tmp_path) as spool:
        files[2].unlink()
        assert read(spool) == ([*range(first), *range(after, 40)], after - first)


def test_the_last_segment_being_lost_while_the_agent_runs_is_counted(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        spool.append([numbered(0, 5)], 0)
        only_segment(tmp_path).unlink()
        spool._segments.close()
        assert read(spool) == ([], 5)
        spool.append([numbered(5)], 0)
        assert read(spool, 5) == ([5], 0)


def test_damage_in_what_is_dropped_is_counted_as_damage(tmp_path: Path) -> None:
    files = many(tmp_path)
    raw = bytearray(files[0].read_bytes())
    raw[500] ^= 1
    files[0].write_bytes(raw)
    size = sum(file.stat().st_size for file in files)
    with opened(tmp_path, size + 512, drop_oldest=True) as spool:
        spool.append([numbered(40, size=12_000)], 0)
        after = first_number(files[1])
        assert [(entries, why) for _, entries, why, _ in spool.lost] == [
            (after - 1, "drop_oldest"),
            (1, "spool_damaged"),
        ]
        assert read(spool) == (list(range(after, 41)), 0)


# ----------------------------------------------------------------------------- other files


def test_files_of_others_are_left_alone(folder: Path) -> None:
    others = ["notes.txt", "1.segment", "x-00000000.segment", f"{1:020d}-0000000g.segment", ".swp"]
    for name in others:
        (folder / name).write_bytes(b"precious")
    (folder / f"{5:020d}-00000000.segment").mkdir()
    (folder / f"{6:020d}-00000000.segment").symlink_to("notes.txt")
    assert reopened(folder) == (ALL, 0)
    assert all((folder / name).read_bytes() == b"precious" for name in others)


def test_a_foreign_file_with_a_segments_name_is_set_aside(folder: Path) -> None:
    (folder / f"{2**62:020d}-00000000.segment").write_bytes(b"precious" * 100)
    with opened(folder) as spool:
        assert spool.end == 9
        assert read(spool) == (ALL, 0)


def test_without_a_cursor_everything_that_is_there_is_read(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(folder) as spool:
        spool.settle(4)
    (folder / "cursor").unlink()
    assert reopened(folder) == (ALL, 0)
    assert not caplog.records


def test_a_damaged_cursor_is_said_once_repeats_what_is_there_and_loses_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = many(tmp_path)
    first = first_number(files[2])
    with opened(tmp_path) as spool:
        spool.settle(first + 1)
    (tmp_path / "cursor").write_bytes(b"\0" * 512)
    assert reopened(tmp_path) == (list(range(first, 40)), 0)
    with opened(tmp_path) as spool:
        assert spool.settled == first
    said = f"{tmp_path / 'cursor'} is damaged: some entries may be delivered again"
    assert [record.getMessage() for record in caplog.records] == [said]


def test_a_cursor_that_is_a_directory_is_set_aside_and_that_is_said(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "cursor").unlink()
    (folder / "cursor").mkdir()
    assert reopened(folder) == (ALL, 0)
    assert (folder / "cursor").is_file()
    (record,) = caplog.records
    assert record.getMessage().endswith("cursor cannot be read (Is a directory) and is set aside")


def test_a_cursor_that_is_ahead_of_the_segments_is_believed(folder: Path) -> None:
    """As where the end of the last one was cut: what comes next has new numbers."""
    with opened(folder) as spool:
        spool.settle(9)
        spool.append([numbered(9)], 0)
        spool.settle(10)
        assert not segments(folder)
    write(folder, numbered(10))
    os.truncate(only_segment(folder), 0)
    with opened(folder) as spool:
        assert (spool.settled, spool.end) == (10, 10)
        spool.append([numbered(10)], 0)
        assert read(spool) == ([10], 0)


def test_a_folder_that_was_removed_is_made_again_and_what_was_safe_is_still_counted(
    folder: Path,
) -> None:
    with opened(folder) as spool:
        spool.append([numbered(9)], 0)
        shutil.rmtree(folder)
        with pytest.raises(FileNotFoundError):
            spool.append([numbered(10)], 0)
        assert spool.end == 10
        spool.append([numbered(10)], 0)
        assert (spool.end, len(segments(folder))) == (11, 1)
        found, lost = read(spool)
        assert found[-1] == 10
        assert len(found) + lost == 11
    assert reopened(folder) == ([10], 10)


def test_an_agent_that_was_killed_over_and_over_leaves_no_empty_files(tmp_path: Path) -> None:
    for _ in range(5):
        spool = Spool(tmp_path, LIMIT)
        spool.open()
        spool._write(*spool._encode([numbered(0)], 0))
        spool._segments.active = None
        os.truncate(only_segment(tmp_path), 50)
        spool.close()
    with opened(tmp_path):
        assert sorted(file.name for file in tmp_path.iterdir()) == ["cursor", "lock"]
