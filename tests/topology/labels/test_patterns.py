"""Patterns that containers bring."""

from __future__ import annotations

import pytest

from pipeline.expression import steps
from pipeline.model.errors import ConfigError
from pipeline.topology.labels import patterns
from pipeline.topology.labels.patterns import LONGEST, LOOKED_AT, MOST_STEPS, HeldPattern, Joins


@pytest.mark.parametrize(
    "text",
    [
        r"^\d{4}-\d{2}-\d{2}[ T]",
        r"^\[",
        r"^\s",
        r"^[^ ]+ \[",
        r"^\S+ \S+ \S+ ",
        r"^(?:\s+at |Caused by:)",
        r"^(\w{3} ){2}",
        r"ERROR",
        r"^[[]?\d+",
    ],
)
def test_what_people_write_is_taken(text: str) -> None:
    HeldPattern(text)


@pytest.mark.parametrize(
    "text",
    [
        "^(a+)+$",
        "^(a|a)*$",
        "^(.*)(.*)x",
        "^.*a.*b",
        r"(?:[^\"\\]|\\.)*x",
        "^" + "a?" * 30 + "a" * 30,
        "^" + "(" * 200,
        "^(?:(?:a{1,50}){1,50}){1,50}x",
        "^" + "a" * LONGEST,
        r"^(a)\1",
        "^[",
    ],
)
def test_what_could_keep_the_agent_busy_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        HeldPattern(text)


def test_one_that_the_operator_may_write_and_a_container_may_not() -> None:
    text = r"(?:ab|cd)+\s*=\s*x{1,20}y"
    assert MOST_STEPS < steps.of_search(text) <= steps.MOST_STEPS
    with pytest.raises(ConfigError, match="for a label"):
        HeldPattern(text)


def test_only_the_beginning_of_a_line_is_searched() -> None:
    pattern = HeldPattern("x")
    assert pattern.found_in(b"a" * (LOOKED_AT - 1) + b"x")
    assert not pattern.found_in(b"a" * LOOKED_AT + b"x")
    assert HeldPattern("^a").found_in(b"a" * 10 * LOOKED_AT)


@pytest.mark.parametrize("text", ["a$", r"a\Z", "^a+$"])
def test_the_end_of_what_is_searched_is_not_the_end_of_the_line(text: str) -> None:
    assert HeldPattern(text).found_in(b"aa")
    assert not HeldPattern(text).found_in(b"a" * (LOOKED_AT + 1))


def test_any_bytes_are_searched() -> None:
    assert HeldPattern("^.x").found_in(b"\xffx")
    assert HeldPattern("^ä").found_in("äx".encode())
    assert not HeldPattern("^ä").found_in("ä".encode()[:1])


def test_lines_with_it_or_without_it_belong_to_the_one_before() -> None:
    lines = [b"1 a", b" b", b"2 c"]
    assert Joins(HeldPattern(r"^\d"), with_it=False).read(lines, "") == (b"\0\1\0", "open")
    assert Joins(HeldPattern(r"^\s"), with_it=True).read(lines, "") == (b"\0\1\0", "open")
    assert Joins(HeldPattern("^x"), with_it=True).read(lines, "") == (None, "open")


def test_a_pattern_that_is_too_long_is_not_remembered() -> None:
    before = patterns._tried.cache_info().currsize
    with pytest.raises(ConfigError, match="longer than"):
        HeldPattern("x" * 2**18)
    assert patterns._tried.cache_info().currsize == before
