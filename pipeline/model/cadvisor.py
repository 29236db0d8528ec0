"""cAdvisor's metrics for a container, made from a reading of its stats: one table of metric
families.

Names, labels and units are those of cAdvisor's `metrics/container.go`, so dashboards and alerts
made for cAdvisor work. Where cAdvisor exports a 0 that was not measured, there is no series here:
no limit if none is set, no health without a health check, no throttling without a quota.

Answers depend on the version of control groups (cgroups). Version 1 has `total_*` keys in
`memory_stats.stats`. Version 2 has other keys there, and for each device bytes but no operations
(moby's `daemon/stats_unix.go`). Podman has no `stats` there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from pipeline.model.container import Container
from pipeline.model.samples import Samples

Number: TypeAlias = int | float
"""A figure."""
Table: TypeAlias = Mapping[str, Any]
"""A JSON object."""
Points: TypeAlias = Iterable[tuple[tuple[str, ...], Any]]
"""Pairs of the values of a family's own labels, and a figure."""
Read = TypeVar("Read")
"""What figures are read from: a reading of stats, or a container's state."""

_UNLIMITED = 2**62
"""A limit from here on means no limit: version 2 has 2**64 - 1."""


def table(value: Any, key: str) -> Table:
    """The object under `key` in `value`; empty if `value` has none."""
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def number(value: Any) -> Number | None:
    """The value, if it is a number: an integer of at most 64 bits, or a finite float. None
    otherwise."""
    kind = type(value)
    if (kind is int and -(2**63) <= value < 2**64) or (kind is float and value - value == 0):
        return value  # type: ignore[no-any-return]
    return None


def _first(values: Table, *keys: str) -> Any:
    return next((values[key] for key in keys if key in values), None)


# --------------------------------------------------------------------------------- formulae


def working_set(memory: Table) -> Number | None:
    """Memory in bytes that cannot be reclaimed at once: the usage minus the inactive file cache.

    `memory`: `memory_stats` of the Engine's answer. None if a figure is missing.
    """
    usage = number(memory.get("usage"))
    inactive = number(_first(table(memory, "stats"), "total_inactive_file", "inactive_file"))
    if usage is None or inactive is None:
        return None
    return max(usage - inactive, 0)


def cpu_cores(stats: Table) -> float | None:
    """CPU use since the previous reading, in cores; None if it cannot be told.

    `stats`: the Engine's answer. The formula is docker/cli's: it divides by the host's CPU time,
    including idle time. Podman (recognised by `cpu_stats.cpu`) counts only busy time there: a
    container limited to half a core was shown as 0.56, with 5.4 s of CPU time in 3.0 s on two
    cores. So for Podman it divides by the clock.
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
    """By how much a counter has grown; None if it wasn't there before or was reset."""
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
    """The parts of one reading that the families are made from. A part that is missing is empty."""

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
class Family(Generic[Read]):
    """One metric family, and how to get its figures from a reading."""

    kind: Literal["counter", "gauge"]
    name: str
    help: str
    read: Callable[[Read], Any]
    """Returns the figure or None; for a family with `labels`, `Points`."""
    labels: tuple[str, ...] = ()
    nanoseconds: bool = False
    """Whether `read` returns integer nanoseconds. They are exported as seconds."""

    def points(self, reading: Read) -> list[tuple[tuple[str, ...], Number]]:
        """The label values and figures of one reading, without those that were not measured. Times
        are in nanoseconds."""
        found: Points = self.read(reading) if self.labels else (((), self.read(reading)),)
        return [(labels, value) for labels, value in found if number(value) is not None]


def _inspection(name: str) -> Callable[[CadvisorSample], Any]:
    return lambda reading: getattr(reading.inspection, name)


def _health(reading: CadvisorSample) -> int | None:
    return {"healthy": 1, "unhealthy": 0, "starting": 0}.get(reading.inspection.health)


def _throttling(key: str) -> Callable[[CadvisorSample], Any]:
    """Only for a container with a quota. Podman reports 0 periods without one, which is impossible
    for a running container."""

    def read(reading: CadvisorSample) -> Any:
        measured = reading.inspection.cpu_quota and reading.throttling.get("periods")
        return reading.throttling.get(key) if measured else None

    return read


def _memory(*keys: str) -> Callable[[CadvisorSample], Any]:
    """`keys`: the key of version 1, then that of version 2."""
    return lambda reading: _first(reading.memory_stats, *keys)


def _failcnt(reading: CadvisorSample) -> Any:
    """Version 1 only: the Engine leaves out a 0 there. Version 2 has no such count."""
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
    """One figure by device (`major:minor`).

    `kind`: the key in `blkio_stats`. `operation`: in lower case; version 1 capitalises operations,
    version 2 doesn't.
    """
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


def _networks() -> Iterable[Family[CadvisorSample]]:
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


FAMILIES: tuple[Family[CadvisorSample], ...] = (
    Family("gauge", "container_last_seen", "When its stats were last read (Unix time).",
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
    Family("gauge", "container_fs_usage_bytes", "Bytes of its writable layer.",
           _inspection("disk")),
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
"""All families of a container, in the order of export."""


# ------------------------------------------------------------------------------- the labels

Labels: TypeAlias = Sequence[tuple[str, str]]
"""Labels of a container that are exported, each with its name as a metric's label."""


def label_names(labels: Sequence[str]) -> Labels:
    """Names container labels as cAdvisor does: `com.example/a` becomes
    `container_label_com_example_a`."""
    return [(key, "container_label_" + re.sub(r"[^a-zA-Z0-9_]", "_", key)) for key in labels]


LONGEST_LABEL = 1024
"""Characters of a label's value that are exported: an image may have labels of 256 KiB, which would
be in each of 40 series."""


def container_labels(container: Container, cgroup: str, chosen: Labels) -> dict[str, str]:
    """The labels that all series of a container have, not escaped.

    `cgroup`: the path of its control group; empty if it is not known. `chosen`: from `label_names`.
    If several have the same name, the first one that the container has is taken.
    """
    labels = {
        "id": cgroup or f"/docker/{container.id}",
        "image": container.image[:LONGEST_LABEL],
        "name": container.name[:LONGEST_LABEL],
    }
    for key, name in chosen:
        if key in container.labels:
            labels.setdefault(name, container.labels[key][:LONGEST_LABEL])
    return labels
