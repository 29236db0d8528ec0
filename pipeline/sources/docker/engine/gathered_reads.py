"""Joins several reads of a log stream into one while much data arrives.

A socket holds only some 280 lines, so a busy stream has to be read often: every half millisecond
(`pipeline.support.selector`). Handling lines costs more per batch than per line. So large reads are
joined until there are `ENOUGH` bytes, or a read finds so little that no more is on its way. A
stream with little data never waits.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from pipeline.support.selector import LARGE, CoalescingSelector

ENOUGH = 1 << 17
"""Bytes that make a batch: some 700 lines."""
SIZE = 1 << 18
"""Bytes of a buffer, and so of one read at most."""
MOST = 8
"""Most streams that join reads at once, each in a buffer of its own. Others don't join."""


class _Buffers:
    """Buffers that the kernel reads into.

    All streams that are not joining share one: each copies its bytes before the event loop reads
    the next. A new buffer for each read would be mapped and unmapped each time.
    """

    def __init__(self) -> None:
        self.shared = memoryview(bytearray(SIZE))
        self._free: list[memoryview] = []
        self._left = MOST

    def take(self) -> memoryview | None:
        """Takes the shared buffer with what is in it; another replaces it. None when `MOST` are
        taken.
        """
        if not self._free:
            if not self._left:
                return None
            self._left -= 1
            self._free.append(memoryview(bytearray(SIZE)))
        taken, self.shared = self.shared, self._free.pop()
        return taken

    def give_back(self, buffer: memoryview) -> None:
        """Returns a buffer that was taken."""
        self._free.append(buffer)


_buffers = _Buffers()


def received() -> memoryview:
    """Returns the buffer that the event loop reads into. Its content is valid until the next
    read.
    """
    return _buffers.shared


class GatheredReads:
    """Joins the reads of one stream."""

    __slots__ = ("_buffer", "_gathered", "_selector", "_socket", "size")

    def __init__(
        self, socket: int, selector: CoalescingSelector, gathered: Callable[[bytes], None]
    ) -> None:
        """`socket` is the descriptor of a non-blocking socket. `selector` is the event loop's.
        `gathered` is called with the joined bytes, in the event loop.
        """
        self.size = 0
        """Bytes that were joined so far."""
        self._socket = socket
        self._selector = selector
        self._gathered = gathered
        self._buffer: memoryview | None = None

    def begin(self, size: int) -> bool:
        """Begins with the `size` bytes that were just read into `received()`.

        False when it is not worthwhile, or no buffer is free: then the bytes stay where they are.
        """
        if not LARGE <= size < ENOUGH or (buffer := _buffers.take()) is None:
            return False
        self._buffer, self.size = buffer, size
        self._selector.flows.append(self)
        return True

    def more(self) -> bool:
        """Called by the selector: reads more. False when it has ended."""
        if self._buffer is None:  # ended meanwhile, and the socket may be closed
            return False
        try:
            size = os.readv(self._socket, [self._buffer[self.size :]])
        except OSError:  # no data, or an error that the event loop will get, too
            size = 0
        self.size += size
        if size >= LARGE and self.size < ENOUGH:
            return True
        self.end()
        return False

    def end(self) -> None:
        """Passes on what was joined. Does nothing when it has not begun."""
        if self._buffer is not None:
            data = bytes(self._buffer[: self.size])
            _buffers.give_back(self._buffer)
            self._buffer, self.size = None, 0
            self._gathered(data)
