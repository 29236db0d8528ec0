"""Positions move in order, and only over what is settled."""

from __future__ import annotations

import itertools

from pipeline.accounting.acks import Ack, AckTracker


def opened(count: int) -> tuple[list[int], AckTracker[int], list[Ack[int]]]:
    moved: list[int] = []
    tracker: AckTracker[int] = AckTracker(moved.append)
    return moved, tracker, [tracker.open(number) for number in range(count)]


def test_whatever_the_order_of_settling_the_position_only_moves_over_a_settled_prefix() -> None:
    for order in itertools.permutations(range(4)):
        moved, tracker, acks = opened(4)
        settled: set[int] = set()
        for number in order:
            acks[number].settle()
            settled.add(number)
            prefix = next((n for n in range(5) if n not in settled), 4)
            assert (moved[-1] if moved else -1) == prefix - 1
        assert len(tracker) == 0
        assert moved == sorted(moved)


def test_a_batch_in_several_places_is_settled_by_the_last() -> None:
    moved, _, (ack,) = opened(1)
    ack.hold(2)
    ack.settle()
    ack.settle()
    assert moved == []
    ack.settle()
    assert moved == [0]


def test_settling_many_at_once_tells_the_last_position_only() -> None:
    moved, _, acks = opened(3)
    for ack in reversed(acks):
        ack.settle()
    assert moved == [2]


def test_only_what_is_not_settled_is_kept_however_much_is_settled_behind_it() -> None:
    moved, tracker, acks = opened(1000)
    for ack in acks[1:500] + acks[501:]:
        ack.settle()
    assert len(tracker) == 2
    acks[500].settle()
    assert (len(tracker), moved) == (1, [])
    acks[0].settle()
    assert (len(tracker), moved) == (0, [999])


def test_a_batch_opened_behind_settled_ones_moves_past_them_when_its_turn_comes() -> None:
    moved, tracker, (first, second) = opened(2)
    second.settle()
    third = tracker.open(2)
    first.settle()
    assert moved == [1]
    third.settle()
    assert moved == [1, 2]
