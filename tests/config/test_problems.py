"""How a problem is shown."""

from __future__ import annotations

import pytest

from pipeline.config.locate import Path, locate
from pipeline.config.problems import ConfigErrors, Problem, ProblemReport, dotted, quote

TEXT = """\
[sinks.a]
memory = "16Mib"
inline = { token = "s3cr3t", size = 3 }
list = [
  "one", "two",
]
expression = '''
level == 1
  and nope
'''
"""


def shown(path: Path, **options: object) -> list[str]:
    report = ProblemReport("f.toml", locate(TEXT))
    report.error(path, "wrong", **options)  # type: ignore[arg-type]
    return report.errors[0].lines("f.toml")


def test_a_value_is_shown_with_its_key_and_marked() -> None:
    assert shown(("sinks", "a", "memory")) == [
        "f.toml:2: sinks.a.memory: wrong",
        '    memory = "16Mib"',
        "             ^^^^^^^",
    ]


def test_a_key_is_shown_without_its_value() -> None:
    assert shown(("sinks", "a", "memory"), about="key")[1:] == ["    memory = …", "    ^^^^^^"]


def test_the_neighbours_in_a_table_in_braces_are_not_shown() -> None:
    assert shown(("sinks", "a", "inline", "size"))[1:] == ["    size = 3", "           ^"]
    assert shown(("sinks", "a", "inline"))[1:] == ["    inline = …", "    ^^^^^^"]


def test_an_element_of_an_array_is_shown_alone_with_its_own_line() -> None:
    assert shown(("sinks", "a", "list", 1)) == [
        "f.toml:5: sinks.a.list[1]: wrong",
        '    "two"',
        "    ^^^^^",
    ]


def test_a_missing_key_is_shown_by_the_table_that_lacks_it() -> None:
    assert shown(("sinks", "a", "type")) == [
        "f.toml:1: sinks.a.type: wrong",
        "    [sinks.a]",
        "    ^^^^^^^^^",
    ]


def test_a_column_marks_one_character_in_its_own_line_of_a_long_string() -> None:
    assert shown(("sinks", "a", "expression"), column=17) == [
        "f.toml:9: sinks.a.expression: wrong",
        "      and nope",
        "          ^",
    ]
    assert shown(("sinks", "a", "memory"), column=2)[2] == "                ^"


def test_a_long_line_is_cut_around_the_mark() -> None:
    text = f"key = '{'x' * 500}!{'y' * 500}'"
    report = ProblemReport("f", locate(text))
    report.error(("key",), "wrong", column=500)
    _, excerpt, mark = report.errors[0].lines("f")
    assert len(excerpt) < 110
    assert excerpt[mark.index("^")] == "!"


def test_a_file_without_places_gives_problems_without_lines() -> None:
    report = ProblemReport("built-in defaults")
    report.error(("sinks", "a"), "wrong", "do better")
    assert report.errors[0].lines("built-in defaults") == [
        "built-in defaults: sinks.a: wrong; do better"
    ]


def test_errors_come_in_the_order_of_the_file() -> None:
    errors = ConfigErrors("f", [Problem("b", line=9), Problem("c", line=11), Problem("a", line=1)])
    assert str(errors).splitlines() == ["f:1: a", "f:9: b", "f:11: c"]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("sinks", "a-b_1", "type"), "sinks.a-b_1.type"),
        (("routes", "my app", "stages", 0, "set", "a.b"), 'routes."my app".stages[0].set."a.b"'),
        (("tests", 2), "tests[2]"),
        ((), ""),
    ],
)
def test_a_path_is_written_as_in_toml(path: Path, text: str) -> None:
    assert dotted(path) == text


def test_what_a_user_wrote_cannot_write_to_the_terminal_nor_fill_it() -> None:
    assert quote("a\x1b[31m\n\x9b") == '"a\\x1b[31m\\n\\x9b"'
    assert len(quote("x" * 10_000)) < 100
    report = ProblemReport("f", locate("a = '\x9b31m'"))
    report.error(("a",), "wrong")
    assert "\x9b" not in "".join(report.errors[0].lines("f"))
