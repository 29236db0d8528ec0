"""Reads access logs into records, and learns which names a container's lines have.

Nearly all lines have the common or the combined format, and these are read in C, where there is an
extension. The lines that it leaves are read one by one; a batch that it leaves whole stays
dictionaries.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import starmap
from typing import Any, Final

from pipeline import native
from pipeline.model.records import MISSING, Fields, KnownNames, Records, Shape

NAMES: Final = (
    "client", "timestamp", "identity", "user", "method", "path", "protocol", "request", "status",
    "size", "referer", "agent", "forwarded_for", "request_time", "upstream_connect_time",
    "upstream_header_time", "upstream_response_time",
)  # fmt: skip
"""The names of what `native.Loops.access` reads, in its order."""

NOWHERE: Final = 255

Row = tuple[Any, ...]
"""A value for each name of a shape, or `MISSING`."""


class AccessReader:
    """Reads the lines of one container.

    Where a line has a new name, its batch becomes dictionaries; from the next batch on, the name is
    known.
    """

    def __init__(
        self, parse: Callable[[list[bytes], list[int]], list[Fields]], others: bytes = b""
    ) -> None:
        """`parse`: reads the lines of a batch that have these indexes; the others are of an access
        log. `others`: the first bytes of lines that `parse` may take for something else."""
        self._parse = parse
        self._others = others
        self._loops = native.loops
        self._names = KnownNames()
        self._shape: Shape | None = None
        self._places = b""

    def read(self, lines: list[bytes]) -> Records | list[Fields]:
        """The fields of each line; empty for a line without any."""
        shape = self._names.shape
        if shape is None:
            parsed = self._parse(lines, list(range(len(lines))))
            self._names.learn(parsed)
            return parsed
        rows, left = self._rows(shape, lines)
        if left:
            found = self._parse(lines, left)
            known = shape.attributes.keys()
            if not all(known >= fields.keys() for fields in found):
                return self._learned(shape, rows, left, found)
            if len(left) == len(lines):  # dictionaries of all lines are not worth records
                return found
            names = shape.names
            for place, fields in zip(left, found, strict=True):
                rows[place] = tuple([fields.get(name, MISSING) for name in names])
        return Records(shape, starmap(shape.record, rows))

    def _rows(self, shape: Shape, lines: list[bytes]) -> tuple[list[Row], list[int]]:
        """A row for each line, and the indexes of those that have none yet."""
        if self._loops is None:
            return [()] * len(lines), list(range(len(lines)))
        if shape is not self._shape:
            self._shape, self._places = shape, places_in(shape.names)
        return self._loops.access(lines, self._places, len(shape.names), MISSING, self._others)

    def _learned(
        self, shape: Shape, rows: list[Row], left: list[int], found: list[Fields]
    ) -> list[Fields]:
        others = dict(zip(left, found, strict=True))
        parsed = [
            others[place] if place in others else _fields(shape, row)
            for place, row in enumerate(rows)
        ]
        self._names.learn(parsed)
        return parsed


def places_in(names: tuple[str, ...]) -> bytes:
    """For each of `NAMES`, its index among these, or `NOWHERE`."""
    return bytes([names.index(name) if name in names else NOWHERE for name in NAMES])


def _fields(shape: Shape, row: Row) -> Fields:
    pairs = zip(shape.names, row, strict=True)
    return {name: value for name, value in pairs if value is not MISSING}
