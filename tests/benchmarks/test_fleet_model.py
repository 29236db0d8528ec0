"""The guide's tables are those of the model, and the model's arithmetic is what it says."""

from __future__ import annotations

import pytest

from benchmarks import fleet_model
from benchmarks.fleet_model import GUIDE, HUB, Fleet, Need
from benchmarks.hub_figures import LARGE, SMALL, Drained, Published, QueueFigures
from tests.fleet.results import Happened, Run

FIGURES = QueueFigures(
    version="a queue 1.0", machine="2 cores", lines=1, line=145, containers=1,
    published={
        LARGE: Published(pace=1, agent=1, broker=1, size=20),
        SMALL: Published(pace=1, agent=4, broker=2, size=80),
    },
    drained=[
        Drained(what=HUB, message=SMALL, pace=1, hub=10, broker=4, store=20, peak_mib=1),
    ],
)  # fmt: skip
RUN = Run(300, "", [Happened("a hub is killed", 1000, 20.0)])


def need(fleet: Fleet | None = None) -> Need:
    return Need(fleet or Fleet(), FIGURES, RUN)


@pytest.mark.parametrize("number", range(3))
def test_the_guide_has_what_the_model_prints(number: int) -> None:
    table = fleet_model.tables(Fleet())[number]
    assert table in GUIDE.read_text(), "python -m benchmarks.fleet_model --write"


def test_it_multiplies_what_was_measured_by_the_lines_of_a_second() -> None:
    one = need()
    assert one.fleet.rate == 500_000
    assert one.messages == 40_000
    assert one.capacity == 100_000, "lines a second, at 10 s for a million"
    assert one.hubs == 12, "ten at half load, and four in each zone"
    assert one.agent == pytest.approx(50 * 4e-6)
    assert one.queue_cores == pytest.approx(0.5 * (2 * 3 + 4))
    assert one.store_cores == pytest.approx(10)
    assert one.hour == 500_000 * 80 * 3600 * 3


def test_hubs_of_a_lost_zone_stand_still_until_others_take_over_and_catch_up() -> None:
    one = need()
    assert one.backlog == pytest.approx(500_000 / 3 * 20)
    assert one.left == pytest.approx(5 / 8)
    assert one.catch_up == pytest.approx(one.backlog / 300_000)
    assert one.repeated == 4 * 1000


def test_hubs_without_a_reserve_never_catch_up() -> None:
    one = need(Fleet(load=1.0))
    assert one.hubs == 6
    assert one.catch_up == float("inf")


def test_a_table_takes_the_place_of_the_one_that_begins_as_it_does() -> None:
    text = "a\n\n| x | old |\n|---|---|\n| 1 | 2 |\n\nb\n\n| y | z |\n"
    assert fleet_model.replaced(text, "| x | new |\n|---|---|") == (
        "a\n\n| x | new |\n|---|---|\n\nb\n\n| y | z |\n"
    )
    with pytest.raises(ValueError, match="no table that begins with"):
        fleet_model.replaced(text, "| w | x |")
