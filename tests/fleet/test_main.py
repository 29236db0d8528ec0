"""A short run of the fleet: what `make fleet` does with two million lines."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.testing.private_engine import why_not
from tests.fleet.__main__ import main

ROOT = Path(__file__).parents[2]


MOMENTS = (
    "a hub is killed",
    "a hub more",
    "an agent is killed",
    "NATS is killed",
    "a hub is stopped",
)


@pytest.mark.engine
@pytest.mark.slow
def test_whatever_is_killed_or_added_meanwhile_every_line_is_in_the_store_and_in_order() -> None:
    if reason := why_not():
        pytest.skip(reason)
    command = [sys.executable, "-m", "tests.fleet", "--lines", "40000", "--burst", "5"]
    run = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=400
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.search(r"^\| all \| 40,000 \| 40,000 \| 0 \| [\d,]+ \|$", run.stdout, re.MULTILINE)
    assert "all in order" in run.stdout
    assert all(f"\n| {moment} | " in run.stdout for moment in MOMENTS)


def test_without_a_broker_a_run_with_kafka_says_so_and_ends(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("KAFKA_BROKER", raising=False)
    monkeypatch.setattr(sys, "argv", ["fleet", "--queue", "kafka"])
    assert main() == 1
    assert "fleet: KAFKA_BROKER is not set" in capsys.readouterr().out
