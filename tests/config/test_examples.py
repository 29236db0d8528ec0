"""Every configuration that we give away is valid, for `check` and for an editor."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from pipeline.config import Config, ConfigErrors, read
from pipeline.config.examples import blocks
from pipeline.config.file import parse
from pipeline.config.schema import schema
from pipeline.config.wording import limits, toml
from pipeline.model import registry
from pipeline.model.batch import Batch
from pipeline.testing.builders import batch, container, entries
from tests.suite.examples import examples

ROOT = Path(__file__).parents[2]
FILES = sorted(
    file for folder in ("", "examples/", "fleet/") for file in ROOT.glob(f"config/{folder}*.toml")
)

ENVIRON = {
    "PAPERTRAIL_ADDRESS": "logs7.papertrailapp.com:12345",
    "PAPERTRAIL_TOKEN": "secret",
    "SWO_TOKEN": "secret",
    "COLLECTOR_TOKEN": "secret",
    "CHAT_WEBHOOK": "https://chat.example.com/hooks/secret",
    "ES_API_KEY": "secret",
    "ELASTICSEARCH_API_KEY": "secret",
    "KAFKA_PASSWORD": "secret",
    "NATS_PASSWORD": "secret",
    "NATS_AGENT_PASSWORD": "secret",
    "NATS_HUB_PASSWORD": "secret",
    "REDIS_PASSWORD": "secret",
    "FLUENTD_KEY": "secret",
    "LOGSTASH_ADDRESS": "tcp://logstash:5000",
    "MINIO_USER": "user",
    "MINIO_PASSWORD": "secret",
}


def load(file: Path) -> Config:
    reading = read(file, ENVIRON)
    meant = {"listen = …": "prometheus"}  # is scraped from another host
    others = [one for one in reading.warnings if '"/certs/' not in one.message]  # not here
    assert [one for one in others if meant.get(one.excerpt) != file.stem] == []
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
def test_its_first_line_leads_an_editor_to_the_schema(file: Path) -> None:
    found = re.match(r"#:schema (\S+)\n\n", file.read_text())
    assert found
    assert (file.parent / found[1]).resolve() == ROOT / "config/schema.json"


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


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where each value stands, tables and items of arrays included."""
    if isinstance(value, list):
        value = dict(enumerate(value))
    for key, one in value.items() if isinstance(value, dict) else ():
        yield (*place, key)
        yield from places(one, (*place, key))


def test_a_value_of_the_wrong_kind_is_wrong_for_check_where_it_is_in_an_editor() -> None:
    """Everything that can be set, one after the other; in a quick run one of several."""
    text, validator = (ROOT / "config/reference.toml").read_text(), Draft202012Validator(schema())
    count = 0
    all_of_them = list(places(tomllib.loads(text)))
    tried = all_of_them[:: len(all_of_them) // examples(len(all_of_them))]
    for *way, last in tried:
        changed = parent = tomllib.loads(text)
        for key in way:
            parent = parent[key]
        parent[last] = [[1.5]]
        refused = not validator.is_valid(changed)
        count += refused
        written = "".join(f"{key} = {toml(value)}\n" for key, value in changed.items())
        with pytest.raises(ConfigErrors) if refused else nullcontext():
            parse(written, ENVIRON, python="ignore")
    assert count > len(tried) / 3


PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md")])
OURS = [
    (page, text)
    for page in PAGES
    for text in re.findall(r"^```toml\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)
    if not text.startswith("# Vector")
]


def test_there_are_configurations_on_the_pages() -> None:
    assert {page.stem for page, _ in OURS} >= {"README", "cookbook", "comparison"}


@pytest.mark.parametrize(("page", "text"), OURS)
def test_a_configuration_on_a_page_fits_the_schema(page: Path, text: str) -> None:
    Draft202012Validator(schema()).validate(tomllib.loads(text))


def test_the_logstash_example_does_what_its_own_test_says() -> None:
    config = load(ROOT / "config/examples/logstash.toml")
    (case,) = config.tests
    source = container(case.container.name, labels=case.container.labels)
    left: Batch | None = batch(*case.input, of=source)
    for stage in config.routes[case.route].stages:
        assert left is not None
        made = registry.implementation("stages", stage.name)(stage.config)
        left = made.bind(source)(left)
    came_out = [one.fields | {"message": one.message.decode()} for one in entries(left)]
    assert came_out == case.expect


def ours(text: str) -> str:
    """With files that there are, in the place of those that an example names."""
    return text.replace("/etc/dockline/users", str(Path(__file__).parent / "users"))


STAGES = [
    (name, example)
    for name in registry.names("stages")
    for example in limits(registry.config_type("stages", name)).get("examples", [None])
]


@pytest.mark.parametrize(("name", "example"), STAGES)
def test_a_stage_takes_its_own_example(name: str, example: object) -> None:
    text = f"[routes.r]\nstages = [{toml({name: example})}]\nto = ['console']\n"
    assert [
        stage.name for stage in parse(ours(text), {}, python="ignore").config.routes["r"].stages
    ] == [name]


def _toml_of(kind: registry.Kind) -> list[tuple[str, str]]:
    return [(name, text) for name in registry.names(kind) for text in blocks(kind, name)]


@pytest.mark.parametrize(("name", "text"), _toml_of("sinks"))
def test_the_examples_in_a_sinks_documentation_are_valid(name: str, text: str) -> None:
    config = parse(text, ENVIRON).config
    assert name in {sink.type for sink in config.sinks.values()}


@pytest.mark.parametrize(("name", "text"), _toml_of("sources"))
def test_the_examples_in_a_sources_documentation_are_valid(name: str, text: str) -> None:
    config = parse(text, ENVIRON).config
    assert name in {source.type for source in config.sources.values()}


@pytest.mark.parametrize(("name", "text"), _toml_of("stages"))
def test_the_examples_in_a_stages_documentation_are_valid(name: str, text: str) -> None:
    stages = ", ".join(line for line in text.splitlines() if line)
    text = ours(f"[routes.r]\nstages = [{stages}]\nto = ['console']\n")
    route = parse(text, {}, python="ignore").config.routes["r"]
    assert name in {stage.name for stage in route.stages}


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
