"""A short attack on a real Engine: the agent lives, and none but the attackers notice anything."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.testing.private_engine import why_not

ROOT = Path(__file__).parents[2]
BY_THE_CLOCK = ("its loop stood still", "/healthz took")
"""What a busy machine may bring about by itself: for `make hostile` alone."""


@pytest.mark.engine
@pytest.mark.slow
def test_an_agent_that_is_attacked_from_all_sides_withstands_it() -> None:
    if reason := why_not():
        pytest.skip(reason)
    run = subprocess.run(
        [sys.executable, "-m", "tests.hostile", "--minutes", "0.25", "--seed", "4"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    wrong = re.findall(r"WRONG: (.*)", run.stdout)
    assert [line for line in wrong if not line.startswith(BY_THE_CLOCK)] == [], run.stdout
    assert "| longest turn of the loop |" in run.stdout, run.stdout + run.stderr
    attacks = re.search(r"\| attacks by clients \| (.*) \|", run.stdout)
    assert attacks is not None
    assert "http_idle" in attacks[1] and "forward_records" in attacks[1]
