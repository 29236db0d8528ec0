"""What is noted is written soon, outlives the process, and is found again whatever is damaged."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.accounting.journal import Journal
from tests.suite.open_files import open_files

PATIENCE = 10.0


class Noted:
    """A journal of numbers, each under a key."""

    def __init__(self, folder: Path) -> None:
        self.state: dict[str, int] = {}
        self.journal = Journal(folder, lambda key: json.dumps([key, self.state[key]]).encode())

    def close(self) -> None:
        self.journal.close()
        self.journal.join()

    def set(self, key: str, number: int) -> None:
        self.state[key] = number
        self.journal.note(key)


def found(folder: Path) -> list[list[object]]:
    return [json.loads(change) for change in Journal(folder, str.encode).read()]


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_what_is_noted_is_written_without_being_asked_for(tmp_path: Path) -> None:
    noted = Noted(tmp_path)
    noted.journal.start()
    noted.set("a", 1)
    until(lambda: found(tmp_path) == [["a", 1]])
    noted.set("a", 2)
    noted.set("b", 3)
    until(lambda: found(tmp_path)[1:] == [["a", 2], ["b", 3]])
    noted.close()


def test_what_changes_a_thousand_times_between_two_writes_is_written_once(tmp_path: Path) -> None:
    noted = Noted(tmp_path)
    for number in range(1000):
        noted.set("a", number)
    noted.journal.start()
    noted.close()
    assert found(tmp_path) == [["a", 999]]


def test_a_new_file_is_begun_and_the_older_ones_are_removed_on_request(tmp_path: Path) -> None:
    noted = Noted(tmp_path)
    noted.journal.start()
    for number in range(3):
        noted.journal.begin()
        noted.set("a", number)
        until(lambda number=number: ["a", number] in found(tmp_path))
    assert found(tmp_path) == [["a", 0], ["a", 1], ["a", 2]]
    noted.journal.remove_before(4)
    assert found(tmp_path) == [["a", 2]]
    noted.close()


def test_one_file_is_open_at_a_time_and_none_at_the_end(tmp_path: Path) -> None:
    noted = Noted(tmp_path)
    noted.journal.start()
    for number in range(3):
        noted.journal.begin()
        noted.set("a", number)
        until(lambda number=number: ["a", number] in found(tmp_path))
    assert open_files(tmp_path) == ["journal.4"]
    noted.close()
    assert open_files(tmp_path) == []


def test_another_journal_goes_on_behind_the_files_that_it_finds(tmp_path: Path) -> None:
    for number in range(12):  # 10 comes after 9, not after 1
        noted = Noted(tmp_path)
        list(noted.journal.read())
        noted.journal.start()
        noted.set("a", number)
        noted.close()
    assert found(tmp_path) == [["a", number] for number in range(12)]
    assert len(list(tmp_path.glob("journal.*"))) == 12


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    return lambda: tmp_path_factory.mktemp("journal")


@given(data=st.data())
def test_wherever_the_end_is_torn_or_a_bit_is_flipped_the_other_lines_are_found(
    folders: Callable[[], Path], data: st.DataObject
) -> None:
    folder = folders()
    noted = Noted(folder)
    noted.journal.start()
    for number in range(5):
        noted.set(f"key-{number}", number)
    noted.close()
    (file,) = folder.glob("journal.*")
    whole = file.read_bytes()
    lines = found(folder)
    if data.draw(st.booleans()):
        cut = data.draw(st.integers(0, len(whole)))
        file.write_bytes(whole[:cut])
        assert found(folder) == lines[: whole[:cut].count(b"\n")]
    else:
        at, bit = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(0, 7))
        damaged = bytearray(whole)
        damaged[at] ^= 1 << bit
        file.write_bytes(damaged)
        hit = whole[:at].count(b"\n")
        expected = lines[:hit] + lines[hit + 1 :]
        if whole[at] == ord("\n"):  # two lines became one
            expected = lines[:hit] + lines[hit + 2 :]
        assert found(folder) == expected


@pytest.mark.server
def test_what_was_written_outlives_a_process_that_is_killed(tmp_path: Path) -> None:
    script = f"""
import sys, time
from pathlib import Path
from pipeline.accounting.journal import Journal
state = {{"a": 0}}
journal = Journal(Path({str(tmp_path)!r}), lambda key: b"[%d]" % state["a"])
journal.start()
while True:
    state["a"] += 1
    journal.note("a")
    time.sleep(0.001)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", script], env=environment) as process:
        until(lambda: len(found(tmp_path)) > 20)
        process.send_signal(signal.SIGKILL)
    numbers = [change[0] for change in found(tmp_path)]
    assert numbers == sorted(numbers)


def test_a_folder_that_cannot_be_written_is_said_and_stops_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.support.rate_limit.EVERY", 3600.0)
    noted = Noted(tmp_path / "missing")
    noted.journal.start()
    for number in range(20):
        noted.set("a", number)
        time.sleep(0.005)
    until(lambda: caplog.records)
    assert "cannot be written" in caplog.records[0].getMessage()
    (tmp_path / "missing").mkdir()
    noted.set("a", 99)
    until(lambda: found(tmp_path / "missing")[-1:] == [["a", 99]])
    noted.close()
    assert len(caplog.records) == 1


def test_a_change_that_cannot_be_told_is_reported_and_the_next_one_is_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    noted = Noted(tmp_path)
    noted.journal.start()
    noted.journal.note("unknown")
    until(lambda: caplog.records)
    assert "a change cannot be written" in caplog.records[0].getMessage()
    noted.set("a", 1)
    noted.close()
    assert found(tmp_path) == [["a", 1]]


def test_a_journal_that_no_file_could_be_opened_for_ends_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    noted = Noted(tmp_path / "missing")
    noted.journal.start()
    noted.close()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
