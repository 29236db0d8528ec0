"""The tables of `dockline top`: which columns they have, and how a cell is written."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.cli._terminal import printable
from pipeline.cli.top.figures import Figures
from pipeline.cli.top.rates import UNKNOWN, ContainerRow, RouteRow, SinkRow
from pipeline.cli.top.short_numbers import count, duration, size
from pipeline.cli.top.table import Column, Style, Table


def figure(number: float) -> str:
    """A number, in few characters: `1.2k`. `-` for an unknown one, as `UNKNOWN` is."""
    return "-" if number < 0 else count(number)


def size_figure(number: float) -> str:
    """Bytes, in few characters: `1.2K`. `-` for an unknown number."""
    return "-" if number < 0 else size(number)


def reasons(dropped: Mapping[str, int]) -> str:
    """Numbers of entries by reason, as one text: `5 refused, 1.2k drop_newest`."""
    return ", ".join(f"{count(entries)} {printable(why)}" for why, entries in dropped.items())


def percent(number: float) -> str:
    """Cores or a part of a whole, in percent: `0.3%`, `240%`. `-` for what is unknown."""
    if number < 0:
        return "-"
    hundred = number * 100
    return f"{hundred:.1f}%" if 0.05 <= hundred < 9.95 else f"{hundred:.0f}%"


def container_table() -> Table[ContainerRow]:
    """One row for each container. The busiest come first."""
    table: Table[ContainerRow] = Table(
        [
            Column("CONTAINER", lambda row: printable(row.now.name), left=True),
            Column("STATE", lambda row: state(row.figures), left=True, rank=1),
            Column("CPU", lambda row: _known(row.figures.cpu), percent, rank=1),
            Column("MEMORY", lambda row: _known(row.figures.memory), size_figure, rank=2),
            Column("OF LIMIT", lambda row: _part(row.figures), percent, rank=9),
            Column("NET IN", lambda row: _known(row.figures.receive), size_figure, rank=5),
            Column("NET OUT", lambda row: _known(row.figures.transmit), size_figure, rank=5),
            Column("RESTARTS", lambda row: _known(row.figures.restarts), figure, rank=4),
            Column("LINES/S", lambda row: row.lines, figure),
            Column("BYTES/S", lambda row: row.bytes, size_figure, rank=7),
            Column("LINES", lambda row: row.now.lines, count, rank=8),
            Column("WAITING", lambda row: row.now.waiting, count, rank=3),
            Column("LAG", lambda row: row.now.lag, duration, rank=6),
            Column("DROPPED", lambda row: row.now.dropped, count, rank=2),
        ],
        style=_container_style,
    )
    table.sort_by_title("LINES/S")
    return table


def state(figures: Figures) -> str:
    """The state in a word or two: `healthy` says more than `running`, `exited 3` than `exited`."""
    if figures.state == "running":
        return printable(figures.health) or "running"
    if figures.state == "exited" and figures.oom:
        return "out of memory"
    if figures.state == "exited" and figures.exit_code is not None:
        return f"exited {figures.exit_code}"
    return printable(figures.state) or "-"


def _container_style(row: ContainerRow) -> Style:
    figures = row.figures
    if figures.health == "unhealthy" or figures.state in ("restarting", "dead"):
        return "bad"
    if figures.state == "exited":
        return "bad" if figures.oom else "dim"
    return "dim" if figures.state == "created" else ""


def _known(number: float | None) -> float:
    return UNKNOWN if number is None else number


def _part(figures: Figures) -> float:
    """The part of its limit of memory that a container has, from 0 to 1."""
    if figures.memory is None or not figures.memory_limit:
        return UNKNOWN
    return figures.memory / figures.memory_limit


def route_table() -> Table[RouteRow]:
    """One row for each route, in the order of the configuration."""
    return Table(
        [
            Column("ROUTE", lambda row: printable(row.now.name), left=True),
            Column("IN/S", lambda row: row.came, figure),
            Column("OUT/S", lambda row: row.left, figure),
            Column("FILTERED/S", lambda row: row.filtered, figure),
            Column("IN", lambda row: row.now.taken, count),
            Column("FILTERED BY", lambda row: reasons(row.now.filtered) or "-", left=True),
        ]
    )


def sink_table() -> Table[SinkRow]:
    """One row for each sink. A second line says what it dropped and what is wrong with it."""
    return Table(
        [
            Column("SINK", lambda row: printable(row.now.name), left=True),
            Column("IS", lambda row: "down" if row.now.problem else "up", left=True),
            Column("OUT/S", lambda row: row.delivered, figure),
            Column("BYTES/S", lambda row: row.bytes, size_figure),
            Column("WAITING", lambda row: row.now.entries + row.now.blocked, count),
            Column("MEMORY", lambda row: row.now.memory, size),
            Column("DISK", lambda row: row.now.disk, size),
            Column("LAG", lambda row: row.now.lag, duration),
            Column("RETRY", lambda row: row.now.retried, count),
            Column("DROPPED", lambda row: sum(row.now.dropped.values()), count),
        ],
        remark=_remark,
        style=lambda row: "bad" if row.now.problem else "",
    )


def _remark(row: SinkRow) -> str:
    parts = ["dropped: " + reasons(row.now.dropped)] if row.now.dropped else []
    if row.now.dead_lettered:
        parts.append(f"{count(row.now.dead_lettered)} dead-lettered")
    if row.now.problem:
        parts.append(printable(row.now.problem))
    return "; ".join(parts)
