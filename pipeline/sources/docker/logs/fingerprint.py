"""How a line is known again when its log is opened once more."""

from __future__ import annotations

import zlib

from pipeline.sources.docker.decode.decoded import DecodedLines

ANYTHING = 1
"""The mark of a line that may not be the same when it is read again."""


def fingerprint(decoded: DecodedLines, index: int) -> int:
    """Returns a checksum of a line's time, stream and text. Never 0."""
    seed = zlib.crc32(decoded.times[index], decoded.streams[index])
    return zlib.crc32(decoded.lines[index], seed) or 1
