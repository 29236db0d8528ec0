"""From the bytes of a log stream to columns of lines: the hottest loop of the agent.

Pure: no I/O, no clock. Feed it any split of the stream and it gives the same lines.

Multiplexed streams are frames of `[type, 0, 0, 0, u32 big-endian length]` and a payload (attach
format of https://docs.docker.com/reference/api/engine/#tag/Container/operation/ContainerAttach);
asked with `timestamps=1`, each payload begins with `2026-01-31T23:59:59.123456789Z` and a space.
A line over 16 KiB comes as several frames of which only the last ends in a newline. A TTY's stream
has no frames: one stream of lines that end in CR LF.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from operator import itemgetter
from struct import Struct
from typing import Final, NamedTuple

from pipeline import native
from pipeline.model.timestamps import split_timestamp
from pipeline.sources.docker.decode.decoded import DecodedLines, OpenLine
from pipeline.sources.docker.decode.partials import PartialLine, PartialLines, complete

STDOUT, STDERR, DAEMON_ERROR = 1, 2, 3
MAX_FRAME = 1 << 24
"""No Engine sends a larger frame (its lines are cut at 16 KiB): the stream is out of step."""
SINGLY = 16
"""Feeds between two attempts to take all frames at once, where one has failed."""

_header = Struct(">BxxxI").unpack_from
_NEWLINE, _SPACE, _Z = b"\n Z"


class FrameError(ValueError):
    """The bytes are no log stream: the connection must be opened anew."""


def new_decoder(
    first: bytes, max_line: int, *, podman: bool = False, one_time: bool = False
) -> Decoder:
    """The decoder for a stream that begins with `first` (one byte or more).

    `podman`: only a newline ends a line, whatever the size of its pieces. `one_time`: all pieces
    of a line have the time of its first, so one of another time begins another line.

    A frame begins with its type, 0 to 3; a TTY's stream with the digit of a timestamp. That tells
    more than the content type, which Podman and API versions up to 1.41 get wrong or leave out.
    """
    if first[0] > DAEMON_ERROR:
        return TtyLines(max_line)
    return Frames(max_line, podman=podman, one_time=one_time)


class Frames:
    """A multiplexed stream."""

    def __init__(self, max_line: int, *, podman: bool = False, one_time: bool = False) -> None:
        self.completed = 0
        self._loops = native.loops
        self._max_line = max_line
        self._pieces = PartialLines(max_line, whole_writes=not podman, one_time=one_time)
        self._rest = b""
        self._errors: list[bytes] = []
        self._singly = 0
        """For how many more feeds frames are looked at one by one."""

    def feed(self, data: bytes) -> DecodedLines:
        """All lines that `data` completes. Raises `FrameError`."""
        if self._rest:
            data = self._rest + data
        if self._loops is not None and not self._pieces.open:
            lines, times, streams, end = self._loops.frames(data, self._max_line)
            return self._one_by_one(data, end, DecodedLines(lines, times, streams))
        if self._singly:
            self._singly -= 1
        elif not self._pieces.open:
            if (run := whole_lines(data)) is not None and self._are_short(run.lines):
                lines, times, stream, self._rest = run
                streams = bytearray((stream,)) * len(lines)
                return self._given(DecodedLines(lines, times, streams))
            self._singly = SINGLY
        return self._one_by_one(data, 0, DecodedLines())

    def _are_short(self, lines: list[bytes]) -> bool:
        return self._max_line >= LONGEST or max(map(len, lines), default=0) <= self._max_line

    def _one_by_one(self, data: bytes, position: int, decoded: DecodedLines) -> DecodedLines:
        """From `position` on, behind what is in `decoded`."""
        add_line, add_time = decoded.lines.append, decoded.times.append
        add_stream = decoded.streams.append
        partials = self._pieces.open
        header = _header
        most = self._max_line + 32
        end = len(data)
        last_header = end - 8
        while position <= last_header:
            kind, size = header(data, position)
            start = position + 8
            stop = start + size
            if stop > end:
                if size > MAX_FRAME:
                    raise FrameError(f"a frame of {size} bytes")
                break
            # What nearly every frame is: a whole line behind a timestamp of 30 bytes. A shorter one
            # has its space within these, whatever the text behind it looks like.
            if (
                31 < size <= most
                and data[stop - 1] == _NEWLINE
                and data[start + 30] == _SPACE
                and data[start + 29] == _Z
                and kind <= STDERR
                and not partials
                and _SPACE not in (time := data[start : start + 30])
            ):
                add_line(data[start + 31 : stop - 1])
                add_time(time)
                add_stream(kind)
            else:
                self._take(kind, data[start:stop], decoded)
            position = stop
        self._rest = data[position:]
        return self._given(decoded)

    def _given(self, decoded: DecodedLines) -> DecodedLines:
        self.completed += len(decoded.lines)
        decoded.completed, decoded.open = self.completed, self._pieces.open_lines()
        return decoded

    def _take(self, kind: int, payload: bytes, decoded: DecodedLines) -> None:
        """A frame that is not simply one line."""
        if kind == DAEMON_ERROR:
            self._errors.append(payload.strip())
            return
        if kind > DAEMON_ERROR:
            raise FrameError(f"a frame of type {kind}")
        time, text = split_timestamp(payload)
        # 0 is "stdin" in the format, and means stdout in logs.
        self._pieces.take(kind or STDOUT, time, text, self.completed, decoded)

    def flush(self) -> DecodedLines:
        """At the stream's end: what was still open, as lines."""
        decoded, self._rest = self._pieces.flush(), b""
        return self._given(decoded)

    def errors(self) -> list[bytes]:
        """What the daemon said of itself (frames of type 3) since the last call."""
        errors, self._errors = self._errors, []
        return errors


class TtyLines:
    """A TTY's raw stream. Each piece the Engine stored has a timestamp before it, so a line of
    several pieces has its own timestamp once more in the middle: those are taken out."""

    def __init__(self, max_line: int) -> None:
        self.completed = 0
        self._max_line = max_line
        self._rest = b""
        self._partial: PartialLine | None = None
        self._stamp = b""
        """The timestamp before the open line and the space behind it, as they are written."""

    def feed(self, data: bytes) -> DecodedLines:
        """All lines that `data` completes."""
        decoded = DecodedLines()
        *whole, self._rest = (self._rest + data).split(b"\n")
        for piece in whole:
            self._end_line(piece, decoded)
        if len(self._rest) > self._max_line + _SLACK:
            self._continue_line(self._rest[:-_SLACK])
            self._rest = self._rest[-_SLACK:]
        return self._given(decoded)

    def _given(self, decoded: DecodedLines) -> DecodedLines:
        self.completed += len(decoded.lines)
        decoded.completed, decoded.open = self.completed, self._open_lines()
        return decoded

    def _continue_line(self, piece: bytes) -> None:
        own = b""
        if self._partial is None:
            time, text = split_timestamp(piece)
            self._partial = PartialLine(time, self._max_line, self.completed)
            self._stamp = piece[: len(piece) - len(text)]
            # Once more at the very beginning, it is the writer's own: no piece is empty.
            own = self._stamp if text.startswith(self._stamp) else b""
            piece = text[len(own) :]
        if self._stamp and self._stamp[-2:] in piece:
            piece = piece.replace(self._stamp, b"").replace(_second_after(self._stamp), b"")
        self._partial.add(own + piece)

    def _end_line(self, piece: bytes, decoded: DecodedLines) -> None:
        self._continue_line(piece.removesuffix(b"\r"))
        partial, self._partial = self._partial, None
        assert partial is not None
        if partial.parts and not piece.endswith(b"\r"):
            # CR and LF may come in two pieces, with a timestamp in between.
            partial.parts[-1] = partial.parts[-1].removesuffix(b"\r")
        complete(partial, STDOUT, decoded)

    def flush(self) -> DecodedLines:
        """At the stream's end: what was still open, as lines."""
        decoded = DecodedLines()
        if self._rest or self._partial is not None:
            self._end_line(self._rest, decoded)
        self._rest = b""
        return self._given(decoded)

    def _open_lines(self) -> Sequence[OpenLine]:
        if self._partial is not None:
            return [OpenLine(self._partial.time, self._partial.before)]
        return [OpenLine(split_timestamp(self._rest)[0], self.completed)] if self._rest else ()

    def errors(self) -> list[bytes]:
        """None: what the daemon says of itself stands among the lines (see `DAEMON_SAYS`)."""
        return []


Decoder = Frames | TtyLines
"""Of either kind of stream."""


def _second_after(stamp: bytes) -> bytes:
    """What Podman, whose times are whole seconds, may have before the later pieces of a line. Of
    Docker, whose pieces have all the same time, the stamp itself."""
    if stamp[19:20] not in (b"Z", b"+", b"-"):
        return stamp
    later = datetime.fromisoformat(stamp[:19].decode()) + timedelta(seconds=1)
    return later.isoformat().encode() + stamp[19:]


_SLACK = 64
"""Bytes kept back when a TTY line is cut, so that a timestamp in it is never cut itself."""


# ---------------------------------------------------------------------- many frames at once
# Nearly always all frames of a read are whole lines of one stream. They differ in nothing but their
# size, so the bytes between two lines are always the same five: the line feed of one and the first
# four of the next one's header. One `split` finds them all, and the rest is done for whole columns.
# The size in each header is compared with what was found, so that the result is that of reading one
# frame after another, or none.
#
# Per million lines of 142 bytes: 0.14 s, where frame by frame takes 0.31 (CPython 3.13;
# `benchmarks/bench_frames`).

_PREFIXES: Final = (b"\1\0\0\0", b"\2\0\0\0")
"""Of a frame of stdout, of stderr; its size follows."""
_SHORTEST: Final = 4 + 31
"""Of a piece: the size, a timestamp and a space."""
LONGEST: Final = 16384
"""Bytes of a line of one frame."""
_SIZES: Final = [
    b"never so" if length < _SHORTEST else (length - 4 + 1).to_bytes(4, "big")
    for length in range(_SHORTEST + LONGEST + 1)
]
"""How a piece of each length begins: with the size of its frame, line feed included."""

_starts = bytes.startswith
_time, _space, _line = itemgetter(slice(4, 34)), itemgetter(34), itemgetter(slice(35, None))


class WholeFrames(NamedTuple):
    """Lines of one stream."""

    lines: list[bytes]
    times: list[bytes]
    stream: int
    rest: bytes
    """What stands behind them: the beginning of one frame, or nothing."""


def whole_lines(data: bytes) -> WholeFrames | None:
    """All lines of `data`, which begins with a frame. None where it holds anything else but whole
    lines of one stream behind timestamps of 30 bytes."""
    prefix = data[:4]
    if prefix not in _PREFIXES:
        return None
    pieces = data.split(b"\n" + prefix)
    pieces[0] = pieces[0][4:]
    rest, last = b"", pieces.pop()
    if last.endswith(b"\n"):
        pieces.append(last[:-1])
    elif _is_begun(last):
        rest = prefix + last
    else:
        return None
    try:
        sizes = [_SIZES[length] for length in map(len, pieces)]
    except IndexError:
        return None
    if not all(map(_starts, pieces, sizes)):
        return None
    times, spaces = list(map(_time, pieces)), bytes(map(_space, pieces))
    count, together = len(pieces), b"".join(times)
    if together[29::30] != b"Z" * count or spaces != b" " * count or b" " in together:
        return None  # a space in a time: it is a shorter one, and text behind it
    return WholeFrames(list(map(_line, pieces)), times, prefix[0], rest)


def _is_begun(piece: bytes) -> bool:
    """Whether a frame is of a common size, and not complete."""
    return len(piece) < 4 or len(piece) - 4 < int.from_bytes(piece[:4], "big") < _SHORTEST + LONGEST
