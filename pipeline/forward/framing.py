"""Where objects end in a stream of MessagePack that may be cut anywhere, and hostile.

Objects are passed over first, which makes none of them, and decoded only when they are whole. So a
length that is never followed by anything, and an array of four billion elements, cost nothing; and
an array that is whole is no longer than its bytes.
"""

from __future__ import annotations

import msgpack  # type: ignore[import-untyped]

from pipeline.errors import DocklineError

PIECE = 2**18
"""Bytes that are looked at in one go."""


class ProtocolError(DocklineError):
    """The peer sent what the protocol does not have, or more than is allowed.

    `kind` is a word for metrics: `malformed`, `too_large` or `too_deep`."""

    def __init__(self, message: str, kind: str = "malformed") -> None:
        super().__init__(message)
        self.kind = kind


class Framer:
    """Of one stream."""

    def __init__(self, largest: int) -> None:
        """`largest`: bytes of one object, near enough. Nesting is bounded by msgpack: 1024."""
        self._largest = largest
        self._buffer = bytearray()
        self._start = 0
        """Where the buffer begins in the stream."""
        self._passing = msgpack.Unpacker(max_buffer_size=largest + PIECE)

    @property
    def pending(self) -> int:
        """Bytes of an object that is not whole yet."""
        return len(self._buffer)

    def feed(self, data: bytes) -> tuple[bytes, int]:
        """All objects that are whole now, and how many; `data` is a `PIECE` at the most. Raises
        `ProtocolError`; after that, the stream cannot be read any further."""
        self._buffer += data
        count, end = self._pass(data)
        whole = bytes(memoryview(self._buffer)[: end - self._start])
        del self._buffer[: end - self._start]
        self._start = end
        if len(self._buffer) > self._largest:
            raise ProtocolError(f"an object is longer than {self._largest} bytes", "too_large")
        return whole, count

    def _pass(self, data: bytes) -> tuple[int, int]:
        passing, count, end = self._passing, 0, self._start
        try:
            passing.feed(data)
            while True:
                passing.skip()
                count += 1
                end = passing.tell()
        except msgpack.OutOfData:
            return count, end
        except msgpack.BufferFull as error:
            message = f"an object is longer than {self._largest} bytes"
            raise ProtocolError(message, "too_large") from error
        except msgpack.StackError as error:
            raise ProtocolError("an object is nested too deep", "too_deep") from error
        except ValueError as error:
            raise ProtocolError("it is not MessagePack") from error
