"""Where objects end in a stream of MessagePack that may be cut anywhere, and hostile.

Objects are passed over first, which makes none of them, and decoded only when they are whole. So a
length that is never followed by anything, and an array of four billion elements, cost nothing; and
an array that is whole is no longer than its bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgpack  # type: ignore[import-untyped]

from pipeline.model.errors import DocklineError

PIECE = 2**18
"""Bytes that are looked at in one go."""
BUFFER = 2**16
"""Bytes of memory to begin with."""


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
        self.before: tuple[bytes, list[int]] = b"", []
        """What was whole where `feed` has raised, as it would have returned it."""
        self._largest = largest
        self._buffer = bytearray()
        self._start = 0
        """Where the buffer begins in the stream."""
        self._passing = self._unpacker()
        self._grown = False
        """It has memory for a large object, which it never gives back."""

    def _unpacker(self) -> Any:
        return msgpack.Unpacker(read_size=BUFFER, max_buffer_size=self._largest + PIECE)

    @property
    def pending(self) -> int:
        """Bytes of an object that is not whole yet."""
        return len(self._buffer)

    def feed(self, data: bytes) -> tuple[bytes, list[int]]:
        """All objects that are whole now, and where in them each ends; `data` is a `PIECE` at the
        most. Raises `ProtocolError`; after that, the stream cannot be read any further."""
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
        """Where in the stream objects end."""
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
