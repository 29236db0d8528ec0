"""The tables of `dockline top`: which columns they have, and how a cell is written."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.cli._terminal import printable
from pipeline.cli.top.rates import ContainerRow, RouteRow, SinkRow
from pipeline.cli.top.short_numbers import count, duration, size
from pipeline.cli.top.table import Column, Order, Table


def rate(number: float) -> str:
    """Entries or lines per second, in few characters: `1.2k`. `-` for an unknown rate."""
    return "-" if number < 0 else count(number)


def size_rate(number: float) -> str:
    """Bytes per second, in few characters: `1.2K`. `-` for an unknown rate."""
    return "-" if number < 0 else size(number)


def reasons(dropped: Mapping[str, int]) -> str:
    """Numbers of entries by reason, as one text: `5 refused, 1.2k drop_newest`."""
    return ", ".join(f"{count(entries)} {printable(why)}" for why, entries in dropped.items())


def container_table() -> Table[ContainerRow]:
    """One row for each container. The busiest come first."""
    return Table(
        [
            Column("CONTAINER", lambda row: printable(row.now.name), left=True),
            Column("LINES/S", lambda row: row.lines, rate),
            Column("BYTES/S", lambda row: row.bytes, size_rate),
            Column("LINES", lambda row: row.now.lines, count),
            Column("WAITING", lambda row: row.now.waiting, count),
            Column("LAG", lambda row: row.now.lag, duration),
            Column("DROPPED", lambda row: row.now.dropped, count),
        ],
        order=Order(1),
    )


def route_table() -> Table[RouteRow]:
    """One row for each route, in the order of the configuration."""
    return Table(
        [
            Column("ROUTE", lambda row: printable(row.now.name), left=True),
            Column("IN/S", lambda row: row.came, rate),
            Column("OUT/S", lambda row: row.left, rate),
            Column("FILTERED/S", lambda row: row.filtered, rate),
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
            Column("OUT/S", lambda row: row.delivered, rate),
            Column("BYTES/S", lambda row: row.bytes, size_rate),
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
    parts = ["dropped: " + reasons(row.now.dropped)] if row.now.dropped else []
    if row.now.dead_lettered:
        parts.append(f"{count(row.now.dead_lettered)} dead-lettered")
    if row.now.problem:
        parts.append(printable(row.now.problem))
    return "; ".join(parts)
