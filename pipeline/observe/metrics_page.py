"""Makes the page of `/metrics` from containers' stats: Prometheus text 0.0.4 and OpenMetrics 1.0.

A container's stats become text at once, one string per metric family, and aren't kept: 40 to 60 µs
for 40 series. A scrape joins the strings by family, and lets the event loop run every few
milliseconds. For 1,000 containers, prometheus_client's `generate_latest` would hold the loop for
half a second. Making the lines at each scrape would take 40 to 60 ms. Keeping the 1,000 decoded
answers would make each full garbage collection last 20 to 50 ms.

Reference: https://prometheus.io/docs/instrumenting/exposition_formats/,
https://prometheus.io/docs/specs/om/open_metrics_spec/
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from sys import getsizeof
from typing import Any

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.registry import Collector, CollectorRegistry
from prometheus_client.samples import Sample

from pipeline.model import plain
from pipeline.model.cadvisor import (
    FAMILIES,
    CadvisorSample,
    Family,
    Labels,
    container_labels,
    label_names,
    number,
)
from pipeline.model.samples import Samples
from pipeline.model.state_families import STATE_FAMILIES
from pipeline.observe.family_lines import escape, family_lines, header
from pipeline.observe.state_lines import StateLines, States
from pipeline.support.selector import Pause

TOGETHER = 500
"""Series of the agent's own that are written between two pauses for the event loop. The ledger has
four per container: 4,000 at once took 11 ms, 500 take 1 ms."""

MOST = 256 << 20
"""Bytes of memory for all lines: 25,000 containers with 40 series each."""
LOOK = 1.0
"""Seconds between two looks for outdated containers when there is no room."""

FEW = 100
"""Number of containers below which outdated ones are only looked for at a scrape."""

_TEXT_TYPES = {"unknown": "untyped", "info": "gauge", "stateset": "gauge"}
_NOT_FINITE = {"inf": "+Inf", "-inf": "-Inf", "nan": "NaN"}


class Exposition(Collector):
    """The newest stats of each container, and the page of `/metrics` with them.

    It is a prometheus_client `Collector` too. Calls come from the event loop.
    """

    def __init__(
        self,
        *,
        labels: Sequence[str] = (),
        registry: CollectorRegistry | None = None,
        alive: Callable[[str], bool] = lambda container_id: True,
        max_age: float = 300.0,
        clock: Callable[[], float] = time.monotonic,
        states: States | None = None,
    ) -> None:
        """`labels`: names of container labels that the series carry, as `container_label_NAME`.
        `registry`: its metrics are on the same page. A container disappears with the next scrape
        when `alive(container_id)` is False, or when its stats are older than `max_age` seconds by
        `clock`. `states` gives the containers whose states are on the page, whether or not they
        have stats; without it, the page has of these what comes with the stats."""
        self._labels = label_names(labels)
        self._states = StateLines(self._labels, states) if states is not None else None
        of_states = {family.name for family in STATE_FAMILIES} if states is not None else ()
        self._families = [family for family in FAMILIES if family.name not in of_states]
        self._registry = registry
        self._alive = alive
        self._max_age = max_age
        self._clock = clock
        self._series: dict[str, tuple[float, list[str], int]] = {}
        """By container id: when its stats came, its lines, and their size in bytes."""
        self._size = 0
        self._looked = -LOOK
        self._look_at = FEW
        """Number of containers above which outdated ones are looked for."""
        self._machine: list[Metric] = []

    def update(self, samples: Samples) -> bool:
        """Takes a container's newest stats. False if there is no room for them.

        Never raises, whatever the Engine sent.
        """
        container_id = samples.container.id
        lines = container_lines(samples, self._labels, self._families)
        size = sum(map(getsizeof, lines))
        _, _, before = self._series.get(container_id, (0.0, [], 0))
        if not self._room(size - before):
            self.remove(container_id)
            return False
        self._series[container_id] = self._clock(), lines, size
        self._size += size - before
        if len(self._series) > self._look_at:  # the page may never be scraped
            self._look_at = max(FEW, 2 * len(self._rows()))
        return True

    def _room(self, size: int) -> bool:
        if self._size + size > MOST and self._clock() - self._looked >= LOOK:
            self._looked = self._clock()
            self._rows()
        return self._size + size <= MOST

    def remove(self, container_id: str) -> None:
        """Forgets a container. Does nothing if it is unknown."""
        _, _, size = self._series.pop(container_id, (0.0, [], 0))
        self._size -= size

    def describe_machine(self, info: Mapping[str, Any]) -> None:
        """Takes the `machine_*` metrics from the Engine's answer to `GET /info`."""
        self._machine = [
            GaugeMetricFamily(name, text, value=value)
            for name, text, key in (
                ("machine_cpu_cores", "CPUs of the Engine's host.", "NCPU"),
                ("machine_memory_bytes", "Memory of the Engine's host.", "MemTotal"),
            )
            if (value := number(info.get(key)))
        ]

    async def render(self, *, openmetrics: bool = False) -> list[bytes]:
        """The page in pieces of UTF-8 text, one or more for each family that has series."""
        pause = Pause()
        pieces = []
        for piece in self._pieces(openmetrics, registry=True):
            pieces.append(piece)
            await pause()
        return pieces

    def collect(self) -> Iterator[Metric]:
        """The containers' and the machine's metrics, for a prometheus_client registry.

        They are parsed from the page, which takes about 20 µs per series. This is for those who
        embed the class in another exporter; the agent uses `render`.
        """
        page = b"".join(self._pieces(openmetrics=True, registry=False))
        return text_string_to_metric_families(page.decode())  # type: ignore[no-untyped-call, no-any-return]

    def agent(self) -> Iterable[Metric]:
        """The machine's metrics and the agent's own, with their present values."""
        return chain(self._machine, self._registry.collect() if self._registry else ())

    def _pieces(self, openmetrics: bool, registry: bool) -> Iterator[bytes]:
        rows = self._rows()
        for index, family in enumerate(self._families):
            if lines := "".join([row[index] for row in rows]):
                yield _encode(header(family.name, family.kind, family.help, openmetrics) + lines)
        if self._states is not None:
            yield from map(_encode, self._states.pieces(openmetrics))
        for metric in self.agent() if registry else self._machine:
            yield b""  # collecting a counter's 1,000 children takes 2 ms or more
            yield from map(_encode, _lines(metric, openmetrics))
        if openmetrics:
            yield b"# EOF\n"

    def _rows(self) -> list[list[str]]:
        """The lines of each container, without outdated ones, which are removed."""
        oldest = self._clock() - self._max_age
        for container_id, (taken, _, _) in list(self._series.items()):
            if taken < oldest or not self._alive(container_id):
                self.remove(container_id)
        return [lines for _, lines, _ in self._series.values()]


# ------------------------------------------------------------------------------------- text


def container_lines(
    samples: Samples, chosen: Labels, families: Sequence[Family[CadvisorSample]] = FAMILIES
) -> list[str]:
    """The lines of a container's stats for each of the families; an empty text where nothing was
    measured.

    `chosen`: the container labels to add to each series.
    """
    labels = container_labels(samples.container, samples.inspection.cgroup, chosen)
    return family_lines(families, CadvisorSample(samples), labels)


def _lines(metric: Metric, openmetrics: bool) -> Iterator[str]:
    """The text of a prometheus_client metric, `TOGETHER` series at a time."""
    name, kind = metric.name, metric.type
    if not openmetrics:
        name += {"counter": "_total", "info": "_info"}.get(kind, "")
        kind = _TEXT_TYPES.get(kind, kind)
    text = metric.documentation.replace("\\", r"\\").replace("\n", r"\n")
    yield f"# HELP {name} {text}\n# TYPE {name} {kind}\n"
    samples = iter(metric.samples)
    seen: set[str] = set()
    while some := _samples(islice(samples, TOGETHER)):
        valid = plain.text(some)
        yield _once(valid, seen) if "\ufffd" in valid else valid


def _samples(samples: Iterable[Sample]) -> str:
    lines = []
    for sample in samples:
        labels = ",".join([f'{key}="{escape(value)}"' for key, value in sample.labels.items()])
        own = f"{{{labels}}}" if labels else ""
        value = repr(float(sample.value))
        lines.append(f"{sample.name}{own} {_NOT_FINITE.get(value, value)}\n")
    return "".join(lines)


def _once(lines: str, seen: set[str]) -> str:
    """The lines without series that are in `seen`. Labels that differ only in invalid characters
    become the same, and Prometheus rejects a page with the same series twice."""
    kept = []
    for line in lines.split("\n")[:-1]:
        series = line.rpartition(" ")[0]
        if "\ufffd" in series:
            if series in seen:
                continue
            seen.add(series)
        kept.append(f"{line}\n")
    return "".join(kept)


def _encode(text: str) -> bytes:
    """UTF-8, even if a label contains a lone surrogate, which would spoil the whole page."""
    return plain.text(text).encode()
