"""What a reading of stats is called in Prometheus: cAdvisor's metric families, as one table.

Names, labels and units are cAdvisor's (its `metrics/container.go`), so that dashboards and alerts
made for it work. Where it would export a 0 that nothing measured, the series is left out: no limit
where none is set, no health without a check, no throttling without a quota.

Answers differ by control groups. Version 1 has `total_*` keys in `memory_stats.stats`; version 2
has others, and bytes but no operations per device (moby's `daemon/stats_unix.go`); Podman has no
`stats` there at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from pipeline.model.samples import Samples

Number: TypeAlias = int | float
Table: TypeAlias = Mapping[str, Any]
Points: TypeAlias = Iterable[tuple[tuple[str, ...], Any]]
"""Values of a family's own labels, and the figure."""

_UNLIMITED = 2**62
"""Limits from here on mean that there is none: version 2 says 2**64 - 1."""


def table(value: Any, key: str) -> Table:
    """The object under a key; empty where there is something else, or nothing."""
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def number(value: Any) -> Number | None:
    """The value where it is a number that can have been counted: 64 bits, or a finite float."""
    kind = type(value)
    if (kind is int and -(2**63) <= value < 2**64) or (kind is float and value - value == 0):
        return value  # type: ignore[no-any-return]
    return None


def _first(values: Table, *keys: str) -> Any:
    return next((values[key] for key in keys if key in values), None)


# --------------------------------------------------------------------------------- formulae


def working_set(memory: Table) -> Number | None:
    """Bytes that could not be reclaimed at once: usage less the inactive file cache."""
    usage = number(memory.get("usage"))
    inactive = number(_first(table(memory, "stats"), "total_inactive_file", "inactive_file"))
    if usage is None or inactive is None:
        return None
    return max(usage - inactive, 0)


def cpu_cores(stats: Table) -> float | None:
    """Cores in use since the reading before; None where that cannot be told.

    docker/cli's formula, whose divisor is the host's CPU time, idle included. Podman, known by its
    `cpu_stats.cpu`, counts the busy part only (measured: 5.4 s within 3.0 s on two cores, a
    container limited to half a core shown as 0.56), so for it the divisor is the clock.
    """
    now, before = table(stats, "cpu_stats"), table(stats, "precpu_stats")
    used = _growth(table(now, "cpu_usage"), table(before, "cpu_usage"), "total_usage")
    if "cpu" in now:
        cores: Number | None = 1
        elapsed = _nanoseconds_between(stats.get("preread"), stats.get("read"))
    else:
        cores = number(now.get("online_cpus"))
        elapsed = _growth(now, before, "system_cpu_usage")
    if used is None or not elapsed or not cores:
        return None
    return used / elapsed * cores


def _growth(now: Table, before: Table, key: str) -> Number | None:
    """What a counter has grown by; None where it was not there before, or was reset."""
    new, old = number(now.get(key)), number(before.get(key))
    if new is None or not old or new < old:
        return None
    return new - old


def _nanoseconds_between(old: Any, new: Any) -> float | None:
    try:
        start, end = datetime.fromisoformat(old), datetime.fromisoformat(new)
        seconds = (end - start).total_seconds()
    except (TypeError, ValueError):
        return None
    return seconds * 1e9 if seconds > 0 and start.year > 1 else None


# ------------------------------------------------------------------------------ one reading


class CadvisorSample:
    """The parts of one answer that the families read from; each empty where there is none."""

    __slots__ = (
        "blkio",
        "inspection",
        "memory",
        "memory_stats",
        "networks",
        "pids",
        "throttling",
        "time",
        "usage",
    )

    def __init__(self, samples: Samples) -> None:
        stats = samples.stats
        cpu = table(stats, "cpu_stats")
        self.time = samples.time
        self.inspection = samples.inspection
        self.usage = table(cpu, "cpu_usage")
        self.throttling = table(cpu, "throttling_data")
        self.memory = table(stats, "memory_stats")
        self.memory_stats = table(self.memory, "stats")
        self.networks = table(stats, "networks")
        self.blkio = table(stats, "blkio_stats")
        self.pids = table(stats, "pids_stats")


@dataclass(frozen=True, slots=True)
class Family:
    """One metric family, and how its figures are read."""

    kind: Literal["counter", "gauge"]
    name: str
    help: str
    read: Callable[[CadvisorSample], Any]
    """The figure, or None; with `labels`, `Points`."""
    labels: tuple[str, ...] = ()
    nanoseconds: bool = False
    """The figures read are whole nanoseconds; those exported are seconds."""

    def points(self, reading: CadvisorSample) -> list[tuple[tuple[str, ...], Number]]:
        """What was measured, in what the Engine counts in."""
        found: Points = self.read(reading) if self.labels else (((), self.read(reading)),)
        return [(labels, value) for labels, value in found if number(value) is not None]


def _inspection(name: str) -> Callable[[CadvisorSample], Any]:
    return lambda reading: getattr(reading.inspection, name)


def _health(reading: CadvisorSample) -> int | None:
    return {"healthy": 1, "unhealthy": 0, "starting": 0}.get(reading.inspection.health)


def _throttling(key: str) -> Callable[[CadvisorSample], Any]:
    """Only with a quota. Podman says 0 periods then, which no running container can have."""

    def read(reading: CadvisorSample) -> Any:
        measured = reading.inspection.cpu_quota and reading.throttling.get("periods")
        return reading.throttling.get(key) if measured else None

    return read


def _memory(*keys: str) -> Callable[[CadvisorSample], Any]:
    """Version 1's key, then version 2's."""
    return lambda reading: _first(reading.memory_stats, *keys)


def _failcnt(reading: CadvisorSample) -> Any:
    """Version 1 only, where the Engine leaves out a 0; version 2 has something else there."""
    return reading.memory.get("failcnt", 0) if "total_cache" in reading.memory_stats else None


def _failures(reading: CadvisorSample) -> Points:
    for failure in ("pgfault", "pgmajfault"):
        own = reading.memory_stats.get(failure)
        yield (failure, "container"), own
        yield (failure, "hierarchy"), reading.memory_stats.get(f"total_{failure}", own)


def _network(key: str) -> Callable[[CadvisorSample], Points]:
    def read(reading: CadvisorSample) -> Points:
        networks = reading.networks
        return [((interface,), table(networks, interface).get(key)) for interface in networks]

    return read


def per_device(reading: CadvisorSample, kind: str, operation: str) -> dict[str, Number]:
    """By device, `major:minor`. Operations are capitalised in version 1 and not in 2."""
    totals: dict[str, Number] = {}
    rows = reading.blkio.get(kind)
    for row in rows if isinstance(rows, list) else ():
        if not isinstance(row, dict) or str(row.get("op")).lower() != operation:
            continue
        if (value := number(row.get("value"))) is not None:
            device = f"{row.get('major')}:{row.get('minor')}"
            totals[device] = totals.get(device, 0) + value
    return totals


def _devices(kind: str, operation: str) -> Callable[[CadvisorSample], Points]:
    return lambda reading: [
        ((device,), value) for device, value in per_device(reading, kind, operation).items()
    ]


def _threads_max(reading: CadvisorSample) -> Any:
    limit = number(reading.pids.get("limit"))
    return limit if limit and limit < _UNLIMITED else None


# -------------------------------------------------------------------------------- the table


def _networks() -> Iterable[Family]:
    for direction, key in (("receive", "rx"), ("transmit", "tx")):
        for what, suffix in (
            ("bytes", "bytes"),
            ("packets", "packets"),
            ("packets_dropped", "dropped"),
            ("errors", "errors"),
        ):
            name = f"container_network_{direction}_{what}_total"
            text = f"Network, {direction}: {what.replace('_', ' ')}."
            yield Family("counter", name, text, _network(f"{key}_{suffix}"), ("interface",))


FAMILIES: tuple[Family, ...] = (
    Family("gauge", "container_last_seen", "When it was last read (Unix time).",
           lambda reading: int(reading.time)),
    Family("gauge", "container_start_time_seconds", "When it was started (Unix time).",
           _inspection("started")),
    Family("gauge", "container_health_state", "Health check: 1 healthy, 0 unhealthy or starting.",
           _health),
    Family("counter", "container_restarts_total", "Restarts by its restart policy.",
           _inspection("restarts")),
    Family("counter", "container_oom_events_total", "Out-of-memory events that were seen.",
           _inspection("out_of_memory")),
    Family("counter", "container_cpu_usage_seconds_total", "CPU time, all CPUs together.",
           lambda reading: [(("total",), reading.usage.get("total_usage"))], ("cpu",), True),
    Family("counter", "container_cpu_user_seconds_total", "CPU time in user mode.",
           lambda reading: reading.usage.get("usage_in_usermode"), nanoseconds=True),
    Family("counter", "container_cpu_system_seconds_total", "CPU time in the kernel.",
           lambda reading: reading.usage.get("usage_in_kernelmode"), nanoseconds=True),
    Family("counter", "container_cpu_cfs_periods_total", "Periods of its CPU quota.",
           _throttling("periods")),
    Family("counter", "container_cpu_cfs_throttled_periods_total", "Periods it was throttled in.",
           _throttling("throttled_periods")),
    Family("counter", "container_cpu_cfs_throttled_seconds_total", "Time it was throttled for.",
           _throttling("throttled_time"), nanoseconds=True),
    Family("gauge", "container_memory_usage_bytes", "Memory in use, page cache included.",
           lambda reading: reading.memory.get("usage")),
    Family("gauge", "container_memory_working_set_bytes",
           "Memory in use that cannot be reclaimed at once.",
           lambda reading: working_set(reading.memory)),
    Family("gauge", "container_memory_cache", "Page cache, in bytes.",
           _memory("total_cache", "file")),
    Family("gauge", "container_memory_rss", "Anonymous memory, in bytes.",
           _memory("total_rss", "anon")),
    Family("gauge", "container_memory_mapped_file", "Memory-mapped files, in bytes.",
           _memory("total_mapped_file", "file_mapped")),
    Family("gauge", "container_memory_max_usage_bytes", "Most memory ever in use.",
           lambda reading: reading.memory.get("max_usage")),
    Family("counter", "container_memory_failcnt", "How often it ran into its memory limit.",
           _failcnt),
    Family("counter", "container_memory_failures_total", "Page faults.",
           _failures, ("failure_type", "scope")),
    *_networks(),
    Family("counter", "container_fs_reads_bytes_total", "Bytes read from a device.",
           _devices("io_service_bytes_recursive", "read"), ("device",)),
    Family("counter", "container_fs_writes_bytes_total", "Bytes written to a device.",
           _devices("io_service_bytes_recursive", "write"), ("device",)),
    Family("counter", "container_fs_reads_total", "Reads from a device.",
           _devices("io_serviced_recursive", "read"), ("device",)),
    Family("counter", "container_fs_writes_total", "Writes to a device.",
           _devices("io_serviced_recursive", "write"), ("device",)),
    Family("gauge", "container_threads", "Threads and processes in it.",
           lambda reading: reading.pids.get("current")),
    Family("gauge", "container_threads_max", "Most threads it may have.", _threads_max),
    Family("gauge", "container_spec_cpu_period", "Period of its CPU quota, in microseconds.",
           _inspection("cpu_period")),
    Family("gauge", "container_spec_cpu_quota", "CPU time within a period, in microseconds.",
           _inspection("cpu_quota")),
    Family("gauge", "container_spec_cpu_shares", "Its CPU shares.", _inspection("cpu_shares")),
    Family("gauge", "container_spec_memory_limit_bytes", "Its memory limit.",
           _inspection("memory_limit")),
    Family("gauge", "container_spec_memory_swap_limit_bytes", "Its limit of memory and swap.",
           _inspection("memory_swap_limit")),
    Family("gauge", "container_spec_memory_reservation_limit_bytes", "Its memory reservation.",
           _inspection("memory_reservation")),
)  # fmt: skip
"""Every family of a container, in the order in which they are exported."""


# ------------------------------------------------------------------------------- the labels

Labels: TypeAlias = Sequence[tuple[str, str]]
"""Chosen labels of a container, and what they are called on its series."""


def label_names(labels: Sequence[str]) -> Labels:
    """As cAdvisor names them: `com.example/a` is `container_label_com_example_a`."""
    return [(key, "container_label_" + re.sub(r"[^a-zA-Z0-9_]", "_", key)) for key in labels]


def container_labels(samples: Samples, chosen: Labels) -> dict[str, str]:
    """The labels that all series of a container have, not escaped.

    Of chosen labels that are called the same, the first one that the container has counts.
    """
    container = samples.container
    labels = {
        "id": samples.inspection.cgroup or f"/docker/{container.id}",
        "image": container.image,
        "name": container.name,
    }
    for key, name in chosen:
        if key in container.labels:
            labels.setdefault(name, container.labels[key])
    return labels
