"""Lines out of the pieces in which the Engine keeps them.

A line over 16 KiB is kept in several pieces, of which only the last ends in a newline. Whether they
come in the frames of a stream or in the rows of a json-file, they make the same lines.
"""

from __future__ import annotations

from typing import NamedTuple


class Columns(NamedTuple):
    """Complete lines, in the order in which they were completed."""

    lines: list[bytes]
    times: list[bytes]
    """30 bytes each, as in `Batch.times`; empty where the Engine gave none."""
    streams: bytearray
    truncated: list[int]
    """Indexes of lines that were cut to `max_line`."""
    begun: dict[int, int]
    """Of lines that came in parts, by index: how many lines were complete before they began."""


def no_columns() -> Columns:
    return Columns([], [], bytearray(), [], {})


class Partial:
    """A line whose end has not come yet. Holds no more than `limit` bytes of it."""

    __slots__ = ("before", "parts", "room", "time", "truncated")

    def __init__(self, time: bytes, limit: int, before: int) -> None:
        self.time = time
        self.parts: list[bytes] = []
        self.room = limit
        self.truncated = False
        self.before = before
        """Lines that were complete before this one began."""

    def add(self, part: bytes) -> None:
        if len(part) > self.room:
            self.truncated = True
            part = part[: self.room]
        if part:
            self.parts.append(part)
            self.room -= len(part)


class Pieces:
    """The lines of one log that have begun and not ended, one for each stream at the most."""

    __slots__ = ("_max_line", "_one_time", "_whole_writes", "open")

    def __init__(self, max_line: int, *, whole_writes: bool, one_time: bool) -> None:
        """`whole_writes`: what a process writes last needs no newline, and shows by its size.
        `one_time`: all pieces of a line have the time of its first, so one of another time begins
        another line."""
        self._max_line = max_line
        self._whole_writes = whole_writes
        self._one_time = one_time
        self.open: dict[int, Partial] = {}
        """By stream, the oldest first."""

    def take(self, stream: int, time: bytes, text: bytes, before: int, columns: Columns) -> None:
        """One piece, with its newline if it has one. `before`: lines that are complete and not in
        `columns`, which gets those that end here."""
        partial = self.open.pop(stream, None)
        if partial is not None and self._one_time and time != partial.time:
            complete(partial, stream, columns)  # its writer has ended in the middle of it
            partial = None
        if partial is None:
            partial = Partial(time, self._max_line, before + len(columns.lines))
        partial.add(text.removesuffix(b"\n"))
        if text.endswith(b"\n") or (self._whole_writes and _is_last_words(text)):
            complete(partial, stream, columns)
        else:
            self.open[stream] = partial

    def flush(self) -> Columns:
        """What is open, as lines."""
        columns = no_columns()
        for stream, partial in self.open.items():
            complete(partial, stream, columns)
        self.open.clear()
        return columns


def _is_last_words(text: bytes) -> bool:
    """Whether a piece without newline ends its line all the same: what a process wrote last.

    Docker cuts a long line where its buffer is full, at 16 KiB or more; any other size means that
    there was nothing more to come. Deciding that here, not when the stream ends, gives the same
    lines whenever the log is read again after a restart. Podman's monitor cuts wherever its reading
    of the pipe ends (measured: in the middle of any line of a burst), so there it says nothing.
    """
    return len(text) < _BUFFER and len(text) % _SMALLEST_BUFFER != 0


_BUFFER, _SMALLEST_BUFFER = 16384, 4096


def complete(partial: Partial, stream: int, columns: Columns) -> None:
    """Its line has ended."""
    if partial.truncated:
        columns.truncated.append(len(columns.lines))
    parts = partial.parts
    if len(parts) > 1:
        columns.begun[len(columns.lines)] = partial.before
    columns.lines.append(parts[0] if len(parts) == 1 else b"".join(parts))
    columns.times.append(partial.time)
    columns.streams.append(stream)
