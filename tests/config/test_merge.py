"""Several files as one."""

from __future__ import annotations

import pytest

from pipeline.config import ConfigErrors, ConfigFile
from pipeline.config.file import combine
from pipeline.config.files import Text
from pipeline.config.merge import merge

SINK = '[sinks.{0}]\ntype = "console"\n'


def texts(*written: str) -> list[Text]:
    return [Text(f"{name}.toml", text) for name, text in zip("abcdef", written, strict=False)]


def read(*written: str) -> ConfigFile:
    return combine(texts(*written), {}, "all")


def problems(*written: str) -> list[str]:
    with pytest.raises(ConfigErrors) as caught:
        read(*written)
    return [one.lines("all")[0] for one in caught.value.problems]


def test_later_files_add_tables() -> None:
    config = read(
        '[logs]\nstart = "beginning"\n' + SINK.format("a"),
        SINK.format("b"),
        '[routes.r]\nto = ["a", "b"]\n[stats]\nevery = "off"\n',
    ).config
    assert list(config.sinks) == ["a", "b"]
    assert config.routes["r"].to == ["a", "b"]
    assert (config.logs.start, config.stats.every) == ("beginning", None)


def test_tests_of_all_files_follow_each_other_and_keep_their_places() -> None:
    case = '[[tests]]\nroute = "all"\nname = "{}"\n'
    reading = read(SINK.format("a"), case.format(1) + case.format(2), case.format(3))
    assert [one.name for one in reading.config.tests] == ["1", "2", "3"]
    places = reading.places()
    found = [(places["tests", index].file, places["tests", index].line) for index in range(3)]
    assert found == [("b.toml", 1), ("b.toml", 4), ("c.toml", 1)]
    assert places["tests", 2, "name"].line == 3


def test_a_table_may_go_on_in_another_file_as_it_may_in_one() -> None:
    config = read(
        SINK.format("a"), "[sinks.a.buffer]\nmemory = '1MiB'\n", "sinks.a.batch.entries = 9"
    )
    assert config.config.sinks["a"].buffer.memory == 2**20
    assert config.config.sinks["a"].batch.entries == 9


@pytest.mark.parametrize(
    ("first", "again", "key", "noun", "line"),
    [
        ("[logs]\n", "\n[logs]\nread = 'api'\n", "logs", "table", 2),
        ("http.listen = 'off'\n", "http.listen = 'off'\n", "http.listen", "key", 1),
        (SINK.format("x"), "#\n" + SINK.format("x"), "sinks.x", "table", 2),
        ("logs = {}\n", "[logs]\n", "logs", "table", 1),
        ("tests = []\n", "[[tests]]\n", "tests", "table", 1),
        ("[[tests]]\n", "tests = []\n", "tests", "key", 1),
        ("[http]\n[logs]\n", "http = 1\n", "http", "key", 1),
        ("http = 1\n", "[http]\n", "http", "table", 1),
    ],
)
def test_what_stands_in_two_files_is_an_error_with_both_places(
    first: str, again: str, key: str, noun: str, line: int
) -> None:
    said = f"b.toml:{line}: {key}: this {noun} stands twice; the first is at a.toml:1"
    assert said in problems(first, again)


def test_a_header_that_follows_one_of_its_children_counts_for_the_files_after_it() -> None:
    (said,) = problems("[engine.tls]\n", "[engine]\n", "[engine]\n")
    assert said == "c.toml:1: engine: this table stands twice; the first is at b.toml:1"


def test_errors_of_all_files_are_told_with_their_files_and_lines() -> None:
    found = problems(
        '[logs]\nstrat = "now"\n',
        SINK.format("x"),
        '\n[sinks.y]\ntype = "console"\ncolour = 1\n[[tests]]\nroute = "all"\n',
        '[[tests]]\nroute = "y"\n' + SINK.format("x") + "[stats]\nevry = 1\n",
    )
    assert found == [
        'a.toml:2: logs.strat: unknown key "strat"; did you mean "start"?',
        'c.toml:4: sinks.y.colour: unknown key "colour"; did you mean "color"?',
        'd.toml:2: tests[1].route: there is no route "y"; known: all',
        "d.toml:3: sinks.x: this table stands twice; the first is at b.toml:1",
        'd.toml:6: stats.evry: unknown key "evry"; did you mean "every"?',
    ]


def test_every_file_that_is_not_toml_is_told() -> None:
    said = problems("a = \n", "[ok]\n", "x = 1\nx = 2\n", "deep = " + "[" * 100_000)
    assert [one.partition(": ")[0] for one in said] == ["a.toml:1", "c.toml:2", "d.toml"]


def test_a_warning_has_its_file() -> None:
    (warning,) = read(SINK.format("a"), SINK.format("b"), '[routes.r]\nto = ["a"]\n').warnings
    assert (warning.file, warning.line) == ("b.toml", 1)


def test_one_text_is_merged_to_what_it_is() -> None:
    text = "a.b = 1\n[c]\nd = [{ e = 1 }]\n[[f]]\n[[f]]\ng = 2\n"
    merged = merge(texts(text), "all")
    assert merged.tree == {"a": {"b": 1}, "c": {"d": [{"e": 1}]}, "f": [{}, {"g": 2}]}
    assert merged.places["f", 1, "g"].line == 6
    assert merged.problems == []
