"""A run ends, says what it waited for, and keeps what each test took."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.daemon import eventually
from tests.suite.__main__ import TIMED_OUT
from tests.suite.durations import FILE

pytestmark = pytest.mark.server

ROOT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}
MARKERS = "unit server engine slow image"
SLEEP = 10_000_000 + os.getpid()
"""Seconds, by which what these tests start is told from what others do at the same time."""


def suite(folder: Path, tests: str) -> list[str]:
    """The command that runs a suite of one file, with all that ours has."""
    (folder / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    (folder / "test_it.py").write_text(tests)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n  " + "\n  ".join(MARKERS.split()))
    return [sys.executable, "-m", "tests.suite", "-p", "no:cacheprovider"]


def run(
    folder: Path, tests: str, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*suite(folder, tests), *arguments],
        cwd=folder,
        env=ENVIRONMENT | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )


HANGS = f"""
import subprocess, pytest
from pathlib import Path

@pytest.mark.server
def test_one_that_waits_without_end():
    with subprocess.Popen(["sleep", "{SLEEP}"]):
        Path("hangs").touch()
"""


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["alone", "worker"])
def test_a_run_that_does_not_end_is_ended_with_what_it_waits_for_and_the_stacks(
    tmp_path: Path, workers: tuple[str, ...]
) -> None:
    command = [*suite(tmp_path, HANGS), *workers]
    with subprocess.Popen(
        command, cwd=tmp_path, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True
    ) as process:
        eventually("the test hangs", (tmp_path / "hangs").exists)
        process.terminate()
        _, said = process.communicate(timeout=120)
    assert process.returncode == TIMED_OUT
    assert "the run is ended after " in said
    assert f"sleep {SLEEP}" in said
    assert "in test_one_that_waits_without_end" in said
    assert not running(f"sleep {SLEEP}")


def test_so_is_one_whose_time_is_over(tmp_path: Path) -> None:
    done = run(tmp_path, HANGS, "--minutes", "0.01")
    assert done.returncode == TIMED_OUT
    assert re.search(r"the run is ended after \d+\.\d minutes, while these run:", done.stderr)
    assert "-m pytest" in done.stderr


def test_what_tests_leave_running_is_named_and_ended(tmp_path: Path) -> None:
    done = run(tmp_path, LEAVES)
    assert done.returncode == 0, done.stdout
    assert "these were left behind by the tests" in done.stderr
    assert f"sleep {SLEEP}" in done.stderr
    assert not running(f"sleep {SLEEP}")


LEAVES = f"""
import subprocess, pytest

@pytest.mark.server
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_one_that_leaves_a_process():
    subprocess.Popen(["sleep", "{SLEEP}"])
"""


def running(command: str) -> bool:
    wanted = command.replace(" ", "\0").encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cmdline").read_bytes().startswith(wanted):
                return True
        except OSError:
            continue
    return False


def test_a_test_of_the_lane_unit_may_not_start_a_process(tmp_path: Path) -> None:
    done = run(tmp_path, LEAVES.replace("@pytest.mark.server\n", ""))
    assert done.returncode == 1
    assert f"a test of the lane `unit` starts ['sleep', '{SLEEP}']: mark it `server`" in done.stdout


LANES = """
import pytest

@pytest.mark.parametrize("image", ["nginx"])
def test_of_nothing(image): pass

@pytest.mark.server
def test_of_a_server(): pass

@pytest.mark.slow
@pytest.mark.server
def test_that_takes_long(): pass

@pytest.fixture
def rsyslog(): pass

def test_that_asks_for_a_server(rsyslog): pass
"""


@pytest.mark.parametrize(
    ("lanes", "count"), [("unit", 1), ("server", 3), ("slow", 1), ("not slow", 3)]
)
def test_each_test_is_in_the_lane_of_what_it_needs(tmp_path: Path, lanes: str, count: int) -> None:
    done = run(tmp_path, LANES, "-m", lanes)
    assert f"{count} passed" in done.stdout


def test_the_seconds_of_each_test_are_kept_and_the_slowest_printed(tmp_path: Path) -> None:
    done = run(tmp_path, LANES, "-n", "2")
    kept = json.loads((tmp_path / FILE).read_text())
    assert len(kept) == 4
    assert all(seconds >= 0 for seconds in kept.values())
    assert "the 10 slowest" in done.stdout
    assert "server     2 tests," in done.stdout
