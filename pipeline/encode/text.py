"""Batches as lines for people: coloured for a terminal, or plain.

On a terminal, `12:01:03.123 shop-api-1 | message`: local time (`TZ`), a colour per container, the
bar red where the line came from stderr. Plain, for files, `2026-…Z shop-api-1 stderr | message`.

Of the escape sequences in a message only colours are kept, and only for a terminal; other control
characters but the tab become spaces, so that no container can move the cursor, rename the window
or reach the clipboard of whoever is watching.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from zlib import crc32

from pipeline.encode.local_time import LocalTime
from pipeline.model.batch import STREAM_NAMES, Batch
from pipeline.model.container import Container
from pipeline.model.dumps import dumps
from pipeline.model.rendered import RENDERED

PALETTE: Final = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)
"""Colours for containers (SGR numbers); red is for stderr."""

_RESET: Final = b"\x1b[0m"
_ESCAPE: Final = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -~]?)")
"""A control sequence, an operating system command with its text, or a lone escape."""
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1a\x1c-\x1f\x7f]|\xc2[\x80-\x9f]")
_SUSPECT: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]|\xc2[\x80-\x9f]")


class TextEncoder:
    """Batches as lines for people."""

    def __init__(self, *, color: bool) -> None:
        """`color` is for a terminal; without it the whole time and the name of the stream are
        written."""
        self._color = color
        self._local_time = LocalTime("%H:%M:%S")
        self._key = "text", color

    def encode(self, batches: Sequence[Batch]) -> bytes:
        """One line for each entry, in order, each ended by LF."""
        return b"".join([self._encode(batch) for batch in batches if len(batch)])

    def _encode(self, batch: Batch) -> bytes:
        lines = batch.lines
        if batch.bare:
            lines = [dumps(fields) for fields in batch.fields or [{}] * len(batch)]
        if _SUSPECT.search(b"".join(lines)):
            lines = [self._harmless(line) for line in lines]
        labels = RENDERED.once(
            batch.container,
            self._key,
            lambda: self._render(batch.container),
            lambda labels: sum(map(len, labels)) + 300,
        )
        between = map(labels.__getitem__, batch.streams)
        columns = zip(self._times(batch.times), between, lines, strict=True)
        return b"".join([b"%b%b%b\n" % column for column in columns])

    def _times(self, times: list[bytes]) -> list[bytes]:
        if not self._color:
            return times
        seconds = self._local_time.render(times)
        return [second + moment[19:23] for second, moment in zip(seconds, times, strict=True)]

    def _harmless(self, line: bytes) -> bytes:
        coloured = b"\x1b" in line and self._color
        line = _ESCAPE.sub(_colour_only if self._color else b"", line)
        line = _CONTROL.sub(b" ", line)
        return line + _RESET if coloured else line

    def _render(self, container: Container) -> list[bytes]:
        """What stands between time and message, for each stream."""
        name = _CONTROL.sub(b" ", container.name.encode("utf-8", "replace").replace(b"\x1b", b" "))
        if not self._color:
            names = [stream.encode() for stream in STREAM_NAMES]
            return [b" %b%b | " % (name, b" " + stream if stream else b"") for stream in names]
        number = PALETTE[crc32(container.id.encode("utf-8", "replace")) % len(PALETTE)]
        painted = b" \x1b[%dm%b" % (number, name)
        plain = painted + b" |\x1b[0m "
        return [plain, plain, painted + b" \x1b[31m|\x1b[0m "]


def _colour_only(found: re.Match[bytes]) -> bytes:
    sequence = found[0]
    return sequence if re.fullmatch(rb"\x1b\[[0-9;:]*m", sequence) else b""
