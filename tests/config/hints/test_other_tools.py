"""Words of other tools, and what is said of them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from pipeline.config import ConfigErrors
from pipeline.config.file import parse
from pipeline.config.hints import other_tools
from pipeline.model import registry


def told(text: str) -> list[str]:
    with pytest.raises(ConfigErrors) as error:
        parse(text, {})
    return [f"{one.line} {one.path}: {one.sentence}" for one in error.value.problems]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("webhook", 'write type = "http"'),
        ("slack", 'write type = "http"'),
        ("Datadog", 'write type = "http"'),
        ("splunk-hec", 'write type = "http"'),
        ("stdout", 'write type = "console"'),
        ("statsd", "metrics are read from /metrics"),
        ("elastic", 'write type = "elasticsearch"'),
        ("null", "needs no sink"),
    ],
)
def test_a_sink_of_another_tool_is_told_by_the_name_it_has_here(name: str, words: str) -> None:
    (said,) = told(f'[sinks.x]\ntype = "{name}"\n')
    assert said.startswith(f'2 sinks.x.type: there is no sink type "{name}"; ')
    assert words in said and "Known:" not in said


def test_a_word_that_nobody_knows_gets_the_list() -> None:
    (said,) = told('[sinks.x]\ntype = "zzzz"\n')
    assert "Known: console, " in said


def test_a_substituted_type_is_not_looked_up() -> None:
    with pytest.raises(ConfigErrors) as error:
        parse('[sinks.x]\ntype = "${TYPE}"\n', {"TYPE": "slack"})
    assert "http" not in str(error.value).partition("Known")[0]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("filter", "write { keep ="),
        ("grep", "write { keep ="),
        ("mutate", "write { set ="),
        ("multiline", 'write { join = "python" }'),
        ("json", 'write { parse = "json" }'),
        ("nginx", 'write { parse = "nginx" }'),
        ("grok", "(?P<name>…)"),
        ("rate-limit", 'write { throttle = "100/s" }'),
    ],
)
def test_a_stage_of_another_tool_is_told_by_the_name_it_has_here(name: str, words: str) -> None:
    stages = f'stages = [{{ {name} = "x" }}]'
    (said,) = told(f'[routes.x]\nto = ["c"]\n{stages}\n[sinks.c]\ntype = "console"')
    assert said.startswith(f'3 routes.x.stages[0].{name}: there is no stage "{name}"; ')
    assert words in said and "Known:" not in said


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("[[inputs.docker_log]]", "1 inputs", "followed without a source"),
        ('[sources.x]\ntype = "docker_logs"', "2 sources.x.type", "followed without a source"),
        ('[transforms.x]\ntype = "remap"', "1 transforms", "stages belong to a route"),
        ("[[outputs.file]]", "1 outputs", "write [sinks.NAME]"),
        ('[sinks.x]\ntype = "loki"\nurl = "http://x"\ninputs = []', "4 sinks.x.inputs", "in `to`"),
        ('[sinks.x]\ntype = "loki"\nurl = "http://x"\nuri = ""', "4 sinks.x.uri", "in `url`"),
        ('[sinks.x]\ntype = "syslog"\naddress = "x"\nhost = ""', "4 sinks.x.host", "in `address`"),
        ('[routes.x]\nto = ["console"]\nsink = "a"', "3 routes.x.sink", 'write to = ["NAME"]'),
        ('[routes.x]\nto = ["console"]\nparse = "json"', "3 routes.x.parse", "this is a stage"),
        ("[logs]\nexclude = []", "2 logs.exclude", "write containers ="),
        ('[stats]\ninterval = "1s"', "2 stats.interval", "write every ="),
        ("[http]\nport = 1", "2 http.port", "write listen ="),
    ],
)  # fmt: skip
def test_a_table_or_key_of_another_tool_is_told_by_what_says_the_same(
    text: str, place: str, words: str
) -> None:
    said = told(text)
    assert any(one.startswith(f"{place}: ") and words in one for one in said), said


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            '[routes.x]\nto = ["c"]\nstages = { parse = "json", keep = "x" }',
            "write a list, with a table for each: [{ parse = … }, { keep = … }]",
        ),
        ('[routes.x]\nto = ["c"]\nstages = { parse = "json" }', "put it in brackets: [ … ]"),
        ('[routes.x]\nto = ["c"]\n[routes.x.stages]\nparse = "json"', "put it in brackets"),
        ("[[routes]]\nto = []", "each has a name: [routes.NAME]"),
        ('[sinks]\ntype = "console"', "each has a name: [sinks.NAME]"),
        ('[sinks.x]\ntype = "syslog"\naddress = "x"\ntls = true', "TLS is chosen by the address"),
    ],
)
def test_a_value_of_another_shape_is_told_with_the_right_one(text: str, words: str) -> None:
    assert any(words in one for one in told(text))


def _hints() -> Iterator[tuple[str, str]]:
    yield from other_tools._SINKS.items()
    yield from other_tools._SOURCES.items()
    yield from other_tools._STAGES.items()
    yield from other_tools._TOP.items()
    for hints in other_tools._PLACES.values():
        yield from hints.items()


def test_what_is_suggested_exists() -> None:
    types = {*registry.names("sinks"), *registry.names("sources")}
    for word, hint in _hints():
        for name in re.findall(r'type = "(\w+)"', hint):
            assert name in types, word
        for name in re.findall(r"(?:write|or|,) \{ (\w+) =", hint):
            assert name in registry.names("stages"), word


def test_no_word_is_one_that_dockline_has() -> None:
    assert not {*other_tools._SINKS} & {*registry.names("sinks")}
    assert not {*other_tools._SOURCES} & {*registry.names("sources")}
    assert not {*other_tools._STAGES} & {*registry.names("stages")}
