"""Edits arrays in a TOML text and leaves everything else as it is, to the byte."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.config.locate import KeyPlace, Path, locate
from pipeline.model.errors import DocklineError

WIDTH = 100
"""Columns of an array on one line; a longer one gets a line per element."""


@dataclass(frozen=True)
class Row:
    """One element of an array as it should become: an existing one, a new one, or a replacement."""

    index: int | None
    """Index of the existing element to keep or to replace; None for a new one."""
    text: str | None = None
    """TOML of the new element; None to keep the existing one."""


class Document:
    """A TOML text and the edits to it. `str()` is the text with all edits applied."""

    def __init__(self, text: str) -> None:
        """`text` must be accepted by `tomllib`; a byte order mark and CRLF are kept."""
        self._raw = text
        self._start = len(text) - len(text.removeprefix("\ufeff"))
        body = text[self._start :]
        self._text = body.replace("\r\n", "\n")
        ends = re.finditer("\r\n", body)
        self._returns = [found.start() - place for place, found in enumerate(ends)]
        self._places = locate(self._text)
        self._edits: list[tuple[int, int, str]] = []

    def line(self, path: Path) -> int | None:
        """The line of the key or element at `path`, counted from 1; None if there is none."""
        place = self._places.get(path)
        return place.line if place else None

    def set_array(self, path: Path, rows: Sequence[Row]) -> None:
        """Gives the array at `path` these elements. Existing elements must keep their order.

        All comments stay, also those of elements that are removed. Raises `DocklineError` unless
        the array is written in brackets: an array of `[[tables]]` cannot be rewritten.
        """
        place = self._places.get(path)
        if place is None or not place.value.startswith("["):
            raise DocklineError("only an array in brackets can be rewritten, and no [[table]]")
        elements: list[KeyPlace] = []
        while inner := self._places.get((*path, len(elements))):
            elements.append(inner)
        if [row.index for row in rows] == list(range(len(elements))):
            for element, row in zip(elements, rows, strict=True):
                if row.text is not None:
                    self._edits.append((*_span(element), row.text))
            return
        start, end = _span(place)
        array = _Array(self._text, start, end, [_span(element) for element in elements])
        self._edits.append((start, end, array.rewritten(rows)))

    def __str__(self) -> str:
        """The text with all edits, in the newlines that most of its lines have."""
        newline = "\r\n" if 2 * len(self._returns) > self._text.count("\n") else "\n"
        text = self._raw
        for start, end, new in sorted(self._edits, reverse=True):
            before, behind = text[: self._offset(start)], text[self._offset(end) :]
            text = before + new.replace("\n", newline) + behind
        return text

    def _offset(self, position: int) -> int:
        """The offset in the text as it was read, with byte order mark and CRLF."""
        return self._start + position + bisect_left(self._returns, position)


def _span(place: KeyPlace) -> tuple[int, int]:
    return place.end - len(place.value), place.end


@dataclass
class _Comments:
    """The comments of one element: on the lines before it, and behind it on its own line."""

    before: list[str] = field(default_factory=list)
    behind: str = ""


class _Array:
    """An array in a TOML text, with its elements and their comments."""

    def __init__(self, text: str, start: int, end: int, spans: Sequence[tuple[int, int]]) -> None:
        self._elements = [text[first:last] for first, last in spans]
        self._one_line = "\n" not in text[start:end]
        line = text[text.rfind("\n", 0, start) + 1 : start]
        self._before = len(line)
        self._margin = " " * (len(line) - len(line.lstrip(" ")))
        self._opening = ""
        self._comments = [_Comments() for _ in range(len(spans) + 1)]
        edges = [start + 1, *[edge for span in spans for edge in span], end - 1]
        for number, (left, right) in enumerate(zip(edges[::2], edges[1::2], strict=True)):
            beside, *below = [
                found[0] if (found := re.search("#.*", row)) else ""
                for row in text[left:right].split("\n")
            ]
            self._comments[number].before = [comment for comment in below if comment]
            if number:
                self._comments[number - 1].behind = beside
            else:
                self._opening = beside

    def rewritten(self, rows: Sequence[Row]) -> str:
        texts = [row.text or self._elements[row.index or 0] for row in rows]
        plain = not self._opening and self._comments == [_Comments() for _ in self._comments]
        short = f"[{', '.join(texts)}]"
        if plain and (not texts or (self._one_line and self._before + len(short) <= WIDTH)):
            return short
        lines = [f"[  {self._opening}".rstrip()]
        done = 0
        for row, text in zip(rows, texts, strict=True):
            behind = ""
            if row.index is not None:
                lines += self._left(done, row.index)
                lines += self._indented(self._comments[row.index].before)
                behind, done = self._comments[row.index].behind, row.index + 1
            lines.append(f"{self._margin}  {text},  {behind}".rstrip())
        lines += self._left(done, len(self._elements))
        lines += self._indented(self._comments[-1].before)
        return "\n".join([*lines, f"{self._margin}]"])

    def _left(self, first: int, last: int) -> list[str]:
        """The comments of elements that are removed, from index `first` up to `last`."""
        gone = self._comments[first:last]
        return self._indented([text for one in gone for text in (*one.before, one.behind) if text])

    def _indented(self, comments: Sequence[str]) -> list[str]:
        return [f"{self._margin}  {comment}" for comment in comments]
