"""The stage `set`."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pipeline.model.component import Stage
from pipeline.model.errors import ConfigError
from pipeline.stages import set as set_
from pipeline.testing.builders import batch, container, entries
from pipeline.testing.stage_kit import StageKit


class TestSetFields(StageKit):
    def make(self) -> Stage:
        return set_.Stage(
            {"env": "prod", "http": {"who": "{container.name}/{level}"}, "msg": "{msg}"}
        )


class TestSetMessage(StageKit):
    def make(self) -> Stage:
        return set_.Stage({"message": "{level}: {msg} ({message})"})


def after(
    config: dict[str, Any], fields: dict[str, Any] | None = None, **columns: Any
) -> dict[str, Any]:
    whole = batch("text", fields=None if fields is None else [fields], **columns)
    return entries(set_.Stage(config)(whole))[0].fields


def test_values_of_every_type_are_set_with_or_without_fields_before() -> None:
    config = {"a": "x", "b": 5, "c": 0.5, "d": True, "e": ["x", 1]}
    assert after(config) == config
    assert after(config, {"a": 1, "z": 2}) == config | {"z": 2}


def test_texts_with_braces_are_filled_in_from_the_entry_as_it_was() -> None:
    config = {"a": "{b}", "b": "{a}", "c": "{container.name}-{stream}-{{}}"}
    assert after(config, {"a": 1, "b": 2}) == {"a": "2", "b": "1", "c": "api-1-stdout-{}"}


def test_dots_lead_into_objects_however_they_are_written() -> None:
    assert after({"http.a": 1, "http": {"b": 2}}, {"http": {"c": 3}}) == {
        "http": {"a": 1, "b": 2, "c": 3}
    }
    assert after({"http.a": 1}, {"http": "text"}) == {"http": "text", "http.a": 1}
    assert after({"http.a": 1}, {"http.a": 0}) == {"http.a": 1}


def test_the_message_can_be_set_and_is_no_longer_bare() -> None:
    whole = batch("one", b"\xff", fields=[{"msg": "☃"}, {"msg": 5}], bare=True)
    result = set_.Stage({"message": "{msg} {message}"})(whole)
    assert [row.message for row in entries(result)] == ["☃ one".encode(), "5 \ufffd".encode()]
    assert result is not None
    assert not result.bare
    assert [row.fields for row in entries(result)] == [{"msg": "☃"}, {"msg": 5}]


@pytest.mark.parametrize(
    ("value", "message"), [("x", b"x"), (5, b"5"), (True, b"true"), ("{{", b"{")]
)
def test_the_message_is_text_whatever_it_is_set_to(value: Any, message: bytes) -> None:
    assert [row.message for row in entries(set_.Stage({"message": value})(batch("a", "b")))] == [
        message
    ] * 2


def test_half_a_surrogate_pair_in_a_label_does_not_reach_the_message() -> None:
    of = container(labels={"x": "\ud800"})
    result = set_.Stage({"message": "{container.labels.x}!"})(batch("a", of=of))
    assert entries(result)[0].message == b"?!"


@pytest.mark.parametrize(
    "name", ["@timestamp", "container", "container.name", "stream", "host", "log.level"]
)
def test_a_name_of_the_outputs_own_cannot_be_set(name: str) -> None:
    with pytest.raises(ConfigError, match="that dockline uses in its output") as caught:
        set_.Stage({"a": 1, name: "x"})
    assert caught.value.path == name


def test_an_error_names_the_key_and_the_place_in_its_text() -> None:
    with pytest.raises(ConfigError) as caught:
        set_.Stage({"a": "fine", "b": {"c": "no: {container.nmae}"}})
    assert (caught.value.path, caught.value.column) == ("b.c", 5)
    with pytest.raises(ConfigError, match="a list may have"):
        set_.Stage({"a": {"b": [{"c": 1}]}})


def test_what_a_user_may_write() -> None:
    msgspec.convert({"a": "x", "b": 1, "c": [1, "x"], "d": {"e": {"f": 0.5}}}, set_.Config)
    for value in ({}, "x", {"a": [[1]]}, {"a": None}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(value, set_.Config)
