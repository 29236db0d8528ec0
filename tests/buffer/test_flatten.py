"""Values of any depth, flat and back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from pipeline.buffer.flatten import flatten, unflatten
from tests.buffer.any_batch import values


@given(values)
def test_a_value_comes_back_as_it_was(value: Any) -> None:
    assert repr(unflatten(flatten(value))) == repr(value)


@pytest.mark.fault(35)
def test_depth_does_not_matter() -> None:
    value: Any = "inside"
    for level in range(100_000):
        value = {"a": value, "b": level} if level % 2 else [level, value]
    back = unflatten(flatten(value))
    for level in reversed(range(100_000)):
        if level % 2:
            assert list(back) == ["a", "b"]
            assert back["b"] == level
            back = back["a"]
        else:
            assert back[0] == level
            back = back[1]
    assert back == "inside"


def test_an_empty_list_and_an_empty_dictionary_stay_what_they_are() -> None:
    value = [[], {}, [[]], [{}], {"a": []}, {"b": {}}]
    assert unflatten(flatten(value)) == value


def test_what_is_flat_is_never_deep() -> None:
    flat = flatten([[["a"], {"b": [{}]}]])
    assert flat == [[1], [2], [1], "a", {"b": None}, [1], {}]
