"""The stage `truncate`."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.encode.json import JsonEncoder
from pipeline.model.component import Size, Stage
from pipeline.model.errors import ConfigError
from pipeline.stages import truncate
from pipeline.testing.builders import batch, entries
from pipeline.testing.stage_kit import StageKit


class TestMessage(StageKit):
    def make(self) -> Stage:
        return truncate.Stage(Size(3))


class TestFields(StageKit):
    def make(self) -> Stage:
        return made(message=5, fields=2, fields_count=2, depth=1)


def made(**options: Any) -> Stage:
    return truncate.Stage(truncate.Options(**options))


def after(given: dict[str, Any], /, **options: Any) -> tuple[dict[str, Any], bool]:
    result = made(**options)(batch("text", fields=[given], start=7))
    assert result is not None
    return entries(result)[0].fields, result.flags == {7: "truncated"}


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("abcde", "abcd"), ("abcd", "abcd"), ("", ""), ("abc☃", "abc"), ("ab☃", "ab"),
        ("a☃b", "a☃"), ("😀x", "😀"), ("a😀", "a"), ("ää", "ää"), ("aää", "aä"),
        (b"\xff" * 6, b"\xff" * 4), (b"\x80" * 6, b"\x80" * 4),
    ],
)  # fmt: skip
def test_a_message_is_cut_between_two_characters(text: bytes | str, cut: bytes | str) -> None:
    stage = truncate.Stage(Size(4))
    result = stage(batch("x", text, start=5))
    assert result is not None
    wanted = batch("x", cut).lines
    assert result.lines == wanted
    assert result.flags == (None if text == cut else {6: "truncated"})


def test_a_mark_that_is_there_stays_and_others_are_added() -> None:
    whole = batch("long enough", "x", "long enough", start=3, flags={4: "truncated"})
    result = truncate.Stage(Size(4))(whole)
    assert result is not None
    assert result.flags == dict.fromkeys((3, 4, 5), "truncated")
    assert whole.flags == {4: "truncated"}
    lines = JsonEncoder().encode([result]).splitlines()
    assert [b'"flags":["truncated"]' in line for line in lines] == [True] * 3


def test_what_is_within_the_limits_is_passed_on_as_it_is() -> None:
    whole = batch("text", "", fields=[{"a": "b"}, {"a": {"b": ["c"]}}])
    assert made(message=4, fields=1, fields_count=2, depth=3)(whole) is whole


def test_texts_and_names_at_any_depth_are_cut() -> None:
    fields = {"a": "12345", "b": [{"abcdef": "ä☃"}, 123456, None], "c": "1234"}
    cut = {"a": "1234", "b": [{"abcd": "ä"}, 123456, None], "c": "1234"}
    assert after(fields, fields=4) == (cut, True)


def test_inner_objects_that_other_lanes_have_are_not_changed() -> None:
    inner = {"a": "12345"}
    assert after({"in": inner}, fields=4) == ({"in": {"a": "1234"}}, True)
    assert inner == {"a": "12345"}


def test_the_first_fields_stay_those_inside_of_objects_counted() -> None:
    fields = {"a": 1, "b": {"c": 2, "d": 3}, "e": 4}
    assert after(fields, fields_count=5) == (fields, False)
    assert after(fields, fields_count=4) == ({"a": 1, "b": {"c": 2, "d": 3}}, True)
    assert after(fields, fields_count=3) == ({"a": 1, "b": {"c": 2}}, True)
    assert after(fields, fields_count=1) == ({"a": 1}, True)


def test_what_is_too_deep_becomes_text() -> None:
    fields = {"a": {"b": {"c": 1}, "d": [1, [2]]}}
    assert after(fields, depth=1) == ({"a": '{"b":{"c":1},"d":[1,[2]]}'}, True)
    assert after(fields, depth=2) == ({"a": {"b": '{"c":1}', "d": "[1,[2]]"}}, True)
    assert after(fields, depth=3) == ({"a": {"b": {"c": 1}, "d": [1, "[2]"]}}, True)
    assert after(fields, depth=4) == (fields, False)
    assert after(fields, depth=1, fields=4) == ({"a": '{"b"'}, True)


def test_lone_surrogates_and_great_depth_are_survived() -> None:
    deep: Any = "x"
    for _ in range(900):
        deep = [deep]
    fields, is_cut = after({"a": "\ud800" * 9, "b": deep}, fields=6)
    assert (fields["a"], is_cut) == ("\ud800" * 2, True)


def test_something_is_to_be_limited() -> None:
    with pytest.raises(ConfigError, match="write what to limit"):
        made()
