"""What a batch was encoded to, for the other sinks that want it the same way.

A route that leads to several sinks gives the same batch to each of them. The first one that encodes
it leaves the bytes here, under the name of the encoding, and the others take them. They are gone
when the last sink has let go of the batch, and at the latest when `MOST` bytes have come after
them: a sink that is far behind the others encodes for itself.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Final

MOST: Final = 4 << 20
"""Bytes that are kept in all, whatever waits for whichever sinks."""

Part = tuple[bytes, int]
"""An encoded batch, and how many of its entries were cut."""


class Kept:
    """All that is kept, the oldest first."""

    def __init__(self) -> None:
        self.size = 0
        """Bytes."""
        self._parts: dict[int, tuple[dict[Hashable, Part], int]] = {}
        """Those of one batch and their bytes, by identity."""

    def add(self, parts: dict[Hashable, Part], size: int) -> None:
        self._parts[id(parts)] = parts, size + self.forget(parts)
        self.size += self._parts[id(parts)][1]
        while self.size > MOST:
            oldest, _ = next(iter(self._parts.values()))
            self.forget(oldest)
            oldest.clear()

    def forget(self, parts: dict[Hashable, Part]) -> int:
        """How many bytes they were."""
        _, size = self._parts.pop(id(parts), (parts, 0))
        self.size -= size
        return size


KEPT: Final = Kept()


def encoded_once(batch: Any, encoding: Hashable, encode: Callable[[Any], Part]) -> Part:
    """`encode(batch)`, or what another sink that wants the same has made of it."""
    shared: Shared | None = batch.shared
    return encode(batch) if shared is None else shared.once(encoding, encode, batch)


class Shared:
    """Of one batch, wherever it is."""

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: dict[Hashable, Part] = {}

    def once(self, encoding: Hashable, encode: Callable[[Any], Part], batch: Any) -> Part:
        """`encode(batch)`, or what it gave before. `encoding` names all that the result depends
        on, beside the batch."""
        part = self._parts.get(encoding)
        if part is None:
            part = self._parts[encoding] = encode(batch)
            KEPT.add(self._parts, len(part[0]))
        return part

    def __del__(self) -> None:
        KEPT.forget(self._parts)
