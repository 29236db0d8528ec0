"""What the Engine says about containers."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.model.container_state import UNKNOWN, State
from pipeline.sources.docker.lifecycle.states import (
    MOST_STATES,
    OOM_LATE,
    STOPPING,
    States,
    Told,
    ended_within,
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
    said = [
        states.observe(one).words
        for one in (event("create", 1), event("start", 2), event("health_status: unhealthy", 3))
    ]
    assert said == ["created", "started", "health: unhealthy"]
    state = states.of(ID)
    assert (state.state, state.health, state.created, state.started) == (
        "running",
        "unhealthy",
        1,
        2,
    )
    states.observe(event("health_status: healthy", 4))
    assert states.observe(event("die", 7202, exitCode="3")).words == "exited with code 3 after 2 h"
    assert (state.state, state.health, state.exit_code) == ("exited", "", 3)
    assert (state.finished, state.reason, state.failed) == (7202, "error", True)
    states.observe(event("start", 7203))
    assert (state.state, state.exit_code, state.starts) == ("running", None, 1)
    assert (state.finished, state.ended, state.restarts) == (None, False, 1)


def test_one_end_for_lack_of_memory_counts_once() -> None:
    states = States()
    told = [states.observe(event("oom", time)) for time in (1.0, 1.1, 1.2, 2.9)]
    assert told == [Told("out of memory"), *3 * [Told("out of memory", again=True)]]
    states.observe(event("die", 3.0, exitCode="137"))
    states.observe(event("start", 3.1))
    assert not states.observe(event("oom", 3.2)).again
    assert states.of(ID).oom == 2


# ------------------------------------------------------------------------------- how it ended


def ended(*events: dict[str, Any]) -> tuple[str, str, bool]:
    """Of a container that started at 0 and had these events: the words of its end, the reason, and
    whether it failed."""
    states, words = States(), ""
    states.observe(event("start", 0.0))
    for one in events:
        told = states.observe(one).words
        words = told if one["Action"] == "die" else words
    state = states.of(ID)
    return words, state.reason, state.failed


def test_an_end_by_itself_is_complete_or_an_error() -> None:
    done = ended(event("die", 90.0, exitCode="0"))
    assert done == ("exited with code 0 after 90 s", "completed", False)
    assert ended(event("die", 0.3, exitCode="1")) == (
        "exited with code 1 after 0.3 s",
        "error",
        True,
    )


@pytest.mark.parametrize("signal", ["15", "9", "2", "3", "SIGTERM"])
def test_one_that_was_asked_to_stop_did_not_fail(signal: str) -> None:
    assert ended(event("kill", 60.0, signal=signal), event("die", 61.0, exitCode="137")) == (
        "stopped: exited with code 137 after 61 s",
        "stopped",
        False,
    )


def test_where_no_event_tells_of_a_stop_an_end_by_a_signal_is_not_called_a_failure() -> None:
    """As with Podman."""
    for code, reason in (("143", "unknown"), ("137", "unknown"), ("3", "error")):
        states = States()
        states.tells_stops = False
        states.observe(event("start", 0.0))
        states.observe(event("die", 60.0, exitCode=code))
        assert states.of(ID).reason == reason


def test_a_signal_that_asks_for_no_end_is_none_of_its_cause() -> None:
    assert ended(event("kill", 60.0, signal="1"), event("die", 61.0, exitCode="3"))[1] == "error"
    late = ended(event("kill", 60.0, signal="15"), event("die", 60.0 + STOPPING, exitCode="3"))
    assert late[1] == "error"


def test_a_stop_that_took_long_is_told_of_after_the_end() -> None:
    """`docker stop --time 600`, and a program that takes its time."""
    asked = event("kill", 60.0, signal="15")
    _, reason, failed = ended(asked, event("die", 500.0, exitCode="1"), event("stop", 500.1))
    assert (reason, failed) == ("stopped", False)


def test_one_that_ran_out_of_memory_was_killed() -> None:
    assert ended(event("oom", 59.9), event("die", 60.0, exitCode="137")) == (
        "killed: out of memory after 60 s",
        "oom_killed",
        True,
    )
    words, reason, _ = ended(event("oom", 59.9), event("die", 60.0, exitCode="1"))
    assert (words, reason) == ("exited with code 1 after 60 s, out of memory", "oom_killed")


def test_the_event_of_lack_of_memory_may_come_after_the_end() -> None:
    died = event("die", 60.0, exitCode="137")
    assert ended(died, event("oom", 60.0 + OOM_LATE / 2))[1] == "oom_killed"
    assert ended(died, event("oom", 61.0 + OOM_LATE))[1] == "error"


def test_one_that_goes_on_without_a_process_and_is_stopped_later_did_not_fail() -> None:
    events = event("oom", 5.0), event("kill", 60.0, signal="15"), event("die", 61.0, exitCode="143")
    assert ended(*events)[1:] == ("stopped", False)


def test_the_next_run_has_nothing_of_the_one_before() -> None:
    states = States()
    for one in (event("start", 1), event("oom", 2), event("kill", 3, signal="15"),
                event("die", 4, exitCode="137"), event("start", 5)):  # fmt: skip
        states.observe(one)
    assert states.observe(event("die", 6, exitCode="3")).words == "exited with code 3 after 1 s"
    assert states.of(ID).reason == "error"


def test_restarts_are_counted_until_an_inspection_tells_and_a_stop_is_none() -> None:
    states = States()
    states.observe(event("create", 0))
    for turn in range(3):
        states.observe(event("start", turn))
        states.observe(event("die", turn + 0.5, exitCode="1"))
    assert states.of(ID).restarts == 2
    states.observe(event("start", 3))
    states.inspected(ID, inspection(RestartCount=7), NOW + 1)
    assert states.of(ID).restarts == 7
    states.observe(event("kill", 4, signal="15"))
    states.observe(event("die", 4.1, exitCode="0"))
    states.observe(event("start", 5))
    assert states.of(ID).restarts == 7


def test_a_container_that_was_removed_is_forgotten() -> None:
    states = States()
    states.learn(item("running", "Up 3 hours"), "host")
    assert states.observe(event("destroy")).words == "removed"
    assert states.of(ID) is UNKNOWN


# ------------------------------------------------------------------------ what was not seen

NOW = 1_800_000_000.0
LONG_AGO = "2026-01-31T12:00:00.5Z"


def inspection(status: str = "running", **more: Any) -> dict[str, Any]:
    state = {
        "Status": status, "StartedAt": LONG_AGO, "FinishedAt": "0001-01-01T00:00:00Z",
        "ExitCode": 0, "OOMKilled": False,
    }  # fmt: skip
    state |= {key: more.pop(key) for key in list(more) if key in (*state, "Health")}
    return {"Id": ID, "State": state, **more}


def known(answer: Any, *events: dict[str, Any], asked: float = NOW + 1) -> State:
    states = States(clock=lambda: NOW)
    for one in events:
        states.observe(one)
    states.inspected(ID, answer, asked)
    return states.of(ID)


def test_an_inspection_tells_how_one_ended_that_nobody_saw_end() -> None:
    state = known(inspection("exited", ExitCode=3, FinishedAt="2026-01-31T13:00:00Z"))
    assert (state.state, state.exit_code, state.finished) == ("exited", 3, 1769864400.0)
    assert (state.reason, state.failed) == ("unknown", False)


def test_lack_of_memory_is_known_of_one_that_nobody_saw_end() -> None:
    state = known(
        inspection("exited", ExitCode=137, OOMKilled=True, FinishedAt="2026-01-31T13:00:00Z")
    )
    assert (state.reason, state.failed, state.oom) == ("oom_killed", True, 1)


def test_of_an_end_that_was_seen_an_inspection_only_corrects_what_the_event_could_not_say() -> None:
    """A label called `exitCode` replaces the exit code, and Podman has no event for memory."""
    died = event("die", 1769864400.2, exitCode="0")
    answer = inspection("exited", ExitCode=137, OOMKilled=True, FinishedAt="2026-01-31T13:00:00Z")
    state = known(answer, event("start", 1769860800.9), died)
    assert (state.exit_code, state.reason) == (137, "oom_killed")
    assert (state.started, state.finished) == (1769860800.9, 1769864400.2)


def test_one_that_was_stopped_stays_stopped_whatever_its_memory_did_before() -> None:
    events = event("start", 1), event("kill", 5, signal="9"), event("die", 6, exitCode="137")
    answer = inspection("exited", ExitCode=137, OOMKilled=True)
    assert known(answer, *events).reason == "stopped"


def test_an_event_that_came_after_the_question_is_right() -> None:
    answer = inspection("running", RestartCount=4, HostConfig={"CgroupParent": "/mine"})
    state = known(answer, event("start", 1), event("die", 2, exitCode="3"), asked=NOW - 1)
    assert (state.state, state.exit_code, state.restarts) == ("exited", 3, 4)
    assert state.cgroup == f"/mine/{ID}"
    states = States(clock=lambda: NOW)
    states.observe(event("die", 2, exitCode="3"))
    states.note(ID, item("running", "Up"), NOW - 1)
    assert states.of(ID).state == "exited"
    states.note(ID, item("running", "Up"), NOW + 1)
    assert (states.of(ID).state, states.of(ID).ended) == ("running", False)


@pytest.mark.parametrize("odd", [None, [], {}, {"State": 3}, {"State": {"StartedAt": 7}},
                                 {"State": {"Status": "exited", "ExitCode": "x", "FinishedAt":
                                            "2026-13-31T13:00:00Z"}}])  # fmt: skip
def test_a_malformed_inspection_tells_nothing(odd: Any) -> None:
    state = known(odd)
    assert (state.exit_code, state.finished, state.started) == (None, None, None)


def test_an_end_is_recalled_where_it_is_the_same_and_nothing_better_is_known() -> None:
    answer = inspection("exited", ExitCode=3, FinishedAt="2026-01-31T13:00:00Z")
    for finished, end, reason in (
        (1769864400.4, "by_itself", "error"),
        (1769864400.4, "stopped", "stopped"),
        (1769864400.4, "made up", "unknown"),
        (1769864300.0, "stopped", "unknown"),
    ):
        states = States(clock=lambda: NOW)
        states.inspected(ID, answer, NOW + 1)
        states.recall(ID, finished, end)
        assert states.of(ID).reason == reason
    states.recall("unknown", 1.0, "stopped")
    states.observe(event("die", 1769864500.0, exitCode="3"))
    states.recall(ID, 1769864500.0, "stopped")
    assert states.of(ID).reason == "error"


def test_the_disk_is_that_of_a_container_that_runs() -> None:
    states = States()
    states.measured(ID, 5)
    states.observe(event("start", 1))
    states.measured(ID, 5)
    assert states.of(ID).disk == 5
    states.observe(event("die", 2, exitCode="0"))
    states.measured(ID, 6)
    assert states.of(ID).disk is None


@pytest.mark.parametrize(
    ("status", "seconds", "within"),
    [
        ("Exited (0) Less than a second ago", 10, True),
        ("Exited (0) 9 seconds ago", 10, True),
        ("Exited (1) About a minute ago", 59, False),
        ("Exited (137) About an hour ago", 3600, True),
        ("Exited (0) 3 hours ago", 3600, False),
        ("Exited (0) 2 days ago", 3 * 86400, True),
        ("Exited (0) 5 months ago", 1e9, False),
        ("Created", 1e9, False),
    ],
)
def test_the_list_says_about_when_one_ended(status: str, seconds: float, within: bool) -> None:
    assert ended_within(status, seconds) is within


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


def of(number: int, action: str) -> dict[str, Any]:
    return {**event(action), "Actor": {"ID": f"{number:064}", "Attributes": {}}}


def test_the_one_heard_of_longest_ago_makes_room() -> None:
    states = States()
    for number in range(MOST_STATES):
        states.observe(of(number, "die"))
    states.observe(of(0, "create"))
    states.observe(event("start"))
    known = [states.of(f"{number:064}").state for number in (0, 1, 2)]
    assert known == ["created", "", "exited"]


def test_those_that_run_are_known_however_many_others_there_are() -> None:
    """As on a host with 30,000 that ended, while the page lists them all."""
    states = States()
    for number in range(100):
        states.observe(of(number, "start"))
    for number in range(100, MOST_STATES + 10_000):
        states.observe(of(number, "die"))
    assert all(states.of(f"{number:064}").runs for number in range(100))
    assert len(states._known) == MOST_STATES


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
    hostile = "\x1b[2J\n\u202e" + "x" * 10_000
    for action in (f"health_status: {hostile}", hostile):
        words = states.observe(event(action)).words
        assert words.isprintable()
        assert len(words) <= 40
    words = states.observe(event("rename", oldName="/\n" + "y" * 10_000)).words
    assert words.isprintable()
    assert len(words) < 300


def test_what_is_kept_is_bounded() -> None:
    states = States()
    for number in range(MOST_STATES + 10):
        one = event("start")
        one["Actor"]["ID"] = f"{number:064}"
        states.observe(one)
    ids = [ID, *(f"{number:064}" for number in range(MOST_STATES + 10))]
    assert sum(states.of(one) is not UNKNOWN for one in ids) == MOST_STATES


def test_a_complete_list_forgets_those_that_are_gone() -> None:
    states = States()
    container = states.learn(item("running", "Up"), "host")
    assert container is not None
    states.complete({ID: container})
    states.complete({})
    assert not states.listed
    assert states.of(ID).state == ""
