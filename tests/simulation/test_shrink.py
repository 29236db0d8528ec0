"""A plan that goes wrong is made as small as it can be."""

from __future__ import annotations

from tests.simulation.plan import Plan, Setup, Sink, Step
from tests.simulation.shrink import shrunk

SINKS = tuple(Sink(f"s{number}", "http") for number in range(3))


def plan(steps: int) -> Plan:
    verbs = (Step(float(at), "write", {"name": f"a{at}"}) for at in range(steps))
    return Plan(1, Setup(SINKS), tuple(verbs))


def times(of: Plan) -> set[float]:
    return {step.at for step in of.steps}


def test_only_the_steps_and_sinks_that_it_takes_are_left() -> None:
    def wrong(one: Plan) -> bool:
        return {3.0, 50.0, 97.0} <= times(one) and any(s.name == "s1" for s in one.setup.sinks)

    small = shrunk(plan(100), wrong)
    assert times(small) == {3.0, 50.0, 97.0}
    assert [sink.name for sink in small.setup.sinks] == ["s1"]


def test_where_every_step_is_needed_all_stay() -> None:
    assert len(shrunk(plan(10), lambda one: len(one.steps) == 10).steps) == 10


def test_there_are_no_more_attempts_than_are_allowed() -> None:
    tried = []

    def wrong(one: Plan) -> bool:
        tried.append(one)
        return 77.0 in times(one)

    small = shrunk(plan(500), wrong, attempts=12)
    assert len(tried) <= 12
    assert 77.0 in times(small)
