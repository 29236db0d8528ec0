"""What an encoder has written, as bytes or in pieces.

Of many megabytes a second, one copy of all of it costs as much as to write it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

Pieces = bytes | Sequence[bytes]
"""Bytes, or several that stand one behind the other."""

SMALL: Final = 2**15
"""Bytes of a piece below which a piece of its own costs more than a copy."""
ENOUGH: Final = 2**18
"""Bytes to which small ones are put together."""


def gathered(pieces: Iterable[bytes]) -> list[bytes]:
    """The same bytes in pieces that are not small, but for the last before a large one."""
    found: list[bytes] = []
    small: list[bytes] = []
    size = 0
    for piece in pieces:
        if len(piece) >= SMALL or size >= ENOUGH:
            found += _one_of(small)
            small, size = [], 0
        if len(piece) >= SMALL:
            found.append(piece)
        else:
            small.append(piece)
            size += len(piece)
    return found + _one_of(small)


def _one_of(small: list[bytes]) -> list[bytes]:
    return [b"".join(small)] if small else []


def in_pieces(data: Pieces) -> Sequence[bytes]:
    """The pieces, of bytes just one."""
    return (data,) if isinstance(data, bytes) else data


def whole(data: Pieces) -> bytes:
    """All of it; bytes as they are."""
    return data if isinstance(data, bytes) else b"".join(data)


def size_of(data: Pieces) -> int:
    """How many bytes they are together."""
    return len(data) if isinstance(data, bytes) else sum(map(len, data))
