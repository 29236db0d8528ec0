"""Decodes the bytes of a json-file into columns of lines. As hot as `frames`.

No I/O and no clock: the same file gives the same lines, however it is split, and the same lines as
a stream of the API.

A row ends in a newline and is
`{"log":"text\\n","stream":"stdout","time":"2026-01-31T23:59:59.123456789Z"}`. The time has no zeros
at its end, and there may be `"attrs"`. Docker ends a row where the text has a newline, so a newline
is only ever at a text's end. A piece of a long line has none.

https://docs.docker.com/engine/logging/drivers/json-file/
"""

from __future__ import annotations

import sys
import zlib
from typing import NamedTuple

import msgspec

from pipeline import native
from pipeline.accounting.checkpoint import FilePlace
from pipeline.model.timestamps import NO_TIME
from pipeline.sources.docker.decode.decoded import DecodedLines
from pipeline.sources.docker.decode.partials import PartialLines

MOST_OF_ROW = 1 << 20
"""Most bytes of a row. A row's text is at most 16 KiB, or six times as many bytes where all of it
is escaped; its labels are few. More bytes without a newline are damage."""
SEAL = 48
"""Bytes before a place by which it is recognised. Every row is longer and ends in its time, so two
places in a log hardly ever have the same ones."""
_LARGEST_TEXT = 3 * 16384
"""Most bytes of a row's text: Docker cuts at 16 KiB, and replaces an invalid byte by three."""
_STREAMS, _ONLY_STDOUT = {"stdout": 1, "stderr": 2}, {"stdout"}
_BEGIN = b'{"log":"'
"""First bytes of every row. They cannot be within a row: quotes in a text are escaped."""


class Row(msgspec.Struct, gc=False):
    """The JSON object between two newlines."""

    log: str
    stream: str
    time: str


_rows = msgspec.json.Decoder(Row).decode_lines
_row = msgspec.json.Decoder(Row).decode


class _Safe(NamedTuple):
    """A place in a file where no line is open."""

    file: int
    """The file, as it was given to `begin_file`."""
    offset: int
    """Bytes from the beginning of the file."""
    completed: int
    """How many lines were complete there."""
    before: bytes
    """The last `SEAL` bytes before it, or fewer at the beginning of the file."""


def seal_of(before: bytes) -> int:
    """Returns the checksum of the last `SEAL` bytes of `before`, for `FilePlace.seal`.

    `before` may be longer, or shorter at the beginning of a file.
    """
    return zlib.crc32(before[-SEAL:])


class RowDecoder:
    """Decoder of one log's json-files, one file after another."""

    def __init__(self, max_line: int, *, tty: bool = False, one_time: bool = True) -> None:
        """`max_line` is the number of bytes to which lines are cut. `tty`: lines end in CR LF, and
        only there. `one_time`: all pieces of a line have the same timestamp, so a piece with
        another one begins a new line.
        """
        self.completed = 0
        self.damaged = False
        """Whether something that is not a row was found in the last feed. The lines after it come
        with the next call of `feed`, which may be given no bytes."""
        self._loops = native.loops
        self._pieces = PartialLines(max_line, whole_writes=not tty, one_time=one_time and not tty)
        self._tty = tty
        self._longest = max_line if max_line < _LARGEST_TEXT else None
        self._rest = b""
        self._skipping = False
        """Whether to skip everything up to the next newline."""
        self._before = b""
        """The last bytes before `_rest`."""
        self._safe = _Safe(0, 0, 0, b"")
        self._file, self._offset = 0, 0
        """File, and offset in it, of the first byte of `_rest`."""

    def begin_file(self, file: int, offset: int = 0, before: bytes = b"") -> None:
        """Says that the next bytes are from another file, or from another offset.

        `file` is its inode; 0 where a place cannot be found again, as in a compressed file.
        `offset` is in bytes. `before` are the last bytes before it, `SEAL` or fewer.
        """
        self._file, self._offset, self._before = file, offset, before
        self.damaged = bool(self._rest)
        self._rest, self._skipping = b"", False
        if not self._pieces.open:
            self._is_safe()

    def _is_safe(self, more: int = 0) -> None:
        """Notes the current place. `more` lines are complete and not counted yet."""
        self._safe = _Safe(self._file, self._offset, self.completed + more, self._before)

    @property
    def torn(self) -> bool:
        """Whether a row has begun and not ended."""
        return bool(self._rest)

    def feed(self, data: bytes) -> DecodedLines:
        """Returns all lines that `data` completes, up to the first damage (see `damaged`)."""
        if self._rest:
            data = self._rest + data
        self.damaged = False
        end = data.rfind(b"\n") + 1
        if self._skipping or not end:
            return self._without_row(data)
        decoded = None
        if not self._pieces.open:
            block = memoryview(data)[:end]
            decoded = self._whole_in_c(block) or self._whole(block)
        if decoded is not None:
            self._consume(data, end)
        else:
            decoded = self._one_by_one(data, end)
        if not self._pieces.open:
            self._is_safe(len(decoded.lines))
        return self._given(decoded)

    def _given(self, decoded: DecodedLines) -> DecodedLines:
        self.completed += len(decoded.lines)
        decoded.completed = self.completed
        if self._pieces.open:
            decoded.open = self._pieces.open_lines()
        decoded.place = self._place()
        return decoded

    def _place(self) -> FilePlace | None:
        """The place behind all lines that were returned."""
        safe = self._safe
        if not safe.file:
            return None
        beyond = self.completed - safe.completed
        return FilePlace(safe.file, safe.offset, beyond, seal_of(safe.before))

    def _consume(self, data: bytes, end: int) -> None:
        self._before = self._last_before(data, end)
        self._offset += end
        self._rest = data[end:]

    def _without_row(self, data: bytes) -> DecodedLines:
        """Handles bytes without a newline, or whose first row is to be skipped."""
        if self._skipping and (end := data.find(b"\n") + 1):
            self._skipping = False
            self._consume(data, end)
            return self.feed(b"")
        self._rest = data
        if len(data) > MOST_OF_ROW or self._skipping:
            self.damaged, self._skipping = not self._skipping, True
            self._consume(data, len(data))
        return self._given(DecodedLines())

    def _whole_in_c(self, block: memoryview) -> DecodedLines | None:
        """Does what `_whole` does, in C. None when the rows are not written as dockerd writes
        them.
        """
        if self._loops is None:
            return None
        longest = sys.maxsize if self._longest is None else self._longest
        found = self._loops.rows(block, longest, self._tty)
        return None if found is None else DecodedLines(*found)

    def _whole(self, block: memoryview) -> DecodedLines | None:
        """Decodes rows that are one line each, as nearly all are. None when one is not."""
        try:
            rows = _rows(block)
            lines = "".join([row.log for row in rows]).encode().split(b"\n")
        except (msgspec.MsgspecError, UnicodeError):
            return None
        if lines.pop() or len(lines) != len(rows):
            return None
        if self._longest is not None and max(map(len, lines)) > self._longest:
            return None
        times = " ".join([row.time for row in rows]).encode().split(b" ")
        if len(times) != len(rows):
            return None
        times = [time if len(time) == 30 else _fixed(time) for time in times]
        if {row.stream for row in rows} == _ONLY_STDOUT:
            streams = bytearray(b"\1") * len(rows)
        else:
            streams = bytearray([_STREAMS.get(row.stream, 1) for row in rows])
        if self._tty:
            lines = [line.removesuffix(b"\r") for line in lines]
        return DecodedLines(lines, times, streams)

    def _one_by_one(self, data: bytes, end: int) -> DecodedLines:
        """Decodes row by row, up to the first row after damage, where the next feed goes on."""
        decoded, pieces, start = DecodedLines(), self._pieces, 0
        while start < end:
            stop = data.index(b"\n", start) + 1
            row = _decoded(data[start : stop - 1])
            if row is None:
                # A dockerd that was killed leaves half a row, and the next one appends to it.
                begin = data.rfind(_BEGIN, start + 1, stop)
                start = begin if begin > 0 else stop
                self.damaged = True
                continue
            if self.damaged:
                break
            if not pieces.open:
                self._safe_at(data, start, len(decoded.lines))
            time, stream = _fixed(row.time.encode()), _STREAMS.get(row.stream, 1)
            text = row.log.encode(errors="replace")
            pieces.take(stream, time, text, self.completed, decoded)
            start = stop
        self._consume(data, start)
        if self._tty:
            decoded.lines[:] = [line.removesuffix(b"\r") for line in decoded.lines]
        return decoded

    def _safe_at(self, data: bytes, start: int, lines: int) -> None:
        before = self._last_before(data, start)
        self._safe = _Safe(self._file, self._offset + start, self.completed + lines, before)

    def _last_before(self, data: bytes, place: int) -> bytes:
        """The last bytes before a place in `data`, fewer near the beginning of the file."""
        if place >= SEAL:
            return data[place - SEAL : place]
        return (self._before + data[:place])[-SEAL:]

    def flush(self) -> DecodedLines:
        """Returns the lines that are still open. To be called at the log's end. A torn row is left
        out.
        """
        decoded = self._pieces.flush()
        if self._tty:
            decoded.lines[:] = [line.removesuffix(b"\r") for line in decoded.lines]
        return self._given(decoded)


def _decoded(raw: bytes) -> Row | None:
    try:
        return _row(raw)
    except UnicodeError:  # dockerd writes valid UTF-8, but would read this so
        return _decoded(raw.decode(errors="replace").encode())
    except msgspec.MsgspecError:
        return None


def _fixed(time: bytes) -> bytes:
    """Returns a time with nine digits after the point, as everywhere else; empty for what is not a
    time.
    """
    if len(time) == 30:
        return time
    if not 20 <= len(time) < 30 or not time.endswith(b"Z"):
        return NO_TIME
    return (time[:-1] + b"." if len(time) == 20 else time[:-1]).ljust(29, b"0") + b"Z"
