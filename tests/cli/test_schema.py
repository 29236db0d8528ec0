"""`dockline schema`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.cli import main
from pipeline.config.schema import schema
from pipeline.model import registry


def test_it_prints_the_schema_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == schema()


def keys(value: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every key of every table, with its schema."""
    if isinstance(value, dict):
        for name, one in value.get("properties", {}).items():
            if isinstance(one, dict):
                yield name, one
        value = [*value.values()]
    for inner in value if isinstance(value, list) else ():
        yield from keys(inner)


def test_every_key_has_a_description_and_an_example_where_it_has_no_default() -> None:
    found = [*keys(schema())]
    assert len(found) > 150
    for name, one in found:
        assert len(one.get("description", "")) > 5, name
        known = {"default", "examples", "const"} & one.keys()
        assert known or one["type"] == "object", f"{name} has neither default nor examples"


def test_every_stage_and_every_sink_is_in_it() -> None:
    parts = schema()["$defs"]
    stages = parts["stage"]["properties"]
    assert [*stages] == registry.names("stages")
    assert all(stage["examples"] for stage in stages.values())
    sinks = [reference["$ref"].split("/")[-1] for reference in parts["sink"]["oneOf"]]
    assert sinks == [f"sink.{name}" for name in registry.names("sinks")]
    assert all(parts[sink]["description"] for sink in sinks)
