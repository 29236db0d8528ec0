"""Recognises a configuration that is no TOML, or that of another tool."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from pipeline.config.problems import Problem

_TOML: Final = "write tables such as [sinks.NAME], with key = value in the lines below"

_FORMATS: Final[tuple[tuple[str, str], ...]] = (
    ("JSON", r"\{"),
    ("XML", r"<\?xml|<!"),
    ("YAML", r"---(?:\s|$)|- |[\w.\"'-]+\s*:(?:\s|$)"),
)
_TOOLS: Final[tuple[tuple[str, str], ...]] = (
    ("Fluentd", r"</?(?:source|match|filter|label|system|worker|ROOT)\b"),
    ("Fluent Bit", r"\[(?:INPUT|OUTPUT|FILTER|SERVICE|PARSER|MULTILINE_PARSER)\]"),
    ("Logstash", r"(?:input|filter|output)\s*\{"),
    ("syslog-ng", r"(?:source|destination|log|options)(?:\s+\w+)?\s*\{|@version:"),
    ("rsyslog", r"module\(|input\(|\*\.\*|\$ModLoad\b"),
    ("Alloy", r'[\w.]+\s+(?:"[^"]*"\s*)?\{\s*$'),
)
"""How the first line of each begins."""

_LOOKS_LIKE_TOML: Final = re.compile(r"\[\[?[a-z][\w.\"-]*\]\]?\s*(?:#.*)?$|[\w.-]+\s*=(?![=>])")


def recognised(text: str) -> Problem | None:
    """The problem with a text in another format; None if it may be meant as TOML.

    `text` is one that `tomllib` refuses.
    """
    first = next(_lines(text), None)
    if first is None or any(_LOOKS_LIKE_TOML.match(line) for _, line in _lines(text)):
        return None
    number, line = first
    for name, pattern in _TOOLS:
        if re.match(pattern, line):
            return Problem(f"this is a configuration of {name}, not of dockline", "", number, _TOML)
    for name, pattern in _FORMATS:
        if re.match(pattern, line):
            return Problem(f"this is {name}, not TOML", "", number, _TOML)
    return None


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines with anything but comments in them, without indentation, by number."""
    for number, line in enumerate(text.split("\n"), 1):
        if (bare := line.strip()) and not bare.startswith("#"):
            yield number, bare
