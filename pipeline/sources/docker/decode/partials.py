"""Lines out of the pieces in which the Engine keeps them.

A line over 16 KiB is kept in several pieces, of which only the last ends in a newline. Whether they
come in the frames of a stream or in the rows of a json-file, they make the same lines.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.sources.docker.decode.decoded import DecodedLines, OpenLine


class PartialLine:
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


class PartialLines:
    """The lines of one log that have begun and not ended, one for each stream at the most."""

    __slots__ = ("_max_line", "_one_time", "_whole_writes", "open")

    def __init__(self, max_line: int, *, whole_writes: bool, one_time: bool) -> None:
        """`whole_writes`: what a process writes last needs no newline, and shows by its size.
        `one_time`: all pieces of a line have the time of its first, so one of another time begins
        another line."""
        self._max_line = max_line
        self._whole_writes = whole_writes
        self._one_time = one_time
        self.open: dict[int, PartialLine] = {}
        """By stream, the oldest first."""

    def take(
        self, stream: int, time: bytes, text: bytes, before: int, decoded: DecodedLines
    ) -> None:
        """One piece, with its newline if it has one. `before`: lines that are complete and not in
        `decoded`, which gets those that end here."""
        partial = self.open.pop(stream, None)
        if partial is not None and self._one_time and time != partial.time:
            complete(partial, stream, decoded)  # its writer has ended in the middle of it
            partial = None
        if partial is None:
            partial = PartialLine(time, self._max_line, before + len(decoded.lines))
        partial.add(text.removesuffix(b"\n"))
        if text.endswith(b"\n") or (self._whole_writes and _is_last_words(text)):
            complete(partial, stream, decoded)
        else:
            self.open[stream] = partial

    def open_lines(self) -> Sequence[OpenLine]:
        """Lines that have begun and not ended, the oldest first."""
        return [OpenLine(one.time, one.before) for one in self.open.values()] if self.open else ()

    def flush(self) -> DecodedLines:
        """What is open, as lines."""
        decoded = DecodedLines()
        for stream, partial in self.open.items():
            complete(partial, stream, decoded)
        self.open.clear()
        return decoded


def _is_last_words(text: bytes) -> bool:
    """Whether a piece without newline ends its line all the same: what a process wrote last.

    Docker cuts a long line where its buffer is full, at 16 KiB or more; any other size means that
    there was nothing more to come. Deciding that here, not when the stream ends, gives the same
    lines whenever the log is read again after a restart. Podman's monitor cuts wherever its reading
    of the pipe ends (measured: in the middle of any line of a burst), so there it says nothing.
    """
    return len(text) < _BUFFER and len(text) % _SMALLEST_BUFFER != 0


_BUFFER, _SMALLEST_BUFFER = 16384, 4096


def complete(partial: PartialLine, stream: int, decoded: DecodedLines) -> None:
    """Its line has ended."""
    if partial.truncated:
        decoded.truncated.append(len(decoded.lines))
    parts = partial.parts
    if len(parts) > 1:
        decoded.begun[len(decoded.lines)] = partial.before
    decoded.lines.append(parts[0] if len(parts) == 1 else b"".join(parts))
    decoded.times.append(partial.time)
    decoded.streams.append(stream)
