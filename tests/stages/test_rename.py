"""The stage `rename`."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pipeline.model.component import Stage
from pipeline.model.errors import ConfigError
from pipeline.stages import rename
from pipeline.testing.builders import batch, entries
from pipeline.testing.stage_kit import StageKit


class TestRenameFields(StageKit):
    def make(self) -> Stage:
        return rename.Stage({"level": "severity", "http.status": "status", "status": "http.code"})


class TestRenameMessage(StageKit):
    def make(self) -> Stage:
        return rename.Stage({"msg": "message", "message": "original"})


def after(config: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    return entries(rename.Stage(config)(batch("text", fields=[fields])))[0].fields


def test_fields_get_other_names_and_keep_their_values() -> None:
    assert after({"a": "b"}, {"a": [1], "c": 2}) == {"b": [1], "c": 2}
    assert after({"a": "b"}, {"a": None, "b": 1}) == {"b": None}
    assert after({"http.status": "status"}, {"http": {"status": 5, "x": 1}}) == {
        "http": {"x": 1},
        "status": 5,
    }
    assert after({"http.status": "status"}, {"http.status": 5}) == {"status": 5}
    assert after({"http": {"status": "http.code"}}, {"http": {"status": 5}}) == {
        "http": {"code": 5}
    }


def test_a_field_that_an_entry_does_not_have_changes_nothing() -> None:
    assert after({"a": "b", "c.d": "e"}, {"b": 1}) == {"b": 1}
    whole = batch("text")
    assert rename.Stage({"a": "b", "c": "message"})(whole) is whole


def test_two_fields_can_change_places() -> None:
    assert after({"a": "b", "b": "a"}, {"a": 1, "b": 2}) == {"a": 2, "b": 1}
    assert after({"a": "b", "b": "a"}, {"a": 1}) == {"b": 1}


def test_a_field_becomes_the_message_where_there_is_one() -> None:
    whole = batch("one", "two", "three", fields=[{"msg": "☃"}, {}, {"msg": {"a": 1}}], bare=True)
    result = rename.Stage({"msg": "message"})(whole)
    assert [row.message for row in entries(result)] == ["☃".encode(), b"two", b'{"a":1}']
    assert [row.fields for row in entries(result)] == [{}, {}, {}]
    assert result is not None
    assert not result.bare


def test_the_message_becomes_a_field_and_leaves_the_entry_bare() -> None:
    for fields in (None, [{"a": 1}, {}]):
        result = rename.Stage({"message": "raw.text"})(batch("one", b"\xff", fields=fields))
        assert result is not None
        assert result.bare
        assert [row.fields["raw"] for row in entries(result)] == [
            {"text": "one"},
            {"text": "\ufffd"},
        ]


def test_message_and_field_can_change_places() -> None:
    result = rename.Stage({"msg": "message", "message": "original"})(
        batch("one", fields=[{"msg": "two"}])
    )
    assert result is not None
    assert (result.lines, result.fields, result.bare) == ([b"two"], [{"original": "one"}], False)


def test_a_message_that_was_removed_is_not_brought_back() -> None:
    for fields in (None, [{"a": 1}]):
        result = rename.Stage({"message": "raw"})(batch("one", fields=fields, bare=True))
        assert "raw" not in entries(result)[0].fields
        assert result is not None
        assert result.bare


@pytest.mark.parametrize("new", ["container", "host.name", "@timestamp", "", "a..b", 5])
def test_a_new_name_that_cannot_be_is_refused(new: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        rename.Stage({"a": "b", "old": {"name": new}})
    assert caught.value.path == "old.name"


def test_a_parsed_field_of_a_name_of_ours_can_be_given_another() -> None:
    assert after({"host": "db_host"}, {"host": "db1"}) == {"db_host": "db1"}


def test_what_a_user_may_write() -> None:
    msgspec.convert({"a": "b", "c": {"d": "e"}}, rename.Config)
    for value in ({}, "x", ["a"], {"a": 5}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(value, rename.Config)
