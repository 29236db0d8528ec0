"""The metrics of a container's state."""

from __future__ import annotations

from typing import Any

from pipeline.model.cadvisor import FAMILIES
from pipeline.model.container_state import UNKNOWN, State
from pipeline.model.state_families import STATE_FAMILIES


def figures(state: State) -> dict[str, Any]:
    return {
        family.name.removeprefix("container_"): figure if len(figure) > 1 else figure[0]
        for family in STATE_FAMILIES
        if (figure := [(*labels, value) for labels, value in family.points(state)][0:1])
    }


def test_a_container_that_runs_has_no_exit_code() -> None:
    state = State(state="running", health="starting", started=5.5, restarts=2, oom=1)
    assert figures(state) == {
        "running": (1,),
        "state": ("running", 1),
        "start_time_seconds": (5.5,),
        "health_state": (0,),
        "restarts_total": (2,),
        "oom_events_total": (1,),
    }


def test_one_that_ended_says_how_and_when() -> None:
    state = State(
        state="exited", exit_code=137, finished=9.5, started=5.5, end="oom_killed", restarts=0
    )
    assert figures(state) == {
        "running": (0,),
        "state": ("exited", 1),
        "exit_code": ("oom_killed", 137),
        "finish_time_seconds": (9.5,),
        "restarts_total": (0,),
        "oom_events_total": (0,),
    }


def test_what_is_not_known_is_no_figure() -> None:
    assert figures(UNKNOWN) == {"running": (0,), "oom_events_total": (0,)}
    assert "exit_code" not in figures(State(state="exited", finished=1.0))


def test_what_readings_of_stats_have_too_is_described_in_the_same_words() -> None:
    """A page has the one or the other; a person who reads both should see one metric."""
    of_stats = {family.name: family for family in FAMILIES}
    both = [family for family in STATE_FAMILIES if family.name in of_stats]
    assert len(both) == 4
    for family in both:
        other = of_stats[family.name]
        assert (family.kind, family.help, family.labels) == (other.kind, other.help, other.labels)
