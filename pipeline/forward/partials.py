"""Lines that Docker's fluentd driver has cut at 16 KiB, put together again."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Final

MOST: Final = 1000
"""Lines that are open at a time: one for each stream of so many containers."""
MOST_BYTES: Final = 32 * 2**20
"""Of all of them."""
LONGEST_ID: Final = 256
"""Characters of a line's id that are looked at: Docker's have 64."""


@dataclass(slots=True)
class _Open:
    time: int
    headless: bool
    """Its beginning went to somebody who has ended since."""
    kept: bytearray = field(default_factory=bytearray)
    size: int = 0
    """Of all parts, with what was not kept."""
    ordinal: int = 0
    """Of the last part."""


class Partials:
    """Of all connections of a source: a container that goes on with another connection goes on with
    its line."""

    def __init__(self, max_line: int) -> None:
        """`max_line`: bytes of a line, beyond which it is cut for good."""
        self._max_line = max_line
        self._open: OrderedDict[tuple[str, str | bytes, int], _Open] = OrderedDict()
        self._held = 0
        """Bytes."""
        self.lost = 0
        """Lines that were never ended, and had to make room."""

    def __len__(self) -> int:
        return len(self._open)

    def add(
        self, container_id: str, stream: int, time: int, record: dict[str, Any]
    ) -> tuple[int, bytes, bool] | None:
        """The line with the time of its first part, if this one is its last, and whether it was
        cut. None while it goes on."""
        ordinal = _number(record.get("partial_ordinal"))
        key = container_id, _identity(record.get("partial_id")), stream
        line = self._open.get(key)
        if line is None:
            line = self._open[key] = _Open(time, ordinal > 1)
        self._open.move_to_end(key)
        part = record["log"]
        if ordinal != line.ordinal or not ordinal:  # one that comes twice is there already
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
