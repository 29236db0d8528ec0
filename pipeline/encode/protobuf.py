"""Protocol Buffers, as far as a writer of few messages needs them: fields, and no descriptions.

A message is its fields one behind the other; each is a key (its number, and how its value is
written) and the value: https://protobuf.dev/programming-guides/encoding/

    delimited(1, b"name") + integer(2, 7) + double(3, 0.5)

In a loop over many, keys are written once: `NAME = key(1, DELIMITED)`, and then
`NAME + varint(len(name)) + name`.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import Final

VARINT: Final = 0
FIXED64: Final = 1
DELIMITED: Final = 2

_MASK: Final = 2**64 - 1
_DOUBLE: Final = Struct("<d")


def _varint(value: int) -> bytes:
    groups = bytearray()
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)


_SMALL: Final = [_varint(value) for value in range(2048)]
"""Most lengths and keys: three times as quick."""


def varint(value: int) -> bytes:
    """A number of at most 64 bits; a negative one as its two's complement, which takes ten bytes.

    What does not fit is cut to 64 bits."""
    if 0 <= value < 2048:
        return _SMALL[value]
    return _varint(value & _MASK)


def varints(values: Sequence[int]) -> list[bytes]:
    """Each number as a varint, of many that are not negative, such as lengths."""
    if max(values, default=0) < len(_SMALL):
        return list(map(_SMALL.__getitem__, values))
    return list(map(varint, values))


def key(field: int, kind: int) -> bytes:
    """What stands before a field's value; `kind` is `VARINT`, `FIXED64` or `DELIMITED`."""
    return varint(field << 3 | kind)


def delimited(field: int, content: bytes) -> bytes:
    """A field that is text (in UTF-8), bytes or a message."""
    return key(field, DELIMITED) + varint(len(content)) + content


def integer(field: int, value: int) -> bytes:
    """A field of type int32, int64, uint32, uint64, bool or an enumeration."""
    return key(field, VARINT) + varint(value)


def double(field: int, value: float) -> bytes:
    """A field of type double, with all bits of a NaN."""
    return key(field, FIXED64) + _DOUBLE.pack(value)
