"""Up to where the files of a log were read, for a position that is to be found again at once."""

from __future__ import annotations

import zlib

from pipeline.checkpoint import Place
from pipeline.sources.docker.jsonfile.lines import SEAL, JsonLines


def place_of(lines: JsonLines) -> Place | None:
    """Behind all lines that it has given; None where it cannot be found again but by reading (a
    compressed file)."""
    safe = lines.safe
    if not safe.file:
        return None
    return Place(safe.file, safe.offset, lines.completed - safe.completed, seal_of(safe.seal))


def seal_of(before: bytes) -> int:
    """Tells a place from others: by its last `SEAL` bytes, of more or fewer that there may be."""
    return zlib.crc32(before[-SEAL:])
