"""Lumberjack version 2, what Beats speak: windows out, acknowledgements in. Bytes only, no I/O.

A frame is the version `2`, a letter, and what the letter says; integers are 32 bits, big-endian:

| frame                               | from   | meaning                                          |
|-------------------------------------|--------|--------------------------------------------------|
| `2W` count                          | sender | so many events follow                            |
| `2J` sequence, length, JSON         | sender | an event; sequences start at 1 in each window    |
| `2C` length, zlib                   | sender | whole frames, compressed                         |
| `2A` sequence                       | peer   | events up to here are taken; 0: still working    |

As in elastic/go-lumber (`client/v2`, `protocol/v2`) and logstash-input-beats.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from struct import Struct

_HEAD = Struct(">2sI")
_EVENT = Struct(">2sII")


class ProtocolError(ValueError):
    """The peer sent what the protocol does not have. `str(error)` says what."""


def window(events: Sequence[bytes], level: int = 3) -> bytes:
    """All of one window. Each event is a JSON object; `level` is zlib's, 0 for no compression."""
    frames = b"".join(
        [
            _EVENT.pack(b"2J", sequence, len(event)) + event
            for sequence, event in enumerate(events, 1)
        ]
    )
    head = _HEAD.pack(b"2W", len(events))
    if not level:
        return head + frames
    packed = zlib.compress(frames, level)
    return head + _HEAD.pack(b"2C", len(packed)) + packed


class Acknowledgements:
    """Reads `2A` frames out of a stream that may be cut anywhere."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[int]:
        """The sequences of all frames that are complete now. Raises `ProtocolError`."""
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
