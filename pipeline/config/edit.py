"""Changes in a TOML text that leave all else in it as it is, to the byte."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.config.locate import KeyPlace, Path, locate
from pipeline.model.errors import DocklineError

WIDTH = 100
"""Columns; a longer array gets a line for each element."""


@dataclass(frozen=True)
class Row:
    """One element of an array as it is to be: that of an index now, another text, or both for the
    one in the place of the other."""

    index: int | None
    text: str | None = None


class Document:
    """A text that `tomllib` accepts, and the changes in it."""

    def __init__(self, text: str) -> None:
        """As it was read, with whatever ends its lines."""
        self._raw = text
        self._start = len(text) - len(text.removeprefix("\ufeff"))
        body = text[self._start :]
        self._text = body.replace("\r\n", "\n")
        ends = re.finditer("\r\n", body)
        self._returns = [found.start() - place for place, found in enumerate(ends)]
        self._places = locate(self._text)
        self._edits: list[tuple[int, int, str]] = []

    def line(self, path: Path) -> int | None:
        """Where that stands, counted from 1; None where it does not."""
        place = self._places.get(path)
        return place.line if place else None

    def set_array(self, path: Path, rows: Sequence[Row]) -> None:
        """Makes an array that is written in brackets have these elements, in the order in which
        they are now. Comments stay, those of elements that go as well.

        Raises `DocklineError` for an array of `[[tables]]`, which has no place of its own."""
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
        """The text with all changes."""
        newline = "\r\n" if 2 * len(self._returns) > self._text.count("\n") else "\n"
        text = self._raw
        for start, end, new in sorted(self._edits, reverse=True):
            before, behind = text[: self._offset(start)], text[self._offset(end) :]
            text = before + new.replace("\n", newline) + behind
        return text

    def _offset(self, position: int) -> int:
        """In the text as it was read."""
        return self._start + position + bisect_left(self._returns, position)


def _span(place: KeyPlace) -> tuple[int, int]:
    return place.end - len(place.value), place.end


@dataclass
class _Comments:
    """Those of one element: on lines of their own before it, and behind it."""

    before: list[str] = field(default_factory=list)
    behind: str = ""


class _Array:
    """An array of a text, its elements and their comments."""

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
        """Comments of elements that go."""
        gone = self._comments[first:last]
        return self._indented([text for one in gone for text in (*one.before, one.behind) if text])

    def _indented(self, comments: Sequence[str]) -> list[str]:
        return [f"{self._margin}  {comment}" for comment in comments]
