"""What is missing and what is repeated, from the figures of a store."""

from __future__ import annotations

from tests.fleet.stored import Stored, missing


def test_every_line_once_is_nothing_missing_and_nothing_repeated() -> None:
    one = Stored(rows=10, numbers=10, lines=10, first=1, last=10)
    assert (one.missing(10), one.repeated) == (0, 0)


def test_repeats_are_counted_and_nothing_is_missing() -> None:
    assert Stored(13, 10, 10, 1, 10).repeated == 3
    assert Stored(13, 10, 10, 1, 10).missing(10) == 0


def test_a_line_less_is_missing_even_where_others_came_twice() -> None:
    assert Stored(13, 9, 9, 1, 10).missing(10) == 1


def test_numbers_that_are_others_than_those_written_are_no_lines() -> None:
    assert Stored(10, 10, 10, 2, 11).missing(10) == 1
    assert Stored(10, 10, 9, 1, 10).missing(10) == 1


def test_a_container_of_which_there_is_nothing_is_missing_altogether() -> None:
    assert missing({"a": Stored(10, 10, 10, 1, 10)}, {"a": 10, "b": 7}) == 7
