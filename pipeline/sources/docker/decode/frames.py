"""Decodes the bytes of a log stream into columns of lines. The hottest loop of the agent.

No I/O and no clock: the same stream gives the same lines, however it is split.

A multiplexed stream consists of frames: `[type, 0, 0, 0, u32 big-endian length]` and a payload.
With `timestamps=1`, each payload begins with `2026-01-31T23:59:59.123456789Z` and a space. A line
over 16 KiB comes in several frames, of which only the last ends in a newline. The stream of a TTY
has no frames: its lines end in CR LF.

https://docs.docker.com/reference/api/engine/#tag/Container/operation/ContainerAttach
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from operator import itemgetter
from struct import Struct
from typing import Final, NamedTuple

from pipeline import native
from pipeline.model.timestamps import split_timestamp
from pipeline.sources.docker.decode.decoded import DecodedLines, OpenLine
from pipeline.sources.docker.decode.partials import PartialLine, PartialLines, complete

STDOUT, STDERR, DAEMON_ERROR = 1, 2, 3
MAX_FRAME = 1 << 24
"""Most bytes of a frame. The Engine cuts lines at 16 KiB, so a larger size means that the bytes are
not a frame's header."""
SINGLY = 16
"""How many feeds are decoded frame by frame after decoding all frames at once has failed."""

_header = Struct(">BxxxI").unpack_from
_NEWLINE, _SPACE, _Z = b"\n Z"


class FrameError(ValueError):
    """The bytes are not a log stream. The stream has to be opened again."""


def new_decoder(
    first: bytes, max_line: int, *, podman: bool = False, one_time: bool = False
) -> Decoder:
    """Returns the decoder for a stream that begins with `first` (at least one byte, not fed yet).

    `max_line` is the number of bytes to which lines are cut. `podman`: only a newline ends a line,
    whatever the size of its pieces. `one_time`: all pieces of a line have the same timestamp, so a
    piece with another one begins a new line.

    A frame begins with its type, 0 to 3, and the stream of a TTY with a timestamp's digit. That is
    more reliable than the content type, which Podman and API versions up to 1.41 get wrong or leave
    out.
    """
    if first[0] > DAEMON_ERROR:
        return TtyDecoder(max_line)
    return FrameDecoder(max_line, podman=podman, one_time=one_time)


class FrameDecoder:
    """Decoder of a multiplexed stream."""

    def __init__(self, max_line: int, *, podman: bool = False, one_time: bool = False) -> None:
        """The parameters are those of `new_decoder`."""
        self.completed = 0
        self._loops = native.loops
        self._max_line = max_line
        self._pieces = PartialLines(max_line, whole_writes=not podman, one_time=one_time)
        self._rest = b""
        self._errors: list[bytes] = []
        self._singly = 0
        """How many more feeds are decoded frame by frame."""

    def feed(self, data: bytes) -> DecodedLines:
        """Returns all lines that `data` completes. Raises `FrameError`."""
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
        """Decodes frame by frame from `position` on, and appends to `decoded`."""
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
            # Nearly every frame is a whole line after a timestamp of 30 bytes. A shorter timestamp
            # has its space within these bytes, whatever the text after it looks like.
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
        decoded.completed = self.completed
        if self._pieces.open:
            decoded.open = self._pieces.open_lines()
        return decoded

    def _take(self, kind: int, payload: bytes, decoded: DecodedLines) -> None:
        """Decodes a frame that is not simply one line."""
        if kind == DAEMON_ERROR:
            self._errors.append(payload.strip())
            return
        if kind > DAEMON_ERROR:
            raise FrameError(f"a frame of type {kind}")
        time, text = split_timestamp(payload)
        # 0 is "stdin" in the format, and means stdout in logs.
        self._pieces.take(kind or STDOUT, time, text, self.completed, decoded)

    def flush(self) -> DecodedLines:
        """Returns the lines that are still open. To be called at the stream's end."""
        decoded, self._rest = self._pieces.flush(), b""
        return self._given(decoded)

    def errors(self) -> list[bytes]:
        """Returns dockerd's own messages (frames of type 3) since the last call."""
        errors, self._errors = self._errors, []
        return errors


class TtyDecoder:
    """Decoder of a TTY's stream.

    The Engine puts a timestamp before each piece it stored, so a line of several pieces has
    timestamps in the middle. They are removed.
    """

    def __init__(self, max_line: int) -> None:
        """`max_line` is the number of bytes to which lines are cut."""
        self.completed = 0
        self._max_line = max_line
        self._rest = b""
        self._partial: PartialLine | None = None
        self._stamp = b""
        """Timestamp before the open line, and the space after it, as they were written."""
        self._late = b""

    def feed(self, data: bytes) -> DecodedLines:
        """Returns all lines that `data` completes."""
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
        decoded.late, self._late = self._late, b""
        return decoded

    def _continue_line(self, piece: bytes) -> None:
        own = b""
        if self._partial is None:
            time, text = split_timestamp(piece)
            self._partial = PartialLine(time, self._max_line, self.completed)
            self._stamp = piece[: len(piece) - len(text)]
            # A second one at the very beginning was written by the container: no piece is empty.
            own = self._stamp if text.startswith(self._stamp) else b""
            piece = text[len(own) :]
        if self._stamp and self._stamp[-2:] in piece:
            piece, later = piece.replace(self._stamp, b""), _second_after(self._stamp)
            if later in piece:
                piece, self._late = (
                    piece.replace(later, b""),
                    max(self._late, split_timestamp(later)[0]),
                )
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
        """Returns the line that is still open. To be called at the stream's end."""
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
        """Returns nothing: dockerd's own messages come as lines here (see
        `api_reader.DAEMON_SAYS`).
        """
        return []


Decoder = FrameDecoder | TtyDecoder
"""A decoder of either kind of stream: has `feed`, `flush` and `errors`."""


def _second_after(stamp: bytes) -> bytes:
    """Returns the timestamp that Podman may put before later pieces of a line, one second later.

    Podman's times are whole seconds. Docker's pieces all have the same time: returns `stamp`.
    """
    if stamp[19:20] not in (b"Z", b"+", b"-"):
        return stamp
    later = datetime.fromisoformat(stamp[:19].decode()) + timedelta(seconds=1)
    return later.isoformat().encode() + stamp[19:]


_SLACK = 64
"""Bytes kept back when a TTY's line is cut, so that a timestamp is never cut."""


# ---------------------------------------------------------------------- many frames at once
# Nearly always, all frames of a read are whole lines of one stream. Their headers differ only in
# the size, so the same five bytes stand between two lines: a line feed and the first four bytes of
# the next header. One `split` finds them all, and the rest is done for whole columns. The size in
# each header is compared with what was found, so the result is the same as frame by frame, or None.
#
# A million lines of 142 bytes take 0.14 s instead of 0.31 (CPython 3.13, `benchmarks/bench_frames`)

_PREFIXES: Final = (b"\1\0\0\0", b"\2\0\0\0")
"""First bytes of a frame of stdout, and of stderr. The size follows."""
_SHORTEST: Final = 4 + 31
"""Least bytes of a piece: the size, a timestamp and a space."""
LONGEST: Final = 16384
"""Most bytes of a line that comes in one frame."""


@cache
def _sizes() -> list[bytes]:
    """First bytes of a piece, by its length: the size of its frame, with the line feed."""
    return [
        b"never so" if length < _SHORTEST else (length - 4 + 1).to_bytes(4, "big")
        for length in range(_SHORTEST + LONGEST + 1)
    ]


_starts = bytes.startswith
_time, _space, _line = itemgetter(slice(4, 34)), itemgetter(34), itemgetter(slice(35, None))


class WholeFrames(NamedTuple):
    """Lines of one stream that came in whole frames, as columns."""

    lines: list[bytes]
    times: list[bytes]
    stream: int
    rest: bytes
    """Bytes after them: the beginning of one more frame, or nothing."""


def whole_lines(data: bytes) -> WholeFrames | None:
    """Decodes `data`, which begins with a frame, all at once.

    None when it has anything but whole lines of one stream after timestamps of 30 bytes.
    """
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
        size_of = _sizes()
        sizes = [size_of[length] for length in map(len, pieces)]
    except IndexError:
        return None
    if not all(map(_starts, pieces, sizes)):
        return None
    times, spaces = list(map(_time, pieces)), bytes(map(_space, pieces))
    count, together = len(pieces), b"".join(times)
    if together[29::30] != b"Z" * count or spaces != b" " * count or b" " in together:
        return None  # a space in a timestamp: it is shorter, and text follows
    return WholeFrames(list(map(_line, pieces)), times, prefix[0], rest)


def _is_begun(piece: bytes) -> bool:
    """Whether `piece` is the beginning of a frame of ordinary size."""
    return len(piece) < 4 or len(piece) - 4 < int.from_bytes(piece[:4], "big") < _SHORTEST + LONGEST
