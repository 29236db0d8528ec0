"""Messages of `columns` as a subscriber of NATS hears them: counted by their headers while they
come, and read afterwards. All else that is published is left as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pipeline.buffer.columns import ColumnCodec

_ENTRIES = re.compile(rb"\r\nDockline-Entries: ([0-9]{1,9})\r\n")
_SIZE = re.compile(rb"\r\nDockline-Size: ([0-9]{1,9})\r\n")
_MESSAGE = re.compile(rb"(?:MSG|HMSG [^\r\n]+) [^\r\n]+ [0-9]+\r\n")
_SHORT = 40
"""Bytes in which the header that is counted may have begun."""


class Entries:
    """Counts what is said to be in messages, wherever they are cut."""

    def __init__(self) -> None:
        self._end = b""
        self.any = False
        """There was such a message."""

    def in_more(self, piece: bytes) -> int:
        """The entries of messages whose header has come to its end with this piece."""
        data, count, at = self._end + piece, 0, 0
        for found in _ENTRIES.finditer(data):
            count += int(found[1])
            at = found.end() - 2
            self.any = True
        self._end = data[max(at, len(data) - _SHORT) :]
        return count


def lines(heard: bytes) -> bytes:
    """Every message's lines, and every other message's body, each ended by LF."""
    return b"".join(body + b"\n" for body in _bodies(heard))


def _bodies(heard: bytes) -> Iterator[bytes]:
    codec, at = ColumnCodec(), 0
    while at < len(heard):
        found = _MESSAGE.match(heard, at)
        if not found:
            end = heard.find(b"\r\n", at)  # of PING, and the like
            at = end + 2 if end >= 0 else len(heard)
            continue
        name, *_, before, last = found[0].split()
        begin, size = found.end(), int(last)
        head = int(before) if name == b"HMSG" else 0
        headers, body = heard[begin : begin + head], heard[begin + head : begin + size]
        at = begin + size + 2
        plain = _SIZE.search(headers)
        if plain and _ENTRIES.search(headers):
            for batch in codec.decode(body, int(plain[1])):
                yield b"\n".join(batch.lines)
        else:
            yield body
