"""`scripts/step` says what is done and how it went, and is quiet about the rest."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.server

SCRIPT = Path(__file__).parents[2] / "scripts/step"


def step(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPT, "Some work", "sh", "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_what_succeeds_is_one_line_and_its_output_is_left_out() -> None:
    done = step("echo much; echo more >&2")
    assert done.returncode == 0
    assert re.fullmatch(r"  Some work \.\.\. +done \(\d+ s\)\n", done.stdout)
    assert done.stderr == ""


def test_packages_that_are_installed_are_named() -> None:
    done = step("echo packages: installing docker.io >&2; echo Unpacking")
    assert done.stdout.splitlines()[1:] == ["packages: installing docker.io"]


def test_what_fails_shows_all_of_its_output_and_its_status() -> None:
    done = step("echo no space left; exit 3")
    assert done.returncode == 3
    assert re.fullmatch(r"  Some work \.\.\. +failed\n", done.stdout)
    assert done.stderr == "no space left\n"
