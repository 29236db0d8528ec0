"""How far each sink has one container's log.

The container's position waits for its slowest sink. A faster one is ahead of it. What is read again
after a restart, that sink doesn't get a second time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pipeline.accounting.acks import Ack, AckTracker
from pipeline.model.acknowledgement import Acknowledgement

NOTHING = -1
"""The sequence number before the first entry's."""

QUIET = 16
"""After this many batches in a row of which a sink got nothing, the sink no longer counts for
`Offsets.unsettled`: it doesn't tell how fast sinks are."""


class SinkOffset:
    """How far one sink has one container's log over one route, as a sequence number."""

    __slots__ = ("_moved", "_tracker", "began", "known", "passed_over", "reached")

    def __init__(self, known: int, moved: Callable[[], None], began: int = NOTHING) -> None:
        """`known`: sequence number of the last entry that the sink had, with all before it, when
        the agent started. `moved`: called whenever `reached` grows. `began`: the last entry that
        was read before the log led to this sink."""
        self.known = known
        self.began = began
        """Sequence number of the last entry of which it isn't known whether the sink was given
        it: the log led to the sink only after that entry was read. Else `NOTHING`."""
        self.reached = known
        """Sequence number of the last entry that the sink has now, with all before it."""
        self._moved = moved
        self._tracker: AckTracker[int] = AckTracker(self._move)
        self.passed_over = QUIET
        """Batches since the last one of which the sink got anything."""

    def open(self, sequence: int, behind: Acknowledgement) -> Ack[int]:
        """Opens the acknowledgement of a batch for this sink.

        `sequence`: the number of the batch's last entry, before any was filtered out. `behind`:
        settled when this one is.
        """
        self.passed_over = 0
        return self._tracker.open(sequence, behind)

    def __len__(self) -> int:
        """The number of batches that the sink has not settled."""
        return len(self._tracker)

    def skip(self, sequence: int) -> None:
        """Moves to `sequence`: all entries up to it were filtered out, or the sink has them."""
        self.passed_over += 1
        self._tracker.skip(sequence)

    def _move(self, sequence: int) -> None:
        if sequence > self.reached:
            self.reached = sequence
            self._moved()


Ahead = Mapping[str, Mapping[str, int]]
"""By route and sink: the sequence number of the last entry of a container that the sink has, with
all before it."""


class Offsets:
    """How far every sink has one container's log: a `SinkOffset` for each route and sink.

    The container's position waits for its slowest sink. So after a restart, entries are read again
    that faster sinks have already. They get the same sequence numbers as before, and each sink is
    given only the entries that it doesn't have.
    """

    __slots__ = ("_before", "_doubtful", "_known", "_left", "_moved", "_sink_offsets", "began")

    def __init__(self, known: Ahead, moved: Callable[[], None] = lambda: None) -> None:
        """`known`: the offsets of an earlier run (`Checkpoint.ahead`). `moved`: called whenever one
        of the offsets changes."""
        self._moved = moved
        self._doubtful = 0
        self._known = known
        self.began = NOTHING
        """Sequence number of the last entry that was read when the lanes were last bound."""
        self._sink_offsets: dict[tuple[str, str], SinkOffset] = {}
        self._before: dict[tuple[str, str], SinkOffset] = {}
        """The offsets of the binding before this one, whether their sinks are still bound or not.
        """
        self._left: dict[tuple[str, str], SinkOffset] = {}
        """Offsets of older bindings that have batches which are not settled."""

    def bind(self, sequence: int) -> None:
        """Starts a new set of offsets: the log's lanes are bound again, after entry `sequence` was
        read.

        A sink that the old lanes didn't lead to starts there.
        """
        self._left |= self._before
        self._left = {
            key: sink_offset for key, sink_offset in self._left.items() if len(sink_offset)
        }
        self._before, self._sink_offsets = self._sink_offsets, {}
        self.began = sequence

    def of(self, route: str, sink: str) -> SinkOffset:
        """The offset of a sink over a route. Made when first asked for; one of an earlier binding
        is continued."""
        key = route, sink
        if key in self._sink_offsets:
            return self._sink_offsets[key]
        if key in self._before:
            sink_offset = self._before[key]
        elif key in self._left:
            sink_offset = self._left.pop(key)
            sink_offset.skip(self.began)
            sink_offset.began = self.began
        else:
            known = self._known.get(route, {}).get(sink, NOTHING)
            sink_offset = SinkOffset(max(known, self.began), self._moved, self.began)
        self._sink_offsets[key] = sink_offset
        return sink_offset

    def get(self, route: str, sink: str) -> SinkOffset | None:
        """The present offset of a sink over a route, to look at. None if the log doesn't lead
        there. `route`: as in `of`."""
        return self._sink_offsets.get((route, sink))

    @property
    def unsettled(self) -> int:
        """How many batches the fastest sink has not settled. Sinks that have got nothing for
        `QUIET` batches don't count; 0 if there are no others."""
        sink_offsets = self._sink_offsets.values()
        return min((len(one) for one in sink_offsets if one.passed_over < QUIET), default=0)

    def doubt(self, sequence: int) -> None:
        """Forgets all offsets, and reports none again until the position has reached `sequence`.

        Call this when entries after `sequence` may not have the numbers that they had before, or
        that they would have if the log was read again from an earlier position: lines are missing,
        or unfinished lines were taken as finished.
        """
        self._doubtful = sequence
        self._known = {}
        for sink_offsets in (self._sink_offsets, self._before, self._left):
            for sink_offset in sink_offsets.values():
                sink_offset.known = sink_offset.reached = NOTHING
        self._moved()

    def ahead_of(self, sequence: int) -> dict[str, dict[str, int]]:
        """The sinks that have entries beyond `sequence`, with their offsets. May be called from any
        thread."""
        ahead: dict[str, dict[str, int]] = {}
        if sequence < self._doubtful:
            return ahead
        for (route, sink), sink_offset in (
            *list(self._before.items()),
            *list(self._sink_offsets.items()),
        ):
            if sink_offset.reached > sequence:
                ahead.setdefault(route, {})[sink] = sink_offset.reached
        return ahead
