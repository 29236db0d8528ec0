"""Batches as lines for people: coloured for a terminal, or plain.

On a terminal, `12:01:03.123 shop-api-1 | ERROR   message  status=500`: local time (`TZ`), a colour
per container, the bar red where the line came from stderr, the level in its colour, then fields
that are not in the message. The further lines of an entry stand below its first, behind the bar.
Plain, for files, `2026-…Z shop-api-1 stderr | ERROR message  status=500`, one line for each entry.

Level and fields are those that the entry has at the sink: without a stage that reads them, the
message is shown as it came. What is shown of them is in `readable`, what is kept off a terminal in
`harmless`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from zlib import crc32

from pipeline.encode.harmless import harmless, is_suspect
from pipeline.encode.level import UNKNOWN, severities
from pipeline.encode.local_time import LocalTime
from pipeline.encode.readable import Readable
from pipeline.model.batch import STREAM_NAMES, Batch
from pipeline.model.container import Container
from pipeline.model.rendered import RENDERED

PALETTE: Final = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)
"""Colours for containers (SGR numbers); red is for stderr."""

MOST_VALUES: Final = 25_000
"""Fields, with the values in their lists and objects, that are encoded in some 50 ms."""
STREAMS: Final = len(STREAM_NAMES)
WIDEST: Final = 30
"""Characters up to which the names of containers are made equally long on a terminal."""
_BAR: Final = b" |\x1b[0m "
_ERROR_BAR: Final = b" \x1b[31m|\x1b[0m "


def colour_of(container_id: str) -> int:
    """The colour of a container: an SGR number of `PALETTE`, always the same for an id."""
    return PALETTE[crc32(container_id.encode("utf-8", "replace")) % len(PALETTE)]


class TextEncoder:
    """Batches as lines for people."""

    def __init__(self, *, color: bool) -> None:
        """`color` is for a terminal; without it the whole time and the name of the stream are
        written."""
        self._color = color
        self._local_time = LocalTime("%H:%M:%S")
        self._readable = Readable(color=color)
        self._width = 0
        """Characters of the longest name so far, at most `WIDEST`; 0 for files."""

    def encode(self, batches: Sequence[Batch]) -> bytes:
        """The lines of each entry, in order, each ended by LF."""
        return b"".join([self._encode(batch) for batch in batches if len(batch)])

    def _encode(self, batch: Batch) -> bytes:
        lines = batch.lines
        if self._color:
            self._width = max(self._width, min(len(batch.container.name), WIDEST))
        heads = RENDERED.once(
            batch.container,
            ("text", self._color, self._width),
            lambda: self._heads(batch.container),
            lambda heads: sum(map(len, heads)) + 300,
        )
        if batch.parsed or batch.bare or is_suspect(b"".join(lines)):
            lines = self._text(batch, heads)
        between = map(heads.__getitem__, batch.streams)
        columns = zip(self._times(batch.times), between, lines, strict=True)
        return b"".join([b"%b%b%b\n" % column for column in columns])

    def _text(self, batch: Batch, heads: list[bytes]) -> list[bytes]:
        """What stands behind the head of each entry."""
        show, count = self._readable.lines, len(batch)
        lines = [b""] * count if batch.bare else batch.lines
        levels = severities(batch) or bytes([UNKNOWN]) * count
        rows = zip(lines, batch.fields or [{}] * count, levels, batch.streams, strict=True)
        return [
            (b"\n" + heads[STREAMS + stream]).join(show(line, fields, level))
            for line, fields, level, stream in rows
        ]

    def _times(self, times: list[bytes]) -> list[bytes]:
        if not self._color:
            return times
        seconds = self._local_time.render(times)
        return [second + moment[19:23] for second, moment in zip(seconds, times, strict=True)]

    def _heads(self, container: Container) -> list[bytes]:
        """What stands between time and text, for each stream; then what stands before a further
        line of the entry, for each stream."""
        name = container.name.encode("utf-8", "replace").replace(b"\x1b", b" ")
        name = harmless(name, color=False)
        if not self._color:
            names = [stream.encode() for stream in STREAM_NAMES]
            first = [b" %b%b | " % (name, b" " + stream if stream else b"") for stream in names]
            return first * 2
        number = colour_of(container.id)
        name += b" " * (self._width - len(container.name))
        width = len("12:01:03.123 ") + max(self._width, len(container.name))
        return [
            before + bar
            for before in (b" \x1b[%dm%b" % (number, name), b"\x1b[%dm%*b" % (number, width, b""))
            for bar in (_BAR, _BAR, _ERROR_BAR)
        ]
