"""`docs/reference/metrics.md`: every metric by name, type, labels and meaning.

All of it is made from the declarations that the agent exports its metrics by.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from prometheus_client import Metric
from prometheus_client.metrics import MetricWrapperBase

from pipeline.accounting.audit import LedgerMetrics
from pipeline.accounting.ledger import Ledger
from pipeline.intake.runner import SourceGauges
from pipeline.model.cadvisor import FAMILIES, Family
from pipeline.model.metrics import Metrics
from pipeline.model.state_families import STATE_FAMILIES
from pipeline.observe.metrics_page import Exposition
from pipeline.reference.cadvisor_names import CADVISOR, absent
from pipeline.topology.output import OutputGauges

INTRODUCTION = """\
# Metrics

Made from the source by `python -m pipeline.reference`; do not edit.

The agent has all of these on `/metrics`, as Prometheus text or OpenMetrics, whichever the client
asks for. `dockline_*` is about the agent, `container_*` about each container, `machine_*` about the
Engine's host. Stages add [counters](settings.md#count) and [histograms](settings.md#observe).
[config/prometheus](../../config/prometheus/) has a scrape configuration and alerts,
[config/grafana](../../config/grafana/) a dashboard.
"""

LABELS = {
    "container": "name of the container. At most 1,000 containers have series of "
    "`dockline_container_entries_total`; the others are counted together as `(others)`",
    "cpu": "`total`: the Engine has no figures for each CPU with control groups of version 2",
    "device": "`MAJOR:MINOR` of the disk",
    "failure_type": "`pgfault` or `pgmajfault`",
    "interface": "network interface inside the container",
    "kind": "of a buffer: `memory` or `disk`. Of an error: `daemon`, `stream`, `list`, `event`, "
    "`event_backlog`, `stats_…`, `disk_…`, `missed` or `maybe_missed` (a log that was removed "
    "before it was opened; on Podman, before its end was read), `abandoned`, `silent`, `bug`",
    "label": "name of the container's label that is invalid",
    "outcome": "`delivered`, `dead_lettered` or `dropped`",
    "reason": "of a drop: `drop_newest` or `drop_oldest` (the buffer's policy), `refused` (by the "
    "destination), `stage_failed`, `sink_removed`, `stopped`, or damage on the disk. Of an HTTP "
    "request: `token`, `limit`, `host`, `page`. Of an HTTP connection: `slow`, `large`, `full`, "
    "`tls`. Of a source's message: what was wrong with it, such as `malformed` or `too_large`. Of "
    "a container's end: `completed`, `error`, `stopped`, `oom_killed` or `unknown`",
    "result": "`success` or `refused`",
    "route": "name of the route",
    "scope": "`container` or `hierarchy`",
    "sink": "name of the sink",
    "source": "name of the source, one of `[sources]`",
    "stage": "name of the stage",
    "state": "`running`, `paused`, `restarting`, `exited`, `dead` or `removed`",
    "where": "what needed memory: `buffers`, `sink NAME`",
}
"""What each label says; by label name."""

WHEN = {
    "container_exit_code": "after its end",
    "container_finish_time_seconds": "after its end",
    "container_start_time_seconds": "while it runs",
    "container_health_state": "with a health check",
    "container_cpu_cfs_periods_total": "with a CPU quota",
    "container_cpu_cfs_throttled_periods_total": "with a CPU quota",
    "container_cpu_cfs_throttled_seconds_total": "with a CPU quota",
    "container_memory_max_usage_bytes": "control groups version 1",
    "container_memory_failcnt": "control groups version 1",
    "container_fs_reads_total": "control groups version 1",
    "container_fs_writes_total": "control groups version 1",
    "container_fs_usage_bytes": "with `stats.disk`",
    "container_threads_max": "with a limit",
    "container_spec_cpu_period": "with a CPU quota",
    "container_spec_cpu_quota": "with a CPU quota",
    "container_spec_memory_limit_bytes": "with a limit",
    "container_spec_memory_swap_limit_bytes": "with a limit",
    "container_spec_memory_reservation_limit_bytes": "with a reservation",
}
"""When a container has a series, if not always; by metric name."""


@dataclass(frozen=True)
class Declared:
    """One metric, by the name that its samples have on `/metrics`."""

    name: str
    kind: str
    labels: tuple[str, ...]
    text: str


def agent() -> list[Declared]:
    """The agent's own metrics, sorted by name."""
    metrics = Metrics()
    kept = [one for one in vars(metrics).values() if isinstance(one, MetricWrapperBase)]
    found = [_declared(next(iter(one.describe())), one) for one in kept]
    for collector in (OutputGauges(()), SourceGauges(()), LedgerMetrics(Ledger(), dict)):
        found += [_declared(metric, metric) for metric in collector.collect()]
    return sorted(found, key=lambda one: one.name)


def machine() -> list[Declared]:
    """The metrics of the Engine's host."""
    exposition = Exposition()
    exposition.describe_machine({"NCPU": 1, "MemTotal": 1})
    return [_declared(metric, metric) for metric in exposition.agent()]


def containers() -> list[Declared]:
    """The metrics of each container, with the labels that they have beside the common ones. What
    is known of its state is not told once more of its stats."""
    states = {one.name: one for one in _families(STATE_FAMILIES)}
    return [*states.values(), *(one for one in _families(FAMILIES) if one.name not in states)]


def _families(families: Iterable[Family[Any]]) -> Iterator[Declared]:
    for one in families:
        yield Declared(one.name, one.kind, one.labels, one.help)


def _declared(metric: Metric, declaration: object) -> Declared:
    labels = tuple(getattr(declaration, "_labelnames", ()))
    name = metric.name + "_total" * (metric.type == "counter")
    return Declared(name, metric.type, labels, metric.documentation)


def render() -> str:
    """The whole page."""
    return "\n".join([INTRODUCTION, *_agent(), *_containers(), *_cadvisor(), *_labels(), ""])


def _agent() -> Iterator[str]:
    yield from ("## The agent", "", "| metric | type | labels | is |", "|---|---|---|---|")
    for one in agent():
        yield f"| `{one.name}` | {one.kind} | {_codes(one.labels)} | {_cell(one.text)} |"
    yield ""


def _containers() -> Iterator[str]:
    yield from (
        "## Containers and the host",
        "",
        "Names, labels and units are cAdvisor's. Every `container_*` metric has the labels `id`",
        "(the control group, such as `/docker/3f1c…`), `name` and `image`, and those container",
        "labels that [`stats.labels`](settings.md#stats) names, as `container_label_NAME`. **A",
        "figure that was not measured has no series**, where cAdvisor has a 0: no limit without",
        "one, no health without a health check. A container's series end with the container; those",
        "of its state, from `container_running` to `container_oom_events_total`, stay for a while",
        "after its end ([`stats.ended`](settings.md#stats)), so that an alert can fire.",
        "",
        "| metric | type | labels | is | only |",
        "|---|---|---|---|---|",
    )
    for one in (*containers(), *machine()):
        when = WHEN.get(one.name, "")
        if one.name not in CADVISOR:
            when = f"{when}; not in cAdvisor" if when else "not in cAdvisor"
        labels, text = _codes(one.labels), _cell(one.text)
        yield f"| `{one.name}` | {one.kind} | {labels} | {text} | {when} |"
    yield ""


def _cadvisor() -> Iterator[str]:
    here = {one.name for one in (*containers(), *machine())}
    missing = absent(here)
    there = len(CADVISOR) - len(missing)
    yield from (
        "## What cAdvisor has and dockline has not",
        "",
        f"Of the {len(CADVISOR)} metrics in cAdvisor's list, {there} are above. These are not:",
        "",
        "| why | metrics of cAdvisor |",
        "|---|---|",
    )
    for reason in dict.fromkeys(reason for _, reason in missing):
        names = [name for name, other in missing if other == reason]
        yield f"| {reason} | {_codes(names)} |"
    yield ""


def _labels() -> Iterator[str]:
    yield from ("## Labels", "", "| label | is |", "|---|---|")
    for name, text in LABELS.items():
        yield f"| `{name}` | {_cell(text)} |"


def _codes(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
