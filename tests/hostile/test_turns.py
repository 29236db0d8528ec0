"""A turn of the loop that takes CPU is on record, with where the loop was."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile.watched import turns

ROOT = Path(__file__).parents[2]
PROGRAM = """\
import asyncio, sys, time
from pathlib import Path
from tests.hostile.turns import watch

def busy():
    until = time.thread_time() + 0.2
    while time.thread_time() < until:
        pass

async def main():
    await asyncio.sleep(0.01)
    time.sleep(0.1)
    await asyncio.sleep(0.01)
    busy()
    await asyncio.sleep(0.01)

with Path(sys.argv[1]).open("a") as file:
    watch(file)
    asyncio.run(main())
"""


@pytest.mark.server
def test_a_turn_that_computes_is_noted_and_one_that_waits_is_not(tmp_path: Path) -> None:
    noted = tmp_path / "turns"
    subprocess.run([sys.executable, "-c", PROGRAM, str(noted)], cwd=ROOT, check=True)
    (turn,) = [turn for turn in turns(noted) if turn["cpu"] > 0.15]
    assert 0.19 < turn["cpu"] < 1.0
    assert "busy" in turn["where"]
