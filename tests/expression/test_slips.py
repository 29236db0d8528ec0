"""What is written in other languages is named, at its place, with what to write instead."""

from __future__ import annotations

import pytest

from pipeline.expression import compile_predicate
from pipeline.model.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("level === 'error'", 6, 'write "==" for "==="'),
        ("level !== 'error'", 6, 'write "!=" for "!=="'),
        ("level <> 'error'", 6, 'write "!=" for "<>"'),
        ("status => 500", 7, 'write ">=" for "=>"'),
        ("level eq 'error'", 6, 'write "==" for "eq"'),
        ("level ne 'error'", 6, 'write "!=" for "ne"'),
        ("level == 'a' AND x", 13, 'write "and" for "AND"'),
        ("level == 'a' OR x", 13, 'write "or" for "OR"'),
        ("NOT x", 0, 'write "not" for "NOT"'),
        ("level IN ('a')", 6, 'write "in" for "IN"'),
        ("level is 'error'", 9, 'write "==" to compare'),
        ("level is not 'error'", 13, 'write "!=" to compare'),
        ("level == “error”", 9, "write straight quotes"),
        (".level == 'error'", 0, "write a field without a dot before it"),
        ("$level == 'error'", 0, "write a field as it is"),
        ("message contains 'x'", 8, 'write "part" in text'),
        ("message like '%x%'", 8, "write matches(text"),
        ("message == /err/", 9, "write matches(text"),
        ("message matches 'x'", 8, "write matches(text"),
        ("name startswith 'x'", 5, "write startswith(text"),
        ("status between 1 and 2", 7, "write 200 <= status < 300"),
        ("level == 'error'; x", 16, 'not ";"'),
        ("if level == 'error'", 0, 'without "if"'),
        ("level: error", 5, 'write "==" to compare, and texts in quotes'),
        ("level in 'a', 'b'", 14, 'a list is in brackets, as in level in ("error", "fatal")'),
        ("level == 'error", 9, "a text begins here that has no closing quote"),
        ("(level == 'error'", 17, "a bracket is not closed"),
        ("level == 'error')", 16, "no bracket is open that this closes"),
        ("exists(level)", 0, 'there is no function "exists". Write "key" in fields.'),
        ("message.includes('x')", 0, 'Write "part" in text.'),
        ("severity(level) > 3", 0, 'Write at_least(level, "error").'),
    ],
)
def test_a_slip(text: str, column: int, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compile_predicate(text)
    assert message in caught.value.message
    assert caught.value.column == column


@pytest.mark.parametrize(
    "text",
    ["AND == 1", "x == 'a AND b; c = d'", "message == '&& || ! ~'", "x['a:b'] == 1", "x == '“a”'"],
)
def test_what_is_an_expression_is_no_slip(text: str) -> None:
    compile_predicate(text)
