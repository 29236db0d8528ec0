"""Joins the pieces in which the Engine keeps long lines.

A line over 16 KiB is kept in several pieces, of which only the last ends in a newline. Pieces come
in the frames of a stream or in the rows of a json-file, and make the same lines.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.sources.docker.decode.decoded import DecodedLines, OpenLine


class PartialLine:
    """A line whose end has not come yet. Keeps at most `limit` bytes of it."""

    __slots__ = ("before", "parts", "room", "time", "truncated")

    def __init__(self, time: bytes, limit: int, before: int) -> None:
        """`time` is its timestamp. `before` is how many lines were complete before it began."""
        self.time = time
        self.parts: list[bytes] = []
        self.room = limit
        self.truncated = False
        self.before = before
        """How many lines were complete before it began."""

    def add(self, part: bytes) -> None:
        """Adds the next piece, without its newline. Cuts it when there is no room."""
        if len(part) > self.room:
            self.truncated = True
            part = part[: self.room]
        if part:
            self.parts.append(part)
            self.room -= len(part)


class PartialLines:
    """The open lines of one log: at most one for each stream."""

    __slots__ = ("_max_line", "_one_time", "_whole_writes", "open")

    def __init__(self, max_line: int, *, whole_writes: bool, one_time: bool) -> None:
        """`max_line` is the number of bytes to which lines are cut. `whole_writes`: a last piece
        without a newline is recognised by its size (see `_is_last_of_write`). `one_time`: all
        pieces of a line have the same timestamp, so a piece with another one begins a new line.
        """
        self._max_line = max_line
        self._whole_writes = whole_writes
        self._one_time = one_time
        self.open: dict[int, PartialLine] = {}
        """The open lines by stream, oldest first."""

    def take(
        self, stream: int, time: bytes, text: bytes, before: int, decoded: DecodedLines
    ) -> None:
        """Takes one piece, with its newline if it has one, and appends lines that end here to
        `decoded`.

        `before` is how many lines were complete before those in `decoded`.
        """
        partial = self.open.pop(stream, None)
        if partial is not None and self._one_time and time != partial.time:
            # Its writer has ended in the middle of it.
            decoded.cut = [*decoded.cut, len(decoded.lines)]
            decoded.begun[len(decoded.lines)] = partial.before
            complete(partial, stream, decoded)
            partial = None
        if partial is None:
            partial = PartialLine(time, self._max_line, before + len(decoded.lines))
        elif time > partial.time:
            decoded.late = max(decoded.late, time)
        partial.add(text.removesuffix(b"\n"))
        if text.endswith(b"\n") or (self._whole_writes and _is_last_of_write(text)):
            complete(partial, stream, decoded)
        else:
            self.open[stream] = partial

    def open_lines(self) -> Sequence[OpenLine]:
        """The open lines, oldest first."""
        return [OpenLine(one.time, one.before) for one in self.open.values()]

    def flush(self) -> DecodedLines:
        """Ends all open lines, and returns them."""
        decoded = DecodedLines()
        for stream, partial in self.open.items():
            complete(partial, stream, decoded)
        self.open.clear()
        return decoded


def _is_last_of_write(text: bytes) -> bool:
    """Whether a piece without a newline ends its line: it is the last that a process wrote.

    Docker cuts a long line where its buffer is full: at 16 KiB, or at a multiple of 4 KiB. Any
    other size means that nothing more was to come. Deciding by the size, not at the stream's end,
    gives the same lines whenever the log is read again. Podman cuts wherever its read of the pipe
    ends (measured: in the middle of any line of a burst), so there the size says nothing.
    """
    return len(text) < _BUFFER and len(text) % _SMALLEST_BUFFER != 0


_BUFFER, _SMALLEST_BUFFER = 16384, 4096


def complete(partial: PartialLine, stream: int, decoded: DecodedLines) -> None:
    """Appends an ended line to `decoded`."""
    if partial.truncated:
        decoded.truncated.append(len(decoded.lines))
    parts = partial.parts
    if len(parts) > 1:
        decoded.begun[len(decoded.lines)] = partial.before
    decoded.lines.append(parts[0] if len(parts) == 1 else b"".join(parts))
    decoded.times.append(partial.time)
    decoded.streams.append(stream)
