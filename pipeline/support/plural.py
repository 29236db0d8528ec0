"""Singular and plural, for messages."""

from __future__ import annotations


def plural(count: int, one: str, more: str = "") -> str:
    """The word for a count: `one` for 1, otherwise the plural.

    `more`: the plural; by default `one` with an `s`, or with `ies` in place of a final `y`. The
    result doesn't contain the number.
    """
    if count == 1:
        return one
    return more or (f"{one[:-1]}ies" if one.endswith("y") else f"{one}s")
