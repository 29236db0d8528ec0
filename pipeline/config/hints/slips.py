"""Recognises what another language writes in place of TOML, at the place where TOML is lost."""

from __future__ import annotations

import re
from typing import Final, NamedTuple


class Slip(NamedTuple):
    """What is wrong, and what to write."""

    sentence: str
    hint: str


_COMMA: Final = Slip("a comma is missing before this", "write one between two elements")
_ONE_LINE: Final = Slip(
    "a table in braces is not closed on its line", "a table in braces stands on one line"
)

_AT: Final[tuple[tuple[str, str, Slip], ...]] = (
    ("Unclosed array", r"[^\]\s]", _COMMA),
    ("Unclosed inline table", r"[^}\s]", _COMMA),
    ("Unclosed inline table", r"$", _ONE_LINE),
    ("Invalid value", r">", Slip('"=>" between a key and its value', "write key = value")),
    ("Invalid value", r"=", Slip('"==" between a key and its value', "write key = value")),
    ("Invalid value", r"[“”„‘’«»]", Slip("these are no plain quotation marks", 'write "…"')),
    ("Invalid value", r"\s*(?:#|$)", Slip(
        "a key without a value", "a value begins on the line of its key; a list is written [ … ]",
    )),
    ("Invalid value", r"(?i:yes|on)\s*(?:#|$)", Slip("this is no value", "write true")),
    ("Invalid value", r"(?i:no)\s*(?:#|$)", Slip("this is no value", "write false")),
    ("Invalid value", r"(?i:off)\s*(?:#|$)", Slip("this is no value", 'write "off", or false')),
    ("Invalid value", r"True\b|TRUE\b", Slip("this is no value", "write true")),
    ("Invalid value", r"False\b|FALSE\b", Slip("this is no value", "write false")),
    ("Invalid value", r"(?:null|None|nil|~)(?!\w)", Slip(
        "TOML has no null", "leave the key out for its default",
    )),
    ("Invalid value", r",", Slip("two commas, and no element between them", "remove one")),
    ("Expected '='", r":", Slip('":" between a key and its value', "write key = value")),
    ("Expected newline", r";", Slip('a ";" at the end of a line', "remove it")),
    ("Expected newline", r",", Slip("a comma at the end of a line", "remove it")),
    ("Invalid statement", r"//|/\*|;|--", Slip("this is no comment", 'write "#" before a comment')),
    ("Expected ']'", r"\w", Slip("a space in the name of a table", 'write ["a b"], or no space')),
)  # fmt: skip
"""How `tomllib`'s message begins, what stands at its place, and what that means."""
_AFTER_A_TEXT: Final = ("Expected newline", "Unclosed array", "Unclosed inline table")
_INSTEAD: Final = {'"': "'…'", "'": '"…"'}
"""How to write a text that has this quotation mark in it."""


def slip(message: str, rest: str, before: str = "") -> Slip | None:
    """What was probably meant; None if that is not known.

    `message` is `tomllib`'s, `rest` the line from the place that it names, and `before` what stands
    before it. The result shows nothing of the line.
    """
    if (
        message.startswith(_AFTER_A_TEXT)
        and before[-1:] in _INSTEAD
        and re.match(r"[\w{$./]", rest)
    ):
        quote, other = before[-1:], _INSTEAD[before[-1:]]
        return Slip(
            f"the text ends at the {quote} before this",
            f"put it in {other}, as it has {quote} in it",
        )
    for begin, pattern, found in _AT:
        if message.startswith(begin) and re.match(pattern, rest):
            return found
    return None
