"""What a decoder gives: lines, and how far it has come with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pipeline.accounting.checkpoint import FilePlace


class OpenLine(NamedTuple):
    """A line that has begun and whose end has not come yet."""

    time: bytes
    """Of its first part, as in `DecodedLines.times`."""
    before: int
    """Lines that were complete before it began, of all that the decoder has given."""


@dataclass(slots=True)
class DecodedLines:
    """Complete lines, in the order in which they were completed, as columns of equal length."""

    lines: list[bytes] = field(default_factory=list)
    times: list[bytes] = field(default_factory=list)
    """30 bytes each, as in `Batch.times`; empty where the Engine gave none."""
    streams: bytearray = field(default_factory=bytearray)
    truncated: list[int] = field(default_factory=list)
    """Indexes of lines that were cut to `max_line`."""
    begun: dict[int, int] = field(default_factory=dict)
    """Of lines that came in parts, by index: how many lines were complete before they began."""
    completed: int = 0
    """How many lines the decoder has given so far, these included."""
    open: Sequence[OpenLine] = ()
    """Lines that are still open behind these, the oldest first."""
    place: FilePlace | None = None
    """Where they end, when they were read from a log's files; None where that cannot be found
    again but by reading."""

    def first(self, count: int) -> DecodedLines:
        """The first `count` of them, as if the decoder had come no further.

        A line that had begun by then may count as open though it began just behind them: a position
        is then further back than it need be, and no less exact."""
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
        )

    def without_first(self, count: int) -> DecodedLines:
        """All but the first `count` of them."""
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
        )


def concatenated(parts: Sequence[DecodedLines]) -> DecodedLines:
    """Several that a decoder gave one after the other, as one."""
    whole = DecodedLines()
    for part in parts:
        whole.begun.update({index + len(whole.lines): at for index, at in part.begun.items()})
        whole.truncated.extend(index + len(whole.lines) for index in part.truncated)
        whole.lines.extend(part.lines)
        whole.times.extend(part.times)
        whole.streams.extend(part.streams)
        whole.completed, whole.open, whole.place = part.completed, part.open, part.place
    return whole
