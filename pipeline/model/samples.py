"""`Samples`: one reading of a container's stats, and what inspecting the container adds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.model.container import Container


@dataclass(frozen=True, slots=True)
class Inspection:
    """Facts of a container that are not in its stats (`GET /containers/{id}/json`).

    A value is None if nothing is set or known: no limit, or the kernel's default.
    """

    cgroup: str = ""
    """Path of its control group, such as `/docker/<id>`."""
    started: float | None = None
    """Start time, in seconds since the epoch."""
    health: str = ""
    """`starting`, `healthy` or `unhealthy`; empty if there is no health check."""
    restarts: int | None = None
    """Restarts by its restart policy."""
    out_of_memory: int | None = None
    """Out-of-memory events that the Engine has reported since the agent follows the container."""
    cpu_shares: int | None = None
    """Relative CPU weight."""
    cpu_period: int | None = None
    """Length of the CPU quota's period, in microseconds."""
    cpu_quota: int | None = None
    """CPU time in a period, in microseconds."""
    memory_limit: int | None = None
    """Limit in bytes."""
    memory_swap_limit: int | None = None
    """Limit in bytes of memory and swap together, as Docker counts it."""
    memory_reservation: int | None = None
    """Soft limit in bytes."""
    disk: int | None = None
    """Bytes of its writable layer, where they are measured."""


@dataclass(frozen=True, slots=True)
class Samples:
    """One reading of one container's stats (`GET /containers/{id}/stats`)."""

    container: Container
    time: float
    """When it was read, in seconds since the epoch by the Engine's clock."""
    stats: Mapping[str, Any]
    """The Engine's JSON answer, decoded. If it came without `precpu_stats` and `preread`, they are
    filled in from the reading before, if there was one."""
    inspection: Inspection = Inspection()
