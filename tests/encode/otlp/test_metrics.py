"""Metrics, as opentelemetry-proto reads them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.encode.otlp.metrics import measured
from pipeline.model.batch import Batch
from pipeline.model.container import Container
from pipeline.model.samples import Inspection, Samples
from pipeline.sources.docker.stats import stats_batch
from tests.encode.otlp.writing import metrics, requests
from tests.model.test_cadvisor import junk, places
from tests.servers.otlp import plain, read_metrics
from tests.sources.docker.answers import CONTAINER, LIMITED, answer, reading

LIMITS = replace(LIMITED, started=1795509000.25, memory_limit=67108864, cpu_shares=512, restarts=3)


def stats(name: str = "v1", inspection: Inspection = LIMITS, **changed: Any) -> Batch:
    return stats_batch(reading({**answer(name), **changed}, inspection=inspection), 1)


def by_name(request: Any) -> dict[str, Any]:
    return {
        metric.name: metric
        for resource in request.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


def figures(request: Any) -> dict[tuple[str, ...], int | float]:
    """By name and attributes."""
    found = {}
    for name, metric in by_name(request).items():
        for point in getattr(metric, metric.WhichOneof("data")).data_points:
            kind = point.WhichOneof("value")
            found[name, *plain(point.attributes).values()] = getattr(point, kind)
    return found


def test_a_reading_has_the_names_of_the_conventions() -> None:
    found, said = figures(metrics(stats())), answer("v1")
    usage, memory = said["cpu_stats"]["cpu_usage"], said["memory_stats"]
    assert found["container.cpu.time", "user"] == usage["usage_in_usermode"] / 1e9
    assert found["container.cpu.time", "kernel"] == usage["usage_in_kernelmode"] / 1e9
    assert ("container.cpu.time",) not in found, "sums over modes would count twice"
    assert found["container.memory.usage",] == memory["usage"]
    inactive = memory["stats"]["total_inactive_file"]
    assert found["container.memory.working_set",] == memory["usage"] - inactive
    assert found["container.memory.available",] == 67108864 - memory["usage"] + inactive
    assert found["container.memory.rss",] == memory["stats"]["total_rss"]
    faults, major = memory["stats"]["total_pgfault"], memory["stats"]["total_pgmajfault"]
    assert found["container.paging.faults", "minor"] == faults - major
    assert found["container.paging.faults", "major"] == major
    (interface,) = said["networks"]
    received = said["networks"][interface]["rx_bytes"]
    assert found["container.network.io", interface, "receive"] == received
    read = [value for name, value in found.items() if name[:2] == ("container.disk.io", "read")]
    assert read and all(type(value) is int for value in read)


def test_what_the_conventions_do_not_name_has_the_names_of_the_collector() -> None:
    found, said = figures(metrics(stats())), answer("v1")
    (interface,) = said["networks"]
    packets = said["networks"][interface]["tx_packets"]
    assert found["container.network.io.usage.tx_packets", interface] == packets
    assert found["container.cpu.limit",] == 0.5
    assert found["container.cpu.shares",] == 512
    assert found["container.restarts",] == 3
    assert found["container.memory.usage.limit",] == 67108864
    assert found["container.pids.count",] == said["pids_stats"]["current"]
    throttled = said["cpu_stats"]["throttling_data"]["throttled_periods"]
    assert found["container.cpu.throttling_data.throttled_periods",] == throttled


def test_units_and_kinds_are_those_of_the_conventions() -> None:
    found = by_name(metrics(stats()))
    for name, unit, kind, monotonic in (
        ("container.cpu.time", "s", "sum", True),
        ("container.memory.usage", "By", "sum", False),
        ("container.network.io", "By", "sum", True),
        ("container.paging.faults", "{fault}", "sum", True),
        ("container.uptime", "s", "gauge", None),
    ):
        metric = found[name]
        assert (metric.unit, metric.WhichOneof("data")) == (unit, kind)
        if kind == "sum":
            assert metric.sum.aggregation_temporality == 2, "cumulative"
            assert metric.sum.is_monotonic == monotonic


def test_points_have_the_time_of_the_reading_and_counters_that_of_the_start() -> None:
    lines = stats()
    found = by_name(metrics(lines))
    (point, *_) = found["container.network.io"].sum.data_points
    assert point.start_time_unix_nano == 1795509000_250000000
    (uptime,) = found["container.uptime"].gauge.data_points
    assert uptime.as_double == 1795509435.5 - 1795509000.25
    assert not uptime.start_time_unix_nano
    nanoseconds = int(lines.times[0][20:29])
    assert point.time_unix_nano == uptime.time_unix_nano
    assert point.time_unix_nano % 10**9 == nanoseconds


def test_what_was_not_measured_is_not_there() -> None:
    found = figures(metrics(stats("podman", Inspection(), networks=None)))
    names = {name for name, *_ in found}
    assert "container.cpu.time" in names
    assert not names & {
        "container.uptime", "container.network.io", "container.memory.working_set",
        "container.memory.available", "container.cpu.limit", "container.restarts",
        "container.cpu.throttling_data.periods",
    }  # fmt: skip


def test_control_groups_2_are_read_as_well() -> None:
    found, said = figures(metrics(stats("v2"))), answer("v2")
    assert found["container.memory.rss",] == said["memory_stats"]["stats"]["anon"]
    assert found["container.memory.file",] == said["memory_stats"]["stats"]["file"]
    assert ("container.pids.limit",) not in found, "there is none"


def test_without_modes_cpu_time_is_told_all_together() -> None:
    found = figures(metrics(stats(cpu_stats={"cpu_usage": {"total_usage": 1_500_000_000}})))
    assert found["container.cpu.time",] == 1.5


def test_a_counter_beyond_63_bits_is_a_float() -> None:
    networks = {"eth0": {"rx_bytes": 2**63, "tx_bytes": 2**63 - 1}}
    found = figures(metrics(stats(networks=networks)))
    assert found["container.network.io", "eth0", "receive"] == float(2**63)
    assert found["container.network.io", "eth0", "transmit"] == 2**63 - 1


def test_interfaces_of_any_name_are_themselves() -> None:
    names = ["eth0", "e" * 200, "\u2603", ""]
    networks = {name: {"rx_bytes": number} for number, name in enumerate(names)}
    for _ in range(2):
        found = figures(metrics(stats(networks=networks)))
        received = [found["container.network.io", name, "receive"] for name in names]
        assert received == [0, 1, 2, 3]


def test_each_reading_has_its_containers_resource() -> None:
    other = stats_batch(reading(container=Container("c" * 64, "other", "busybox")), 2)
    first, second = metrics(stats(), other).resource_metrics
    assert plain(first.resource.attributes)["container.id"] == CONTAINER.id
    assert plain(second.resource.attributes)["container.name"] == "other"
    assert [one.scope.name for one in first.scope_metrics] == ["dockline"]


def test_a_request_is_divided_into_one_for_each_reading_and_put_together_again() -> None:
    to = requests()
    whole = to.metrics([stats(), stats("v2"), stats("podman")])
    pieces = to.split_metrics(whole)
    sizes = [len(read_metrics(one).resource_metrics) for one in pieces]
    assert sizes == [1, 1, 1]
    assert to.join_metrics(pieces) == whole


@given(st.sampled_from(places(answer("v1"))), junk)
def test_anything_in_the_place_of_anything_is_no_error(path: tuple[str, ...], value: Any) -> None:
    said = answer("v1")
    place = said
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    samples = Samples(CONTAINER, 1795509435.5, said, LIMITS)
    assert measured(samples)
    lines = stats().replace(samples=samples)
    assert by_name(metrics(lines))


@pytest.mark.parametrize("started", [-1.0, 0.0, 1e300, float("nan"), float("inf"), None])
def test_a_start_that_makes_no_sense_is_not_told(started: float | None) -> None:
    inspection = replace(LIMITS, started=started)
    found = by_name(metrics(stats(inspection=inspection)))
    (point, *_) = found["container.network.io"].sum.data_points
    assert not point.start_time_unix_nano
