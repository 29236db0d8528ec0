"""What the Engine says about containers."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.page.sampling.states import (
    MOST_EVENTS,
    MOST_STATES,
    MOST_WITH_EVENTS,
    UNKNOWN,
    State,
    States,
)

ID = "a" * 64


def event(action: str, time: float = 1.0, **attributes: str) -> dict[str, Any]:
    return {
        "Action": action,
        "Actor": {"ID": ID, "Attributes": attributes},
        "timeNano": int(time * 1e9),
    }


def item(state: str, status: str, **more: Any) -> dict[str, Any]:
    return {"Id": ID, "Names": ["/api"], "State": state, "Status": status, "Created": 5, **more}


def test_events_tell_how_it_runs_and_how_it_ended() -> None:
    states = States()
    for one in (event("create", 1), event("start", 2), event("health_status: unhealthy", 3)):
        states.observe(one)
    state = states.of(ID)
    assert (state.state, state.health, state.created, state.started) == (
        "running",
        "unhealthy",
        1,
        2,
    )
    states.observe(event("oom", 4))
    states.observe(event("die", 5, exitCode="137"))
    assert (state.state, state.health, state.exit_code, state.oom) == ("exited", "", 137, 1)
    states.observe(event("start", 6))
    assert (state.state, state.exit_code, state.starts) == ("running", None, 1)
    assert [(one.action, one.text) for one in states.events(ID)][2:5] == [
        ("health_status", "unhealthy"), ("oom", ""), ("die", "exit code 137"),
    ]  # fmt: skip


def test_one_end_for_lack_of_memory_counts_once() -> None:
    states = States()
    for time in (1.0, 1.1, 1.2, 2.9):
        states.observe(event("oom", time))
    states.observe(event("die", 3.0, exitCode="137"))
    states.observe(event("start", 3.1))
    states.observe(event("oom", 3.2))
    assert states.of(ID).oom == 2
    assert [one.action for one in states.events(ID)] == ["oom", "die", "start", "oom"]


def test_a_container_that_was_removed_is_forgotten_and_its_events_are_not() -> None:
    states = States()
    states.learn(item("running", "Up 3 hours"), "host")
    states.observe(event("destroy"))
    assert states.of(ID).state == ""
    assert [one.action for one in states.events(ID)] == ["destroy"]


@pytest.mark.parametrize(
    ("state", "status", "expected"),
    [
        ("running", "Up 3 hours (healthy)", ("running", "healthy", None)),
        ("running", "Up 2 seconds (health: starting)", ("running", "starting", None)),
        ("exited", "Exited (137) 3 hours ago", ("exited", "", 137)),
        ("restarting", "Restarting (1) 2 seconds ago", ("restarting", "", 1)),
        ("paused", "Up 3 hours (Paused)", ("paused", "", None)),
        ("", "", ("", "", None)),
        ("running", "Exited (99999999999999999999)", ("running", "", None)),
    ],
)
def test_the_list_tells_it_too(state: str, status: str, expected: tuple[Any, ...]) -> None:
    states = States()
    container = states.learn(item(state, status), "host")
    assert container is not None
    assert container.name == "api"
    found = states.of(ID)
    assert (found.state, found.health, found.exit_code) == expected
    version = found.version
    states.learn(item(state, status), "host")
    assert found.version == version


def test_asking_for_containers_that_are_unknown_forgets_no_other() -> None:
    states = States()
    states.observe(event("start"))
    for number in range(MOST_STATES + 10):
        assert states.of(f"{number:064}") == State()
    assert states.of(ID).state == "running"


def test_the_one_heard_of_longest_ago_makes_room() -> None:
    states = States()
    for number in range(MOST_STATES):
        states.observe({**event("start"), "Actor": {"ID": f"{number:064}", "Attributes": {}}})
    states.observe({**event("pause"), "Actor": {"ID": f"{0:064}", "Attributes": {}}})
    states.observe(event("start"))
    known = [states.of(f"{number:064}").state for number in (0, 1, 2)]
    assert known == ["paused", "", "running"]


@pytest.mark.parametrize("created", [float("inf"), 10**400, -1, "soon", None])
def test_a_time_that_is_none_is_not_known(created: Any) -> None:
    states = States()
    states.learn({**item("running", "Up"), "Created": created}, "host")
    assert (states.of(ID).state, states.of(ID).created) == ("running", None)


@pytest.mark.parametrize("code", [None, 7, "x", [], float("inf")])
def test_a_malformed_exit_code_is_not_known(code: Any) -> None:
    states = States()
    states.observe(event("die", exitCode=code))
    assert states.of(ID).exit_code in (None, 7)


@pytest.mark.parametrize("odd", [None, 7, "x", {}, {"Id": None}, {"Id": ID, "Names": 3}])
def test_a_malformed_element_of_the_list_is_no_container(odd: Any) -> None:
    assert States().learn(odd, "host") is None


def test_hostile_texts_are_one_line_and_bounded() -> None:
    states = States()
    states.observe(event("health_status: \x1b[2J\n\u202e" + "x" * 10_000))
    (kept,) = states.events(ID)
    assert kept.text.isprintable()
    assert len(kept.text) <= 32
    states.observe(event("rename", oldName="/\n" + "y" * 10_000))
    assert len(states.events(ID)[-1].text) < 300


def test_what_is_kept_is_bounded() -> None:
    states = States()
    for number in range(MOST_EVENTS + 5):
        states.observe(event("start", number))
    assert len(states.events(ID)) == MOST_EVENTS
    for number in range(MOST_STATES + 10):
        one = event("start")
        one["Actor"]["ID"] = f"{number:064}"
        states.observe(one)
    ids = [ID, *(f"{number:064}" for number in range(MOST_STATES + 10))]
    assert sum(states.of(one) is not UNKNOWN for one in ids) == MOST_STATES
    assert sum(bool(states.events(one)) for one in ids) == MOST_WITH_EVENTS


def test_a_complete_list_forgets_those_that_are_gone() -> None:
    states = States()
    container = states.learn(item("running", "Up"), "host")
    assert container is not None
    states.complete({ID: container})
    states.complete({})
    assert not states.listed
    assert states.of(ID).state == ""
