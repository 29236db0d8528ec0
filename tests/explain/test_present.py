"""A route is shown as it is written, and nothing secret in it."""

from __future__ import annotations

import tomllib

import pytest

from pipeline.config import Given
from pipeline.config.file import ConfigFile, parse, read
from pipeline.explain import present


def test_stages_are_those_of_the_file_with_its_comments(reading: ConfigFile) -> None:
    assert present.stages(reading, "errors") == (
        "stages = [\n"
        '  { parse = "json" },  # as the application writes it\n'
        '  { set = { owner = "${OWNER}", who = "${NOBODY:-…}" } },\n'
        "  { keep = \"level == 'error'\" },\n"
        "]\n"
    )


def test_the_rest_of_the_route_is_as_it_is_written(reading: ConfigFile) -> None:
    assert present.head(reading, "errors") == (
        "[routes.errors]\n"
        "containers = 'name.startswith(\"${PREFIX}\")'\n"
        'to = ["out", "route:rare"]\n'
    )


def test_routes_that_are_written_in_another_way_are_rewritten() -> None:
    tables = "[[routes.r.stages]]\nset = { a = '$${B} ${C}' }\n"
    reading = parse(
        '[sinks.out]\ntype = "console"\n[routes.r]\nto = ["out"]\n' + tables, {"C": "c"}
    )
    text = present.stages(reading, "r")
    assert text == 'stages = [\n  { set = { a = "$${B} ${C}" } },\n]\n'
    nothing = parse("", {})
    assert present.stages(nothing, "all") == "stages = []\n"
    assert present.head(nothing, "all") == '[routes.all]\nfrom = ["logs"]\nto = ["console"]\n'


def test_a_secret_in_plain_text_is_stars() -> None:
    secret = "0123456789abcdef0123456789abcdef"
    stages = f'stages = [{{ redact = {{ what = ["email"], with = "sha256", key = "{secret}" }} }}]'
    text = f'[sinks.out]\ntype = "console"\n[routes.r]\nto = ["out"]\n{stages}\n'
    shown = present.stages(parse(text, {}), "r")
    assert secret[:8] not in shown
    assert shown.startswith("# *** stands for a secret")
    assert tomllib.loads(shown)


def test_a_route_that_there_is_not_is_an_error(reading: ConfigFile) -> None:
    with pytest.raises(KeyError):
        present.stages(reading, "nowhere")


def test_a_route_stands_in_a_file_or_in_an_address() -> None:
    reading = read(Given((), ("console://?parse=json", "syslog+tcp://h")), {})
    assert present.place(reading, "console") == "console://?parse=json"
    text = '[sinks.a]\ntype = "console"\n[routes.r]\nto = ["a"]\n'
    assert present.place(parse(text, {}, "f.toml"), "r") == "f.toml:3"
    assert present.place(parse("", {}, "f.toml"), "all") == ""
