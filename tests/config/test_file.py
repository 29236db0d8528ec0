"""Configuration files, whole."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.config import Config, ConfigErrors, StageConfig, load, read
from pipeline.config.check import check_names
from pipeline.config.convert import Converter
from pipeline.config.file import parse, with_defaults
from pipeline.config.files import NO_FILE
from pipeline.config.locate import locate
from pipeline.config.problems import INVALID, ProblemReport

pytestmark = pytest.mark.usefixtures("parts")


def errors(text: str, **environ: str) -> list[str]:
    """Each error as `line path: sentence`."""
    with pytest.raises(ConfigErrors) as caught:
        parse(text, environ)
    return [f"{one.line} {one.path}: {one.sentence}" for one in caught.value.problems]


GOOD = """\
[engine]
url = "tcp://10.0.0.5:2375"

[logs]
start = "10m"
containers = 'project == "shop"'

[stats]
every = "off"

[http]
listen = "[::]:9114"

[sinks.main]
type = "probe"
address = "${HOST}:${PORT:-514}"
token = "${TOKEN}"
buffer = { memory = "16MiB", disk = "1GiB", when_full = "drop_oldest" }
batch.linger = "200ms"
retry.give_up_after = "1h"
dead_letter = "rejected"

[sinks.rejected]
type = "probe"

[routes.shop-errors]
from = ["logs", "events"]
containers = 'name.startswith("api-")'
stages = [
  { shout = "a" },
  { shout = ["b"] },
]
to = ["main"]

[[tests]]
route = "shop-errors"
container = { name = "api-1", labels = { "com.docker.compose.project" = "shop" } }
input = ['{"level":"error"}', 'x']
expect = [{ level = "error" }]
"""


def test_a_whole_file_becomes_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "dockline.toml"
    file.write_text(GOOD)
    config = load(file, {"HOST": "logs", "TOKEN": "s3cr3t"})
    assert config.engine.url == "tcp://10.0.0.5:2375"
    assert config.logs.start == 600
    assert config.stats.every is None
    main = config.sinks["main"]
    assert vars_of(main, "address", "token", "dead_letter") == ["logs:514", "s3cr3t", "rejected"]
    assert (main.buffer.disk, main.batch.linger, main.retry.give_up_after) == (2**30, 0.2, 3600)
    route = config.routes["shop-errors"]
    assert route.sources == ["logs", "events"]
    assert route.stages == [StageConfig("shout", "a"), StageConfig("shout", ["b"])]
    assert config.tests[0].container.labels == {"com.docker.compose.project": "shop"}
    assert "s3cr3t" not in repr(config)


def vars_of(config: object, *names: str) -> list[object]:
    return [getattr(config, name) for name in names]


# -------------------------------------------------------------------------------- defaults


def test_no_file_is_logs_of_all_containers_to_the_console() -> None:
    reading = read(None, {})
    assert reading.file == NO_FILE
    assert reading.warnings == []
    assert [sink.type for sink in reading.config.sinks.values()] == ["console"]
    assert {name: (r.sources, r.to) for name, r in reading.config.routes.items()} == {
        "all": (["logs"], ["console"])
    }


@pytest.mark.parametrize("text", ["", "# nothing\n", "\ufeff", "[sinks]\n[routes]\n", "\r\n"])
def test_an_empty_file_is_as_good_as_none(text: str) -> None:
    assert parse(text, {}).config == read(None, {}).config


def test_without_routes_all_logs_go_to_all_sinks_and_stats_to_those_that_take_no_logs() -> None:
    text = '[sinks.a]\ntype="probe"\n[sinks.b]\ntype="gauge"\n[sinks.c]\ntype="probe"\n'
    routes = parse(text, {}).config.routes
    assert {name: (r.sources, r.to) for name, r in routes.items()} == {
        "all": (["logs"], ["a", "c"]),
        "stats": (["stats"], ["b"]),
    }


def test_without_routes_a_dead_letter_sink_gets_dead_letters_only() -> None:
    text = '[sinks.a]\ntype="probe"\ndead_letter="b"\n[sinks.b]\ntype="probe"\n'
    reading = parse(text, {})
    assert {name: route.to for name, route in reading.config.routes.items()} == {"all": ["a"]}
    assert reading.warnings == []


# ---------------------------------------------------------------------------------- errors

BAD = """\
[engin]
url = "x"
[engine]
url = "ssh://host"
[logs]
start = "begining"
containers = "name =="
[sinks.main]
type = "prob"
[sinks.other]
type = "probe"
buffer = { memory = "16 apples", disc = "1GiB" }
token = "${NOT_SET}"
dead_letter = "othr"
[routes.r]
from = ["log"]
stages = [
  { shout = "really?" },
  { shouts = "x" },
  { },
]
to = ["main", "nowhere"]
[routes.s]
to = []
[routes.t]
stages = []
[[tests]]
route = "q"
input = []
expect = []
"""


def test_every_error_of_a_file_is_told_at_once_each_with_its_line() -> None:
    assert [error.partition(": ")[0] for error in errors(BAD)] == [
        "1 engin",
        "4 engine.url",
        "6 logs.start",
        "7 logs.containers",
        "9 sinks.main.type",
        "12 sinks.other.buffer.disc",
        "12 sinks.other.buffer.memory",
        "13 sinks.other.token",
        "14 sinks.other.dead_letter",
        "16 routes.r.from[0]",
        "18 routes.r.stages[0].shout",
        "19 routes.r.stages[1].shouts",
        "20 routes.r.stages[2]",
        "22 routes.r.to[1]",
        "24 routes.s.to",
        "25 routes.t",
        "28 tests[0].route",
    ]


def test_a_wrong_expression_is_marked_where_it_is_wrong() -> None:
    with pytest.raises(ConfigErrors) as caught:
        parse("[routes.r]\nto = ['console']\ncontainers = 'name == nmae'\n", {})
    (problem,) = caught.value.problems
    assert problem.excerpt == "containers = 'name == nmae'"
    assert problem.excerpt[problem.mark[0]] == "n"
    assert problem.mark[0] == problem.excerpt.index("nmae")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('sinks = "a"', "1 sinks: expected a table, got a string; "
            "each has a name: [sinks.NAME], and its keys in the lines below"),
        ('[[sinks]]\ntype = "probe"', "1 sinks: expected a table, got an array; "
            "each has a name: [sinks.NAME], and its keys in the lines below"),
        ('sinks.a = "probe"', "1 sinks.a: expected a table, got a string; "
            "each has a name: [sinks.NAME], and its keys in the lines below"),
        ("routes = 3", "1 routes: expected a table, got a whole number; "
            "each has a name: [routes.NAME], and its keys in the lines below"),
        ("routes.r = []", "1 routes.r: expected a table, got an array; "
            "each has a name: [routes.NAME], and its keys in the lines below"),
        ("[tests]\nroute = 'a'", "1 tests: expected an array, got a table; "
            "write [[tests]]"),
        ('[routes.r]\nto = "console"', "2 routes.r.to: expected an array, got a string; "
            "put it in brackets: [ … ]"),
        ("[stats]\nevery = '0s'", "2 stats.every: must be more than 0s"),
        ("[logs]\nmax_line = 10", "2 logs.max_line: must be at least 1KiB"),
        ("http.listen = '9114'", '1 http.listen: "9114" is not HOST:PORT; write it like '
         '"127.0.0.1:9114"'),
        ("http.listen = 'h:70000'", '1 http.listen: "h:70000" is not HOST:PORT; write it like '
         '"127.0.0.1:9114"'),
        ("http.token = 'short'", "1 http.token: must have a length of at least 16"),
        ("http.token = '16 letters and more'", "1 http.token: must have the form "
         "^[A-Za-z0-9._~+/=-]+$"),
        ("http.hosts = ['a.example:9114']", '1 http.hosts[0]: "a.example:9114" is not a host; '
         'write it like "web-1.example.com"'),
        ("http.trust_proxy = { address = '10.0.0.0/0', header = 'X-User' }",
         '1 http.trust_proxy.address: "10.0.0.0/0" is not an address or network; write it like '
         '"10.0.0.5" or "10.1.0.0/16"'),
        ("http.trust_proxy = { address = ['::/0'], header = 'X-User' }",
         '1 http.trust_proxy.address[0]: "::/0" is every address; name those of the proxy'),
        ("http.trust_proxy = { address = '10.0.0.5', header = 'X User' }",
         '1 http.trust_proxy.header: "X User" is not a header; write it like "X-Forwarded-User"'),
        ("http.trust_proxy = { address = '10.0.0.5', header = 'Cookie' }",
         '1 http.trust_proxy.header: "Cookie" is in every request; name one that only the proxy '
         'sets'),
        ("http.trust_proxy = { address = '10.0.0.5' }",
         '1 http.trust_proxy: "header" is missing; such as header = "X-Forwarded-User"'),
        ("http.hosts = ['10.0.0.1:80']", '1 http.hosts[0]: "10.0.0.1:80" is not a host; '
         'write it like "web-1.example.com"'),
        ('[sinks."a b"]\ntype="probe"\n[routes.r]\nto=["a b"]', '1 sinks."a b": "a b" cannot be a '
         "name; use letters, digits, dots, dashes and underscores, 64 at most"),
        ("a = 1\na = 2", "2 a: this key stands in the file twice; the first is in line 1"),
    ],
)  # fmt: skip
def test_each_mistake_is_told_in_one_sentence(text: str, error: str) -> None:
    assert errors(text) == [error]


def test_no_error_shows_what_was_substituted() -> None:
    text = BAD.replace('"prob"', '"${S}"').replace("begining", "${S}").replace("16 apples", "${S}")
    text = text.replace("nowhere", "${S}").replace("othr", "${S}").replace("really?", "${S}?")
    text = text.replace("name ==", "name == ${S}").replace("ssh://host", "ssh://${S}")
    with pytest.raises(ConfigErrors) as caught:
        parse(text, {"S": "s3cr3t"})
    assert "s3cr3t" not in str(caught.value)
    assert len(caught.value.problems) == len(errors(BAD))


def test_a_secret_is_not_shown_by_an_error_beside_it() -> None:
    text = '[sinks]\na = { type = "probe", token = "s3cr3t", tokn = "s3cr3t", batch = 3 }\n'
    with pytest.raises(ConfigErrors) as caught:
        parse(text, {})
    assert len(caught.value.problems) == 2
    assert "s3cr3t" not in str(caught.value)


ANY_VALUE = st.recursive(
    st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.dates()),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)
PLACES = list(locate(GOOD))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(PLACES), ANY_VALUE)
def test_any_value_in_any_place_is_taken_or_refused_in_sentences(path: Any, value: object) -> None:
    tree = tomllib.loads(GOOD)
    *parents, last = path
    inner: Any = tree
    for key in parents:
        inner = inner[key]
    inner[last] = value
    report = ProblemReport("f")
    converted = Converter(report).convert(with_defaults(tree, {}), Config, ())
    check_names(tree, report)
    assert (converted is INVALID) <= bool(report.errors)
    assert all(problem.sentence and "\n" not in problem.sentence for problem in report.errors)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, len(GOOD)), st.integers(0, 9), st.text(max_size=5))
def test_any_slip_of_the_hand_is_taken_or_refused_in_sentences(
    start: int, length: int, text: str
) -> None:
    try:
        parse(GOOD[:start] + text + GOOD[start + length :], {"HOST": "h", "TOKEN": "t"})
    except ConfigErrors as caught:
        assert caught.problems


@pytest.mark.parametrize("depth", [60, 400, 50_000])
def test_deep_nesting_is_refused_in_one_sentence(depth: int) -> None:
    for text in (f"a = {'[' * depth}{']' * depth}", f"a = {'{a=' * depth}1{'}' * depth}"):
        (error,) = errors(text)
        assert "nested too deeply" in error or 'unknown table "a"' in error or "key" in error


def test_a_windows_file_has_the_right_lines() -> None:
    assert errors("\ufeff[logs]\r\n\r\nstart = 3\r\n")[0].startswith("3 logs.start")


def test_the_environment_gives_the_default_of_where_http_listens_and_the_file_wins() -> None:
    environ = {"DOCKLINE_HTTP_LISTEN": "0.0.0.0:9000"}
    assert parse("", environ).config.http.listen == "0.0.0.0:9000"
    assert parse('[http]\nlisten = "127.0.0.1:1"', environ).config.http.listen == "127.0.0.1:1"
