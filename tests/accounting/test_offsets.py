"""Each sink's offset in a log, over changes of routes and doubts about numbers."""

from __future__ import annotations

from pipeline.accounting.offsets import NOTHING, QUIET, Offsets
from pipeline.model.acknowledgement import UNTRACKED


def test_what_is_unsettled_of_a_log_is_what_the_quickest_of_its_sinks_has_not_settled() -> None:
    offsets = Offsets({})
    assert offsets.unsettled == 0
    quick, slow = offsets.of("all", "quick"), offsets.of("all", "slow")
    acks = [(quick.open(number, UNTRACKED), slow.open(number, UNTRACKED)) for number in range(5)]
    assert offsets.unsettled == 5
    for of_quick, _ in acks[:3]:
        of_quick.settle()
    assert (offsets.unsettled, len(slow)) == (2, 5)


def test_a_sink_that_a_log_leads_to_later_begins_there_and_one_that_stays_goes_on() -> None:
    offsets = Offsets({})
    offsets.bind(NOTHING)
    stays = offsets.of("r", "stays")
    stays.skip(5)
    offsets.bind(10)
    assert offsets.of("r", "stays") is stays
    assert (stays.known, stays.reached) == (NOTHING, 5)
    new = offsets.of("r", "new")
    assert (new.known, new.reached) == (10, 10)
    assert offsets.ahead_of(7) == {"r": {"new": 10}}


def test_a_sink_that_was_left_and_is_back_misses_what_came_between_and_nothing_before() -> None:
    offsets = Offsets({})
    offsets.bind(NOTHING)
    one = offsets.of("r", "one")
    waiting = one.open(3, UNTRACKED)
    offsets.bind(4)
    offsets.bind(6)
    assert offsets.unsettled == 0
    offsets.bind(9)
    back = offsets.of("r", "one")
    assert back is one
    assert back.reached == NOTHING
    waiting.settle()
    assert back.reached == 9


def test_a_sink_that_gets_nothing_of_a_log_does_not_count_as_quick() -> None:
    offsets = Offsets({})
    busy, quiet = offsets.of("all", "busy"), offsets.of("rare", "quiet")
    for number in range(QUIET + 2):
        busy.open(number, UNTRACKED)
        quiet.skip(number)
    assert offsets.unsettled == QUIET + 2
    quiet.open(QUIET + 2, UNTRACKED).settle()
    assert offsets.unsettled == 0
    for number in range(QUIET):
        quiet.skip(QUIET + 3 + number)
    assert offsets.unsettled == QUIET + 2


def test_moved_is_called_when_a_sink_comes_further_and_only_then() -> None:
    told: list[int] = []
    offsets = Offsets({"r": {"one": 5}}, lambda: told.append(one.reached))
    one = offsets.of("r", "one")
    waiting = one.open(7, UNTRACKED)
    one.open(9, UNTRACKED).settle()
    assert told == []
    waiting.settle()
    assert told == [9]
    one.skip(9)
    one.skip(8)
    assert told == [9]


def test_moved_is_called_when_numbers_are_in_doubt_and_what_was_reached_is_forgotten() -> None:
    told: list[dict[str, dict[str, int]]] = []
    offsets = Offsets({"r": {"one": 9}}, lambda: told.append(offsets.ahead_of(7)))
    offsets.of("r", "one")
    offsets.doubt(7)
    assert told == [{}]


def test_a_sink_is_ahead_only_of_entries_whose_numbers_are_not_in_doubt() -> None:
    offsets = Offsets({})
    offsets.doubt(7)
    offsets.of("r", "one").skip(9)
    assert offsets.ahead_of(6) == {}
    assert offsets.ahead_of(7) == offsets.ahead_of(8) == {"r": {"one": 9}}
    assert offsets.ahead_of(9) == {}


def test_of_what_was_read_before_a_log_led_to_a_sink_it_is_said_that_nothing_is_known() -> None:
    offsets = Offsets({})
    offsets.bind(NOTHING)
    first = offsets.of("r", "first")
    assert offsets.get("r", "first") is first
    assert offsets.get("r", "new") is None
    offsets.bind(10)
    assert offsets.get("r", "first") is None
    assert offsets.of("r", "first").began == NOTHING
    assert offsets.of("r", "new").began == 10
    waiting = first.open(12, UNTRACKED)
    offsets.bind(13)
    offsets.bind(14)
    assert offsets.of("r", "first").began == 14
    waiting.settle()
