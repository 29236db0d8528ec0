"""A plan comes of its seed and its minutes alone, and can be carried out."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tests.chaos.plan import CONTAINER_LANES, FAULTS, plan

SEEDS = st.integers(0, 2**32)
MINUTES = st.floats(0.2, 12)


@given(SEEDS, MINUTES)
def test_the_same_seed_gives_the_same_plan(seed: int, minutes: float) -> None:
    assert plan(seed, minutes) == plan(seed, minutes)


@given(SEEDS)
def test_another_seed_gives_another_plan(seed: int) -> None:
    assert plan(seed, 1) != plan(seed + 1, 1)


@given(SEEDS, MINUTES)
def test_it_is_in_order_and_ends_in_time(seed: int, minutes: float) -> None:
    times = [action.at for action in plan(seed, minutes)]
    assert times == sorted(times)
    assert 0 <= times[0] <= times[-1] <= 60 * minutes + 0.1  # times are rounded to tenths


@given(SEEDS)
def test_a_container_is_started_once_and_before_anything_is_done_to_it(seed: int) -> None:
    started: dict[str, str] = {}
    for action in plan(seed, 2):
        if action.verb == "start":
            assert action.talker is not None and action.talker.name == action.name
            assert action.name not in started
            started[action.name] = action.lane
        elif action.lane.startswith("containers"):
            assert started[action.name] == action.lane


@given(SEEDS)
def test_nothing_is_done_to_a_container_that_is_to_be_removed(seed: int) -> None:
    leaving: set[str] = set()
    for action in plan(seed, 3):
        assert not action.name or action.name not in leaving
        if action.verb == "remove":
            leaving.add(action.name)


@given(SEEDS)
def test_ten_minutes_have_every_kind_of_container_and_every_victim(seed: int) -> None:
    actions = plan(seed, 10)
    kinds = {action.talker.kind for action in actions if action.talker is not None}
    assert kinds == {"moment", "flood", "both", "long", "steady", "loop"}
    lanes = {action.lane for action in actions}
    assert lanes == {
        "agent",
        "engine",
        *FAULTS,
        *(f"containers-{n}" for n in range(CONTAINER_LANES)),
    }


@given(SEEDS)
def test_a_sink_is_over_one_fault_before_the_next(seed: int) -> None:
    for sink in FAULTS:
        faults = [action for action in plan(seed, 5) if action.lane == sink]
        for one, next_one in pairwise(faults):
            assert one.at + one.seconds < next_one.at
