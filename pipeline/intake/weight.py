"""Estimates how much memory MessagePack data takes when decoded, without decoding it.

One byte may become seventy: an empty map is one byte. An array begins with its length, and memory
for it is allocated at once, for each of up to a thousand arrays inside each other.
"""

from __future__ import annotations

from typing import Any, Final

import msgpack  # type: ignore[import-untyped]

from pipeline.buffer.columns import DEEP

LONGEST: Final = 1 << 20
"""Most items of one array or map: they are allocated before they are counted."""
SMALL: Final = 1 << 20
"""Bytes of data that may be decoded whatever they become."""
_CONTAINER: Final = 64
_ITEM: Final = 64
_MEMBER: Final = 100
"""Bytes of memory (`sys.getsizeof`, CPython 3.11): 56 and 64 for an empty list and dictionary, 58
for a short string and its slot."""
_HEADS: Final = bytes(range(128, 256))
"""First bytes of all values except small numbers; none of them is ASCII."""
_FEW: Final = 8


def whole(data: bytes) -> None:
    """Checks that MessagePack data is complete, without decoding it. So no array is longer than the
    data.

    Raises `ValueError` if it ends too early.
    """
    unpacker = msgpack.Unpacker(max_buffer_size=len(data))
    unpacker.feed(data)
    try:
        while unpacker.tell() < len(data):
            unpacker.skip()
    except msgpack.OutOfData as error:
        raise ValueError("it ends too early") from error


def weight(data: bytes, most: int) -> int:
    """Bytes of memory that complete MessagePack data takes, approximately, and at least its length.

    Raises `ValueError` if it is more than `most`.
    """
    if len(data) <= SMALL and _FEW * _heads(data) < len(data):
        return len(data)  # becomes seventeen times as much at most
    return len(data) + _Scales(most).weigh(data)


def _heads(data: bytes) -> int:
    return len(data) - len(data.translate(None, _HEADS))


class _Scales:
    """Counts values while they are decoded, and keeps none of them."""

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
            raise ValueError("a deeply nested value is inside another one")
        self._inside = True
        whole(data)
        before = self._left
        self.weigh(data)
        self._take(before - self._left)  # once as it is inside, once as it is decoded from that
        self._inside = False
