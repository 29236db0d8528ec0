"""What other languages have in regular expressions is named, with what to write instead."""

from __future__ import annotations

import re

import pytest

from pipeline.expression.patterns import compile_pattern
from pipeline.model.errors import ConfigError
from pipeline.parsing import regex


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        (r"(?<status>\d+)", "a named group is written (?P<status>…), not (?<status>…)"),
        (r"^a (?'n'\d+)", "a named group is written (?P<n>…), not (?'n'…)"),
        (r"\d+\z", r"the end of a text is \Z, not \z"),
        (r"a\h+b", r"white space is written \s or [ \t], not \h"),
        (r"\p{Lu}+", r"there is no \p{…}"),
        ("a(?i)b", "flags such as (?i) stand at the beginning"),
        ("*.log", "a pattern is no glob"),
        (r"(?<a>\d)%{IP:x}", "a named group is written (?P<a>…)"),
    ],
)
def test_it_is_told_what_to_write(pattern: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        compile_pattern(pattern)


@pytest.mark.parametrize(
    "pattern", [r"\\z", "(?<=a)b", "(?<!a)b", r"\\h", "(?i)a", "(?i:a)", "%{x"]
)
def test_what_only_looks_so_is_a_pattern(pattern: str) -> None:
    compile_pattern(pattern)


def test_a_pattern_of_grok_is_named() -> None:
    with pytest.raises(ConfigError, match="of grok"):
        regex.parser("%{IP:client} %{WORD:method}")
