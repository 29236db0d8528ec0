"""Logspout's filters of an address, as an expression over containers and a stage.

Reference: `filter.name`, `filter.id`, `filter.labels` and `filter.sources` of
https://github.com/gliderlabs/logspout
"""

from __future__ import annotations

import re
from typing import Final

from pipeline.model.batch import STREAM_NAMES

FILTERS: Final = ("filter.name", "filter.id", "filter.labels", "filter.sources")


def containers(key: str, value: str) -> str:
    """The expression that selects containers by `filter.name`, `filter.id` or `filter.labels`.

    Names and labels may have `*`, `?` and `[abc]`; several labels, `KEY:VALUE` with commas between
    them, must all match.
    """
    if key == "filter.id":
        return f"id.startswith({_quoted(value)})"
    if key == "filter.name":
        return _like("name", value)
    return " and ".join(_label(*label.partition(":")) for label in value.split(","))


def stream_stage(value: str) -> dict[str, str]:
    """The stage that keeps the entries of `filter.sources`: `stdout`, `stderr`, or both.

    Raises `ValueError`, with a message for the user, for anything else.
    """
    names = value.split(",")
    for name in names:
        if name not in STREAM_NAMES[1:]:
            raise ValueError(f'there is no stream "{name}"; write stdout or stderr')
    conditions = [f"stream == {_quoted(name)}" for name in dict.fromkeys(names)]
    return {"keep": " or ".join(conditions)}


def _label(key: str, colon: str, value: str) -> str:
    if not colon or value == "*":
        return f"{_quoted(key)} in labels"
    return _like(f"labels[{_quoted(key)}]", value)


def _like(what: str, pattern: str) -> str:
    if not re.search(r"[*?\[]", pattern):
        return f"{what} == {_quoted(pattern)}"
    if found := re.fullmatch(r"([^*?\[]+)\*", pattern):
        return f"{what}.startswith({_quoted(found[1])})"
    if found := re.fullmatch(r"\*([^*?\[]+)", pattern):
        return f"{what}.endswith({_quoted(found[1])})"
    if found := re.fullmatch(r"\*([^*?\[]+)\*", pattern):
        return f"{what}.contains({_quoted(found[1])})"
    return f"matches({what}, {_quoted(_regular(pattern))})"


def _regular(pattern: str) -> str:
    """The regular expression of a pattern. A `[` without its `]` is a letter."""
    pieces = re.split(r"(\*|\?|\[\^?[^\]]+\])", pattern)
    known = {"*": ".*", "?": "."}
    return f"^{''.join(_piece(one, known) for one in pieces)}$"


def _piece(piece: str, known: dict[str, str]) -> str:
    if piece.startswith("[") and piece.endswith("]") and len(piece) > 2:
        return "[" + piece[1:-1].replace("\\", "\\\\").replace("[", "\\[") + "]"
    return known.get(piece) or re.escape(piece)


def _quoted(text: str) -> str:
    """A literal of an expression."""
    return repr(text)
