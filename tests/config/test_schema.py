"""The JSON Schema, held against a real validator and against what is really accepted."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from pipeline.config import ConfigErrors
from pipeline.config.file import parse
from pipeline.config.schema import schema

pytestmark = pytest.mark.usefixtures("parts")


def errors(text: str) -> list[str]:
    """The path of each error that the validator finds."""
    found = Draft202012Validator(schema()).iter_errors(tomllib.loads(text))
    return [".".join(map(str, error.absolute_path)) for error in found]


def test_it_is_a_valid_schema() -> None:
    Draft202012Validator.check_schema(schema())


@pytest.mark.server
def test_it_is_the_same_in_every_process() -> None:
    code = "import json; from pipeline.config.schema import schema; print(json.dumps(schema()))"
    texts = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(texts) == 1


def test_every_table_is_closed() -> None:
    tables = [part for part in _walk(schema()) if part.get("properties")]
    assert len(tables) > 30
    assert all(table["additionalProperties"] is False for table in tables)


def test_nothing_stands_where_the_language_server_for_toml_overlooks_it() -> None:
    """Taplo drops what stands beside a `$ref`, follows no `if`, and loops on an `allOf`."""
    for part in _walk(schema()):
        assert "$ref" not in part or len(part) == 1
        assert not part.keys() & {"if", "allOf"}
        if part.get("type") == "array" and "$ref" in part["items"]:
            name = part["items"]["$ref"].removeprefix("#/$defs/")
            assert schema()["$defs"][name]["items"] == part["items"], "Taplo looks there"
        if "description" in part and "anyOf" in part:
            assert part["properties"] == {}


GOOD = """\
[logs]
start = "10m"
max_line = 65536
[stats]
every = "off"
[sinks.p]
type = "probe"
address = "a:1"
buffer = { memory = "16MiB", disk = 0, when_full = "drop_oldest" }
batch.entries = 100
retry.give_up_after = "off"
[routes.r]
from = ["logs", "events"]
stages = [{ shout = "a" }, { shout = ["a", "b"] }]
to = ["p"]
"""


def test_what_is_good_passes() -> None:
    assert errors("") == []
    assert errors(GOOD) == []
    parse(GOOD, {})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[logs]", "[log]"),
        ('"10m"', '"10 minutes"'),
        ('"10m"', "10"),
        ("65536", "1"),
        ("disk = 0", "disk = -1"),
        ('start = "10m"', 'start = "10m"\n[[routes]]'),
        ("65536", '"64 apples"'),
        ('"off"\n[sinks', '"of"\n[sinks'),
        ('"probe"', '"prob"'),
        ('type = "probe"', ""),
        ("address", "adress"),
        ('"a:1"', "1"),
        ("memory", "memroy"),
        ("drop_oldest", "drop_older"),
        ("= 100", "= 0"),
        ("= 100", '= "many"'),
        ("shout = [", "shuot = ["),
        ('{ shout = "a" }', '{ shout = "a", parse = "json" }'),
        ('{ shout = "a" }', "{}"),
        ('["p"]', "[]"),
        ('["p"]', '"p"'),
        ('to = ["p"]', ""),
    ],
)
def test_a_slip_fails_both_in_an_editor_and_in_check(old: str, new: str) -> None:
    assert GOOD.count(old) >= 1
    text = GOOD.replace(old, new, 1)
    assert errors(text)
    with pytest.raises(ConfigErrors):
        parse(text, {})


def test_a_substitution_may_stand_for_any_value() -> None:
    text = GOOD.replace('"10m"', '"${A}"').replace("= 100", '= "${B}"')
    text = text.replace("drop_oldest", "${C}").replace("16MiB", "${D}MiB")
    assert errors(text) == []
    parse(text, {"A": "5s", "B": "7", "C": "block", "D": "1"})


def _walk(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _walk(inner)


def test_defaults_and_examples_fit_their_own_schema() -> None:
    whole = schema()
    count = 0
    for part in _walk(json.loads(json.dumps(whole))):
        for example in [
            *part.get("examples", []),
            *([part["default"]] if "default" in part else []),
        ]:
            Draft202012Validator(part | {"$defs": whole["$defs"]}).validate(example)
            count += 1
    assert count > 30


@pytest.mark.parametrize("key", ["sinks", "routes", "tests", "logs"])
@pytest.mark.parametrize("value", ['""', "0", "false", "[]"])
def test_what_is_empty_and_of_the_wrong_kind_is_wrong_for_both(key: str, value: str) -> None:
    if (key, value) != ("tests", "[]"):
        assert errors(f"{key} = {value}")
        with pytest.raises(ConfigErrors):
            parse(f"{key} = {value}", {})
