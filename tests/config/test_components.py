"""Sinks and stages in a configuration: their type is known only when they are read."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.config.convert import Converter
from pipeline.config.problems import INVALID, ProblemReport
from pipeline.config.settings import StageConfig
from pipeline.config.substitute import fill
from pipeline.model import registry
from pipeline.model.component import SinkConfig
from pipeline.model.errors import at
from pipeline.model.extras import needed

pytestmark = pytest.mark.usefixtures("parts")


def convert(table: Any, type_: Any) -> tuple[Any, list[str]]:
    report = ProblemReport("f")
    result = Converter(report).convert({"x": table}, dict[str, type_], ())
    return result if result is INVALID else result["x"], [
        f"{one.path}: {one.sentence}" for one in report.errors
    ]


def test_a_sink_becomes_its_own_config() -> None:
    config, errors = convert({"type": "probe", "buffer": {"memory": "1MiB"}}, SinkConfig)
    assert errors == []
    assert type(config).__module__ == "pipeline.sinks.probe"
    assert (config.type, config.address, config.buffer.memory) == ("probe", "here:1", 2**20)


def test_an_unknown_type_of_sink_gets_the_nearest_and_the_list() -> None:
    (error,) = convert({"type": "prob"}, SinkConfig)[1]
    assert error.startswith('x.type: there is no sink type "prob"; did you mean "probe"? Known: ')
    assert "gauge" in error


def test_a_sink_needs_a_type() -> None:
    (error,) = convert({"address": "a:1"}, SinkConfig)[1]
    assert error.startswith('x: "type" is missing; write type = ')
    assert '"probe"' in error
    assert convert({"type": 3}, SinkConfig)[1] == ["x.type: expected a string, got a whole number"]


def test_a_sink_named_like_a_type_is_told_to_be_that() -> None:
    report = ProblemReport("f")
    Converter(report).convert({"probe": {}}, dict[str, SinkConfig], ())
    assert report.errors[0].hint == 'write type = "probe"'


def test_what_the_sinks_constructor_refuses_is_among_the_errors() -> None:
    assert convert({"type": "probe", "address": "nowhere"}, SinkConfig)[1] == [
        'x.address: "nowhere" is no address'
    ]


def test_what_the_sinks_constructor_says_of_a_substituted_value_is_kept_back() -> None:
    address = fill("${A}", {"A": "s3cr3t"})
    (error,) = convert({"type": "probe", "address": address}, SinkConfig)[1]
    assert error == (
        "x.address: the value of ${…} is not accepted; the reason is withheld, as it could show it"
    )


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ("s3cr3t ", "begins or ends with white space; remove it"),
        ('"s3cr3t"', "is in quotation marks; remove them"),
    ],
)
def test_what_is_often_wrong_with_a_substituted_value_is_told_without_it(
    value: str, words: str
) -> None:
    address = fill("${A}", {"A": value})
    (error,) = convert({"type": "probe", "address": address}, SinkConfig)[1]
    assert error == f"x.address: the value of ${{…}} {words}"


def test_a_package_that_a_sink_needs_is_named_whatever_was_substituted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(registry, "implementation", lambda kind, name: _Needs)
    address = fill("${A}", {"A": "s3cr3t"})
    (error,) = convert({"type": "probe", "address": address}, SinkConfig)[1]
    assert error.startswith("x: probe needs the Python package nobody_has_this")
    assert "pip install 'dockline[probe]'" in error and "s3cr3t" not in error


class _Needs:
    def __init__(self, config: object, context: object) -> None:
        with at("address"):
            needed("nobody_has_this", "probe")


def test_a_stage_is_its_name_and_its_config() -> None:
    assert convert({"shout": "a"}, StageConfig) == (StageConfig("shout", "a"), [])
    assert convert({"shout": ["a", "b"]}, StageConfig) == (StageConfig("shout", ["a", "b"]), [])


@pytest.mark.parametrize(
    ("table", "error"),
    [
        ("s", "x: expected a table with one key, the stage's name, got a string"),
        (
            "shout",
            "x: expected a table with one key, the stage's name, got a string; write { shout = … }",
        ),
        ({}, "x: a stage is a table with one key, the stage's name; this one is empty"),
        (
            {"shout": "a", "drop": "b"},
            "x: a stage is a table with one key, the stage's name; this one has "
            '"shout" and "drop"; write { shout = … }, { drop = … }',
        ),
        ({"shout": 3}, "x.shout: expected a string or an array, got a whole number"),
        ({"shout": [3]}, "x.shout[0]: expected a string, got a whole number"),
        ({"shout": "a?"}, "x.shout: a question is no shout"),
    ],
)
def test_a_wrong_stage_is_told_in_one_sentence(table: Any, error: str) -> None:
    assert convert(table, StageConfig) == (INVALID, [error])


def test_an_unknown_stage_gets_the_nearest_and_the_list() -> None:
    (error,) = convert({"shouts": "a"}, StageConfig)[1]
    assert error.startswith('x.shouts: there is no stage "shouts"; did you mean "shout"? Known: ')
