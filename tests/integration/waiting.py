"""Waiting for what real servers do in their own time."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from pipeline.testing.agent_process import AgentProcess

T = TypeVar("T")


def eventually(condition: Callable[[], T], seconds: float = 60) -> T:
    """What the condition gives once it is true; fails after `seconds`. Blocks."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not true within {seconds} s: {found!r}"
        time.sleep(0.02)
    return found


def noted(agent: AgentProcess) -> None:
    """Waits until what the agent has settled by now outlives a kill, while more is settled: its
    journal is written to by a thread that may have begun before, and begins anew then."""
    for _ in range(2):
        before = _journal(agent)
        agent.until(lambda: _journal(agent) != before, "nothing is noted")  # noqa: B023


def _journal(agent: AgentProcess) -> tuple[int, int]:
    """The number and the size of the newest file in which there is something."""
    found = [(0, 0)]
    for path in agent.state.glob("journal.*"):
        with suppress(FileNotFoundError):
            found.append((int(path.suffix[1:]), path.stat().st_size))
    return max(one for one in found if one[1] or not one[0])
