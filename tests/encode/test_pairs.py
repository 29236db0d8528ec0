"""Fields as pairs: readable, and without doubt where a value begins and ends."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.encode.pairs import LONGEST, pair, pairs


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("/orders", "/orders"),
        ("Ada L", '"Ada L"'),
        ("", '""'),
        ('say "hi"', r'"say \"hi\""'),
        ("a=b", '"a=b"'),
        ("a\nb", r'"a\nb"'),
        ("\ud800", '"\ufffd"'),
        (500, "500"),
        (-(10**30), "-1" + 30 * "0"),
        (0.5, "0.5"),
        (True, "true"),
        (None, "null"),
        (["a", 1], '["a",1]'),
    ],
)
def test_a_value_is_in_quotes_where_it_could_be_mistaken(value: Any, written: str) -> None:
    assert pair("key", value) == f"key={written}"


def test_names_are_quoted_likewise() -> None:
    assert pair("a b", 1) == '"a b"=1'


def test_objects_are_dotted_names_as_expressions_have_them() -> None:
    event = {"docker": {"event": {"action": "die", "attributes": {"a": 1}}}, "empty": {}}
    assert pairs(event) == {
        "docker.event.action": "docker.event.action=die",
        "docker.event.attributes": 'docker.event.attributes={"a":1}',
        "empty": "empty={}",
    }


def test_a_long_name_is_not_repeated_for_each_value_below_it() -> None:
    long = "x" * (LONGEST + 1)
    assert pairs({long: {"a": 1, "b": 2}}) == {long: long + '={"a":1,"b":2}'}
