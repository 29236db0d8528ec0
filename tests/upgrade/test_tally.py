"""A line that is lost, comes twice, comes late or has another's number is noticed."""

from __future__ import annotations

import pytest

from tests.upgrade.tally import Entry, Tally, expected, good


def plain(*numbers: int) -> list[Entry]:
    return [("a", number, f"begin {number} of") for number in numbers]


def wrong(*entries: Entry) -> dict[str, int]:
    """What is not 0 where container `a` has written three lines."""
    figures = Tally(entries).against(expected({"a": 3}, debug=True))
    assert figures.pop("lines") == 3
    found = {what: count for what, count in figures.items() if count}
    assert good({"lines": 3, **figures}, allowed=0) == (not found)
    assert good({"lines": 3, **figures}, allowed=2) == (found.keys() <= {"repeated"})
    return found


def test_every_line_once_and_in_order_is_good() -> None:
    assert wrong(*plain(1, 2, 3)) == {}


@pytest.mark.parametrize(
    ("numbers", "what"),
    [
        ((1, 3), {"lost": 1}),
        ((), {"lost": 3}),
        ((1, 3, 2), {"out of order": 1}),
        ((1, 2, 3, 4), {"foreign": 1}),
        ((1, 2, 3, 2, 3), {"repeated": 2}),
    ],
)
def test_what_is_wrong_is_counted(numbers: tuple[int, ...], what: dict[str, int]) -> None:
    assert wrong(*plain(*numbers)) == what


def test_more_repeats_than_are_allowed_are_not_good() -> None:
    figures = Tally(plain(1, 1, 1)).against({("a", 1)})
    assert good(figures, allowed=2)
    assert not good(figures, allowed=1)


def test_a_joined_entry_is_all_its_lines_and_has_the_number_of_the_first() -> None:
    joined = "begin 1 of\n  at 2 of\n  at 3 of"
    assert wrong(("a", 1, joined)) == {}
    assert wrong(("a", None, joined)) == {}
    assert wrong(("a", 2, joined)) == {"wrong number": 1}


def test_an_entry_without_a_line_of_ours_has_a_wrong_number() -> None:
    assert wrong(*plain(1, 2, 3), ("a", 4, "of an order")) == {"wrong number": 1}


def test_the_same_number_of_another_container_is_another_line() -> None:
    assert wrong(*plain(1, 2), ("b", 3, "begin 3 of")) == {"lost": 1, "foreign": 1}


def test_lines_for_debugging_are_expected_where_no_stage_drops_them() -> None:
    assert expected({"a": 5}, debug=True) == {("a", number) for number in range(1, 6)}
    assert expected({"a": 5}, debug=False) == {("a", number) for number in (1, 2, 3, 5)}
