"""Several reads of a log stream made one, while a lot of it comes.

A socket holds only some 280 lines, so a stream that flows has to be read often: every half of a
millisecond (`pipeline.support.selector`). What is done with the lines has a price per batch and a
small one per line, so it is better done less often: what comes in large reads is put together until
`ENOUGH` of it is there, or a read finds so little that no more is on its way. A stream in which
little flows never waits.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from pipeline.support.selector import LARGE, CoalescingSelector

ENOUGH = 1 << 17
"""Bytes that are worth a batch: some 700 lines."""
SIZE = 1 << 18
"""Bytes of a buffer, and so of one read at the most."""
MOST = 8
"""Streams that gather at a time, each in a buffer of its own; others do without."""


class _Buffers:
    """Where the kernel puts what it has. One buffer serves all streams that do not gather, since
    each takes its bytes out before the loop reads the next; a new one for each read would be mapped
    and unmapped each time."""

    def __init__(self) -> None:
        self.shared = memoryview(bytearray(SIZE))
        self._free: list[memoryview] = []
        self._left = MOST

    def take(self) -> memoryview | None:
        """The shared one with all that is in it; another takes its place. None when `MOST` are
        taken already."""
        if not self._free:
            if not self._left:
                return None
            self._left -= 1
            self._free.append(memoryview(bytearray(SIZE)))
        taken, self.shared = self.shared, self._free.pop()
        return taken

    def give_back(self, buffer: memoryview) -> None:
        self._free.append(buffer)


_buffers = _Buffers()


def received() -> memoryview:
    """Where whatever is read by the loop itself is put. Valid until it reads again."""
    return _buffers.shared


class GatheredReads:
    """What one stream puts together."""

    __slots__ = ("_buffer", "_gathered", "_selector", "_socket", "size")

    def __init__(
        self, socket: int, selector: CoalescingSelector, gathered: Callable[[bytes], None]
    ) -> None:
        """`socket` is a descriptor that does not block; `gathered` is given what was put
        together."""
        self.size = 0
        """Bytes by now."""
        self._socket = socket
        self._selector = selector
        self._gathered = gathered
        self._buffer: memoryview | None = None

    def begin(self, size: int) -> bool:
        """With what was read just now, if that is worth it; if not, it is left where it is."""
        if not LARGE <= size < ENOUGH or (buffer := _buffers.take()) is None:
            return False
        self._buffer, self.size = buffer, size
        self._selector.flows.append(self)
        return True

    def more(self) -> bool:
        if self._buffer is None:  # it was ended meanwhile, and the socket may be closed
            return False
        try:
            size = os.readv(self._socket, [self._buffer[self.size :]])
        except OSError:  # nothing has come; or trouble, which the loop will meet as well
            size = 0
        self.size += size
        if size >= LARGE and self.size < ENOUGH:
            return True
        self.end()
        return False

    def end(self) -> None:
        if self._buffer is not None:
            data = bytes(self._buffer[: self.size])
            _buffers.give_back(self._buffer)
            self._buffer, self.size = None, 0
            self._gathered(data)
