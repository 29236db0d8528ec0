"""Seeds and plans from the command line."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

FOUND = sorted((Path(__file__).parent / "found").glob("*.json"))
ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.server  # it replaces the operating system: not in this process


def run(*arguments: str) -> str:
    """Standard output of one that has to find nothing wrong."""
    command = [sys.executable, "-m", "tests.simulation", *arguments]
    done = subprocess.run(
        command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_what_was_found_once_is_right_now() -> None:
    text = run("--plan", *map(str, FOUND))
    assert f"{len(FOUND)} seeds" in text
    assert "; 0 went wrong" in text


def test_a_seed_comes_to_the_same_each_time_whatever_was_run_before() -> None:
    alone = run("--first", "3")
    among = run("--first", "1", "--seeds", "3", "--processes", "1")
    (steps,) = re.findall(r"seed 3: right, (\d+) steps", alone)
    assert f"seed 3: right, {steps} steps" in among
