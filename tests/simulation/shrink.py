"""Makes a plan that goes wrong as small as it can be and still goes wrong in the same way.

Steps are taken away in halves, then in quarters, and so on down to single ones (delta debugging,
Zeller and Hildebrandt 2002), first all at once that come after what went wrong. What is left is
what it takes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tests.simulation.plan import Plan

GoesWrong = Callable[[Plan], bool]
"""Whether a plan still goes wrong in the same way."""


def shrunk(plan: Plan, goes_wrong: GoesWrong, attempts: int = 300) -> Plan:
    """The smallest plan that was found with at most so many attempts."""
    left = attempts

    def still(smaller: Plan) -> bool:
        nonlocal left
        left -= 1
        return left >= 0 and goes_wrong(smaller)

    plan = _fewer_sinks(plan, still)
    size = max(1, len(plan.steps) // 2)
    while left > 0:
        smaller = _fewer_steps(plan, size, still)
        if size == 1 and len(smaller.steps) == len(plan.steps):
            break
        size = max(1, min(size // 2, len(smaller.steps) // 2))
        plan = smaller
    return plan


def _fewer_steps(plan: Plan, size: int, goes_wrong: GoesWrong) -> Plan:
    """Without each run of so many steps that is not needed, from the last one on."""
    end = len(plan.steps)
    while end > 0:
        smaller = plan.without(set(range(max(0, end - size), end)))
        if goes_wrong(smaller):
            plan = smaller
        end -= size
    return plan


def _fewer_sinks(plan: Plan, goes_wrong: GoesWrong) -> Plan:
    """Without each sink that is not needed."""
    for sink in plan.setup.sinks:
        if len(plan.setup.sinks) == 1:
            break
        kept = tuple(one for one in plan.setup.sinks if one.name != sink.name)
        steps = tuple(step for step in plan.steps if step.of.get("sink") != sink.name)
        smaller = replace(plan, setup=replace(plan.setup, sinks=kept), steps=steps)
        if goes_wrong(smaller):
            plan = smaller
    return plan
