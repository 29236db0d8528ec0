"""Texts of a query as TOML values."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from pipeline.config.one_line.from_text import from_text, option_type
from pipeline.model import registry
from pipeline.model.component import Duration, Secret, Size


@pytest.mark.parametrize(
    ("text", "type_", "value"),
    [
        ("5", int, 5),
        ("-5", int | None, -5),
        ("5", str, "5"),
        ("5", int | str, 5),
        ("five", int, "five"),
        ("9" * 19, int, "9" * 19),
        ("0.1", float, 0.1),
        ("true", bool, True),
        ("True", bool, "True"),
        ("true", str, "true"),
        ("16MiB", Size, "16MiB"),
        ("5s", Duration | None, "5s"),
        ("a", list[str], ["a"]),
        ("a,b", list[str], ["a", "b"]),
        ("1,x", list[int], [1, "x"]),
        ("", list[str], []),
        ("a,b", str | list[str], ["a", "b"]),
        ("a", str | list[str], "a"),
        ("a,b", Literal["a,b"] | list[str], "a,b"),
        ("a,b", tuple[str, ...] | None, ["a", "b"]),
        ("a,b", str, "a,b"),
        ("x", Secret | None, "x"),
        ("x", Any, "x"),
    ],
)
def test_a_text_gets_the_type_that_is_taken(text: str, type_: Any, value: Any) -> None:
    found = from_text(text, type_)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (("buffer", "disk"), Size),
        (("headers", "X-A"), Secret),
        (("auth", "nope"), None),
        (("auth", "user", "x"), None),
        (("nope",), None),
    ],
)
def test_the_type_of_an_option_is_found_by_its_path(path: tuple[str, ...], expected: Any) -> None:
    assert option_type(registry.config_type("sinks", "http"), path) == expected
