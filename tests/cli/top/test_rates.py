"""Rates are what two overviews of one agent tell together."""

from __future__ import annotations

import pytest

from pipeline.cli.top.rates import UNKNOWN, rates
from pipeline.observe.overview import Overview
from tests.cli.top.overviews import overview


def test_rates_are_differences_over_the_agents_own_time() -> None:
    found = rates(overview(10), overview(12, 100))
    assert [row.lines for row in found.containers] == [0, 50, 100]
    assert (found.lines, found.bytes) == (150, 1500)
    [route] = found.routes
    assert (route.came, route.left, route.filtered) == (50, 37.5, 12.5)
    assert (found.sinks[0].delivered, found.sinks[0].bytes) == (50, 5000)


def test_what_a_route_makes_is_among_what_it_leaves() -> None:
    before, after = overview(10), overview(12, 100)
    after.routes[0].made = 50
    assert rates(before, after).routes[0].left == 62.5


@pytest.mark.parametrize("before", [None, overview(10, 500, began=0.0), overview(12, 100)])
def test_rates_are_unknown_without_an_answer_before_of_the_same_run(
    before: Overview | None,
) -> None:
    found = rates(before, overview(12, 100))
    assert {row.lines for row in found.containers} == {UNKNOWN}
    assert found.lines == UNKNOWN


def test_a_container_that_is_new_has_a_rate_from_0() -> None:
    found = rates(overview(10, 100, containers=1), overview(12, 100, containers=3))
    assert [row.lines for row in found.containers] == [0, 50, 100]
