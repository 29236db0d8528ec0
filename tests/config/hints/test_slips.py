"""What other languages have where TOML has something else."""

from __future__ import annotations

import tomllib

import pytest

from pipeline.config.syntax import explain


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('a = [\n  { b = "x" }\n  { c = "x" }\n]', 3, "a comma is missing before this"),
        ("a = [1 2]", 1, "a comma is missing before this"),
        ("a = { b = 1 c = 2 }", 1, "a comma is missing before this"),
        ("a = { b = 1\n  c = 2 }", 1, "a table in braces stands on one line"),
        ("[t]\na => 1", 2, '"=>" between a key and its value; write key = value'),
        ("[t]\na == 1", 2, '"==" between a key and its value; write key = value'),
        ("[t]\na: 1", 2, '":" between a key and its value; write key = value'),
        ("a = {b: 1}", 1, '":" between a key and its value'),
        ("a = True", 1, "write true"),
        ("a = False", 1, "write false"),
        ("a = yes", 1, "write true"),
        ("a = No  # yet", 1, "write false"),
        ("a = off", 1, 'write "off", or false'),
        ("a =\n  - b", 1, "a value begins on the line of its key; a list is written [ … ]"),
        ('a = "{"b": "c"}"', 1, "the text ends at the \" before this; put it in '…'"),
        ("a = [{ b = 'x == 'y'' }]", 1, 'the text ends at the \' before this; put it in "…"'),
        ("a = ['b 'c'']", 1, "the text ends at the ' before this"),
        ("a = null", 1, "TOML has no null; leave the key out"),
        ("a = None", 1, "TOML has no null"),
        ("a = “x”", 1, "no plain quotation marks"),
        ("a = 1;", 1, 'a ";" at the end of a line; remove it'),
        ("a = 1,", 1, "a comma at the end of a line; remove it"),
        ("a = [1,,2]", 1, "two commas"),
        ("// x", 1, 'write "#" before a comment'),
        ("[t]\n-- x", 2, "write key = value"),
        ("[a b]", 1, "a space in the name of a table"),
    ],
)
def test_it_is_told_what_to_write(text: str, line: int, words: str) -> None:
    with pytest.raises(ValueError) as error:
        tomllib.loads(text)
    found = explain(text, str(error.value))
    assert found.line == line
    assert words in found.sentence


@pytest.mark.parametrize(
    "text", ["a = [1", "a = { b = 1", "a = 16MiB", "a = yesterday", "a = nullable"]
)
def test_what_is_not_known_keeps_its_message(text: str) -> None:
    with pytest.raises(ValueError) as error:
        tomllib.loads(text)
    said = explain(text, str(error.value)).sentence
    assert "comma" not in said and "null;" not in said
