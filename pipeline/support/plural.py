"""Words that go with a number, for sentences that a person reads."""

from __future__ import annotations


def plural(count: int, one: str, more: str = "") -> str:
    """`one` for a count of 1, else `more`: by default `one` with an `s`, or `ies` for its `y`."""
    if count == 1:
        return one
    return more or (f"{one[:-1]}ies" if one.endswith("y") else f"{one}s")
