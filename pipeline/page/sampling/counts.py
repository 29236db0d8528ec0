"""The agent's counters at one moment, and how fast they grow between two."""

from __future__ import annotations

import os
import time
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Final

import prometheus_client

from pipeline.model.metrics import Metrics

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


class Counts:
    """All counters at one moment: by name, and by name and label values."""

    def __init__(
        self,
        metrics: Metrics,
        flows: Mapping[tuple[str, str], int],
        lines: int,
        clock: float,
    ) -> None:
        """`clock`: of this moment, monotonic. `flows`: entries that each route took, and that
        passed its stages (see `Table.flows`). `lines`: lines read of all containers."""
        self.clock = clock
        self._counts: dict[Hashable, float] = {"cpu": time.process_time(), "lines": lines}
        for (route, what), count in flows.items():
            self._counts[what, route] = count
        for name, counter in (
            ("filtered", metrics.filtered), ("made", metrics.made),
            ("delivered", metrics.delivered), ("delivered_bytes", metrics.delivered_bytes),
            ("retried", metrics.retried), ("dead_lettered", metrics.dead_lettered),
            ("dropped", metrics.dropped), ("source", metrics.source_entries),
        ):  # fmt: skip
            self._add(name, counter)

    def _add(self, name: str, counter: prometheus_client.Counter) -> None:
        total = 0.0
        for metric in counter.collect():
            for sample in metric.samples:
                self._counts[name, *sample.labels.values()] = sample.value
                total += sample.value
        self._counts[name] = total

    def __getitem__(self, key: Hashable) -> float:
        """The count; 0 if there is none yet."""
        return self._counts.get(key, 0)

    def of(self, *key: str) -> int:
        """The count of a name, with these label values or without."""
        return int(self[key if len(key) > 1 else key[0]])

    def dropped(self, sink: str) -> dict[str, int]:
        """Entries that a sink dropped, by reason."""
        return {
            key[2]: int(count)
            for key, count in self._counts.items()
            if isinstance(key, tuple) and key[:2] == ("dropped", sink) and count
        }


class Rates:
    """How fast counters grow between two moments."""

    def __init__(self, now: Counts, before: Counts | None) -> None:
        """`before`: None at the first moment, when no rate is known."""
        self._now, self._before = now, before

    def of(self, *key: str, digits: int = 1) -> float | None:
        """Per second, rounded; None if it isn't known. `key`: a name, with label values or
        without."""
        if self._before is None:
            return None
        name: Hashable = key if len(key) > 1 else key[0]
        elapsed = self._now.clock - self._before.clock
        grown = max(0.0, self._now[name] - self._before[name])
        return round(grown / elapsed, digits) if elapsed > 0 else None


def resident() -> int:
    """Bytes of memory that this process has (Linux). Blocks for some microseconds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE
