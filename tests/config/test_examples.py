"""Every configuration that we give away is valid, for `check` and for an editor."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from pipeline.config import Config, read
from pipeline.config.schema import schema

ROOT = Path(__file__).parents[2]
FILES = sorted([*ROOT.glob("config/*.toml"), *ROOT.glob("config/examples/*.toml")])

ENVIRON = {
    "PAPERTRAIL_ADDRESS": "logs7.papertrailapp.com:12345",
    "PAPERTRAIL_TOKEN": "secret",
    "LOGSTASH_ADDRESS": "tcp://logstash:5000",
}


def load(file: Path) -> Config:
    reading = read(file, ENVIRON)
    assert reading.warnings == []
    return reading.config


def test_the_files_are_found() -> None:
    assert {file.stem for file in FILES} >= {
        "dockline",
        "reference",
        "papertrail",
        "logstash",
        "prometheus",
    }


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_loads_without_a_warning(file: Path) -> None:
    assert load(file).routes


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_fits_the_schema(file: Path) -> None:
    Draft202012Validator(schema()).validate(tomllib.loads(file.read_text()))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_slip_in_any_key_does_not_fit_the_schema(file: Path) -> None:
    text = file.read_text()
    validator = Draft202012Validator(schema())
    keys = list(re.finditer(r"^([a-z_.]*[a-z_]{3,}) = ", text, re.MULTILINE))
    assert keys
    for key in keys:
        if "labels" not in key[1]:  # a table of any keys
            slip = text[: key.end(1)] + "x" + text[key.end(1) :]
            assert not validator.is_valid(tomllib.loads(slip)), key[1]


def test_the_default_file_does_what_no_file_does() -> None:
    given, none = load(ROOT / "config/dockline.toml"), read(None, {}).config
    assert (given.engine, given.logs, given.http, given.state) == (
        none.engine,
        none.logs,
        none.http,
        none.state,
    )
    assert [sink.type for sink in given.sinks.values()] == ["console"]
    assert [(r.sources, r.stages, len(r.to)) for r in given.routes.values()] == [(["logs"], [], 1)]


def test_what_the_default_file_has_in_comments_is_valid_too() -> None:
    text = (ROOT / "config/dockline.toml").read_text()
    head, marker, rest = text.partition("\n[sinks.screen]")
    rest = "".join(
        line.removeprefix("# ") if re.match(r"# ([\[\]{}#]|  \{|\w+ = )", line) else line
        for line in rest.splitlines(keepends=True)
    )
    config = tomllib.loads(head + marker + rest)
    assert set(config["sinks"]) == {"screen", "papertrail", "logstash"}
    assert set(config["routes"]) == {"shop-errors", "all"}
    Draft202012Validator(schema()).validate(config)
