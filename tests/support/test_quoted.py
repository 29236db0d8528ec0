"""A text in a message is quoted, short, and does nothing to a terminal."""

from __future__ import annotations

import pytest

from pipeline.support.quoted import quoted


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("web", '"web"'),
        ('a "b" \\', r'"a \"b\" \\"'),
        ("é ☃", '"é ☃"'),
        ("a\nb\x1b[31m\x7f\x9b", r'"a\nb\u001b[31m\u007f\u009b"'),
        ("x" * 60, f'"{"x" * 60}"'),
        ("x" * 61, f'"{"x" * 59}…"'),
        (500, "500"),
        (True, "True"),
        (None, "None"),
    ],
)
def test_a_value(value: object, written: str) -> None:
    assert quoted(value) == written
