"""When a run was good, and what its tables say."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.fleet.outcome import Moment, Order, Outcome
from tests.fleet.queues.queue import Rest
from tests.fleet.stored import Stored

WHOLE = {"a": Stored(12, 10, 10, 1, 10)}
MOMENT = Moment("a hub is killed", 5, 3, 3.25, repeated=2, silence=25.0)


def outcome(
    stored: Mapping[str, Stored] = WHOLE,
    order: Order | None = None,
    exits: Mapping[str, int] | None = None,
    rest: Rest | None = None,
) -> Outcome:
    return Outcome(
        1, "a queue 1.0", {"a": 10}, {"a": "host1-w"}, stored, [MOMENT], order or Order(repeated=2),
        2.0, exits or {"hub1": 0}, rest or Rest(),
    )  # fmt: skip


def test_a_run_is_good_when_all_is_there_in_order_and_all_have_ended_well() -> None:
    assert outcome().good
    table = outcome().table()
    assert table.startswith("a queue 1.0: 10 lines of 1 containers on 1 hosts")
    assert "| a hub is killed | 5 | 3 | 3.2 s | 2 | 25.0 s |" in table
    assert "| all | 10 | 10 | 0 | 2 |" in table
    assert "all in order but for 2 that came again. Exit codes of 1 agents and hubs: 0." in table


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (outcome({}), "10 lines are missing"),
        (outcome(WHOLE | {"b": Stored(1, 1, 1, 1, 1)}), "the store has lines of other containers"),
        (outcome(order=Order(missing=1)), "1 lines did not come to the register"),
        (outcome(order=Order(late=2)), "2 lines came after later ones"),
        (outcome(order=Order(odd="x")), "this came to the register: x"),
        (outcome(exits={"hub1": 0, "hub2": -15}), "these have ended badly: hub2 with -15"),
        (outcome(rest=Rest(given_to_none=3)), "3 messages were given to no hub"),
        (outcome(rest=Rest(not_answered=4)), "4 messages are there and not acknowledged"),
    ],
)
def test_whatever_is_not_as_it_should_be_is_said(bad: Outcome, why: str) -> None:
    assert not bad.good
    assert bad.odd() == [why]


def test_what_a_server_counts_and_nobody_will_be_given_is_told_and_no_fault() -> None:
    one = outcome(rest=Rest(notes=("5 messages count as unacknowledged",)))
    assert one.good
    assert one.table().endswith("At the end 5 messages count as unacknowledged.")
