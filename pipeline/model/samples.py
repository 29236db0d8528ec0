"""One reading of a container's stats, and what inspecting it tells beside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.model.container import Container


@dataclass(frozen=True, slots=True)
class Inspection:
    """What inspecting a container tells that its stats do not (`GET /containers/{id}/json`).

    None wherever nothing is set or known: no limit, a default left to the kernel.
    """

    cgroup: str = ""
    """Path of its control group, such as `/docker/<id>`."""
    started: float | None = None
    """Seconds since the epoch."""
    health: str = ""
    """`starting`, `healthy`, `unhealthy`, or empty without a health check."""
    restarts: int | None = None
    """By its restart policy."""
    out_of_memory: int | None = None
    """How often the Engine told of it since the container is followed."""
    cpu_shares: int | None = None
    cpu_period: int | None = None
    """Microseconds, like the quota."""
    cpu_quota: int | None = None
    memory_limit: int | None = None
    memory_swap_limit: int | None = None
    """Memory and swap together, as Docker counts it."""
    memory_reservation: int | None = None


@dataclass(frozen=True, slots=True)
class Samples:
    """One reading of one container's stats (`GET /containers/{id}/stats`)."""

    container: Container
    time: float
    """Seconds since the epoch, by the Engine's clock."""
    stats: Mapping[str, Any]
    """The Engine's JSON answer, as decoded. Where it came without `precpu_stats` and `preread`,
    these are those of the reading before, if there was one."""
    inspection: Inspection = Inspection()
