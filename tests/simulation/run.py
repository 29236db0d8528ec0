"""One run: a plan is played, judged, and what it came to is kept."""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass

from tests.simulation.course import Course
from tests.simulation.judge.judge import judged
from tests.simulation.judge.wrong import Wrong
from tests.simulation.plan import Plan
from tests.simulation.timeline import Line, timeline


@dataclass(frozen=True)
class Run:
    """What a run has come to."""

    plan: Plan
    wrong: list[Wrong]
    steps: int
    """How much has happened in it. Of two runs of one plan, this is the same."""
    seconds: float
    """Of CPU."""
    lines: int
    """How many lines the containers have written."""
    lives: int
    """How many times an agent was started."""
    looks: int
    """How many times the ledger of a running agent was found to balance."""
    timeline: list[Line]


def play(plan: Plan, *, told: bool = False) -> Run:
    """Plays a plan in a world of its own, and judges what has become of it. The timeline is made if
    anything is wrong, or it is to be `told`."""
    began = time.process_time()
    course = Course(plan)
    course.run()
    wrong = judged(course)
    run = Run(
        plan,
        wrong,
        course.world.steps,
        time.process_time() - began,
        sum(len(one.times) for one in course.written.values()),
        sum(len(node.starts) for node in course.nodes.values()),
        sum(node.looks for node in course.nodes.values()),
        timeline(course, {one.name for one in wrong}) if wrong or told else [],
    )
    del course
    if gc.get_count()[2] > 50 or gc.get_count()[0] > 200_000:
        gc.collect()
    return run
