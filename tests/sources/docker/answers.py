"""Answers to `GET /containers/{id}/stats` that tests share.

- `v1`: Docker 26.1 with cgroup v1, as it came from `one-shot`, for a container limited to half a
  CPU and 64 MiB. Its `networks` came from another container, since this one had none; the rows of
  its `blkio_stats`, empty on that kernel, are written as moby's `statsV1` passes them on.
- `v2`: no host with cgroup v2 was at hand. Written from moby's `daemon/stats_unix.go`, `statsV2`:
  those keys and no others, bytes but no operations per device in lower case, CPU times in whole
  microseconds, the count of out-of-memory events in `failcnt`, and 2**64 - 1 for no limit of pids.
- `podman`: Podman 5.4, cgroup v1, as it came: no `memory_stats.stats`, no throttling in spite of a
  quota, `system_cpu_usage` without idle time.
- `stopped`: Docker 26.1, as it came, of a container that is created and not started.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.model.container import Container
from pipeline.model.samples import Inspection, Samples

CONTAINER = Container("b2" * 32, "shop-api-1", "shop/api:1.4", {"tier": "front"}, "web-1")
LIMITED = Inspection(cgroup=f"/docker/{'b2' * 32}", cpu_period=100_000, cpu_quota=50_000)


_TEXTS = {path.stem: path.read_text() for path in Path(__file__).parent.glob("stats_*.json")}


def answer(name: str) -> dict[str, Any]:
    """A fresh copy, which the caller may change."""
    return json.loads(_TEXTS[f"stats_{name}"])  # type: ignore[no-any-return]


def reading(
    stats: Mapping[str, Any] | str = "v1",
    container: Container = CONTAINER,
    inspection: Inspection = LIMITED,
    time: float = 1795509435.5,
) -> Samples:
    """A reading of one of the answers above, or of the given one."""
    decoded = answer(stats) if isinstance(stats, str) else stats
    return Samples(container, time, decoded, inspection)
