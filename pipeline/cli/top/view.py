"""Two overviews of an agent as tables, and as a screen of a given size."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pipeline.cli._terminal import printable
from pipeline.cli.top.short_numbers import count, duration, size
from pipeline.cli.top.table import Column, Line, Order, Table, cut
from pipeline.overview import ContainerNow, Overview, RouteNow, SinkNow, SourceNow
from pipeline.plural import plural

UNKNOWN: Final = -1.0
"""A rate of what was seen once."""

LEAST = 3
"""Lines that each table has, where there is room at all."""

HELP = "q quit  tab next table  < > r sort  / filter  up down page scroll"


@dataclass(frozen=True)
class ContainerRow:
    now: ContainerNow
    lines: float
    bytes: float
    """A second, like all rates."""


@dataclass(frozen=True)
class RouteRow:
    now: RouteNow
    came: float
    left: float
    filtered: float


@dataclass(frozen=True)
class SinkRow:
    now: SinkNow
    delivered: float
    bytes: float


@dataclass(frozen=True)
class SourceRow:
    now: SourceNow
    entries: float


@dataclass(frozen=True)
class Figures:
    """What two overviews tell together."""

    after: Overview
    containers: Sequence[ContainerRow]
    routes: Sequence[RouteRow]
    sinks: Sequence[SinkRow]
    lines: float
    bytes: float
    sources: Sequence[SourceRow] = ()


def figures(before: Overview | None, after: Overview) -> Figures:
    """Rates are unknown without one before, or where that was of another run of the agent."""
    if before is not None and before.began != after.began:
        before = None
    seconds = after.clock - before.clock if before is not None else 0.0

    def rate(now: float, then: float) -> float:
        return max(0.0, now - then) / seconds if seconds > 0 else UNKNOWN

    containers = {one.id: one for one in before.containers} if before is not None else {}
    routes = {one.name: one for one in before.routes} if before is not None else {}
    sinks = {one.name: one for one in before.sinks} if before is not None else {}
    sources = {one.name: one for one in before.sources} if before is not None else {}
    rows = []
    for one in after.containers:
        past = containers.get(one.id, _NO_CONTAINER)
        rows.append(ContainerRow(one, rate(one.lines, past.lines), rate(one.bytes, past.bytes)))
    return Figures(
        after,
        rows,
        [_route(one, routes.get(one.name, _NO_ROUTE), rate) for one in after.routes],
        [_sink(one, sinks.get(one.name, _NO_SINK), rate) for one in after.sinks],
        sum(row.lines for row in rows) if seconds > 0 else UNKNOWN,
        sum(row.bytes for row in rows) if seconds > 0 else UNKNOWN,
        [
            SourceRow(one, rate(one.entries, sources.get(one.name, _NO_SOURCE).entries))
            for one in after.sources
        ],
    )


_NO_SOURCE = SourceNow("", "")
_NO_CONTAINER, _NO_ROUTE, _NO_SINK = ContainerNow("", ""), RouteNow(""), SinkNow("", "")

Rate = Callable[[float, float], float]


def _route(now: RouteNow, past: RouteNow, rate: Rate) -> RouteRow:
    filtered, before = sum(now.filtered.values()), sum(past.filtered.values())
    left = rate(now.taken + now.made - filtered, past.taken + past.made - before)
    return RouteRow(now, rate(now.taken, past.taken), left, rate(filtered, before))


def _sink(now: SinkNow, past: SinkNow, rate: Rate) -> SinkRow:
    return SinkRow(
        now, rate(now.delivered, past.delivered), rate(now.delivered_bytes, past.delivered_bytes)
    )


# ----------------------------------------------------------------------------------- tables


def _rate(number: float) -> str:
    return "-" if number < 0 else count(number)


def _size_rate(number: float) -> str:
    return "-" if number < 0 else size(number)


def _reasons(dropped: Mapping[str, int]) -> str:
    return ", ".join(f"{count(entries)} {printable(why)}" for why, entries in dropped.items())


def container_table() -> Table[ContainerRow]:
    return Table(
        [
            Column("CONTAINER", lambda row: printable(row.now.name), left=True),
            Column("LINES/S", lambda row: row.lines, _rate),
            Column("BYTES/S", lambda row: row.bytes, _size_rate),
            Column("LINES", lambda row: row.now.lines, count),
            Column("WAITING", lambda row: row.now.waiting, count),
            Column("LAG", lambda row: row.now.lag, duration),
            Column("DROPPED", lambda row: row.now.dropped, count),
        ],
        order=Order(1),
    )


def route_table() -> Table[RouteRow]:
    return Table(
        [
            Column("ROUTE", lambda row: printable(row.now.name), left=True),
            Column("IN/S", lambda row: row.came, _rate),
            Column("OUT/S", lambda row: row.left, _rate),
            Column("FILTERED/S", lambda row: row.filtered, _rate),
            Column("IN", lambda row: row.now.taken, count),
            Column("FILTERED BY", lambda row: _reasons(row.now.filtered) or "-", left=True),
        ]
    )


def sink_table() -> Table[SinkRow]:
    return Table(
        [
            Column("SINK", lambda row: printable(row.now.name), left=True),
            Column("IS", lambda row: "down" if row.now.problem else "up", left=True),
            Column("OUT/S", lambda row: row.delivered, _rate),
            Column("BYTES/S", lambda row: row.bytes, _size_rate),
            Column("WAITING", lambda row: row.now.entries + row.now.blocked, count),
            Column("MEMORY", lambda row: row.now.memory, size),
            Column("DISK", lambda row: row.now.disk, size),
            Column("LAG", lambda row: row.now.lag, duration),
            Column("RETRY", lambda row: row.now.retried, count),
            Column("DROPPED", lambda row: sum(row.now.dropped.values()), count),
        ],
        remark=_remark,
        bad=lambda row: bool(row.now.problem),
    )


def _remark(row: SinkRow) -> str:
    parts = ["dropped: " + _reasons(row.now.dropped)] if row.now.dropped else []
    if row.now.dead_lettered:
        parts.append(f"{count(row.now.dead_lettered)} dead-lettered")
    if row.now.problem:
        parts.append(printable(row.now.problem))
    return "; ".join(parts)


# ----------------------------------------------------------------------------------- screen


@dataclass
class View:
    """What is to be seen, and how: the tables' order, the one that keys are for, the filter."""

    sinks: Table[SinkRow] = field(default_factory=sink_table)
    routes: Table[RouteRow] = field(default_factory=route_table)
    containers: Table[ContainerRow] = field(default_factory=container_table)
    focus: int = 2
    """Of the three, from the top."""
    filter: str = ""
    typing: bool = False
    """The filter is being typed."""
    page: int = 10
    """Lines that a page key scrolls."""

    @property
    def focused(self) -> Table[Any]:
        tables: tuple[Table[Any], ...] = (self.sinks, self.routes, self.containers)
        return tables[self.focus]

    def key(self, key: str) -> bool:
        """Does what a key is for; False when that is to end."""
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
            case "/":
                self.typing = True
            case "escape":
                self.filter = ""
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

    def chosen(self, found: Figures) -> Sequence[ContainerRow]:
        """The containers that the filter leaves."""
        text = self.filter.lower()
        return [
            row
            for row in found.containers
            if text in row.now.name.lower() or row.now.id.startswith(text)
        ]

    def screen(self, found: Figures | None, trouble: str, width: int, height: int) -> list[Line]:
        """Exactly `height` lines, none longer than `width`. `trouble`: why there is nothing new."""
        lines = [self._title(found, trouble)]
        if found is not None:
            if found.after.problem:
                lines.append(Line(printable(found.after.problem), "bad"))
            lines += [source_line(one) for one in found.sources]
            lines += self._tables(found, width, height - len(lines) - 1)
        lines = lines[: max(height - 1, 0)]
        lines += [Line("")] * (height - 1 - len(lines)) + [self._foot(found)]
        return [Line(cut(line.text, width), line.style) for line in lines[:height]]

    def _tables(self, found: Figures, width: int, height: int) -> list[Line]:
        """Those that keys are not for give way first."""
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
        for place in (2, 0, 1):  # what is left over
            shares[place] += max(0, min(wants[place] - shares[place], room - sum(shares)))
        self.page = max(1, shares[self.focus] - 2)
        lines: list[Line] = []
        for place, (table, rows) in enumerate(parts):
            lines += table.lines(rows, width, shares[place], focus=place == self.focus)
            lines.append(Line(""))
        return lines[:-1]

    def _title(self, found: Figures | None, trouble: str) -> Line:
        if trouble:
            return Line(trouble, "bad")
        return Line(title(found) if found is not None else "dockline", "")

    def _foot(self, found: Figures | None) -> Line:
        if self.typing:
            return Line(f"/{self.filter}_   Enter keeps it, Escape clears it")
        if self.filter and found is not None:
            known = len(found.containers)
            shown = f"{len(self.chosen(found))} of {known} {plural(known, 'container')}"
            return Line(f"/{self.filter}: {shown}   Escape clears it", "dim")
        return Line(HELP, "dim")


def title(found: Figures) -> str:
    """The agent as a whole, on one line."""
    containers = len(found.after.containers)
    parts = [
        f"dockline on {printable(found.after.host)}",
        f"up {duration(time.time() - found.after.began)}",
        f"{containers} {plural(containers, 'container')}",
        f"{_rate(found.lines)} lines/s",
        f"{_size_rate(found.bytes)} bytes/s",
    ]
    return "  ".join(parts)


def source_line(row: SourceRow) -> Line:
    """One source beside Docker."""
    now = row.now
    parts = [
        f"source {printable(now.name)} ({printable(now.type)})",
        f"{_rate(row.entries)} entries/s",
        f"{count(now.open)} {plural(now.open, 'message')} ({size(now.open_bytes)}) on the way",
    ]
    if now.refused:
        parts.append(f"refused: {_reasons(now.refused)}")
    if now.problem:
        parts.append(printable(now.problem))
    return Line("  ".join(parts), "bad" if now.problem else "")


def snapshot(found: Figures, width: int | None = None) -> list[Line]:
    """All of everything, for a file or a printout."""
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
