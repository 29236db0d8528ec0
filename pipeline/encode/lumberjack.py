"""Lumberjack version 2, what Beats speak: windows out, acknowledgements in. Bytes only, no I/O.

A frame is the version `2`, a letter, and what the letter says; integers are 32 bits, big-endian:

| frame                               | from   | meaning                                          |
|-------------------------------------|--------|--------------------------------------------------|
| `2W` count                          | sender | so many events follow                            |
| `2J` sequence, length, JSON         | sender | an event; sequences start at 1 in each window    |
| `2C` length, zlib                   | sender | whole frames, compressed                         |
| `2A` sequence                       | peer   | events up to here are taken; 0: still working    |

As in elastic/go-lumber (`client/v2`, `protocol/v2`) and logstash-input-beats. A peer may have a
limit for the count of a window, which the protocol cannot tell: go-lumber's servers close the
connection at one of more than 10,000 events, unless they were configured otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import Final

from pipeline.support import deflate

_HEAD = Struct(">2sI")
_EVENT = Struct(">2sII")


class ProtocolError(ValueError):
    """The peer sent what the protocol does not have. `str(error)` says what."""


def window(events: Sequence[bytes], level: int = 3) -> bytes:
    """All frames of one window: its size, and the events with their sequence numbers from 1 on.
    Each event is a JSON object; `level` is zlib's, 0 for no compression."""
    frames = b"".join(
        [
            _EVENT.pack(b"2J", sequence, len(event)) + event
            for sequence, event in enumerate(events, 1)
        ]
    )
    head = _HEAD.pack(b"2W", len(events))
    if not level:
        return head + frames
    packed = deflate.compress(frames, "zlib", level)
    return head + _HEAD.pack(b"2C", len(packed)) + packed


SMALLEST: Final = 256
"""Events of the smallest window that is tried."""
ATTEMPTS: Final = 2
"""Failures in a row before a smaller window is tried."""
PATIENCE: Final = 10
"""The same, before a size that was acknowledged once is in doubt."""


class WindowSize:
    """How many events a window has: what is configured, or less for a peer that never acknowledges
    one of this size. A peer that acknowledges none of `SMALLEST` either has other trouble."""

    def __init__(self, configured: int) -> None:
        """`configured`: events of a window, at the most."""
        self.size = self._configured = configured
        self._acknowledged = 0
        """The largest window that was, or a part of it."""
        self._failed = 0
        """Windows in a row that no part of was."""
        self._said = configured

    def acknowledged(self, count: int) -> bool:
        """A window of `count` events, or a part of it, was. Returns True when that shows a smaller
        size to be the remedy: once for each size."""
        self._failed = 0
        self._acknowledged = max(self._acknowledged, count)
        news = count == self.size < self._said
        if news:
            self._said = self.size
        return news

    def failed(self, count: int) -> bool:
        """The connection ended, or was silent, before any part of a window of `count` was
        acknowledged. Returns True when the next has fewer events for that."""
        self._failed += 1
        if self._failed < (PATIENCE if count <= self._acknowledged else ATTEMPTS):
            return False
        self._failed = 0
        if count <= self._acknowledged:
            self._acknowledged = 0
            return False
        smaller = max(SMALLEST, count // 2)
        self.size = smaller if smaller < count else self._said
        return smaller < count


class Acknowledgements:
    """Reads `2A` frames out of a stream that may be cut anywhere."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[int]:
        """Takes the next bytes of the stream, and gives the sequence numbers of the frames that are
        whole now. Raises `ProtocolError`."""
        data = self._rest + data
        whole = len(data) - len(data) % _HEAD.size
        self._rest = data[whole:]
        sequences = []
        for start in range(0, whole, _HEAD.size):
            kind, sequence = _HEAD.unpack_from(data, start)
            if kind != b"2A":
                raise ProtocolError(f"expected an acknowledgement, got {kind!r}")
            sequences.append(sequence)
        return sequences
