"""kill -9 at any moment: nothing that was safe is missing, and hardly anything is repeated."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

pytestmark = pytest.mark.server

KILLS = int(os.environ.get("DOCKLINE_KILLS", "12"))


class Run:
    """What one process has said until it ended."""

    def __init__(self, folder: Path, first: int, seed: int, *, drain: bool = False) -> None:
        self.first = first
        command = [sys.executable, "-m", "tests.buffer.killed_process", folder, first, seed]
        process = subprocess.Popen(
            [*map(str, command), *(["drain"] if drain else [])], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        begun = process.stdout.readline()
        if not drain:
            time.sleep(random.Random(seed).random() * 0.3)
            process.kill()
        said = (begun + process.stdout.read()).decode().split("\n")
        assert process.wait(60) == (0 if drain else -9)
        process.stdout.close()
        self.settled = first
        self.put: list[int] = []
        self.delivered: list[int] = []
        self.stored = 0
        """How many of the delivered were known on disk."""
        self.empty = False
        storing = 0
        for line in said[:-1]:  # the last one may not be whole
            what, _, number = line.partition(" ")
            if what == "settled":
                self.settled = int(number)
            elif what == "put":
                self.put.append(int(number))
            elif what == "delivered":
                self.delivered.append(int(number))
            elif what == "storing":
                storing = len(self.delivered)
            elif what == "stored":
                self.stored = storing
            self.empty = what == "empty"


@pytest.mark.fault(32)
def test_nothing_that_was_safe_is_missing_and_only_what_was_in_flight_is_repeated(
    tmp_path: Path,
) -> None:
    runs: list[Run] = []
    position = 0
    for seed in range(KILLS):
        runs.append(Run(tmp_path / "spool", position, seed))
        position = runs[-1].settled
    runs.append(Run(tmp_path / "spool", position, KILLS, drain=True))
    assert runs[-1].empty

    delivered = Counter(number for run in runs for number in run.delivered)
    assert [number for number in range(position) if number not in delivered] == []
    # What was put again, since it was not said to be safe, may come again: as often, and no more,
    # unless it was delivered when that was not yet written down.
    put = Counter(number for run in runs for number in run.put)
    known = Counter(number for run in runs for number in run.delivered[: run.stored])
    assert [number for number in known if known[number] > put[number]] == []
    print(f"{KILLS} kills, {position} entries, {delivered.total() - len(delivered)} repeated")


def test_the_entries_of_a_killed_process_come_in_their_order(tmp_path: Path) -> None:
    first = Run(tmp_path / "spool", 0, 1)
    assert first.delivered == sorted(set(first.delivered))
    second = Run(tmp_path / "spool", first.settled, 2, drain=True)
    assert second.delivered == sorted(set(second.delivered))
