"""Compares the entries that a test expects with those that came out of the route."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.config.wording import nearest
from pipeline.explain.values import has_null
from pipeline.model.records import MISSING, RESERVED

LARGEST_TABLE = 250_000
"""Expected entries times those that came out, up to which the best pairing is searched."""


@dataclass(frozen=True)
class Difference:
    """One field that has another value than expected."""

    field: str
    expected: Any
    got: Any
    """`MISSING` if the entry has no such field."""
    hint: str = ""


@dataclass(frozen=True)
class Pair:
    """The index of an expected entry, and that of the entry in its place.

    One of them is None if nothing came out in its place, or if it wasn't expected.
    """

    expected: int | None
    got: int | None
    differences: tuple[Difference, ...] = ()

    @property
    def matches(self) -> bool:
        """Whether both are there, and equal in all fields that are named."""
        return self.expected is not None and self.got is not None and not self.differences


def find(entry: Mapping[str, Any], name: str) -> Any:
    """A field by its name, or by its path in objects (`log.level`).

    `MISSING` if the entry has none.
    """
    if name in entry:
        return entry[name]
    for dot in re.finditer(r"\.", name):
        inner = entry.get(name[: dot.start()])
        if isinstance(inner, Mapping):
            found = find(inner, name[dot.end() :])
            if found is not MISSING:
                return found
    return MISSING


def differences(
    expected: Mapping[str, Any], got: Mapping[str, Any], prefix: str = ""
) -> Iterator[Difference]:
    """The fields in `expected` that `got` doesn't have, or has with another value.

    Other fields of `got` don't matter. `prefix`: the path of the two objects, with a dot.
    """
    for name, value in expected.items():
        found = find(got, name)
        if isinstance(value, Mapping) and isinstance(found, Mapping):
            yield from differences(value, found, f"{prefix}{name}.")
        elif not _same(value, found):
            hint = _hint(name, value, found, got) if not prefix else ""
            yield Difference(prefix + name, value, found, hint)


def _same(expected: Any, got: Any) -> bool:
    """True is not 1; 1 is 1.0; of objects in lists, only the fields that are named count, too."""
    if isinstance(expected, Mapping) and isinstance(got, Mapping):
        return not any(differences(expected, got))
    if isinstance(expected, list) and isinstance(got, list):
        return len(expected) == len(got) and all(map(_same, expected, got))
    if isinstance(expected, bool) or isinstance(got, bool):
        return expected is got
    return bool(expected == got)


def _hint(name: str, value: Any, found: Any, got: Mapping[str, Any]) -> str:
    moved = got.get("fields")
    if isinstance(moved, Mapping) and name in moved and _same(value, moved[name]):
        return f"the parsed field is at fields.{name}: the name is taken"
    return "" if found is not MISSING else nearest(name, got)


def pair_up(expected: Sequence[Mapping[str, Any]], got: Sequence[Mapping[str, Any]]) -> list[Pair]:
    """Pairs expected entries with those that came out, in order, so that most of them match."""
    pairs: list[Pair] = []
    row = column = 0
    for one, other in [*_matches(expected, got), (len(expected), len(got))]:
        for place in range(max(one - row, other - column)):
            left = row + place if row + place < one else None
            right = column + place if column + place < other else None
            found: tuple[Difference, ...] = ()
            if left is not None and right is not None:
                found = tuple(differences(expected[left], got[right]))
            pairs.append(Pair(left, right, found))
        if one < len(expected):
            pairs.append(Pair(one, other))
        row, column = one + 1, other + 1
    return pairs


def _matches(
    expected: Sequence[Mapping[str, Any]], got: Sequence[Mapping[str, Any]]
) -> list[tuple[int, int]]:
    """The longest list of pairs that match, in order on both sides."""
    height, width = len(expected), len(got)
    if height * width > LARGEST_TABLE:
        return [
            (place, place)
            for place in range(min(height, width))
            if not any(differences(expected[place], got[place]))
        ]
    equal = [[not any(differences(one, other)) for other in got] for one in expected]
    longest = [[0] * (width + 1) for _ in range(height + 1)]
    for row in reversed(range(height)):
        for column in reversed(range(width)):
            longest[row][column] = (
                longest[row + 1][column + 1] + 1
                if equal[row][column]
                else max(longest[row + 1][column], longest[row][column + 1])
            )
    found, row, column = [], 0, 0
    while row < height and column < width:
        if equal[row][column]:
            found.append((row, column))
            row, column = row + 1, column + 1
        elif longest[row + 1][column] >= longest[row][column + 1]:
            row += 1
        else:
            column += 1
    return found


def suggestion(entry: Mapping[str, Any], written: str) -> dict[str, Any]:
    """The fields that a test should expect of an entry that came out.

    Its parsed fields; and its message, if there are none, or it isn't the line as `written`.
    """
    fields = {name: value for name, value in entry.items() if name not in RESERVED}
    if "fields" in entry:
        fields["fields"] = entry["fields"]
    message = entry.get("message")
    if message is not None and (message != written or not fields):
        fields = {"message": message, **fields}
    return {name: value for name, value in fields.items() if not has_null(value)} or {
        "stream": entry.get("stream", "")
    }


def updated(expected: Mapping[str, Any], got: Mapping[str, Any]) -> dict[str, Any]:
    """The expected fields with the values that came out, without fields that are missing."""
    result: dict[str, Any] = {}
    for name, value in expected.items():
        found = find(got, name)
        if isinstance(value, Mapping) and isinstance(found, Mapping):
            result[name] = updated(value, found)
        elif found is not MISSING and not has_null(found):
            result[name] = found
    return result
