"""Positions move in order, and only over what is settled."""

from __future__ import annotations

import itertools

from pipeline.accounting.acks import NOTHING, QUIET, Account, Progress, Receipt
from pipeline.model.acknowledgement import UNTRACKED


def opened(count: int) -> tuple[list[int], Account[int], list[Receipt[int]]]:
    moved: list[int] = []
    account: Account[int] = Account(moved.append)
    return moved, account, [account.open(number) for number in range(count)]


def test_whatever_the_order_of_settling_the_position_only_moves_over_a_settled_prefix() -> None:
    for order in itertools.permutations(range(4)):
        moved, account, receipts = opened(4)
        settled: set[int] = set()
        for number in order:
            receipts[number].settle()
            settled.add(number)
            prefix = next((n for n in range(5) if n not in settled), 4)
            assert (moved[-1] if moved else -1) == prefix - 1
        assert len(account) == 0
        assert moved == sorted(moved)


def test_a_batch_in_several_places_is_settled_by_the_last() -> None:
    moved, _, (receipt,) = opened(1)
    receipt.hold(2)
    receipt.settle()
    receipt.settle()
    assert moved == []
    receipt.settle()
    assert moved == [0]


def test_settling_many_at_once_tells_the_last_position_only() -> None:
    moved, _, receipts = opened(3)
    for receipt in reversed(receipts):
        receipt.settle()
    assert moved == [2]


def test_only_what_is_not_settled_is_kept_however_much_is_settled_behind_it() -> None:
    moved, account, receipts = opened(1000)
    for receipt in receipts[1:500] + receipts[501:]:
        receipt.settle()
    assert len(account) == 2
    receipts[500].settle()
    assert (len(account), moved) == (1, [])
    receipts[0].settle()
    assert (len(account), moved) == (0, [999])


def test_a_batch_opened_behind_settled_ones_moves_past_them_when_its_turn_comes() -> None:
    moved, account, (first, second) = opened(2)
    second.settle()
    third = account.open(2)
    first.settle()
    assert moved == [1]
    third.settle()
    assert moved == [1, 2]


def test_what_is_unsettled_of_a_log_is_what_the_quickest_of_its_sinks_has_not_settled() -> None:
    progress = Progress({})
    assert progress.unsettled == 0
    quick, slow = progress.of("all", "quick"), progress.of("all", "slow")
    receipts = [
        (quick.open(number, UNTRACKED), slow.open(number, UNTRACKED)) for number in range(5)
    ]
    assert progress.unsettled == 5
    for of_quick, _ in receipts[:3]:
        of_quick.settle()
    assert (progress.unsettled, len(slow)) == (2, 5)


def test_a_sink_that_a_log_leads_to_later_begins_there_and_one_that_stays_goes_on() -> None:
    progress = Progress({})
    progress.bind(NOTHING)
    stays = progress.of("r", "stays")
    stays.skip(5)
    progress.bind(10)
    assert progress.of("r", "stays") is stays
    assert (stays.known, stays.reached) == (NOTHING, 5)
    new = progress.of("r", "new")
    assert (new.known, new.reached) == (10, 10)
    assert progress.ahead_of(7) == {"r": {"new": 10}}


def test_a_sink_that_was_left_and_is_back_misses_what_came_between_and_nothing_before() -> None:
    progress = Progress({})
    progress.bind(NOTHING)
    one = progress.of("r", "one")
    waiting = one.open(3, UNTRACKED)
    progress.bind(4)
    progress.bind(6)
    assert progress.unsettled == 0
    progress.bind(9)
    back = progress.of("r", "one")
    assert back is one
    assert back.reached == NOTHING
    waiting.settle()
    assert back.reached == 9


def test_a_sink_that_gets_nothing_of_a_log_does_not_count_as_quick() -> None:
    progress = Progress({})
    busy, quiet = progress.of("all", "busy"), progress.of("rare", "quiet")
    for number in range(QUIET + 2):
        busy.open(number, UNTRACKED)
        quiet.skip(number)
    assert progress.unsettled == QUIET + 2
    quiet.open(QUIET + 2, UNTRACKED).settle()
    assert progress.unsettled == 0
    for number in range(QUIET):
        quiet.skip(QUIET + 3 + number)
    assert progress.unsettled == QUIET + 2


def test_moved_is_called_when_a_sink_comes_further_and_only_then() -> None:
    told: list[int] = []
    progress = Progress({"r": {"one": 5}}, lambda: told.append(one.reached))
    one = progress.of("r", "one")
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
    progress = Progress({"r": {"one": 9}}, lambda: told.append(progress.ahead_of(7)))
    progress.of("r", "one")
    progress.doubt(7)
    assert told == [{}]


def test_a_sink_is_ahead_only_of_entries_whose_numbers_are_not_in_doubt() -> None:
    progress = Progress({})
    progress.doubt(7)
    progress.of("r", "one").skip(9)
    assert progress.ahead_of(6) == {}
    assert progress.ahead_of(7) == progress.ahead_of(8) == {"r": {"one": 9}}
    assert progress.ahead_of(9) == {}
