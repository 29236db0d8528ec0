"""What an outage cost is said in one sentence."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.topology.outage import Outage


@dataclass
class Held:
    entries: int = 0
    blocked_entries: int = 0


def test_what_waited_and_what_was_dropped_meanwhile_is_told() -> None:
    held = Held()
    outage = Outage(held)
    outage.drop(7, "drop_newest")
    outage.begin()
    held.entries = 1200
    assert outage.over() == "1,200 entries waited and are sent now, none was dropped"
    outage.drop(1, "refused")
    held.entries = 1
    assert outage.over() == "1 entry waited and is sent now, 1 was dropped (refused)"
    outage.drop(1500, "drop_newest")
    held.entries = 0
    assert outage.over() == "nothing waits, 1,501 were dropped (drop_newest, refused)"


def test_an_outage_that_cost_nothing_is_not_worth_a_sentence() -> None:
    outage = Outage(Held())
    outage.drop(7, "drop_newest")
    outage.begin()
    assert outage.over() == ""


def test_entries_that_did_not_fit_into_the_buffer_are_told() -> None:
    outage = Outage(Held(10, 3))
    outage.begin()
    assert outage.over() == (
        "10 entries waited and are sent now, 3 more wait for room in the buffer, none was dropped"
    )
