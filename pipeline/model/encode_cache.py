"""Shares the encoded form of a batch between the sinks that have it.

A route with several sinks gives the same batch to each of them. The first sink that encodes it
leaves the bytes here, under the name of the encoding, and the others take them. They are removed
when the last sink has settled the batch, and at the latest when `MOST` bytes have been added after
them: a sink that is far behind the others encodes for itself.

All of this is used on the event loop only. A batch may be freed in any thread, such as that of a
spool, so nothing depends on when that happens.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Final

from pipeline.model.acknowledgement import Acknowledgement

MOST: Final = 4 << 20
"""Limit in bytes for everything that is kept."""

Part = tuple[bytes, int]
"""An encoded batch, and how many of its entries were cut."""


class KeptEncodings:
    """All encoded batches that are kept, the oldest first, limited to `MOST` bytes."""

    def __init__(self) -> None:
        self.size = 0
        """Bytes of all of them."""
        self._parts: dict[int, tuple[dict[Hashable, Part], int]] = {}
        """By identity of a batch's encodings: these, and their bytes."""

    def add(self, parts: dict[Hashable, Part], size: int) -> None:
        """Counts another `size` bytes for a batch's encodings, and removes the oldest of others if
        there are too many."""
        self._parts[id(parts)] = parts, size + self.forget(parts)
        self.size += self._parts[id(parts)][1]
        while self.size > MOST:
            oldest, _ = next(iter(self._parts.values()))
            self.forget(oldest)
            oldest.clear()

    def forget(self, parts: dict[Hashable, Part]) -> int:
        """Stops counting a batch's encodings. Returns how many bytes they were."""
        _, size = self._parts.pop(id(parts), (parts, 0))
        self.size -= size
        return size


KEPT: Final = KeptEncodings()
"""What is kept in this process."""


class EncodeCache:
    """The encodings of one batch that several sinks have.

    It takes the place of the batch's acknowledgement in the sinks' envelopes, so that it knows when
    the last sink has settled.
    """

    __slots__ = ("_behind", "_parts", "_pending")

    def __init__(self, behind: Acknowledgement) -> None:
        """`behind`: the batch's acknowledgement. It is held and settled as often as this object
        is."""
        self._behind = behind
        self._parts: dict[Hashable, Part] = {}
        self._pending = 0

    def hold(self, places: int = 1) -> None:
        """`places` more sinks have the batch."""
        self._pending += places
        self._behind.hold(places)

    def settle(self) -> None:
        """One sink is done with the batch. The last call removes the encodings."""
        self._pending -= 1
        if not self._pending:
            KEPT.forget(self._parts)
            self._parts.clear()
        self._behind.settle()

    def once(self, encoding: Hashable, encode: Callable[[Any], Part], batch: Any) -> Part:
        """`encode(batch)`, or its earlier result for the same `encoding`.

        `encoding`: names everything that the result depends on, except the batch. Once all sinks
        have settled, nothing is kept any more, since nobody would remove it. (A spool settles when
        the batch is on disk, and encodes it later.)
        """
        part = self._parts.get(encoding)
        if part is None:
            part = encode(batch)
            if self._pending:
                self._parts[encoding] = part
                KEPT.add(self._parts, len(part[0]))
        return part
