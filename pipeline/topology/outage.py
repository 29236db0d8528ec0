"""What becomes of a sink's entries while its destination is away, in words for the agent's log."""

from __future__ import annotations

from collections import Counter
from typing import Protocol

from pipeline.support.plural import plural


class Holds(Protocol):
    """What waits: the sink's buffer."""

    @property
    def entries(self) -> int: ...

    @property
    def blocked_entries(self) -> int: ...


class Outage:
    """Counts what a sink drops, and says at the end of an outage what was kept and what wasn't."""

    def __init__(self, buffer: Holds) -> None:
        """`buffer`: the sink's."""
        self._buffer = buffer
        self._dropped: Counter[str] = Counter()
        self._before: Counter[str] = Counter()

    def drop(self, entries: int, reason: str) -> None:
        """Call this with what is dropped at the sink, during an outage or not."""
        self._dropped[reason] += entries

    def begin(self) -> None:
        """Call this when the destination is found to be away."""
        self._before = self._dropped.copy()

    def over(self) -> str:
        """What happened since `begin`; empty if nothing waited and nothing was dropped. Call this
        when the destination is back, before what waits is sent."""
        kept, lost = self._buffer.entries, self._dropped - self._before
        if not kept and not lost:
            return ""
        return f"{self._kept(kept)}, {_told(lost)}"

    def _kept(self, kept: int) -> str:
        if not kept:
            return "nothing waits"
        said = f"{kept:,} {plural(kept, 'entry')} waited and {plural(kept, 'is', 'are')} sent now"
        blocked = self._buffer.blocked_entries
        return f"{said}, {blocked:,} more wait for room in the buffer" if blocked else said


def _told(lost: Counter[str]) -> str:
    if not lost:
        return "none was dropped"
    count = lost.total()
    return f"{count:,} {plural(count, 'was', 'were')} dropped ({', '.join(sorted(lost))})"
