"""A short run of the fleet: what `make fleet` does with two million lines."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.testing.private_engine import why_not

ROOT = Path(__file__).parents[2]


@pytest.mark.engine
@pytest.mark.slow
def test_with_a_hub_an_agent_and_nats_killed_meanwhile_every_line_is_in_the_store() -> None:
    if reason := why_not():
        pytest.skip(reason)
    command = [sys.executable, "-m", "tests.fleet", "--lines", "60000", "--burst", "40"]
    run = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=280
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.search(r"^\| all \| 60,000 \| 60,000 \| 0 \| [\d,]+ \|$", run.stdout, re.MULTILINE)
    assert len(re.findall(r"^\| (?:a hub|an agent|NATS) \|", run.stdout, re.MULTILINE)) == 3
