"""Values as attributes in OTLP: an `AnyValue` of Protocol Buffers.

Numbers that an `int64` does not hold become text; a value more than `DEEPEST` levels deep is JSON
text from there on, since receivers go down only so far. Lone surrogates become U+FFFD.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pipeline.encode.protobuf import DELIMITED, VARINT, delimited, double, integer, key, varint
from pipeline.model.dumps import dumps
from pipeline.model.records import MISSING
from pipeline.model.utf8 import utf8

DEEPEST: Final = 16
"""Levels of lists and maps. Each is up to three messages in protobuf, of which receivers take a
hundred at least."""

LONG: Final = 4096
"""Bytes of the JSON of a list or an object beyond which it stands as that text: it takes a
microsecond to write each value of it, and a line of a megabyte has 300,000."""

NAMELESS: Final = "_"
"""The name of a field that has none: an attribute's name is never empty."""

MOST: Final = 2_000
LONGEST: Final = 100
"""Names remembered, and their characters; hostile input makes up new ones for ever."""
SHORT: Final = 64
"""Bytes of values below which what stands before them is remembered."""

_STRING: Final = key(1, DELIMITED)
"""Of an `AnyValue`, as are those after it."""
_NUMBER: Final = key(3, VARINT)
_VALUE: Final = key(2, DELIMITED)
"""Of a `KeyValue`."""


def is_int64(value: int) -> bool:
    """Whether an `int64` holds the number."""
    return -(2**63) <= value < 2**63


def _text(value: Any) -> str:
    """JSON text of what has no form of its own."""
    return dumps(value).decode()


def short(value: Any) -> Any:
    """The value of a field; a list or an object of more than `LONG` bytes of JSON becomes that
    text."""
    if type(value) in (dict, list) and len(text := dumps(value)) > LONG:
        return text.decode()
    return value


def any_value(value: Any, levels: int = DEEPEST) -> bytes:
    """The contents of an `AnyValue` with this value; nothing for null. Lists and objects deeper
    than `levels` become JSON text."""
    kind = type(value)
    if kind is str:
        return delimited(1, utf8(value))
    if value is None:
        return b""
    if kind is bool:
        return integer(2, value)
    if kind is int and is_int64(value):
        return integer(3, value)
    if kind is float:
        return double(4, value)
    if levels and isinstance(value, Mapping):
        return delimited(6, pairs(value, levels - 1))
    if levels and isinstance(value, list | tuple):
        return delimited(5, b"".join([delimited(1, any_value(one, levels - 1)) for one in value]))
    return delimited(1, _text(value).encode())


def pairs(values: Mapping[Any, Any], levels: int = DEEPEST, field: int = 1) -> bytes:
    """Names with their values as `KeyValue` messages, each in the field `field` of another
    message."""
    return b"".join(
        [
            delimited(field, delimited(1, _name(name)) + delimited(2, any_value(value, levels)))
            for name, value in values.items()
        ]
    )


def _name(name: Any) -> bytes:
    return utf8(name if type(name) is str else _text(name).strip('"')) or NAMELESS.encode()


class Attribute:
    """An attribute of one name: writes the values of many entries as one field of their message."""

    __slots__ = ("_field", "_name", "_numbers", "_strings")

    def __init__(self, field: int, name: Any) -> None:
        self._field = field
        self._name = delimited(1, _name(name))
        self._strings: dict[int, bytes] = {}
        """By its length, what stands before a value."""
        self._numbers: dict[int, bytes] = {}

    def _head(self, known: dict[int, bytes], start: bytes, size: int) -> bytes:
        """What stands before `size` bytes of a value that begins with `start`."""
        pair = self._name + _VALUE + varint(len(start) + size) + start
        head = key(self._field, DELIMITED) + varint(len(pair) + size) + pair
        if size < SHORT:
            known[size] = head
        return head

    def one(self, value: Any) -> bytes:
        """The field with the attribute of one entry; nothing for `MISSING`."""
        kind = type(value)
        if kind is str:
            text = utf8(value)
            size = len(text)
            head = self._strings.get(size)
            return (head or self._head(self._strings, _STRING + varint(size), size)) + text
        if kind is int and is_int64(value):
            digits = varint(value)
            return self._number_head(len(digits)) + digits
        if value is MISSING:
            return b""
        return delimited(self._field, self._name + delimited(2, any_value(short(value))))

    def _number_head(self, size: int) -> bytes:
        return self._numbers.get(size) or self._head(self._numbers, _NUMBER, size)

    def many(self, values: Sequence[Any]) -> list[bytes]:
        """The field for each entry. A value that many have is written once."""
        one = self.one
        try:
            kinds = set(map(type, values))
            if len(kinds) == 1 or kinds <= {str, _Missing}:
                different = set(values)
                if len(different) * 2 < len(values):
                    known = {value: one(value) for value in different}
                    return [known[value] for value in values]
        except TypeError:  # lists and objects
            pass
        return list(map(one, values))

    def counted(self, values: Sequence[int]) -> list[bytes]:
        """The field for each of numbers that are near to each other, such as the sequence numbers
        of a batch: what they have in common from the third byte on is written once."""
        least, most = min(values), max(values)
        if least < 2**14 or most - least > 2**20:
            return list(map(self.one, values))
        ends = {high: varint(high) for high in range(least >> 14, (most >> 14) + 1)}
        starts = {high: self._number_head(2 + len(end)) for high, end in ends.items()}
        return [
            starts[value >> 14] + _MORE[value & 127] + _MORE[value >> 7 & 127] + ends[value >> 14]
            for value in values
        ]


_MORE: Final = [bytes((128 | low,)) for low in range(128)]
"""Bytes of a varint that are followed by another."""

_Missing: Final = type(MISSING)


class Attributes(dict[Any, Attribute]):
    """The attributes of all names, as one field of a message. Up to `MOST` names are remembered."""

    __slots__ = ("_field",)

    def __init__(self, field: int) -> None:
        self._field = field

    def __missing__(self, name: Any) -> Attribute:
        attribute = Attribute(self._field, name)
        if type(name) is str and len(name) <= LONGEST:
            if len(self) >= MOST:
                self.clear()
            self[name] = attribute
        return attribute
