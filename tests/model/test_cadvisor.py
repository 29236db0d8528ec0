"""Each figure is read from where the Engine puts it, and only where it was measured."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model.cadvisor import FAMILIES, CadvisorSample, cpu_cores, working_set
from pipeline.model.samples import Inspection, Samples
from tests.sources.docker.answers import CONTAINER, LIMITED, answer, reading


def figures(samples: Samples) -> dict[str, Any]:
    """Every figure by name, or by name and the values of its own labels."""
    found = {}
    for family in FAMILIES:
        for labels, value in family.points(CadvisorSample(samples)):
            found[" ".join((family.name, *labels))] = value
    return found


def test_no_name_is_there_twice() -> None:
    names = [family.name for family in FAMILIES]
    assert len(names) == len(set(names))


def test_cgroup_v1_has_every_figure_of_the_stats_answer() -> None:
    assert figures(reading("v1")) == {
        "container_last_seen": 1795509435,
        "container_cpu_usage_seconds_total total": 81840310,
        "container_cpu_user_seconds_total": 10000000,
        "container_cpu_system_seconds_total": 70000000,
        "container_cpu_cfs_periods_total": 7,
        "container_cpu_cfs_throttled_periods_total": 0,
        "container_cpu_cfs_throttled_seconds_total": 0,
        "container_memory_usage_bytes": 8146944,
        "container_memory_working_set_bytes": 8146944 - 5644288,
        "container_memory_cache": 7262208,
        "container_memory_rss": 118784,
        "container_memory_mapped_file": 1581056,
        "container_memory_max_usage_bytes": 10596352,
        "container_memory_failcnt": 0,
        "container_memory_failures_total pgfault container": 2364,
        "container_memory_failures_total pgfault hierarchy": 2364,
        "container_memory_failures_total pgmajfault container": 1,
        "container_memory_failures_total pgmajfault hierarchy": 1,
        "container_network_receive_bytes_total eth0": 896,
        "container_network_receive_packets_total eth0": 10,
        "container_network_receive_packets_dropped_total eth0": 0,
        "container_network_receive_errors_total eth0": 0,
        "container_network_transmit_bytes_total eth0": 126,
        "container_network_transmit_packets_total eth0": 2,
        "container_network_transmit_packets_dropped_total eth0": 0,
        "container_network_transmit_errors_total eth0": 0,
        "container_fs_reads_bytes_total 8:0": 1589248,
        "container_fs_writes_bytes_total 8:0": 4096,
        "container_fs_reads_total 8:0": 45,
        "container_fs_writes_total 8:0": 1,
        "container_threads": 2,
        "container_spec_cpu_period": 100_000,
        "container_spec_cpu_quota": 50_000,
    }


def test_cgroup_v2_lacks_the_highest_usage_failcnt_and_operations_per_device() -> None:
    version1, version2 = figures(reading("v1")), figures(reading("v2"))
    assert version1.keys() - version2.keys() == {
        "container_memory_max_usage_bytes",
        "container_memory_failcnt",
        "container_fs_reads_total 8:0",
        "container_fs_writes_total 8:0",
    }
    assert version2.keys() <= version1.keys()
    assert version2["container_memory_working_set_bytes"] == 8146944 - 5644288
    assert version2["container_memory_cache"] == 7262208
    assert version2["container_memory_rss"] == 118784
    assert version2["container_memory_mapped_file"] == 1581056
    assert version2["container_fs_writes_bytes_total 8:0"] == 4096
    assert version2["container_cpu_cfs_throttled_seconds_total"] == 31000000


def test_podman_tells_no_memory_but_its_usage_and_no_throttling() -> None:
    assert figures(reading("podman")).keys() == {
        "container_last_seen",
        "container_cpu_usage_seconds_total total",
        "container_cpu_user_seconds_total",
        "container_cpu_system_seconds_total",
        "container_memory_usage_bytes",
        "container_threads",
        "container_spec_cpu_period",
        "container_spec_cpu_quota",
    }


def test_without_limits_and_checks_there_are_no_series_of_them() -> None:
    names = figures(reading("v1", inspection=Inspection())).keys()
    assert not [name for name in names if "_spec_" in name or "_cfs_" in name or "health" in name]
    assert "container_start_time_seconds" not in names
    assert "container_threads_max" not in figures(reading("v2"))


def test_inspection_tells_limits_start_restarts_and_out_of_memory() -> None:
    inspection = Inspection(
        started=1.5,
        restarts=2,
        out_of_memory=1,
        cpu_shares=512,
        memory_limit=64,
        memory_swap_limit=128,
        memory_reservation=32,
    )
    found = figures(reading("v1", inspection=inspection))
    assert found["container_start_time_seconds"] == 1.5
    assert found["container_restarts_total"] == 2
    assert found["container_oom_events_total"] == 1
    assert found["container_spec_cpu_shares"] == 512
    assert found["container_spec_memory_limit_bytes"] == 64
    assert found["container_spec_memory_swap_limit_bytes"] == 128
    assert found["container_spec_memory_reservation_limit_bytes"] == 32


@pytest.mark.parametrize(
    ("health", "state"), [("healthy", 1), ("unhealthy", 0), ("starting", 0), ("", None)]
)
def test_health_is_1_or_0_and_nothing_without_a_check(health: str, state: int | None) -> None:
    found = figures(reading("v1", inspection=Inspection(health=health)))
    assert found.get("container_health_state") == state


def test_the_working_set_is_never_negative_and_needs_both_figures() -> None:
    assert working_set({"usage": 5, "stats": {"inactive_file": 7}}) == 0
    assert working_set({"usage": 5, "stats": {}}) is None
    assert working_set({"stats": {"inactive_file": 7}}) is None
    both = {"total_inactive_file": 3, "inactive_file": 1}
    assert working_set({"usage": 5, "stats": both}) == 2


def test_devices_that_are_listed_twice_are_added_up() -> None:
    stats = answer("v1")
    stats["blkio_stats"]["io_service_bytes_recursive"] *= 2
    assert figures(reading(stats))["container_fs_reads_bytes_total 8:0"] == 2 * 1589248


# ------------------------------------------------------------------------------------ CPU


def after(stats: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The same answer with itself as the reading before, and CPU figures grown since."""
    before = stats["cpu_stats"]
    now = {
        **before,
        **{key: before[key] + value for key, value in changes.items() if key in before},
    }
    usage = before["cpu_usage"]
    total = usage["total_usage"] + changes["total_usage"]
    now["cpu_usage"] = {**usage, "total_usage": total}
    return {**stats, "precpu_stats": before, "cpu_stats": now}


def test_cpu_is_the_share_of_the_hosts_time_times_its_cpus() -> None:
    stats = after(answer("v1"), total_usage=500_000_000, system_cpu_usage=4_000_000_000)
    assert cpu_cores(stats) == pytest.approx(0.25)


@pytest.mark.fault(21)
def test_there_is_no_rate_without_a_reading_before() -> None:
    assert cpu_cores(answer("v1")) is None


@pytest.mark.fault(22)
def test_there_is_no_rate_when_the_counter_or_the_hosts_was_reset() -> None:
    assert cpu_cores(after(answer("v1"), total_usage=-1, system_cpu_usage=10**9)) is None
    assert cpu_cores(after(answer("v1"), total_usage=1, system_cpu_usage=-1)) is None
    assert cpu_cores(after(answer("v1"), total_usage=1, system_cpu_usage=0)) is None


def test_podmans_rate_is_by_the_clock_since_its_host_time_counts_no_idle() -> None:
    stats = after(answer("podman"), total_usage=1_500_000_000, system_cpu_usage=5_400_000_000)
    stats["preread"] = "2026-11-24T08:42:37.346911569Z"
    assert cpu_cores(stats) == pytest.approx(0.5)
    stats["preread"] = "0001-01-01T00:00:00Z"
    assert cpu_cores(stats) is None
    stats["preread"] = "2026-11-24T08:42:41Z"
    assert cpu_cores(stats) is None


# -------------------------------------------------------------------------------- bad data

junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


def places(value: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The path of every value in an answer."""
    found = [path] if path else []
    if isinstance(value, dict):
        for key, inner in value.items():
            found += places(inner, (*path, key))
    return found


@given(st.sampled_from(places(answer("v1"))), junk)
def test_anything_in_the_place_of_anything_is_no_error(path: tuple[str, ...], value: Any) -> None:
    stats = answer("v1")
    place = stats
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    found = figures(Samples(CONTAINER, 1.0, stats, LIMITED))
    assert all(type(figure) in (int, float) for figure in found.values())
    cpu_cores(stats)


@pytest.mark.fault(22)
@pytest.mark.parametrize(
    "value", [True, "12", None, float("nan"), float("inf"), 2**64, -(2**63) - 1]
)
def test_what_is_not_a_number_of_64_bits_is_not_exported(value: Any) -> None:
    stats = answer("v1")
    stats["memory_stats"]["usage"] = value
    found = figures(reading(stats))
    assert "container_memory_usage_bytes" not in found
    assert "container_memory_working_set_bytes" not in found
