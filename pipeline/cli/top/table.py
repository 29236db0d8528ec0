"""Tables of text that are sorted, scrolled and cut to a width."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, NamedTuple, TypeVar

Row = TypeVar("Row")
Style = Literal["", "head", "focus", "bad", "dim"]


NARROWEST = 10
"""Characters that the first column keeps."""


class Line(NamedTuple):
    """A line of a screen, of one style."""

    text: str
    style: Style = ""


@dataclass(frozen=True)
class Column(Generic[Row]):
    title: str
    value: Callable[[Row], Any]
    """What it is sorted by: a number, or text."""
    show: Callable[[Any], str] = str
    left: bool = False
    """Aligned to the left; numbers are not, and begin with the largest."""


@dataclass
class Order:
    """Which column a table is sorted by, and how far it is scrolled."""

    column: int | None = None
    """None as the agent has them."""
    turned: bool = False
    offset: int = 0


@dataclass(frozen=True)
class Table(Generic[Row]):
    """`remark` is a line below a row, where there is anything to be said."""

    columns: Sequence[Column[Row]]
    remark: Callable[[Row], str] = lambda row: ""
    bad: Callable[[Row], bool] = lambda row: False
    order: Order = field(default_factory=Order)

    def sort_by(self, step: int) -> None:
        """The column so many to the right; beyond the last one, and before the first, none."""
        order, places = self.order, len(self.columns) + 1
        place = 0 if order.column is None else order.column + 1
        place = (place + step) % places
        order.column, order.turned = place - 1 if place else None, False

    def sorted(self, rows: Sequence[Row]) -> list[Row]:
        order = self.order
        if order.column is None:
            return list(reversed(rows)) if order.turned else list(rows)
        column = self.columns[order.column]
        largest_first = not column.left
        return sorted(rows, key=column.value, reverse=largest_first is not order.turned)

    def lines(
        self, rows: Sequence[Row], width: int | None, height: int | None, *, focus: bool = False
    ) -> list[Line]:
        """The head and, of the rows, as many as there is room for from where it is scrolled to.
        Without a width and a height, all of everything."""
        ordered = self.sorted(rows)
        cells = [[column.show(column.value(row)) for column in self.columns] for row in ordered]
        widths = self._widths(cells, width)
        first = 0
        if height is not None:
            heights = [self._height_of(row) for row in ordered]
            first = max(0, min(self.order.offset, _last_offset(heights, height - 1)))
            self.order.offset = first
        style: Style = "focus" if focus else "head"
        lines = [Line(_join(self._titles(), widths, self.columns), style)]
        for row, texts in zip(ordered[first:], cells[first:], strict=True):
            own: Style = "bad" if self.bad(row) else ""
            lines.append(Line(_join(texts, widths, self.columns), own))
            if remark := self.remark(row):
                lines.append(Line(f"  {remark}", own))
        return lines if height is None else lines[: max(height, 0)]

    def height(self, rows: Sequence[Row]) -> int:
        """Lines that all of it takes."""
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

    def _widths(self, cells: Sequence[Sequence[str]], width: int | None) -> list[int]:
        """As wide as what is in them; where that is too wide, the first one gives way."""
        rows = [self._titles(), *cells]
        widths = [max(map(len, texts)) for texts in zip(*rows, strict=True)]
        if width is not None:
            rest = sum(widths[1:]) + 2 * (len(widths) - 1)
            widths[0] = max(min(widths[0], width - rest), NARROWEST)
        return widths


def _last_offset(heights: Sequence[int], room: int) -> int:
    """Rows that may be scrolled past so that the last ones still fill the room."""
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
    """Its beginning, with an ellipsis where there is more."""
    return text if len(text) <= width else text[: max(width - 2, 0)] + ".."[:width]
