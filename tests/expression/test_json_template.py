"""Templates that are JSON: escaped in strings, values outside of them, or refused with a place."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline.expression import compile_json, json_template
from pipeline.expression.json_template import looks_like_json, read_wrapper
from pipeline.model.errors import ConfigError
from pipeline.model.records import Records, Shape
from pipeline.testing.builders import batch, container
from pipeline.testing.hostile import hostile


def made(template: str, *lines: str | bytes, **columns: Any) -> list[Any]:
    return [json.loads(text) for text in compile_json(template)(batch(*lines, **columns))]


def test_text_in_a_string_is_escaped() -> None:
    template = '{{"text": "{container.name}: {message}"}}'
    texts = ['say "hi"', "back\\slash", "line\nbreak\ttab\0", "{curly} {{x}}", "é☃\u2028", ""]
    assert made(template, *texts) == [{"text": f"api-1: {text}"} for text in texts]


def test_outside_of_a_string_stands_a_json_value() -> None:
    template = '{{"a": {x}, "b": [{x}, {int(n)}], "c": {container.labels.team}, "d": {n > 5}}}'
    values: list[Any] = ["text", 5, 0.5, True, None, [1, {"a": "b"}], {"k": []}]
    fields = [{"x": value, "n": "7"} for value in values]
    of = container(labels={"team": 'sh"op'})
    assert made(template, *["m"] * len(values), fields=fields, of=of) == [
        {"a": value, "b": [value, 7], "c": 'sh"op', "d": True} for value in values
    ]


def test_what_is_missing_is_null_or_empty_text() -> None:
    assert made('{{"a": {gone}, "b": "<{gone}>"}}', "m") == [{"a": None, "b": "<>"}]


def test_all_fields_are_an_object() -> None:
    fields = [{"a": 1, "b": {"c": [None, "x"]}}, {}]
    assert made('{{"f": {fields}}}', "m", "n", fields=fields) == [{"f": one} for one in fields]
    assert made('{{"f": { fields }, "a": {a}}}', "m") == [{"f": {}, "a": None}]
    shape = Shape(("a", "b"))
    records = Records(shape, [shape.of({"a": 1, "b": "x"}), shape.of({"b": [2]})])
    one = batch("m", "n").replace(parsed=records)
    texts = compile_json('{{"f": {fields}, "b": {b}}}')(one)
    assert [json.loads(text) for text in texts] == [
        {"f": {"a": 1, "b": "x"}, "b": "x"},
        {"f": {"b": [2]}, "b": [2]},
    ]
    with pytest.raises(ConfigError, match='after "fields" comes a key'):
        compile_json('"{fields}"')


def test_whatever_an_entry_has_it_is_json_on_one_line() -> None:
    template = (
        '{{"m": "{message}", "v": {fields["nan"]}, "deep": {deep}, "s": "{deep}", "big": {big},\n'
        ' "n": "{container.name}", "l": {container.labels["a.b"]}, "all": {fields}}}'
    )
    render = compile_json(template)
    for one in hostile():
        for text in render(one):
            assert "\n" not in text
            json.loads(text.encode())


def test_a_lone_surrogate_becomes_the_replacement_character() -> None:
    fields = [{"x": "a\ud800b"}]
    assert made('["{x}", {x}]', "m", fields=fields) == [["a\ufffdb", "a\ufffdb"]]


def test_a_message_of_a_megabyte_stays_whole() -> None:
    line = '"\\' * 500_000
    assert made('{{"m": "{message}"}}', line) == [{"m": line}]


def test_line_breaks_of_the_template_stand_between_its_parts() -> None:
    template = '{{\n  "a":\n    "{message}"\r\n}}\n'
    assert compile_json(template)(batch("x")) == ['{ "a": "x" } ']


@pytest.mark.parametrize(
    ("template", "column", "message"),
    [
        ('{{"a": {x} {y}}}', 11, 'a "," is missing'),
        ('{{"a": "b"', 10, 'a "," is missing'),
        ("{{{x}: 1}}", 2, "the name of a field, in double quotes, is missing"),
        ("{{'a': 1}}", 2, "the name of a field, in double quotes, is missing"),
        ('{{"a": "b}}', 7, "this string does not end"),
        ('{{"a": "\\{x}"}}', 9, "behind a backslash a placeholder cannot stand"),
        ('{{"a": 1}} x', 11, "the JSON has ended before this"),
        ('{{"a": {x}1}}', 10, 'a "," is missing'),
        ('{{"a": -{x}}}', 7, "a value is missing"),
        ('{{"a" {x}}}', 6, 'a ":" is missing'),
        ('"a\nb"', 2, r'a line break or tab in a string is written "\n"'),
        ("[NaN]", 0, "neither NaN nor Infinity"),
        ("[" * 101 + "1" + "]" * 101, 0, "nested too deeply"),
        ("[" * 8000, 0, "nested too deeply"),
        ("", 0, "a value is missing"),
        ('{{"a": 1}', 8, 'write "{{" and "}}" for braces that are meant'),
        ('{{"a": {x ==}}}', 12, "cannot be read as an expression"),
        ('["\\q"]', 2, "invalid \\escape"),
    ],
)
def test_what_no_entry_can_make_json_of_is_refused_with_its_place(
    template: str, column: int, message: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        compile_json(template)
    assert (raised.value.column, message in raised.value.message) == (column, True), raised.value


def test_brackets_in_strings_are_no_levels() -> None:
    compile_json('["' + "[" * 200 + r"\"" + "[" * 200 + '"]')
    compile_json("[" * 100 + "1" + "]" * 100)


def test_a_template_is_json_by_how_it_begins() -> None:
    for text in ('{{"a": 1}}', " \n[{x}]", '"{message}"', "{{"):
        assert looks_like_json(text)
    for text in ("{message}", "plain", "", "3"):
        assert not looks_like_json(text)


def test_a_wrapper_has_the_entries_once_where_they_are_text_or_values() -> None:
    assert read_wrapper('{{"a": {entries}}}', is_json=True) == ('{"a": ', "}", "value")
    assert read_wrapper('["{ entries }!"]', is_json=True) == ('["', '!"]', "string")
    assert read_wrapper("<{entries}>", is_json=False) == ("<", ">", "text")


@pytest.mark.parametrize(
    ("template", "column", "message"),
    [
        ('{{"a": 1}}', None, "has to stand here, once"),
        ("[{entries}, {entries}]", 12, "has to stand here, once"),
        ("[{entries}, {message}]", 12, "only {entries} can stand here"),
        ("[{entries}", 10, 'a "," is missing'),
        ("{{{entries}: 1}}", 2, "the name of a field"),
    ],
)
def test_any_other_wrapper_is_refused_with_its_place(
    template: str, column: int | None, message: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        read_wrapper(template, is_json=True)
    assert (raised.value.column, message in raised.value.message) == (column, True), raised.value


def test_what_is_the_same_for_a_batch_is_escaped_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def counted(value: Any) -> str:
        asked.append(value)
        return f"{value}"

    monkeypatch.setattr(json_template, "inside", counted)
    render = compile_json('["{container.name}", "{message}"]')
    assert render(batch("a", "b", "c")) == [f'["api-1", "{line}"]' for line in "abc"]
    assert sorted(asked) == ["a", "api-1", "b", "c"]
