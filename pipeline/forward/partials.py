"""Joins the lines that Docker's fluentd driver has cut at 16 KiB."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Final

MOST: Final = 1000
"""Most incomplete lines at a time: one for each stream of that many containers."""
MOST_BYTES: Final = 32 * 2**20
"""Most bytes of all incomplete lines."""
LONGEST_ID: Final = 256
"""Characters of a line's id that are compared: Docker's have 64."""


@dataclass(slots=True)
class _Open:
    time: int
    headless: bool
    """Whether its first part is missing: another process took it, and has ended."""
    kept: bytearray = field(default_factory=bytearray)
    size: int = 0
    """Bytes of all parts, with those beyond the limit, which are not kept."""
    ordinal: int = 0
    """Number of the last part, from 1."""


class Partials:
    """The incomplete lines of all connections of a source.

    They are shared, since a container may continue its line on another connection.
    """

    def __init__(self, max_line: int) -> None:
        """`max_line`: bytes at which a line is cut."""
        self._max_line = max_line
        self._open: OrderedDict[tuple[str, str | bytes, int], _Open] = OrderedDict()
        self._held = 0
        """Bytes of all incomplete lines."""
        self.lost = 0
        """Number of lines that never ended, and were dropped to make room."""

    def __len__(self) -> int:
        return len(self._open)

    def add(
        self, container_id: str, stream: int, time: int, record: dict[str, Any]
    ) -> tuple[int, bytes, bool] | None:
        """Adds a part; returns the line if this is its last part, otherwise None.

        `time` is in nanoseconds; `record` has the driver's `log`, `partial_id`, `partial_ordinal`
        and `partial_last`. Returns the time of the first part, the line, and whether it was cut or
        lacks its beginning.
        """
        ordinal = _number(record.get("partial_ordinal"))
        key = container_id, _identity(record.get("partial_id")), stream
        line = self._open.get(key)
        if line is None:
            line = self._open[key] = _Open(time, ordinal > 1)
        self._open.move_to_end(key)
        part = record["log"]
        if ordinal != line.ordinal or not ordinal:  # skips a part that was sent twice
            line.ordinal = ordinal
            part = part.encode("utf-8", "surrogateescape") if type(part) is str else part
            self._append(line, part)
        if record.get("partial_last") != "true":
            return None
        del self._open[key]
        self._held -= len(line.kept)
        return line.time, bytes(line.kept), line.headless or line.size > self._max_line

    def _append(self, line: _Open, part: bytes) -> None:
        kept = part[: max(0, self._max_line - line.size)]
        line.kept += kept
        line.size += len(part)
        self._held += len(kept)
        while len(self._open) > MOST or (self._held > MOST_BYTES and len(self._open) > 1):
            _, oldest = self._open.popitem(last=False)
            self._held -= len(oldest.kept)
            self.lost += 1


def _identity(value: Any) -> str | bytes:
    return value[:LONGEST_ID] if type(value) in (str, bytes) else ""


def _number(value: Any) -> int:
    text = str(value) if type(value) in (str, int) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
