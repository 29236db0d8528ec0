"""Whether a container runs, and how it ended."""

from __future__ import annotations

import pytest

from pipeline.model.container_state import UNKNOWN, End, State


@pytest.mark.parametrize(
    ("state", "runs"),
    [("running", True), ("paused", True), ("restarting", False), ("exited", False), ("", False)],
)
def test_a_paused_container_runs_and_one_that_waits_for_its_restart_does_not(
    state: str, runs: bool
) -> None:
    assert State(state=state).runs is runs


@pytest.mark.parametrize(
    ("end", "code", "reason", "failed"),
    [
        ("by_itself", 0, "completed", False),
        ("by_itself", 3, "error", True),
        ("stopped", 137, "stopped", False),
        ("oom_killed", 137, "oom_killed", True),
        ("oom_killed", 0, "oom_killed", False),
        ("", 3, "unknown", False),
    ],
)
def test_a_failure_is_an_error_or_lack_of_memory(
    end: End, code: int, reason: str, failed: bool
) -> None:
    state = State(state="exited", exit_code=code, finished=1.0, end=end)
    assert (state.ended, state.reason, state.failed) == (True, reason, failed)


def test_one_that_has_not_run_has_not_ended() -> None:
    assert not State(state="created").ended
    assert not UNKNOWN.ended
    assert not UNKNOWN.failed
