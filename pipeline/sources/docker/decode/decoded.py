"""The lines that a decoder returns, and what a position in the log needs to know about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pipeline.accounting.checkpoint import FilePlace


class OpenLine(NamedTuple):
    """A line that has begun and whose end has not come yet."""

    time: bytes
    """Timestamp of its first piece, as in `DecodedLines.times`."""
    before: int
    """How many lines were complete before it began, of all that the decoder has returned."""


@dataclass(slots=True)
class DecodedLines:
    """Complete lines, in the order in which they were completed, as columns of equal length."""

    lines: list[bytes] = field(default_factory=list)
    """Text of each line, without its newline."""
    times: list[bytes] = field(default_factory=list)
    """Timestamp of each line: 30 bytes, as in `Batch.times`; empty where the Engine gave none."""
    streams: bytearray = field(default_factory=bytearray)
    """Stream of each line: 1 is stdout, 2 is stderr."""
    truncated: list[int] = field(default_factory=list)
    """Indexes of lines that were cut to `max_line`."""
    begun: dict[int, int] = field(default_factory=dict)
    """For lines that came in pieces, by index: how many lines were complete before they began."""
    completed: int = 0
    """How many lines the decoder has returned so far, these included."""
    open: Sequence[OpenLine] = ()
    """Lines that are still open after these, oldest first."""
    place: FilePlace | None = None
    """Where these lines end in the log's files. None for the API, and where the place cannot be
    found again without reading the file from its beginning."""
    cut: Sequence[int] = ()
    """Indexes of lines whose writer has ended in the middle of them. They were completed not by a
    piece of their own, but by what came later. All are in `begun`."""
    late: bytes = b""
    """Newest time of a piece that continues a line which began at an older one; empty without such
    a piece. On Podman each piece has its own time."""

    def first(self, count: int) -> DecodedLines:
        """Returns the first `count` lines, as if the decoder had come no further.

        A line that had begun by then may count as open though it began just after them. A position
        is then further back than necessary, and just as exact.
        """
        completed = self.completed - len(self.lines) + count
        begun = [
            OpenLine(self.times[index], before)
            for index, before in self.begun.items()
            if index >= count and before <= completed
        ]
        still = [one for one in self.open if one.before <= completed]
        return DecodedLines(
            self.lines[:count],
            self.times[:count],
            self.streams[:count],
            [index for index in self.truncated if index < count],
            {index: before for index, before in self.begun.items() if index < count},
            completed,
            sorted([*still, *begun], key=lambda one: one.before),
            cut=[index for index in self.cut if index < count],
            late=self.late,
        )

    def without_first(self, count: int) -> DecodedLines:
        """Returns all lines but the first `count`."""
        if not count:
            return self
        return DecodedLines(
            self.lines[count:],
            self.times[count:],
            self.streams[count:],
            [index - count for index in self.truncated if index >= count],
            {index - count: at for index, at in self.begun.items() if index >= count},
            self.completed,
            self.open,
            self.place,
            [index - count for index in self.cut if index >= count],
            self.late,
        )


def concatenated(parts: Sequence[DecodedLines]) -> DecodedLines:
    """Joins what a decoder returned in several calls, in order."""
    whole = DecodedLines()
    for part in parts:
        whole.begun.update({index + len(whole.lines): at for index, at in part.begun.items()})
        whole.truncated.extend(index + len(whole.lines) for index in part.truncated)
        if part.cut:
            whole.cut = [*whole.cut, *(index + len(whole.lines) for index in part.cut)]
        whole.lines.extend(part.lines)
        whole.times.extend(part.times)
        whole.streams.extend(part.streams)
        whole.completed, whole.open, whole.place = part.completed, part.open, part.place
        whole.late = max(whole.late, part.late)
    return whole
