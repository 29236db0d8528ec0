"""Text that is no TOML."""

from __future__ import annotations

import tomllib

import pytest

from pipeline.config.problems import Problem
from pipeline.config.syntax import explain


def problem(text: str) -> Problem:
    with pytest.raises(ValueError) as error:
        tomllib.loads(text)
    return explain(text, str(error.value))


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a = 1\nb = 16MiB", 2, 'put text in quotes, such as "16MiB"'),
        ("a = text", 1, "put text in quotes"),
        ("a =", 1, "no value"),
        ('a = "x\nb = 1', 1, "not closed on its line"),
        ("\na = 'x", 2, "a string is not closed"),
        ('b = 1\na = """x\n\n\n', 2, "a string is not closed"),
        ("a = 1\nb = [1,\n2\n\n", 2, "a ] is missing"),
        ("[a\nb = 1", 1, "a ] is missing"),
        ("a", 1, "write key = value"),
        ("a b = 1", 1, "write key = value"),
        ("= 3", 1, "a key or a [table] is expected here"),
        ("a = { b = 1, }", 1, "no comma after the last key"),
        ("a = [\n{ b = 1,\n c = 2 } ]", 2, "stands on one line"),
        ('a = "C:\\path"', 1, "double it, or put the string in single quotes"),
        ('a = "\x01"', 1, "a control character"),
        (f"a = {'9' * 5000}", 1, "too many digits"),
        ("a = 1\n\nb = 1\na = 2", 4, "the first is in line 1"),
        ("[a]\n[b]\n[a]\nx = 1", 3, "this table stands in the file twice; the first is in line 1"),
        ("a = { x = 1, x = 2 }", 1, "this key stands in the file twice"),
        ("a = 1\n[a]\nb = 1", 2, "this table stands in the file twice"),
        ("a = 1\na.b = 2", 2, "defined before, in another form"),
    ],
)
def test_the_line_and_what_to_do_are_told(text: str, line: int, words: str) -> None:
    found = problem(text)
    assert found.line == line
    assert words in found.sentence


@pytest.mark.parametrize(
    "text",
    [
        'token = "s3cr3t',
        'x = { token = "s3cr3t", y = }',
        "x = { token = 's3cr3t' y = 1 }",
        "token = s3cr3t",
        "token = 53s3cr3t",
        'token = "s3cr3t" x',
        'token = "s3cr3t\\q"',
    ],
)
def test_the_excerpt_shows_no_values(text: str) -> None:
    shown = "".join(problem(text).lines("f"))
    assert not any(part in shown for part in ("s3cr", "53"))


def test_the_mark_stands_below_the_place() -> None:
    assert problem("memory = 16MiB").lines("f")[1:] == ["    memory = …", "              ^"]
