"""A test that looks at what it has not waited for fails with a pause, and is told with the line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.suite.test_running import run

pytestmark = pytest.mark.server

RACE = """import time
from threading import Thread

def test_that_takes_a_while_for_never():
    done = []
    thread = Thread(target=lambda: time.sleep(0.2) or done.append(1))
    thread.start()
    assert not done
    thread.join()
    assert done

def test_that_waits_for_nothing():
    assert True
"""

LATE = """import asyncio

async def test_that_takes_a_while_for_never():
    done = []
    async def work():
        await asyncio.sleep(0.2)
        done.append(1)
    task = asyncio.create_task(work())
    await asyncio.sleep(0.01)
    assert not done
    await task
"""


def failed(folder: Path, tests: str) -> list[str]:
    """Of each test that fails, what stands in its brackets."""
    done = run(folder, tests, "-o", "asyncio_mode=auto", "-rf", PAUSES="0.4")
    lines = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
    return [line.partition("[")[2].partition("]")[0] for line in lines]


def test_a_statement_that_may_come_too_late_is_told(tmp_path: Path) -> None:
    assert "stopped at 8" in failed(tmp_path, RACE)


def test_so_is_one_that_is_late_by_itself(tmp_path: Path) -> None:
    assert "late at 10" in failed(tmp_path, LATE)
