"""Tables of text that can be sorted, scrolled and cut to a width."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, NamedTuple, TypeVar

Row = TypeVar("Row")
Style = Literal["", "head", "focus", "bad", "dim"]


NARROWEST = 10
"""Least width of the first column, in characters."""
USUAL = 20
"""Characters of the first column for which other columns are left out."""


class Line(NamedTuple):
    """A line of the screen, and its style."""

    text: str
    style: Style = ""


@dataclass(frozen=True)
class Column(Generic[Row]):
    """A column: its title, and how a row gives its cell."""

    title: str
    value: Callable[[Row], Any]
    """The cell of a row, also for sorting: a number or a text."""
    show: Callable[[Any], str] = str
    """How the cell is written."""
    left: bool = False
    """Whether it is aligned to the left. Such a column is sorted up, any other one down."""
    rank: int = 0
    """Which columns are left out where the table would be too wide: those of the highest rank
    first, those of rank 0 never."""


@dataclass
class Order:
    """How a table is sorted and scrolled."""

    column: int | None = None
    """Index of the column to sort by; None for the order of the rows as given."""
    turned: bool = False
    """Whether the order is reversed."""
    offset: int = 0
    """Rows that are scrolled past."""


@dataclass(frozen=True)
class Table(Generic[Row]):
    """A table, its columns and its order.

    `remark(row)` is a second line below the row, unless it is empty. `style(row)` says how both
    are written.
    """

    columns: Sequence[Column[Row]]
    remark: Callable[[Row], str] = lambda row: ""
    style: Callable[[Row], Style] = lambda row: ""
    order: Order = field(default_factory=Order)

    def sort_by(self, step: int) -> None:
        """Sorts by the column `step` places to the right (or left, if negative) of the current one.

        Past the last column, and before the first, the table isn't sorted.
        """
        order, places = self.order, len(self.columns) + 1
        place = 0 if order.column is None else order.column + 1
        place = (place + step) % places
        order.column, order.turned = place - 1 if place else None, False

    def sort_by_title(self, title: str) -> None:
        """Sorts by that column; if it is sorted by it already, the other way round.

        Raises `StopIteration` if there is no such column."""
        place = next(n for n, column in enumerate(self.columns) if column.title == title)
        order = self.order
        order.turned = order.column == place and not order.turned
        order.column = place

    def sorted(self, rows: Sequence[Row]) -> list[Row]:
        """The rows in the table's order."""
        order = self.order
        if order.column is None:
            return list(reversed(rows)) if order.turned else list(rows)
        column = self.columns[order.column]
        largest_first = not column.left
        return sorted(rows, key=column.value, reverse=largest_first is not order.turned)

    def lines(
        self, rows: Sequence[Row], width: int | None, height: int | None, *, focus: bool = False
    ) -> list[Line]:
        """The head, and the rows that fit, from the place to which the table is scrolled.

        None for `width` or `height` means no limit. `focus`: whether keys work on this table.
        """
        ordered = self.sorted(rows)
        cells = [[column.show(column.value(row)) for column in self.columns] for row in ordered]
        titles, columns = self._titles(), self.columns
        if width is not None:
            kept = self._kept([titles, *cells], width)
            columns = [columns[place] for place in kept]
            titles, *cells = [[texts[place] for place in kept] for texts in (titles, *cells)]
        widths = _widths([titles, *cells], width)
        first = 0
        if height is not None:
            heights = [self._height_of(row) for row in ordered]
            first = max(0, min(self.order.offset, _last_offset(heights, height - 1)))
            self.order.offset = first
        lines = [Line(_join(titles, widths, columns), "focus" if focus else "head")]
        for row, texts in zip(ordered[first:], cells[first:], strict=True):
            own = self.style(row)
            lines.append(Line(_join(texts, widths, columns), own))
            if remark := self.remark(row):
                lines.append(Line(f"  {remark}", own))
        return lines if height is None else lines[: max(height, 0)]

    def height(self, rows: Sequence[Row]) -> int:
        """How many lines the whole table takes."""
        return 1 + sum(map(self._height_of, rows))

    def _height_of(self, row: Row) -> int:
        return 2 if self.remark(row) else 1

    def _titles(self) -> list[str]:
        order = self.order
        titles = [column.title for column in self.columns]
        if order.column is not None:
            down = self.columns[order.column].left is order.turned
            titles[order.column] += "v" if down else "^"
        return titles

    def _kept(self, rows: Sequence[Sequence[str]], width: int) -> list[int]:
        """The places of the columns for which there is room, in order.

        The first column counts with at most `USUAL` characters: it can be cut.
        """
        widths = _widths(rows, None)
        widths[0] = min(widths[0], USUAL)
        kept = list(range(len(self.columns)))
        while sum(widths[place] + 2 for place in kept) - 2 > width:
            highest = max(self.columns[place].rank for place in kept)
            if not highest:
                break
            kept = [place for place in kept if self.columns[place].rank < highest]
        return kept


def _widths(rows: Sequence[Sequence[str]], width: int | None) -> list[int]:
    """The widths of the columns. If the sum is too large, the first one is made narrower."""
    widths = [max(map(len, texts)) for texts in zip(*rows, strict=True)]
    if width is not None:
        rest = sum(widths[1:]) + 2 * (len(widths) - 1)
        widths[0] = max(min(widths[0], width - rest), NARROWEST)
    return widths


def _last_offset(heights: Sequence[int], room: int) -> int:
    """The most rows that can be scrolled past, so that the last rows still fill the room."""
    for first in range(len(heights) - 1, -1, -1):
        room -= heights[first]
        if room < 0:
            return first + 1
    return 0


def _join(texts: Sequence[str], widths: Sequence[int], columns: Sequence[Column[Any]]) -> str:
    cells = [
        cut(text, width).ljust(width) if column.left else text.rjust(width)
        for text, width, column in zip(texts, widths, columns, strict=True)
    ]
    return "  ".join(cells).rstrip()


def cut(text: str, width: int) -> str:
    """The text cut to `width` characters, ending in `..` if it is longer."""
    return text if len(text) <= width else text[: max(width - 2, 0)] + ".."[:width]
