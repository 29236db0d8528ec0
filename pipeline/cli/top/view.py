"""The screen of `dockline top`: three tables, a title and a filter, and what each key does."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.cli._terminal import printable
from pipeline.cli.top.columns import (
    container_table,
    figure,
    reasons,
    route_table,
    sink_table,
    size_figure,
)
from pipeline.cli.top.help import LINES, SORTED_BY
from pipeline.cli.top.rates import ContainerRow, Rates, RouteRow, SinkRow, SourceRow
from pipeline.cli.top.short_numbers import count, duration, size
from pipeline.cli.top.table import Line, Table, cut
from pipeline.support.plural import plural

LEAST = 3
"""Least number of lines of each table, if there is room at all."""

FOOT = "? help  q quit  Tab next table  < > r sort  c m by CPU, memory  / filter"


@dataclass
class View:
    """The state of the screen: how tables are sorted, which one keys work on, and the filter."""

    sinks: Table[SinkRow] = field(default_factory=sink_table)
    routes: Table[RouteRow] = field(default_factory=route_table)
    containers: Table[ContainerRow] = field(default_factory=container_table)
    focus: int = 2
    """Which of the three tables keys work on, from the top."""
    filter: str = ""
    """Shows only containers that have each of these words in their names, images, projects or
    states, or at the start of their ids."""
    typing: bool = False
    """Whether the filter is being typed."""
    helping: bool = False
    """Whether the help is shown instead of the tables."""
    without: str = ""
    """Why there are no figures of containers; empty if there are."""
    page: int = 10
    """Rows that a page key scrolls."""

    @property
    def focused(self) -> Table[Any]:
        """The table that keys work on."""
        tables: tuple[Table[Any], ...] = (self.sinks, self.routes, self.containers)
        return tables[self.focus]

    def key(self, key: str) -> bool:
        """Handles a key, by the name that `screen.keys` gives. False if it means to quit."""
        if self.typing:
            self._type(key)
            return True
        order = self.focused.order
        match key:
            case "q" | "Q" | "\x03" | "\x04":
                return False
            case "tab":
                self.focus = (self.focus + 1) % 3
            case "backtab":
                self.focus = (self.focus - 1) % 3
            case ">" | "." | "right":
                self.focused.sort_by(1)
            case "<" | "," | "left":
                self.focused.sort_by(-1)
            case "r" | "R":
                order.turned = not order.turned
            case "?" | "h":
                self.helping = not self.helping
            case "/":
                self.typing = True
            case "escape" if self.helping:
                self.helping = False
            case "escape":
                self.filter = ""
            case _ if key in SORTED_BY:
                self.focus = 2
                self.containers.sort_by_title(SORTED_BY[key])
            case _:
                order.offset = max(0, order.offset + self._steps().get(key, 0))
        return True

    def _steps(self) -> dict[str, int]:
        most = 1 << 30
        return {
            "up": -1, "k": -1, "down": 1, "j": 1, "pageup": -self.page, "pagedown": self.page,
            " ": self.page, "home": -most, "g": -most, "end": most, "G": most,
        }  # fmt: skip

    def _type(self, key: str) -> None:
        match key:
            case "enter":
                self.typing = False
            case "escape" | "\x03":
                self.typing, self.filter = False, ""
            case "backspace":
                self.filter = self.filter[:-1]
            case "\x15":  # Ctrl-U
                self.filter = ""
            case _ if len(key) == 1 and key.isprintable():
                self.filter = (self.filter + key)[:60]

    def chosen(self, found: Rates) -> Sequence[ContainerRow]:
        """The containers that the filter leaves, in the order of the agent."""
        words = self.filter.lower().split()
        return [row for row in found.containers if _has(row, words)] if words else found.containers

    def screen(self, found: Rates | None, trouble: str, width: int, height: int) -> list[Line]:
        """The screen: exactly `height` lines, none longer than `width`.

        `found` is None before the first answer. `trouble`: why there is nothing new, or empty.
        """
        lines = [self._title(found, trouble)]
        if self.helping:
            lines += [Line(""), *map(Line, LINES)]
        elif found is not None:
            if found.after.problem:
                lines.append(Line(printable(found.after.problem), "bad"))
            lines += [source_line(one) for one in found.sources]
            lines += self._tables(found, width, height - len(lines) - 1)
        lines = lines[: max(height - 1, 0)]
        lines += [Line("")] * (height - 1 - len(lines)) + [self._foot(found)]
        return [Line(cut(line.text, width), line.style) for line in lines[:height]]

    def _tables(self, found: Rates, width: int, height: int) -> list[Line]:
        """The three tables. If there is little room, the focused one keeps most of it."""
        chosen = self.chosen(found)
        parts: list[tuple[Table[Any], Sequence[Any]]] = [
            (self.sinks, found.sinks),
            (self.routes, found.routes),
            (self.containers, chosen),
        ]
        room = height - len(parts) + 1  # an empty line between two
        wants = [table.height(rows) for table, rows in parts]
        shares = [min(want, max(LEAST, 2 + (room - LEAST) // 4)) for want in wants]
        shares[self.focus] = 0
        shares[self.focus] = max(LEAST, min(wants[self.focus], room - sum(shares)))
        for place in (2, 0, 1):  # the room that is left over
            shares[place] += max(0, min(wants[place] - shares[place], room - sum(shares)))
        self.page = max(1, shares[self.focus] - 2)
        lines: list[Line] = []
        for place, (table, rows) in enumerate(parts):
            lines += table.lines(rows, width, shares[place], focus=place == self.focus)
            lines.append(Line(""))
        return lines[:-1]

    def _title(self, found: Rates | None, trouble: str) -> Line:
        if trouble:
            return Line(trouble, "bad")
        return Line(title(found) if found is not None else "dockline", "")

    def _foot(self, found: Rates | None) -> Line:
        if self.typing:
            return Line(f"/{self.filter}_   Enter keeps it, Escape clears it")
        if self.filter and found is not None:
            known = len(found.containers)
            shown = f"{len(self.chosen(found))} of {known} {plural(known, 'container')}"
            return Line(f"/{self.filter}: {shown}   Escape clears it", "dim")
        if self.without:
            return Line(f"? help  no CPU, memory and state: {printable(self.without)}", "dim")
        return Line(FOOT, "dim")


def _has(row: ContainerRow, words: Sequence[str]) -> bool:
    figures = row.figures
    texts = (
        row.now.name, figures.image, figures.project, figures.service, figures.state,
        figures.health,
    )  # fmt: skip
    known = "\n".join(texts).lower()
    return all(word in known or row.now.id.startswith(word) for word in words)


def title(found: Rates) -> str:
    """The agent's host, uptime and total rates, on one line."""
    containers = len(found.after.containers)
    parts = [
        f"dockline on {printable(found.after.host)}",
        f"up {duration(time.time() - found.after.began)}",
        f"{containers} {plural(containers, 'container')}",
        f"{figure(found.lines)} lines/s",
        f"{size_figure(found.bytes)} bytes/s",
    ]
    return "  ".join(parts)


def source_line(row: SourceRow) -> Line:
    """One source beside Docker, on one line."""
    now = row.now
    parts = [
        f"source {printable(now.name)} ({printable(now.type)})",
        f"{figure(row.entries)} entries/s",
        f"{count(now.open)} {plural(now.open, 'message')} ({size(now.open_bytes)}) on the way",
    ]
    if now.refused:
        parts.append(f"refused: {reasons(now.refused)}")
    if now.problem:
        parts.append(printable(now.problem))
    return Line("  ".join(parts), "bad" if now.problem else "")


def snapshot(found: Rates, width: int | None = None) -> list[Line]:
    """All tables with all rows, for a file. `width`: of the lines, None for no limit."""
    view = View()
    lines = [Line(title(found))]
    if found.after.problem:
        lines.append(Line(printable(found.after.problem), "bad"))
    lines += [source_line(one) for one in found.sources]
    tables: list[tuple[Table[Any], Sequence[Any]]] = [
        (view.sinks, found.sinks),
        (view.routes, found.routes),
        (view.containers, found.containers),
    ]
    for table, rows in tables:
        lines += [Line(""), *table.lines(rows, width, None)]
    return lines
