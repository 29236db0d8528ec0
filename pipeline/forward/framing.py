"""Finds the ends of objects in a stream of MessagePack, which may be cut anywhere and hostile.

Objects are skipped first, without decoding them, and decoded only when they are complete. So a
length without content, or an array of four billion elements, costs nothing; and a complete array
has no more elements than bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgpack  # type: ignore[import-untyped]

from pipeline.model.errors import DocklineError

PIECE = 2**18
"""Most bytes that `Framer.feed` takes at once."""
BUFFER = 2**16
"""Initial size of msgpack's buffer, in bytes."""


class ProtocolError(DocklineError):
    """The peer violated the protocol, or exceeded a limit.

    `kind` is the reason for metrics, such as `malformed`, `too_large`, `too_deep` or `handshake`.
    """

    def __init__(self, message: str, kind: str = "malformed") -> None:
        super().__init__(message)
        self.kind = kind


class Framer:
    """Splits one stream into complete objects."""

    def __init__(self, largest: int) -> None:
        """`largest`: about how many bytes an object may have. msgpack allows 1024 levels."""
        self.before: tuple[bytes, list[int]] = b"", []
        """After `feed` has raised: the complete objects before the error, as it returns them."""
        self._largest = largest
        self._buffer = bytearray()
        self._start = 0
        """The offset of the buffer in the stream."""
        self._passing = self._unpacker()
        self._grown = False
        """Whether the unpacker has grown for a large object; it never frees that memory."""

    def _unpacker(self) -> Any:
        return msgpack.Unpacker(read_size=BUFFER, max_buffer_size=self._largest + PIECE)

    @property
    def pending(self) -> int:
        """Bytes of an incomplete object in the buffer."""
        return len(self._buffer)

    def feed(self, data: bytes) -> tuple[bytes, list[int]]:
        """Adds data; returns the bytes of all complete objects, and the offset of each one's end.

        `data` has at most `PIECE` bytes. Raises `ProtocolError`; the stream cannot be read any
        further then.
        """
        self._buffer += data
        ends, start = list[int](), self._start
        try:
            for end in self._pass(data):
                ends.append(end - start)
        except ProtocolError:
            self.before = self._take(ends), ends
            raise
        whole = self._take(ends)
        if len(self._buffer) > self._largest:
            self.before = whole, ends
            raise ProtocolError(f"an object is longer than {self._largest} bytes", "too_large")
        if len(self._buffer) > BUFFER:
            self._grown = True
        elif self._grown and not self._buffer:
            self._passing, self._start, self._grown = self._unpacker(), 0, False
        return whole, ends

    def _take(self, ends: list[int]) -> bytes:
        size = ends[-1] if ends else 0
        whole = bytes(memoryview(self._buffer)[:size])
        del self._buffer[:size]
        self._start += size
        return whole

    def _pass(self, data: bytes) -> Iterator[int]:
        """The offset in the stream of the end of each object."""
        passing = self._passing
        try:
            passing.feed(data)
            while True:
                passing.skip()
                yield passing.tell()
        except msgpack.OutOfData:
            return
        except msgpack.BufferFull as error:
            message = f"an object is longer than {self._largest} bytes"
            raise ProtocolError(message, "too_large") from error
        except msgpack.StackError as error:
            raise ProtocolError("an object is nested too deep", "too_deep") from error
        except ValueError as error:
            raise ProtocolError("it is not MessagePack") from error
