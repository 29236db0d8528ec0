"""Lines as they come: what is new, what comes again, and what comes too late."""

from __future__ import annotations

import pytest

from tests.fleet.arrivals import Arrivals


def arrived(*bodies: bytes) -> Arrivals:
    """Each body a second after the one before, from 1 on."""
    arrivals = Arrivals()
    for second, body in enumerate(bodies, 1):
        arrivals.take(body, float(second))
    return arrivals


def figures(arrivals: Arrivals) -> tuple[int, int, int]:
    return arrivals.lines, arrivals.repeated, arrivals.late


def test_lines_in_order_are_neither_repeated_nor_late() -> None:
    assert figures(arrived(b"a 1\na 2\nb 1\n", b"a 3\nb 2\n")) == (5, 0, 0)


def test_lines_that_come_again_are_repeated_whoever_brings_them() -> None:
    assert figures(arrived(b"a 1\na 2\na 3\n", b"a 2\na 3\na 4\n")) == (4, 2, 0)


def test_a_line_that_comes_for_the_first_time_after_a_later_one_is_late() -> None:
    assert figures(arrived(b"a 1\na 4\n")) == (2, 0, 0)
    assert figures(arrived(b"a 1\na 4\n", b"a 3\n", b"a 3\n")) == (3, 1, 1)


def test_the_longest_time_without_a_new_line_is_that_of_one_container_since_the_mark() -> None:
    arrivals = arrived(b"a 1\nb 1\n", b"a 2\n", b"a 2\nb 2\n", b"b 3\n")
    assert arrivals.silence == 2.0, "b from the first second to the third"
    arrivals.mark(4.5)
    assert arrivals.silence == 0.0
    arrivals.take(b"a 3\n", 9.0)
    assert arrivals.silence == 7.0, "a repeat, in the third second, does not count"


def test_all_have_recovered_when_each_has_a_new_line_or_none_left_to_come() -> None:
    arrivals = arrived(b"a 1\na 2\nb 1\n")
    written = {"a": 2, "b": 2}
    arrivals.mark(5.0)
    assert not arrivals.recovered(written)
    arrivals.take(b"b 1\n", 6.0)
    assert not arrivals.recovered(written), "that was a repeat"
    arrivals.take(b"b 2\n", 7.0)
    assert arrivals.recovered(written)


@pytest.mark.parametrize("body", [b"a\n", b"a x\n", b"\xff 1\n"])
def test_what_no_hub_sends_is_an_error(body: bytes) -> None:
    with pytest.raises(ValueError):
        Arrivals().take(body, 1.0)
