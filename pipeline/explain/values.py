"""Writes values of entries on one line of a terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pipeline.config.wording import toml
from pipeline.model.records import MISSING

LONGEST = 100_000
"""Characters of two values that are compared to find where they differ."""


def shown(value: Any, most: int = 200) -> str:
    """A value of JSON as the configuration would have it (TOML), on one line.

    At most `most` characters, ending in `…` if it is cut. Characters that could control the
    terminal are escaped. `MISSING` is "no such field".
    """
    if value is MISSING:
        return "no such field"
    text = json.dumps(value) if has_null(value) else toml(value)
    text = "".join(letter if letter.isprintable() else f"\\u{ord(letter):04x}" for letter in text)
    return _cut(text, most)


def shown_apart(expected: Any, got: Any, most: int = 200) -> tuple[str, str]:
    """Two different values, each as `shown` writes it.

    Of values longer than `most` characters, the part around the first difference.
    """
    texts = shown(expected, LONGEST), shown(got, LONGEST)
    if max(map(len, texts)) <= most:
        return texts
    pairs = enumerate(zip(*texts, strict=False))
    same = next((place for place, (one, other) in pairs if one != other), min(map(len, texts)))
    start = max(0, same - most // 4)
    left, right = (_cut(("…" if start else "") + text[start:], most) for text in texts)
    return left, right


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def has_null(value: Any) -> bool:
    """Whether a value is or contains null, which TOML can't write."""
    if isinstance(value, Mapping):
        return any(map(has_null, value.values()))
    if isinstance(value, list):
        return any(map(has_null, value))
    return value is None
