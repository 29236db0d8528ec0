"""How much memory MessagePack would become, found out without making it.

A byte may become seventy: an empty map is one. And an array says first how long it is, for which
room is made at once, in each of a thousand that stand in one another.
"""

from __future__ import annotations

from typing import Any, Final

import msgpack  # type: ignore[import-untyped]

from pipeline.buffer.columns import DEEP

LONGEST: Final = 1 << 20
"""Items of one array or map: they are made before they are counted."""
SMALL: Final = 1 << 20
"""Bytes that may become what they will, for a moment."""
_CONTAINER: Final = 64
_ITEM: Final = 64
_MEMBER: Final = 100
"""Bytes of memory (measured with `sys.getsizeof` on CPython 3.11: 56 and 64 for a list and a
dictionary without anything, 58 for a short string and its slot)."""
_HEADS: Final = bytes(range(128, 256))
"""What begins all values but small numbers, and is not in ASCII."""
_FEW: Final = 8


def whole(data: bytes) -> None:
    """Makes nothing: an array that is whole is no longer than its bytes.

    Raises `ValueError` where it is not."""
    unpacker = msgpack.Unpacker(max_buffer_size=len(data))
    unpacker.feed(data)
    try:
        while unpacker.tell() < len(data):
            unpacker.skip()
    except msgpack.OutOfData as error:
        raise ValueError("it ends too early") from error


def weight(data: bytes, most: int) -> int:
    """Bytes of memory, near enough, for what stands in `data`, which is whole; no less than its
    length. Raises `ValueError` where it is more than `most`."""
    if len(data) <= SMALL and _FEW * _heads(data) < len(data):
        return len(data)  # at most seventeen times as much
    return len(data) + _Scales(most).weigh(data)


def _heads(data: bytes) -> int:
    return len(data) - len(data.translate(None, _HEADS))


class _Scales:
    """Counts values, and keeps none."""

    def __init__(self, most: int) -> None:
        self._left = self._most = most
        self._inside = False

    def weigh(self, data: bytes) -> int:
        unpacker = msgpack.Unpacker(
            max_buffer_size=len(data),
            max_array_len=LONGEST,
            max_map_len=LONGEST,
            list_hook=self._list,
            object_hook=self._map,
            ext_hook=self._extension,
            strict_map_key=False,
            unicode_errors="surrogatepass",
        )
        unpacker.feed(data)
        for _ in unpacker:
            pass
        return self._most - self._left

    def _take(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise ValueError(f"it would take more than {self._most >> 20} MiB of memory")

    def _list(self, value: list[Any]) -> None:
        self._take(_CONTAINER + _ITEM * len(value))

    def _map(self, value: dict[Any, Any]) -> None:
        self._take(_CONTAINER + (_CONTAINER + _MEMBER * len(value) if value else 0))

    def _extension(self, code: int, data: bytes) -> None:
        self._take(_ITEM + len(data))
        if code != DEEP:
            return
        if self._inside:
            raise ValueError("something that is nested deeply is in another such thing")
        self._inside = True
        whole(data)
        before = self._left
        self.weigh(data)
        self._take(before - self._left)  # as it stands there, and as it is made of that
        self._inside = False
