"""Which containers' states are on `/metrics`, and for how long."""

from __future__ import annotations

from typing import Any, cast

from pipeline.model.container import Container
from pipeline.sources.docker.lifecycle.followed import Followed
from pipeline.sources.docker.lifecycle.reported import (
    MOST_ENDED,
    REMOVED_FOR,
    TOGETHER,
    Reported,
)
from pipeline.sources.docker.lifecycle.states import States
from pipeline.testing.builders import container

HOUR = 3600.0


class HasFacts:
    def __init__(self, facts: Container) -> None:
        self.facts = facts


class World:
    """An Engine's containers, and what is reported of them."""

    def __init__(self, keep: float = HOUR) -> None:
        self.now = 0.0
        self.states = States()
        self.followed: dict[str, Any] = {}
        followed = cast(dict[str, Followed], self.followed)
        self.reported = Reported(self.states, followed, keep, lambda: self.now)

    def happens(self, one: Container, action: str, **attributes: str) -> None:
        state = self.states.of(one.id)
        self.states.observe(
            {
                "Action": action,
                "Actor": {"ID": one.id, "Attributes": attributes},
                "timeNano": int(self.now * 1e9),
            }
        )
        if action == "destroy":
            self.followed.pop(one.id, None)
            self.reported.removed(one, state)
        else:
            self.followed[one.id] = HasFacts(one)
        if action == "start":
            self.reported.started(one)

    def ends(self, one: Container, code: int) -> None:
        self.happens(one, "start")
        self.now += 1
        self.happens(one, "die", exitCode=str(code))

    @property
    def seen(self) -> list[tuple[str, str]]:
        return [(one.name, state.state) for one, state in self.reported]


WEB = container("web", number=1)
JOB = container("job", number=2)


def test_those_that_run_come_first_and_those_that_ended_stay_for_a_while() -> None:
    world = World()
    world.ends(JOB, 0)
    world.happens(WEB, "create")
    assert world.seen == [("job", "exited")]
    world.happens(WEB, "start")
    assert world.seen == [("web", "running"), ("job", "exited")]
    world.now += HOUR - 0.1
    assert world.seen == [("web", "running"), ("job", "exited")]
    world.now += 0.2
    assert world.seen == [("web", "running")]


def test_one_that_is_removed_later_is_gone_at_once() -> None:
    world = World()
    world.ends(WEB, 3)
    world.now += TOGETHER
    world.happens(WEB, "destroy")
    assert world.seen == []


def test_a_failure_that_is_removed_together_with_its_end_is_there_long_enough_to_be_seen() -> None:
    world = World()
    world.ends(JOB, 3)
    world.happens(JOB, "destroy")
    ((one, state),) = world.reported
    assert (one, state.state, state.exit_code, state.reason) == (JOB, "removed", 3, "error")
    world.now += REMOVED_FOR
    assert world.seen == []


def test_whether_the_engine_removes_it_counts_where_that_is_known() -> None:
    world = World()
    for one, auto in ((WEB, False), (JOB, True)):
        world.happens(one, "start")
        answer = {"State": {"Status": "running"}, "HostConfig": {"AutoRemove": auto}}
        world.states.inspected(one.id, answer, 1e12)
        world.happens(one, "die", exitCode="3")
    world.now += TOGETHER / 2
    world.happens(WEB, "destroy")
    world.now += TOGETHER
    world.happens(JOB, "destroy")
    assert world.seen == [("job", "removed")]


def test_one_that_is_done_or_was_stopped_is_gone_as_it_is_removed() -> None:
    world = World()
    world.ends(JOB, 0)
    world.happens(JOB, "destroy")
    world.happens(WEB, "start")
    world.happens(WEB, "kill", signal="9")
    world.happens(WEB, "die", exitCode="137")
    world.happens(WEB, "destroy")
    assert world.seen == []


def test_the_next_one_of_its_name_takes_the_place_of_one_that_is_gone() -> None:
    world = World()
    world.ends(JOB, 3)
    world.happens(JOB, "destroy")
    again = container("job", number=3)
    world.happens(again, "create")
    assert world.seen == [("job", "removed")]
    world.happens(again, "start")
    assert world.seen == [("job", "running")]


def test_one_that_ended_before_the_agent_began_is_reported_once_its_end_is_known() -> None:
    world = World()
    world.now = 10_000.0
    world.reported.ended_early(JOB)
    assert world.seen == []
    state = {"Status": "exited", "ExitCode": 3, "FinishedAt": "1970-01-01T02:00:00Z"}
    world.states.inspected(JOB.id, {"Id": JOB.id, "State": state}, 1e12)
    assert world.seen == [("job", "exited")]
    world.reported.forget(JOB.id)
    assert world.seen == []


def test_nothing_is_kept_for_longer_than_is_wanted() -> None:
    world = World(keep=0.0)
    world.ends(JOB, 3)
    world.ends(WEB, 3)
    world.happens(WEB, "destroy")
    assert world.seen == []


def test_those_that_ended_last_are_there_however_many_there_are() -> None:
    world = World()
    for number in range(MOST_ENDED + 20):
        one = container(f"c{number}", number=number + 10)
        world.ends(one, 1)
        world.now -= 0.9
        if number % 2:
            world.happens(one, "destroy")
    seen = [name for name, _ in world.seen]
    assert seen == [f"c{number}" for number in reversed(range(20, MOST_ENDED + 20))]


def test_those_that_are_remembered_are_bounded() -> None:
    world = World()
    for number in range(MOST_ENDED + 5):
        one = container(f"c{number}", number=number + 10)
        world.ends(one, 1)
        world.now -= 0.99
        world.happens(one, "destroy")
        world.reported.ended_early(container(f"e{number}", number=number + 5000))
    assert len(world.reported._removed) == MOST_ENDED
    assert len(world.reported._early) == MOST_ENDED
