"""What a batch was encoded to, for the other sinks that want it the same way.

A route that leads to several sinks gives the same batch to each of them. The first one that encodes
it leaves the bytes here, under the name of the encoding, and the others take them. They are gone
when the last sink has settled the batch, and at the latest when `MOST` bytes have come after
them: a sink that is far behind the others encodes for itself.

All of it belongs to the event loop. A batch may be freed by any thread, that of a spool for one, so
nothing depends on when that happens.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Final

from pipeline.model.acknowledgement import Acknowledgement

MOST: Final = 4 << 20
"""Bytes that are kept in all, whatever waits for whichever sinks."""

Part = tuple[bytes, int]
"""An encoded batch, and how many of its entries were cut."""


class KeptEncodings:
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


KEPT: Final = KeptEncodings()


def encoded_once(batch: Any, encoding: Hashable, encode: Callable[[Any], Part]) -> Part:
    """`encode(batch)`, or what another sink that wants the same has made of it."""
    cache: EncodeCache | None = batch.cache
    return encode(batch) if cache is None else cache.once(encoding, encode, batch)


class EncodeCache:
    """Of one batch that several sinks have. It stands for the batch's acknowledgement in their
    envelopes, and so knows when the last one has settled."""

    __slots__ = ("_behind", "_parts", "_pending")

    def __init__(self, behind: Acknowledgement) -> None:
        """`behind` is held and settled as often as this is."""
        self._behind = behind
        self._parts: dict[Hashable, Part] = {}
        self._pending = 0

    def hold(self, places: int = 1) -> None:
        self._pending += places
        self._behind.hold(places)

    def settle(self) -> None:
        self._pending -= 1
        if not self._pending:
            KEPT.forget(self._parts)
            self._parts.clear()
        self._behind.settle()

    def once(self, encoding: Hashable, encode: Callable[[Any], Part], batch: Any) -> Part:
        """`encode(batch)`, or what it gave before. `encoding` names all that the result depends
        on, beside the batch. Once all have settled (a spool does, when the batch is on disk),
        nothing is kept: nobody would say when to let go of it."""
        part = self._parts.get(encoding)
        if part is None:
            part = encode(batch)
            if self._pending:
                self._parts[encoding] = part
                KEPT.add(self._parts, len(part[0]))
        return part
