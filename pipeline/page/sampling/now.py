"""What the agent does at one moment, as a JSON object: the answer of `GET /api/now`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from pipeline.observe.overview import SourceNow
from pipeline.page.sampling.agent_view import RouteShape
from pipeline.page.sampling.counts import Counts, Rates
from pipeline.page.sampling.problems import Problem
from pipeline.page.sampling.table import Table
from pipeline.topology.output import SinkNow

Facts = dict[str, Any]


def describe(
    table: Table,
    counts: Counts,
    rates: Rates,
    routes: Mapping[str, RouteShape],
    sinks: Sequence[SinkNow],
    sources: Sequence[SourceNow],
    problems: Sequence[Problem],
    memory: int,
) -> Facts:
    """The figures of this moment. `memory`: bytes that this process has.
    docs/reference/api.md has the fields
    and their units."""
    return {
        "problems": [msgspec.to_builtins(one) for one in problems],
        "totals": _totals(table, counts, rates, sinks),
        "agent": {"cpu": rates.of("cpu", digits=4), "memory": memory},
        "projects": [msgspec.to_builtins(one) for one in table.projects],
        "other_projects": table.other_projects,
        "routes": [_route(name, shape, table, counts, rates) for name, shape in routes.items()],
        "links": [
            {"route": name, "sink": sink, "per_second": rates.of("passed", name)}
            for name, shape in routes.items()
            for sink in shape.sinks
        ],
        "sinks": [_sink(sink, counts, rates) for sink in sinks],
        "sources": [
            {
                **msgspec.structs.asdict(source),
                "entries_per_second": rates.of("source", source.name),
            }
            for source in sources
        ],
    }


def _totals(table: Table, counts: Counts, rates: Rates, sinks: Sequence[SinkNow]) -> Facts:
    return {
        "containers": len(table.rows),
        "followed": table.followed,
        "running": table.running,
        "lines": counts.of("lines"),
        "lines_per_second": rates.of("lines"),
        "delivered_per_second": rates.of("delivered"),
        "dropped": counts.of("dropped"),
        "dropped_per_second": rates.of("dropped"),
        "waiting": sum(sink.entries + sink.blocked for sink in sinks),
        "lag": max((sink.lag for sink in sinks), default=0.0),
    }


def _route(name: str, shape: RouteShape, table: Table, counts: Counts, rates: Rates) -> Facts:
    stages: list[Facts] = []
    for stage in shape.stages:
        if any(one["name"] == stage for one in stages):  # counted together, at the first one
            stages.append({"name": stage, "filtered": None, "filtered_per_second": None})
            continue
        stages.append(
            {
                "name": stage,
                "filtered": counts.of("filtered", name, stage),
                "filtered_per_second": rates.of("filtered", name, stage),
                "made": counts.of("made", name, stage),
            }
        )
    return {
        "name": name,
        "containers": table.by_route[name],
        "taken": counts.of("taken", name),
        "per_second": rates.of("taken", name),
        "passed_per_second": rates.of("passed", name),
        "stages": stages,
    }


def _sink(sink: SinkNow, counts: Counts, rates: Rates) -> Facts:
    name, dropped = sink.name, counts.dropped(sink.name)
    lost = [rates.of("dropped", name, reason) for reason in dropped]
    return {
        **msgspec.structs.asdict(sink),
        "delivered": counts.of("delivered", name),
        "delivered_per_second": rates.of("delivered", name),
        "delivered_bytes": counts.of("delivered_bytes", name),
        "bytes_per_second": rates.of("delivered_bytes", name),
        "retried": counts.of("retried", name),
        "retried_per_second": rates.of("retried", name),
        "dead_lettered": counts.of("dead_lettered", name),
        "dropped": dropped,
        "dropped_per_second": round(sum(one or 0.0 for one in lost), 1),
    }
