"""What the operations on values promise beyond what expressions show."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.expression import values
from pipeline.model.records import MISSING

NUMBERS = st.one_of(st.integers(), st.floats(), st.integers(10**300, 10**400))
ANYTHING = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text() | st.just(MISSING),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
TWO = (
    "equal", "unequal", "less", "at_most", "greater", "at_least", "contains", "lacks", "add",
    "subtract", "multiply", "divide", "floor_divide", "remainder", "startswith", "endswith",
)  # fmt: skip
ONE = ("negative", "to_int", "to_float", "length", "lower", "upper", "number")


@given(ANYTHING, ANYTHING)
def test_no_operation_raises_whatever_it_gets(a: Any, b: Any) -> None:
    for name in TWO:
        getattr(values, name)(a, b)
    for name in ONE:
        getattr(values, name)(a)


@given(ANYTHING, ANYTHING)
def test_comparisons_agree_with_one_another(a: Any, b: Any) -> None:
    assert values.equal(a, b) == values.equal(b, a)
    assert values.less(a, b) == values.greater(b, a)
    assert values.at_most(a, b) == values.at_least(b, a)
    assert not (values.equal(a, b) and values.unequal(a, b))
    assert not (values.less(a, b) and values.at_least(a, b))


@given(NUMBERS, NUMBERS)
def test_arithmetic_gives_a_finite_number_of_bounded_size_or_nothing(a: Any, b: Any) -> None:
    for name in ("add", "subtract", "multiply", "divide", "floor_divide", "remainder"):
        result = getattr(values, name)(a, b)
        assert result is MISSING or abs(result) < float("inf")
        assert type(result) is not int or abs(result) <= values.LARGEST


@pytest.mark.parametrize(
    ("text", "number"),
    [("5", 5), ("-5", -5), ("+5", 5), (" 5\n", 5), ("5.", 5.0), ("0.5", 0.5), ("1e3", 1000.0)],
)
def test_text_that_spells_a_number(text: str, number: float) -> None:
    assert values.number(text) == number
    assert type(values.number(text)) is type(number)


@pytest.mark.parametrize(
    "text",
    ["", "-", ".", ".5", "e5", "0x1", "1_0", "1 0", "nan", "inf", "1e999", "٣", "½", "9" * 31],
)
def test_text_that_does_not(text: str) -> None:
    assert values.number(text) is None


def test_missing_is_false_and_equal_to_nothing() -> None:
    assert not MISSING
    assert not values.equal(MISSING, MISSING)
    assert not values.unequal(MISSING, 1)
    assert repr(MISSING) == "MISSING"
