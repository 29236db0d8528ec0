"""The stage `remove`."""

from __future__ import annotations

import msgspec
import pytest

from pipeline.model.component import Stage
from pipeline.model.errors import ConfigError
from pipeline.stages import remove
from pipeline.testing.builders import batch, entries
from pipeline.testing.stage_kit import StageKit


class TestRemove(StageKit):
    def make(self) -> Stage:
        return remove.Stage(["level", "http.tags", "message", "missing", "a.b.c"])


def test_fields_are_gone_and_others_stay() -> None:
    fields = [{"a": 1, "b": 2}, {"b": {"c": 1, "d": 2}}, {"b.c": 1}]
    result = remove.Stage(["a", "b.c", "x.y"])(batch("1", "2", "3", fields=fields))
    assert [row.fields for row in entries(result)] == [{"b": 2}, {"b": {"d": 2}}, {}]
    assert result is not None
    assert not result.bare


def test_without_its_message_a_batch_is_bare() -> None:
    for fields in (None, [{"a": 1}]):
        result = remove.Stage(["message", "a"])(batch("text", fields=fields))
        assert result is not None
        assert result.bare
        assert entries(result)[0].fields == {}


def test_a_batch_without_fields_is_passed_on_itself() -> None:
    whole = batch("text")
    assert remove.Stage(["a"])(whole) is whole


def test_a_name_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        remove.Stage(["message", "a", "b."])
    assert caught.value.path == "[2]"


def test_what_a_user_may_write() -> None:
    assert msgspec.convert(["a", "b.c"], remove.Config)
    for value in ([], "a", [1]):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(value, remove.Config)
