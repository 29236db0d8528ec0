"""Entries as messages, each with its line as the body, written as they are sent.

What they share, a subject and all headers up to the identity's last part, is there once. A message
is written when it is published, since it has the number in it that its acknowledgement will name.
"""

from __future__ import annotations

import zlib
from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

from pipeline import native
from pipeline.model.batch import Batch
from pipeline.transport.nats.outgoing import Outgoing

_REST: Final = b"%b:%d.%d:%08x\r\n\r\n"
"""Of the identity and the headers: time, number, part, CRC of the body."""
_MOST: Final = 20 + 1 + 3 + 1 + 8 + 5
"""Bytes of that beside the time, at the most."""


class Documents(Outgoing):
    """The entries of a batch."""

    __slots__ = ("_batch", "_body", "_ends", "_head", "_loops")

    def __init__(self, subject: str, head: bytes, body: bytes, batch: Batch) -> None:
        """`body` has a line for each entry, and `head` the headers up to the middle of the last."""
        super().__init__(subject, len(batch))
        self._loops = native.loops
        self._batch = batch
        self._head = head
        self._body = body
        self._ends = self._found_ends()

    def _found_ends(self) -> list[int]:
        if self._loops is not None:
            found = self._loops.ends(self._body, len(self))
            if found is not None:
                return found
        return ends(self._body)

    def entry(self, index: int) -> tuple[Batch, int]:
        """The entry of a message, as a batch and an index."""
        return self._batch, index

    def size(self, start: int, stop: int) -> int:
        begin = self._ends[start - 1] if start else 0
        return self._ends[stop - 1] - begin - (stop - start)

    def reach(self, start: int, stop: int, room: int) -> int:
        begin = self._ends[start - 1] if start else 0
        return min(stop, bisect_left(self._ends, begin + room, start, stop) + 1)

    def oversized(self, most: int) -> list[int]:
        """The messages that have more than `most` bytes with their headers."""
        spare = most - len(self._head) - _MOST - max(map(len, self._batch.times))
        if len(self._body) <= spare:
            return []
        lengths = map(int.__sub__, self._ends, [0, *self._ends])
        suspects = [index for index, length in enumerate(lengths) if length > spare]
        return [index for index in suspects if self._whole(index) > most]

    def _whole(self, index: int) -> int:
        time, number, part = self._identity(index)
        headers = len(self._head) + len(_REST % (time, number, part, 0))
        return headers + self.size(index, index + 1)

    def _identity(self, index: int) -> tuple[bytes, int, int]:
        batch = self._batch
        part = 0 if batch.parts is None else batch.parts[index]
        return batch.times[index], batch.sequences[index], part

    def commands(self, start: int, stop: int, reply: bytes, token: int) -> bytes:
        batch = self._batch
        parts = None if batch.parts is None else bytes(batch.parts)
        given = (
            b"%b %b" % (self.subject.encode(), reply), token, self._head,
            batch.times, batch.sequences, parts, self._body, self._ends, start, stop,
        )  # fmt: skip
        found = None if self._loops is None else self._loops.published(*given)
        return published(*given) if found is None else found


def ends(data: bytes) -> list[int]:
    """As `Loops.ends`, for lines that are as many as they should be."""
    return list(accumulate([len(line) + 1 for line in data.split(b"\n")[:-1]]))


def published(
    subject: bytes,
    token: int,
    head: bytes,
    times: Sequence[bytes],
    numbers: Sequence[int],
    parts: bytes | None,
    data: bytes,
    ends: Sequence[int],
    start: int,
    stop: int,
) -> bytes:
    """As `Loops.published`, for columns that fit."""
    written: list[bytes] = []
    at, crc = (ends[start - 1] if start else 0), zlib.crc32
    for index in range(start, stop):
        body, at = data[at : ends[index] - 1], ends[index]
        part = 0 if parts is None else parts[index]
        headers = head + _REST % (times[index], numbers[index], part, crc(body))
        what = subject, token + index - start, len(headers), len(headers) + len(body)
        written += b"HPUB %b%d %d %d\r\n" % what, headers, body, b"\r\n"
    return b"".join(written)
