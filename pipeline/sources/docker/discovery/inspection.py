"""Limits, health and start time of a container, from its inspection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.model.cadvisor import Table, number, table
from pipeline.model.samples import Inspection
from pipeline.model.timestamps import split_timestamp, to_seconds

DEFAULT_PERIOD = 100_000
"""Period of a CPU quota in microseconds, where none is set: the kernel's default."""


def read_inspection(inspect: Mapping[str, Any], cgroup_driver: str = "cgroupfs") -> Inspection:
    """Reads the answer to `GET /containers/{id}/json`. Values that are missing or malformed are
    None.

    `cgroup_driver` is the `CgroupDriver` of `GET /info`: `systemd` or `cgroupfs`.
    """
    host = table(inspect, "HostConfig")
    state = table(inspect, "State")
    period, quota = _cpu_quota(host)
    health = table(state, "Health").get("Status")
    return Inspection(
        cgroup=_cgroup(str(inspect.get("Id")), str(host.get("CgroupParent") or ""), cgroup_driver),
        started=moment(state.get("StartedAt")),
        health=health if health in ("starting", "healthy", "unhealthy") else "",
        restarts=_integer(inspect, "RestartCount"),
        cpu_shares=_limit(host, "CpuShares"),
        cpu_period=period,
        cpu_quota=quota,
        memory_limit=_limit(host, "Memory"),
        memory_swap_limit=_limit(host, "MemorySwap"),
        memory_reservation=_limit(host, "MemoryReservation"),
    )


def _integer(values: Table, key: str) -> int | None:
    value = number(values.get(key))
    return value if isinstance(value, int) else None


def _limit(host: Table, key: str) -> int | None:
    """A limit, or None: 0 means that none was set, and -1 that it is unlimited."""
    value = _integer(host, key)
    return value if value is not None and value > 0 else None


def _cpu_quota(host: Table) -> tuple[int | None, int | None]:
    """Returns period and quota in microseconds. Docker keeps `--cpus 0.5` as `NanoCpus`, which
    becomes a quota.
    """
    period, quota, cpus = (_limit(host, key) for key in ("CpuPeriod", "CpuQuota", "NanoCpus"))
    if cpus and not quota:
        quota = cpus * (period or DEFAULT_PERIOD) // 10**9
    return period or (DEFAULT_PERIOD if quota else None), quota


def _cgroup(container_id: str, parent: str, driver: str) -> str:
    """The container's cgroup path, as the Engine makes it. systemd nests slices by the dashes in
    their names.
    """
    if driver != "systemd":
        return f"/{(parent or 'docker').strip('/')}/{container_id}"
    names = (parent or "system.slice").removesuffix(".slice").split("-")
    slices = ["-".join(names[: depth + 1]) + ".slice" for depth in range(len(names))]
    return f"/{'/'.join(slices)}/docker-{container_id}.scope"


def moment(stamp: Any) -> float | None:
    """A time of an inspection in seconds since the epoch. None for one of year 1, which means
    never, or a malformed one."""
    time, _ = split_timestamp(str(stamp).encode(errors="replace"))
    try:
        return to_seconds(time) if time else None
    except ValueError:
        return None
