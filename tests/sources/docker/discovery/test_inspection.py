"""Inspection tells limits, health and the control group as the Engine set them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.model.samples import Inspection
from pipeline.sources.docker.discovery.inspection import read_inspection
from pipeline.testing.private_engine import PrivateEngine

ID = "ab" * 32


def inspect(state: dict[str, Any] | None = None, **host: Any) -> dict[str, Any]:
    return {"Id": ID, "State": state or {}, "HostConfig": host, "RestartCount": 0}


def test_what_is_not_set_is_none() -> None:
    unset = {"CpuShares": 0, "CpuPeriod": 0, "CpuQuota": 0, "NanoCpus": 0, "Memory": 0}
    found = read_inspection(inspect(**unset, MemorySwap=-1, MemoryReservation=0))
    assert found == Inspection(cgroup=f"/docker/{ID}", restarts=0)


def test_cpus_are_a_quota_of_the_period() -> None:
    assert read_inspection(inspect(NanoCpus=500_000_000)).cpu_quota == 50_000
    assert read_inspection(inspect(NanoCpus=500_000_000)).cpu_period == 100_000
    assert read_inspection(inspect(NanoCpus=1_500_000_000, CpuPeriod=20_000)).cpu_quota == 30_000
    both = read_inspection(inspect(CpuQuota=25_000, CpuPeriod=50_000))
    assert (both.cpu_quota, both.cpu_period) == (25_000, 50_000)
    assert read_inspection(inspect(CpuQuota=-1)).cpu_quota is None


@pytest.mark.parametrize(
    ("driver", "parent", "cgroup"),
    [
        ("cgroupfs", "", f"/docker/{ID}"),
        ("cgroupfs", "/batch/", f"/batch/{ID}"),
        ("systemd", "", f"/system.slice/docker-{ID}.scope"),
        ("systemd", "a-b.slice", f"/a.slice/a-b.slice/docker-{ID}.scope"),
        ("None", "", f"/docker/{ID}"),
    ],
)
def test_the_control_group_is_where_the_engines_driver_puts_it(
    driver: str, parent: str, cgroup: str
) -> None:
    assert read_inspection(inspect(CgroupParent=parent), driver).cgroup == cgroup


@pytest.mark.parametrize("health", ["starting", "healthy", "unhealthy"])
def test_health_is_told_only_with_a_check(health: str) -> None:
    assert read_inspection(inspect({"Health": {"Status": health}})).health == health
    assert read_inspection(inspect({"Health": {"Status": "none"}})).health == ""
    assert read_inspection(inspect({"Health": {"Status": ""}})).health == ""
    assert read_inspection(inspect()).health == ""


def test_the_start_is_in_seconds_and_unknown_before_the_first() -> None:
    assert read_inspection(inspect({"StartedAt": "1970-01-01T01:00:00.5+01:00"})).started == 0.5
    assert read_inspection(inspect({"StartedAt": "0001-01-01T00:00:00Z"})).started is None


@pytest.mark.parametrize("junk", [None, 1, "x", [], {"Status": 1}, {"Health": [], "StartedAt": {}}])
def test_junk_is_no_error(junk: Any) -> None:
    read_inspection({"Id": junk, "State": junk, "HostConfig": junk, "RestartCount": junk})


def test_it_agrees_with_the_kernel_about_a_real_container(
    engine: PrivateEngine, busybox: str
) -> None:
    options = ("--detach", "--network=none", "--memory=64m", "--cpus=0.5", "--cpu-shares=512")
    container_id = engine.docker("run", *options, busybox, "sleep", "100")
    try:
        (answer,) = json.loads(engine.docker("inspect", container_id))
        driver = engine.docker("info", "--format", "{{.CgroupDriver}}")
        found = read_inspection(answer, driver)
        groups = Path(f"/proc/{answer['State']['Pid']}/cgroup").read_text()
        # Not the whole path: where the Engine itself is in a container, that one's is before it.
        assert any(line.endswith(found.cgroup) for line in groups.splitlines()), groups
        assert (found.cpu_quota, found.cpu_period, found.cpu_shares) == (50_000, 100_000, 512)
        assert (found.memory_limit, found.memory_swap_limit) == (2**26, 2**27)
        assert found.started is not None
        assert found.restarts == 0
    finally:
        engine.docker("rm", "--force", container_id)
