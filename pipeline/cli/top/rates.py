"""Rates of an agent: the difference of two overviews, divided by the time between them.

`GET /top` has totals only. The time is measured by the clock of the agent, so that a slow answer
changes no rate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from pipeline.cli.top.figures import NOTHING, Figures
from pipeline.observe.overview import ContainerNow, Overview, RouteNow, SourceNow
from pipeline.topology.output import SinkNow

UNKNOWN: Final = -1.0
"""Stands for a rate that needs a second overview."""

Rate = Callable[[float, float], float]
"""From a total now and the total before to the rate per second."""


@dataclass(frozen=True)
class ContainerRow:
    """One container. `lines` and `bytes` are read per second."""

    now: ContainerNow
    lines: float
    bytes: float
    figures: Figures = NOTHING
    """What the Engine says of it."""


@dataclass(frozen=True)
class RouteRow:
    """One route. Entries per second: what comes in, what goes out, what its stages filter."""

    now: RouteNow
    came: float
    left: float
    filtered: float


@dataclass(frozen=True)
class SinkRow:
    """One sink. `delivered` is in entries and `bytes` in bytes, each per second."""

    now: SinkNow
    delivered: float
    bytes: float


@dataclass(frozen=True)
class SourceRow:
    """One source beside Docker, and its entries per second."""

    now: SourceNow
    entries: float


@dataclass(frozen=True)
class Rates:
    """The newer of two overviews, with the rates of everything in it.

    A rate is per second, or `UNKNOWN`.
    """

    after: Overview
    containers: Sequence[ContainerRow]
    routes: Sequence[RouteRow]
    sinks: Sequence[SinkRow]
    lines: float
    """Of all containers together."""
    bytes: float
    sources: Sequence[SourceRow] = ()


def rates(before: Overview | None, after: Overview) -> Rates:
    """The rates between two overviews of one agent.

    They are `UNKNOWN` when `before` is None, or came from an earlier run of the agent. What is new
    in `after` is counted from 0. A total that fell gives 0, never a negative rate.
    """
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
    return Rates(
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


def with_figures(found: Rates, by_id: Mapping[str, Figures]) -> Rates:
    """The same, with what the Engine says of each container, by the first twelve digits of its
    id."""
    rows = [replace(row, figures=by_id.get(row.now.id, NOTHING)) for row in found.containers]
    return replace(found, containers=rows)


_NO_SOURCE = SourceNow("", "")
_NO_CONTAINER, _NO_ROUTE, _NO_SINK = ContainerNow("", ""), RouteNow(""), SinkNow("", "")


def _route(now: RouteNow, past: RouteNow, rate: Rate) -> RouteRow:
    filtered, before = sum(now.filtered.values()), sum(past.filtered.values())
    left = rate(now.taken + now.made - filtered, past.taken + past.made - before)
    return RouteRow(now, rate(now.taken, past.taken), left, rate(filtered, before))


def _sink(now: SinkNow, past: SinkNow, rate: Rate) -> SinkRow:
    return SinkRow(
        now, rate(now.delivered, past.delivered), rate(now.delivered_bytes, past.delivered_bytes)
    )
