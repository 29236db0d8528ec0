"""An error says what is wrong in a sentence, where, and the nearest right spelling."""

from __future__ import annotations

import pytest

from pipeline.expression import compile_container, compile_predicate, compile_template
from pipeline.model.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "column", "part"),
    [
        ("x = 1", 2, 'write "==" to compare'),
        ("'a = b' == x && y", 13, 'write "and" for "&&"'),
        ("x || y", 2, 'write "or" for "||"'),
        ("x and !y", 6, 'write "not" for "!"'),
        ("x =~ 'a'", 2, "matches(text"),
        ("a == 1 and startwith(b, 'c')", 11, 'Did you mean "startswith"?'),
        ("a.start_with('c')", 0, 'Did you mean "startswith"?'),
        ("frobnicate(a)", 0, "There are startswith, endswith"),
        ("startswith(a)", 0, 'startswith is written startswith(text, "beginning")'),
        ("a == 1 and container.nmae == 'x'", 11, 'Did you mean "name"?'),
        ("container.zzz == 1", 0, "There are id, name, image, labels, project, service, host"),
        ("x is None", 5, '"key" in fields'),
        ("x == true", 5, 'write "True" for "true"'),
        ("x == null", 5, 'write "None" for "null"'),
        ("a & b", 0, 'write "and"'),
        ("'ä' == x and y ** 2 == 1", 13, '"**" cannot be used'),
        ("(\n  x == 1\n  and [y for y in x]\n)", 17, "a comprehension cannot be used"),
        ("(\n  x == 'ä' and\n  y.__d\n)", 19, 'write fields["__d"]'),
        ("x\n and\n y =\n 1", 10, 'write "=="'),
        ("x == 1 and y in ()", 16, "the list is empty"),
        ("matches(a, '(b+)+')", 11, "would take for ever"),
        ("matches(a, '[b')", 11, "the pattern cannot be read"),
        ("ip_in(a, '10.0.0.1/8')", 9, "has host bits set"),
        ("x == 1 2", 0, "cannot be read as an expression"),
        ("x, y", 3, "expected one expression"),
        ("len(a) == 1e999", 10, "too large"),
        ("message.level == 1", 0, '"message" is text'),
        ("x.startswith == 1", 0, "call startswith(…)"),
    ],
)
def test_an_error_in_a_stages_expression(text: str, column: int, part: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compile_predicate(text)
    assert part in str(caught.value)
    assert caught.value.column == column


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("nam == 'x'", 'a container has no "nam". Did you mean "name"?'),
        ("message == 'x'", 'a container has no "message". Did you mean "image"?'),
        ("level == 'x'", 'a container has no "level". There are id, name'),
        ("'x' in fields", "about a container, not its entries"),
        ("name.x == 1", '"name" of a container is text'),
        ("label['x'] == 'y'", 'Did you mean "labels"?'),
    ],
)
def test_an_error_in_an_expression_about_containers(text: str, part: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compile_container(text)
    assert part in str(caught.value)
    assert caught.value.column is not None


def test_a_column_in_a_template_counts_from_its_beginning() -> None:
    with pytest.raises(ConfigError) as caught:
        compile_template("ä {level} and {container.nmae}")
    assert caught.value.column == 15
    assert 'Did you mean "name"?' in str(caught.value)


def test_a_pattern_with_a_wrong_escape_is_told_to_be_raw() -> None:
    with pytest.raises(ConfigError, match="put an r before"):
        compile_predicate(r"matches(x, '\d')")
    with pytest.raises(ConfigError, match="backspace"):
        compile_predicate(r"matches(x, '\bx')")
