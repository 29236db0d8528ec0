"""Records: parsed fields of a batch, as structs with the names that a container's lines have.

A program that logs JSON logs the same few names over and over. Read into structs with exactly these
names, its lines take a third less time and memory than as dictionaries. An expression reads an
attribute instead of looking up a key, and records are written four times as fast
(`benchmarks/bench_w2`). Code that needs dictionaries gets them from `Batch.fields`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from itertools import chain
from operator import attrgetter
from typing import Any, Final

import msgspec

Fields = dict[str, Any]
"""Parsed fields of one entry: names and JSON values."""

RESERVED: Final = frozenset(
    {
        "@timestamp", "message", "event", "stream", "log",
        "container", "host", "orchestrator", "ecs", "fields",
    }
)  # fmt: skip
"""Top-level names of the output that the agent sets itself, by the Elastic Common Schema. A parsed
field with one of these names is written under `fields`."""


class Missing:
    """The type of `MISSING`: false, and equal to nothing else."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing()
"""The value of a field that an entry doesn't have."""

MOST_NAMES: Final = 64
"""Limit for the names of a shape. A container whose lines have more gets dictionaries. Each name
that a line doesn't have costs 3 ns and 8 bytes."""
MOST_SHAPES: Final = 256
"""How many shapes are kept for further containers: many have the same."""

NOT_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""The exceptions of reading something that is not a JSON object of the expected names."""


def nested(fields: Fields, most: float = math.inf) -> int:
    """The number of values in lists and objects among these fields, at any depth.

    If there are more than `most`, counting stops and some number above `most` is returned.
    """
    count = 0
    inner = [one for one in fields.values() if type(one) is list or type(one) is dict]
    while inner:
        values = inner.pop()
        count += len(values)
        if count > most:
            break
        each = values.values() if type(values) is dict else values
        inner += [one for one in each if type(one) is list or type(one) is dict]
    return count


class Shape:
    """Names of fields in the order in which they are written, and the type of records with these
    names."""

    __slots__ = ("__weakref__", "attributes", "decode", "names", "record")

    def __init__(self, names: tuple[str, ...]) -> None:
        """Raises `ValueError` for a name that a struct cannot have: one with a quotation mark, a
        backslash or a control character."""
        self.names = names
        self.attributes: dict[str, str] = {name: f"f{place}" for place, name in enumerate(names)}
        """The attribute of a record for each name. A field that an entry doesn't have is
        `MISSING`."""
        self.record: Callable[..., Any] = msgspec.defstruct(
            "Record",
            [(attribute, Any, MISSING) for attribute in self.attributes.values()],
            rename={attribute: name for name, attribute in self.attributes.items()},
            forbid_unknown_fields=True,
            omit_defaults=True,
            gc=False,
        )
        """The struct's type."""
        self.decode: Callable[[bytes], Any] = msgspec.json.Decoder(self.record).decode
        """Reads one line as a record. Raises one of `NOT_JSON` for anything but a JSON object with
        names of this shape."""

    def of(self, fields: Mapping[str, Any]) -> Any:
        """Makes a record of fields, all of whose names are in this shape."""
        attributes = self.attributes
        return self.record(**{attributes[name]: value for name, value in fields.items()})


_shape: Final = lru_cache(MOST_SHAPES)(Shape)


class Records(list[Any]):
    """The fields of a batch: one record for each entry, all of one shape."""

    __slots__ = ("shape",)

    def __init__(self, shape: Shape, records: Iterable[Any] = ()) -> None:
        super().__init__(records)
        self.shape = shape

    def dictionaries(self) -> list[Fields]:
        """The fields as new dictionaries."""
        try:
            dictionaries: list[Fields] = msgspec.to_builtins(list(self))
        except RecursionError:
            names = self.shape.names
            columns = zip(*map(self.column, names), strict=True)
            pairs = (zip(names, row, strict=True) for row in columns)
            dictionaries = [{k: v for k, v in each if v is not MISSING} for each in pairs]
        return dictionaries

    def column(self, name: str) -> list[Any]:
        """One field of all entries; `MISSING` where an entry doesn't have it."""
        attribute = self.shape.attributes.get(name)
        if attribute is None:
            return [MISSING] * len(self)
        return list(map(attrgetter(attribute), self))

    def only(self, names: Iterable[str]) -> list[Fields]:
        """Some of the fields as dictionaries. A field that an entry doesn't have may be in its
        dictionary as `MISSING`."""
        present = [name for name in names if name in self.shape.attributes]
        if not present:
            return [{}] * len(self)
        rows = zip(*map(self.column, present), strict=True)
        return [dict(zip(present, row, strict=True)) for row in rows]


class KnownNames:
    """The names that one container's fields have had."""

    def __init__(self) -> None:
        self.shape: Shape | None = None
        """That of records with these names. None before there are any, and for good if they are too
        many, or one is not fit for a struct."""
        self._learns = True

    def learn(self, parsed: Iterable[Fields]) -> None:
        """Adds the names of these fields."""
        if not self._learns:
            return
        names = self.shape.names if self.shape is not None else ()
        found = tuple(dict.fromkeys(chain(names, chain.from_iterable(parsed))))
        if len(found) == len(names):
            return
        try:
            self.shape = _shape(found) if len(found) <= MOST_NAMES else None
        except ValueError:
            self.shape = None
        self._learns = self.shape is not None


class RecordReader:
    """Reads one container's lines into records, and learns which names they have.

    If any line of a batch has a new name, the whole batch is read as dictionaries; from the next
    batch on, the name is known.
    """

    def __init__(
        self,
        parse: Callable[[list[bytes]], list[Fields]],
        parse_one: Callable[[bytes], Fields],
        *,
        all_json: bool,
    ) -> None:
        """`parse`: reads lines as dictionaries. `parse_one`: reads one line as JSON; returns an
        empty dictionary if it is not JSON. `all_json`: whether a batch with a line that is not JSON
        has to be read by `parse`."""
        self._parse = parse
        self._parse_one = parse_one
        self._all_json = all_json
        self._names = KnownNames()
        self._pause = self._paused = 0
        """Batches to leave to `parse`, after one that was not all JSON."""

    def read(self, lines: list[bytes]) -> Records | list[Fields]:
        """The fields of each line; empty for a line without any."""
        if self._paused:
            self._paused -= 1
        elif (shape := self._names.shape) is not None:
            records = self._records(shape, lines)
            if records is not None:
                return records
        parsed = self._parse(lines)
        self._names.learn(parsed)
        return parsed

    def _records(self, shape: Shape, lines: list[bytes]) -> Records | None:
        records = Records(shape)
        try:
            records.extend(map(shape.decode, lines))
        except NOT_JSON:  # the lines before this one are in the list already
            for line in lines[len(records) :]:
                record = self._record(shape, line)
                if record is None:
                    return None
                records.append(record)
        self._pause = 0
        return records

    def _record(self, shape: Shape, line: bytes) -> Any:
        if line.startswith(b"{"):
            try:
                return shape.decode(line)
            except NOT_JSON:
                pass
        fields = self._parse_one(line)
        if not shape.attributes.keys() >= fields.keys():
            return None
        if self._all_json and not fields:
            self._pause = self._paused = min(2 * self._pause + 1, 63)
            return None
        return shape.of(fields)
