"""A plan is nothing but data, and its seed says all of it."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.simulation.course import Course
from tests.simulation.plan import CALM, END, FAULTS_END, Plan, made

SEEDS = range(1, 40)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_plan_can_be_saved_and_is_the_same_each_time(seed: int) -> None:
    assert made(seed) == made(seed) == Plan.from_json(made(seed).to_json())


def test_between_two_storms_there_is_calm() -> None:
    for seed in SEEDS:
        storms = made(seed).setup.storms
        assert storms[-1][1] <= FAULTS_END
        for (_, end), (begin, _) in pairwise(storms):
            assert begin - end >= CALM - 0.01


def test_faults_come_in_storms_and_end_with_them() -> None:
    for seed in SEEDS:
        plan = made(seed)
        for step in plan.steps:
            assert 0 <= step.at < END
            if "sink" in step.of:
                within = [end for begin, end in plan.setup.storms if begin <= step.at <= end]
                assert within, step
                assert step.at + step.of.get("seconds", 0) <= within[0] + 0.11


def test_each_verb_is_a_method_of_a_course() -> None:
    for seed in SEEDS:
        for step in made(seed).steps:
            assert callable(getattr(Course, step.verb))
