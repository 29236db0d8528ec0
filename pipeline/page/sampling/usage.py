"""The newest figures of each container's stats: CPU, memory, network and disk, as rates.

Rates are made from two readings. While nobody watches, only as many readings are worked through as
the rings of an hour need: one in `SELDOM` seconds for each container.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from pipeline.model.cadvisor import (
    CadvisorSample,
    cpu_cores,
    number,
    per_device,
    table,
    working_set,
)
from pipeline.model.samples import Samples

SELDOM: Final = 18.0
"""Seconds between two readings of a container that are worked through while nobody watches: a
little less than between two readings of the rings, for a reading that comes early."""
MOST_A_SECOND: Final = 250
"""Readings that are worked through in a second while somebody watches: half a percent of a core."""


class Usage:
    """The figures of one container. None for what wasn't measured; rates are per second."""

    __slots__ = (
        "_taken", "_totals", "cpu", "memory", "memory_limit", "read", "receive", "time", "transmit",
        "version", "write",
    )  # fmt: skip

    def __init__(self) -> None:
        self.cpu: float | None = None
        """Cores in use."""
        self.memory: float | None = None
        """Bytes in use that cannot be reclaimed at once."""
        self.memory_limit: float | None = None
        self.receive: float | None = None
        self.transmit: float | None = None
        self.read: float | None = None
        self.write: float | None = None
        self.time = 0.0
        """When it was read, by the Engine's clock."""
        self.version = 0
        """Counts changes of the figures as they are shown."""
        self._taken = -math.inf
        self._totals: tuple[float | None, ...] = ()

    def due(self, now: float, every: float) -> bool:
        """Whether a reading that comes `now` is to be worked through, at most one in `every`
        seconds."""
        if now - self._taken < every:
            return False
        self._taken = now
        return True

    def take(self, samples: Samples) -> None:
        """Takes a reading. Never raises, whatever the Engine sent."""
        reading = CadvisorSample(samples)
        before = self.shown
        self.cpu = cpu_cores(samples.stats)
        used = working_set(reading.memory)
        self.memory = used if used is not None else number(reading.memory.get("usage"))
        self.memory_limit = samples.inspection.memory_limit
        totals = (
            _network(reading.networks, "rx_bytes"),
            _network(reading.networks, "tx_bytes"),
            _disk(reading, "read"),
            _disk(reading, "write"),
        )
        elapsed = samples.time - self.time
        rates = [
            (new - old) / elapsed
            if new is not None and old is not None and new >= old and elapsed > 0
            else None
            for new, old in zip(totals, self._totals or (None,) * 4, strict=True)
        ]
        self.receive, self.transmit, self.read, self.write = rates
        self.time, self._totals = samples.time, totals
        if self.shown != before:
            self.version += 1

    @property
    def shown(self) -> tuple[object, ...]:
        """The figures to as many digits as are shown: what differs less is no change."""
        rates = (self.receive, self.transmit, self.read, self.write)
        return (
            self.cpu and round(self.cpu, 3), self.memory and int(self.memory) >> 16,
            self.memory_limit, *(rate and int(rate) >> 6 for rate in rates),
        )  # fmt: skip


class Usages:
    """The figures of all containers."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock`: seconds, monotonic."""
        self.watched = False
        """Whether somebody watches."""
        self._clock = clock
        self._by_id: dict[str, Usage] = {}

    def get(self, container_id: str) -> Usage | None:
        """The container's figures; None if no stats came."""
        return self._by_id.get(container_id)

    def note(self, samples: Samples) -> None:
        """Takes a container's newest reading, as it comes."""
        usage = self._by_id.get(samples.container.id)
        if usage is None:
            usage = self._by_id[samples.container.id] = Usage()
        often = len(self._by_id) / MOST_A_SECOND
        if usage.due(self._clock(), often if self.watched else SELDOM):
            usage.take(samples)

    def forget(self, container_id: str) -> None:
        """Forgets a container: it was removed, or isn't followed any more."""
        self._by_id.pop(container_id, None)


def _network(networks: Mapping[str, Any], key: str) -> float | None:
    """The sum over all interfaces."""
    values = [number(table(networks, name).get(key)) for name in networks]
    counted = [value for value in values if value is not None]
    return sum(counted) if counted else None


def _disk(reading: CadvisorSample, operation: str) -> float | None:
    """The sum over all devices."""
    devices = per_device(reading, "io_service_bytes_recursive", operation)
    return sum(devices.values()) if devices else None
