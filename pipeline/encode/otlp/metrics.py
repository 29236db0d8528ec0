"""A reading of stats as OpenTelemetry's metrics of a container.

Names, units and attributes are those of its semantic conventions where they have any
(https://opentelemetry.io/docs/specs/semconv/system/container-metrics/): `container.cpu.time`,
`container.memory.usage`, `container.network.io` and so on. For the rest they are those of the
Collector's own `docker_stats` receiver, such as `container.pids.count`. What was not measured, or
has no limit, is not there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from pipeline.model.cadvisor import (
    CadvisorSample,
    Number,
    cpu_cores,
    number,
    per_device,
    table,
    working_set,
)
from pipeline.model.samples import Samples

Attributes = Mapping[str, str]
Found = Iterable[tuple[Attributes, Any]]
"""Attributes and figure of each point, as far as it was measured."""

Point = tuple[Attributes, Number]

CUMULATIVE: Final = 2
"""The `AggregationTemporality` of counters."""
_NONE: Final[Attributes] = {}
_UNLIMITED: Final = 2**62
"""Limits from here on mean that there is none."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its name, unit and kind, and how its points are read."""

    kind: Literal["counter", "updowncounter", "gauge"]
    """A counter is a monotonic sum since the container was started, an updowncounter a sum that is
    not; a gauge is the last value."""
    name: str
    unit: str
    read: Callable[[Samples, CadvisorSample], Found]

    def points(self, samples: Samples, reading: CadvisorSample) -> list[Point]:
        """Its points in a reading; none where that was not measured."""
        found = self.read(samples, reading)
        return [(attributes, value) for attributes, value in found if number(value) is not None]


def measured(samples: Samples) -> list[tuple[Metric, list[Point]]]:
    """All metrics that a reading has points of, with them."""
    reading = CadvisorSample(samples)
    found = [(metric, metric.points(samples, reading)) for metric in METRICS]
    return [(metric, points) for metric, points in found if points]


def started(samples: Samples) -> int:
    """Since when the counters of a reading count, in nanoseconds since the epoch; 0 where that is
    not known."""
    seconds = samples.inspection.started
    if not seconds or not 0 < seconds < 2**33:
        return 0
    return int(seconds) * 10**9 + int(seconds % 1 * 1e9)


# --------------------------------------------------------------------------------- the figures


def _one(read: Callable[[CadvisorSample], Any]) -> Callable[[Samples, CadvisorSample], Found]:
    return lambda samples, reading: ((_NONE, read(reading)),)


def _uptime(samples: Samples, reading: CadvisorSample) -> Found:
    begin = samples.inspection.started
    if begin is not None and begin <= samples.time:
        yield _NONE, samples.time - begin


def _seconds(nanoseconds: Any) -> float | None:
    counted = number(nanoseconds)
    return None if counted is None else counted / 1e9


def _cpu_time(samples: Samples, reading: CadvisorSample) -> Found:
    """By mode, or all together where the modes are not told: never both, so that sums are right."""
    usage = reading.usage
    modes = [
        ({"cpu.mode": "user"}, _seconds(usage.get("usage_in_usermode"))),
        ({"cpu.mode": "kernel"}, _seconds(usage.get("usage_in_kernelmode"))),
    ]
    if any(seconds for _, seconds in modes):
        return modes
    return ((_NONE, _seconds(usage.get("total_usage"))),)


def _available(reading: CadvisorSample) -> int | None:
    """What is left of its own limit."""
    limit, used = reading.inspection.memory_limit, working_set(reading.memory)
    return None if not limit or used is None else max(limit - int(used), 0)


def _stat(*names: str) -> Callable[[CadvisorSample], Any]:
    """Of `memory.stat`: control groups 1, then 2."""

    def read(reading: CadvisorSample) -> Any:
        stats = reading.memory_stats
        return next((stats[name] for name in names if name in stats), None)

    return read


def _faults(samples: Samples, reading: CadvisorSample) -> Found:
    every = number(_stat("total_pgfault", "pgfault")(reading))
    major = number(_stat("total_pgmajfault", "pgmajfault")(reading))
    if every is not None and major is not None:
        yield {"system.paging.fault.type": "minor"}, max(every - major, 0)
        yield {"system.paging.fault.type": "major"}, major


def _disk_io(samples: Samples, reading: CadvisorSample) -> Found:
    for direction in ("read", "write"):
        devices = per_device(reading, "io_service_bytes_recursive", direction)
        for device, value in devices.items():
            yield {"disk.io.direction": direction, "system.device": device}, value


def _disk_operations(samples: Samples, reading: CadvisorSample) -> Found:
    for operation in ("read", "write"):
        for device, value in per_device(reading, "io_serviced_recursive", operation).items():
            major, _, minor = device.partition(":")
            yield {"device_major": major, "device_minor": minor, "operation": operation}, value


def _network_io(samples: Samples, reading: CadvisorSample) -> Found:
    networks = reading.networks
    for direction, key in (("receive", "rx_bytes"), ("transmit", "tx_bytes")):
        for interface in networks:
            attributes = {"network.interface.name": interface, "network.io.direction": direction}
            yield attributes, table(networks, interface).get(key)


def _network(key: str) -> Callable[[Samples, CadvisorSample], Found]:
    def read(samples: Samples, reading: CadvisorSample) -> Found:
        networks = reading.networks
        return [({"interface": one}, table(networks, one).get(key)) for one in networks]

    return read


def _throttling(key: str) -> Callable[[CadvisorSample], Any]:
    """Only with a quota. Podman says 0 periods then, which no running container can have."""

    def read(reading: CadvisorSample) -> Any:
        measured = reading.inspection.cpu_quota and reading.throttling.get("periods")
        return reading.throttling.get(key) if measured else None

    return read


def _cpu_limit(reading: CadvisorSample) -> float | None:
    quota, period = reading.inspection.cpu_quota, reading.inspection.cpu_period or 100_000
    return quota / period if quota and quota > 0 and period > 0 else None


def _pids_limit(reading: CadvisorSample) -> Any:
    limit = number(reading.pids.get("limit"))
    return limit if limit and limit < _UNLIMITED else None


def _fails(reading: CadvisorSample) -> Any:
    """Control groups 1 only, where the Engine leaves out a 0."""
    return reading.memory.get("failcnt", 0) if "total_cache" in reading.memory_stats else None


# -------------------------------------------------------------------------------- the table

METRICS: Final[tuple[Metric, ...]] = (
    Metric("gauge", "container.uptime", "s", _uptime),
    Metric("counter", "container.cpu.time", "s", _cpu_time),
    Metric("gauge", "container.cpu.usage", "{cpu}",
           lambda samples, reading: ((_NONE, cpu_cores(samples.stats)),)),
    Metric("updowncounter", "container.memory.usage", "By",
           _one(lambda reading: reading.memory.get("usage"))),
    Metric("updowncounter", "container.memory.available", "By", _one(_available)),
    Metric("updowncounter", "container.memory.rss", "By", _one(_stat("total_rss", "anon"))),
    Metric("updowncounter", "container.memory.working_set", "By",
           _one(lambda reading: working_set(reading.memory))),
    Metric("counter", "container.paging.faults", "{fault}", _faults),
    Metric("counter", "container.disk.io", "By", _disk_io),
    Metric("counter", "container.network.io", "By", _network_io),
    # as the docker_stats receiver has it
    Metric("gauge", "container.cpu.limit", "{cpus}", _one(_cpu_limit)),
    Metric("gauge", "container.cpu.shares", "1",
           _one(lambda reading: reading.inspection.cpu_shares)),
    Metric("counter", "container.cpu.throttling_data.periods", "{periods}",
           _one(_throttling("periods"))),
    Metric("counter", "container.cpu.throttling_data.throttled_periods", "{periods}",
           _one(_throttling("throttled_periods"))),
    Metric("counter", "container.cpu.throttling_data.throttled_time", "ns",
           _one(_throttling("throttled_time"))),
    Metric("updowncounter", "container.memory.total_cache", "By", _one(_stat("total_cache"))),
    Metric("updowncounter", "container.memory.file", "By", _one(_stat("file"))),
    Metric("updowncounter", "container.memory.usage.limit", "By",
           _one(lambda reading: reading.inspection.memory_limit)),
    Metric("updowncounter", "container.memory.usage.max", "By",
           _one(lambda reading: reading.memory.get("max_usage"))),
    Metric("counter", "container.memory.fails", "{fails}", _one(_fails)),
    *(
        Metric("counter", f"container.network.io.usage.{direction}_{what}", f"{{{unit}}}",
               _network(f"{direction}_{what}"))
        for what, unit in (("packets", "packets"), ("errors", "errors"), ("dropped", "packets"))
        for direction in ("rx", "tx")
    ),
    Metric("counter", "container.blockio.io_serviced_recursive", "{operations}", _disk_operations),
    Metric("updowncounter", "container.pids.count", "{pids}",
           _one(lambda reading: reading.pids.get("current"))),
    Metric("updowncounter", "container.pids.limit", "{pids}", _one(_pids_limit)),
    Metric("counter", "container.restarts", "{restarts}",
           _one(lambda reading: reading.inspection.restarts)),
)  # fmt: skip
