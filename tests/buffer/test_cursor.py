"""How far a spool is delivered, on disk."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.buffer.cursor import BLOCK, SpoolCursor


def stored(folder: Path, settled: int, *given_up: tuple[int, int]) -> Path:
    cursor = SpoolCursor(folder)
    cursor.settle(settled)
    for first, last in given_up:
        cursor.give_up(first, last)
    cursor.store(sync=True)
    return cursor.path


def test_what_was_stored_is_loaded(tmp_path: Path) -> None:
    stored(tmp_path, 12345, (20000, 20010), (30000, 30001))
    cursor = SpoolCursor(tmp_path)
    assert cursor.load()
    assert cursor.settled == 12345
    assert cursor.given_up == ((20000, 20010), (30000, 30001))


def test_it_is_one_block_that_a_person_can_read_whatever_it_says(tmp_path: Path) -> None:
    huge = [(2**63 + 10 * n, 2**63 + 10 * n + 5) for n in range(50)]
    path = stored(tmp_path, 2**63, *huge)
    assert path.stat().st_size == BLOCK
    assert path.read_text().startswith('{"settled":9223372036854775808,"given_up":[[')
    stored(tmp_path, 7)
    assert path.stat().st_size == BLOCK
    cursor = SpoolCursor(tmp_path)
    assert cursor.load()
    assert (cursor.settled, cursor.given_up) == (7, ())


def test_without_a_file_there_is_nothing_to_load(tmp_path: Path) -> None:
    cursor = SpoolCursor(tmp_path)
    assert not cursor.load()
    assert cursor.settled == 0


def test_a_damaged_byte_is_noticed_wherever_it_matters(tmp_path: Path) -> None:
    path = stored(tmp_path, 12345, (20000, 20010))
    whole = path.read_bytes()
    for at in range(len(whole.rstrip())):
        damaged = bytearray(whole)
        damaged[at] ^= 4
        path.write_bytes(damaged)
        cursor = SpoolCursor(tmp_path)
        assert not cursor.load(), at
        assert cursor.settled == 0


@pytest.mark.parametrize("content", [b"", b"\0" * BLOCK, b"{}", b"[1] 1 1", b"\xff" * BLOCK])
def test_rubbish_is_not_loaded(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "cursor").write_bytes(content)
    assert not SpoolCursor(tmp_path).load()


def test_what_was_given_up_and_is_passed_is_forgotten(tmp_path: Path) -> None:
    cursor = SpoolCursor(tmp_path)
    cursor.give_up(10, 20)
    cursor.give_up(30, 40)
    cursor.settle(20)
    assert cursor.given_up == ((30, 40),)


def test_neighbours_are_one_range(tmp_path: Path) -> None:
    cursor = SpoolCursor(tmp_path)
    cursor.give_up(10, 20)
    cursor.give_up(20, 30)
    assert cursor.given_up == ((10, 30),)


@given(st.integers(0, 60), st.integers(0, 60))
def test_only_what_was_not_given_up_counts_as_missing(one: int, two: int) -> None:
    first, last = sorted((one, two))
    cursor = SpoolCursor(Path())
    cursor.give_up(10, 20)
    cursor.give_up(30, 40)
    gone = {*range(10, 20), *range(30, 40)}
    assert cursor.missing(first, last) == len(set(range(first, last)) - gone)


def test_a_crash_of_the_host_repeats_a_second_of_what_was_delivered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While entries came as fast as they left, a spool was never empty, and its cursor was left to
    the kernel, which writes within half a minute."""
    now, synced = 1000.0, []
    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(os, "fdatasync", lambda _: synced.append(now))
    cursor = SpoolCursor(tmp_path)
    for number in range(31):
        now = 1000.0 + number / 10
        cursor.settle(number)
        cursor.store()
    assert synced == [1000.0, 1001.0, 1002.0, 1003.0]
