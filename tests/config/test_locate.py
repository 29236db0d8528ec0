"""Where keys stand in a TOML text."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config.locate import (
    KeyPlace,
    Path,
    first_repeated,
    last_statement,
    locate,
    offset_within,
)
from pipeline.config.wording import toml

EVERYTHING = """\
# a comment with = and [brackets]
title = "a # that is no comment"   # a comment
"quoted key" = 1
'literal.key'.inner = 2

[sinks.logstash]
address = "tcp://x:1"
buffer = { memory = "16MiB", disk = "1GiB" }
batch.bytes = "1MiB"

[routes."my shop"]
stages = [
  { parse = "json" },   # first
  # between
  { set = { env = "prod", team = [
      "x" ] } },
  { keep = '''
level in ("error", "]")
''' },
]
to = ["a",
      "b"]
when = 2026-01-31 23:59:59

[[tests]]
route = "one"
[tests.container]
name = "api"

[[tests]]
route = "two"
input = ['{"a":1}', \"\"\"
{ "b": [ }
\"\"\", 'c']
[tests.container.labels]
"a.b" = "c"
"""


def lines(text: str) -> dict[Path, int]:
    return {path: place.line for path, place in locate(text).items()}


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("title",), 2),
        (("quoted key",), 3),
        (("literal.key", "inner"), 4),
        (("literal.key",), 4),
        (("sinks", "logstash"), 6),
        (("sinks",), 6),
        (("sinks", "logstash", "address"), 7),
        (("sinks", "logstash", "buffer", "disk"), 8),
        (("sinks", "logstash", "batch"), 9),
        (("sinks", "logstash", "batch", "bytes"), 9),
        (("routes", "my shop", "stages"), 12),
        (("routes", "my shop", "stages", 0, "parse"), 13),
        (("routes", "my shop", "stages", 1), 15),
        (("routes", "my shop", "stages", 1, "set", "team"), 15),
        (("routes", "my shop", "stages", 1, "set", "team", 0), 16),
        (("routes", "my shop", "stages", 2, "keep"), 17),
        (("routes", "my shop", "to", 0), 21),
        (("routes", "my shop", "to", 1), 22),
        (("routes", "my shop", "when"), 23),
        (("tests",), 25),
        (("tests", 0), 25),
        (("tests", 0, "container", "name"), 28),
        (("tests", 1), 30),
        (("tests", 1, "route"), 31),
        (("tests", 1, "input", 1), 32),
        (("tests", 1, "input", 2), 34),
        (("tests", 1, "container", "labels", "a.b"), 36),
    ],
)
def test_every_key_has_the_line_where_it_stands(path: Path, line: int) -> None:
    assert lines(EVERYTHING)[path] == line


def paths(value: Any, path: Path = ()) -> set[Path]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    found: set[Path] = set()
    for key, inner in items:
        found.add((*path, key))
        if isinstance(inner, dict | list):
            found |= paths(inner, (*path, key))
    return found


def test_exactly_what_tomllib_reads_is_located() -> None:
    assert set(locate(EVERYTHING)) == paths(tomllib.loads(EVERYTHING))


@pytest.mark.parametrize(
    ("text", "path", "place"),
    [
        ("[ a . b ]\n", ("a", "b"), KeyPlace(1, "[ a . b ]", "")),
        ("[[a]]", ("a", 0), KeyPlace(1, "[[a]]", "")),
        ("a.b   =  'x' # y", ("a", "b"), KeyPlace(1, "a.b", "'x'")),
        ("\n\na = [ 1, 2 ]", ("a",), KeyPlace(3, "a", "[ 1, 2 ]")),
        ("\n\na = [ 1, 2 ]", ("a", 1), KeyPlace(3, "", "2")),
        ('"\\u0061\\n" = 1', ("a\n",), KeyPlace(1, '"\\u0061\\n"', "1")),
        ('"" = 1', ("",), KeyPlace(1, '""', "1")),
        ('a = """x"""""', ("a",), KeyPlace(1, "a", '"""x"""""')),
    ],
)
def test_key_and_value_are_kept_as_written(text: str, path: Path, place: KeyPlace) -> None:
    assert locate(text)[path] == place


def test_a_table_that_stands_after_its_children_has_its_own_line() -> None:
    assert lines("[a.b]\nx = 1\n[a]\ny = 2")[("a",)] == 3


def test_a_text_without_keys_has_no_places() -> None:
    assert locate("") == locate("# only this\n\n") == {}


names = st.text(min_size=1, max_size=4)
scalars = st.one_of(
    st.text(), st.integers(-(2**63), 2**63 - 1), st.booleans(), st.floats(allow_nan=False)
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=3)),
    max_leaves=8,
)


@given(st.dictionaries(names, values, max_size=4))
def test_any_value_is_located_just_as_tomllib_reads_it(table: dict[str, Any]) -> None:
    text = "".join(f"{toml(key)} = {toml(value)}\n" for key, value in table.items())
    assert set(locate(text)) == paths(tomllib.loads(text))


@given(st.text())
def test_no_text_at_all_makes_the_locator_fail_or_hang(text: str) -> None:
    locate(text)
    first_repeated(text)
    line, before = last_statement(text)
    assert 1 <= line <= text.count("\n") + 1
    assert 0 <= before <= len(text.split("\n")[line - 1])


@pytest.mark.parametrize(
    ("text", "path", "first", "again"),
    [
        ("a = 1\nb = 2\na = 3", ("a",), 1, 3),
        ("[a]\nx = 1\n[b]\n[a]", ("a",), 1, 4),
        ("[a]\nb.c = 1\n[a.b]\nc = 2", ("a", "b", "c"), 2, 4),
        ("a = { x = 1, x = 2 }", ("a", "x"), 1, 1),
        ("a = 1\na = 2\nthis is no TOML", ("a",), 1, 2),
    ],
)
def test_a_repeated_key_is_found_with_both_places(
    text: str, path: Path, first: int, again: int
) -> None:
    found = first_repeated(text)
    assert found is not None
    assert (found[0], found[1].line, found[2].line) == (path, first, again)


def test_elements_of_an_array_of_tables_do_not_repeat_each_other() -> None:
    assert first_repeated("[[a]]\nx = 1\n[[a]]\nx = 1") is None


def test_the_last_statement_is_where_an_unclosed_array_begins() -> None:
    assert last_statement("a = 1\n\nb = [\n  1,\n  2\n\nc = 3\n") == (3, 0)
    assert last_statement("a = 1 b") == (1, 6)


@pytest.mark.parametrize(
    ("value", "index", "offset"),
    [
        ("'abc'", 1, 2),
        ('"abc"', 1, 2),
        ('"a\\nb"', 2, 4),
        ('"\\u00e9b"', 1, 7),
        ('"\\U0001F600b"', 1, 11),
        ("'''\nabc'''", 0, 4),
        ('"""a\\\n   b"""', 1, 9),
        ('"ab"', 9, 4),
        ("12", 1, 1),
    ],
)
def test_a_character_of_a_string_is_found_in_what_was_written(
    value: str, index: int, offset: int
) -> None:
    assert offset_within(value, index) == offset
