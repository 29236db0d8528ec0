"""`${...}` in a configuration."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.config.locate import locate
from pipeline.config.problems import INVALID, ProblemReport
from pipeline.config.substitute import LARGEST_FILE, Substituted, fill, substitute

ENVIRON = {"HOST": "db.example", "EMPTY": "", "TOKEN": "s3cr3t"}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("${HOST}", "db.example"),
        ("tcp://${HOST}:5000", "tcp://db.example:5000"),
        ("${HOST}${TOKEN}", "db.examples3cr3t"),
        ("${UNSET:-localhost}", "localhost"),
        ("${UNSET:-}", ""),
        ("${EMPTY}", ""),
        ("${EMPTY:-default}", "default"),
        ("${UNSET:-a:-b}", "a:-b"),
        ("$HOST", "$HOST"),
        ("$${HOST}", "${HOST}"),
        ("$${HOST} ${HOST}", "${HOST} db.example"),
    ],
)
def test_references_are_replaced_as_a_shell_would(text: str, result: str) -> None:
    assert fill(text, ENVIRON) == result


def test_what_is_put_in_does_not_count_as_a_reference_itself() -> None:
    assert fill("${A}", {"A": "${B}", "B": "x"}) == "${B}"


def test_a_filled_string_remembers_how_it_was_written_and_does_not_show_its_value() -> None:
    filled = fill("a ${TOKEN}", ENVIRON)
    assert isinstance(filled, Substituted)
    assert filled.written == "a ${TOKEN}"
    assert filled.parts == {"s3cr3t": "${TOKEN}"}
    assert "s3cr3t" not in repr([filled])


def test_a_string_that_only_escapes_has_nothing_to_hide() -> None:
    assert type(fill("$${HOST}", ENVIRON)) is str


def test_a_file_gives_its_text_without_the_last_newline(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    for written in ("s3cr3t", "s3cr3t\n", "s3cr3t\r\n"):
        secret.write_bytes(written.encode())
        assert fill(f"${{file:{secret}}}", {}) == "s3cr3t"
    secret.write_text("two\nlines\n\n")
    assert fill(f"${{file:{secret}}}", {}) == "two\nlines\n"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("${UNSET}", "the environment variable UNSET is not set"),
        ("${HOST", "has no closing brace"),
        ("${}", "is not understood"),
        ("${1A}", "is not understood"),
        ("${HOST:=x}", "is not understood"),
        ("${ HOST }", "is not understood"),
        ("${file:/nowhere/at/all}", '"/nowhere/at/all" cannot be read: No such file'),
        ("${file:}", "is not a file"),
        ("${file:/dev/null}", "is not a file"),
        ("${file:/a\0b}", "is not a file"),
    ],
)
def test_a_reference_that_cannot_be_replaced_says_why(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        fill(text, ENVIRON)


def test_a_folder_a_pipe_a_binary_and_an_endless_file_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "large").write_bytes(b"x" * (LARGEST_FILE + 1))
    expected = {"pipe": "is not a file", "binary": "not UTF-8", "large": "too large", ".": "not a"}
    for name, sentence in expected.items():
        with pytest.raises(ValueError, match=sentence):
            fill(f"${{file:{tmp_path / name}}}", {})


def test_only_strings_are_filled_at_any_depth_and_never_keys() -> None:
    tree = {"${HOST}": {"list": ["${HOST}", 1, True, {"x": "${HOST}"}]}}
    filled = substitute(tree, ENVIRON, ProblemReport("f"))
    assert filled == {"${HOST}": {"list": ["db.example", 1, True, {"x": "db.example"}]}}


def test_every_string_that_cannot_be_filled_is_reported_and_shows_nothing_else() -> None:
    text = 'a = "${A}"\n[t]\nb = ["abcde ${B}"]\n'
    report = ProblemReport("f", locate(text))
    filled = substitute({"a": "${A}", "t": {"b": ["abcde ${B}"]}}, {}, report)
    assert filled == {"a": INVALID, "t": {"b": [INVALID]}}
    assert [(problem.line, problem.path) for problem in report.errors] == [(1, "a"), (3, "t.b[0]")]
    assert "abcde" not in "".join(line for one in report.errors for line in one.lines("f"))
