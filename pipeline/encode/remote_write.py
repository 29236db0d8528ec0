"""Readings of stats, and series of the agent's own, as requests of Prometheus' remote write 1.0.

A request is a `WriteRequest` of Protocol Buffers: series, each of them sorted labels and samples in
the order of their times: https://prometheus.io/docs/specs/prw/remote_write_spec/. The labels of a
series are written once for as long as its container lives: a reading of 40 series then takes 30 to
40 µs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Final
from weakref import WeakKeyDictionary

from prometheus_client.samples import Sample

from pipeline.encode.protobuf import DELIMITED, FIXED64, VARINT, delimited, key, varint
from pipeline.model.cadvisor import (
    FAMILIES,
    CadvisorSample,
    Family,
    Labels,
    Number,
    container_labels,
    number,
)
from pipeline.model.container import Container
from pipeline.model.samples import Samples

STALE: Final = b"\x02\x00\x00\x00\x00\x00\xf0\x7f"
"""The value that ends a series: a NaN that no arithmetic makes."""

LABEL_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_METRIC_NAME: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")

_SERIES, _LABELS, _SAMPLE = key(1, DELIMITED), 1, key(2, DELIMITED)
_VALUE, _TIME = key(1, FIXED64), key(2, VARINT)
_double: Final = Struct("<d").pack

_MOST = 10_000
"""Series of one container whose labels are kept. One that has many devices has some hundreds."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was measured of one container, or of the agent, at one moment."""

    time: int
    """Milliseconds since the epoch."""
    values: Mapping[bytes, bytes]
    """By the labels of a series, encoded, a double, encoded."""

    @classmethod
    def at(cls, time: float, values: Mapping[bytes, bytes]) -> Snapshot:
        """The samples of one moment. `time` is in seconds since the epoch; `values` are bytes of
        samples by those of labels. Raises `ValueError` or `OverflowError` for a time that cannot be
        written."""
        milliseconds = round(time * 1000)
        if not 0 <= milliseconds < 2**63:
            raise ValueError(f"{time} is no time")
        return cls(milliseconds, values)


def stale(time: int, series: Iterable[bytes]) -> Snapshot:
    """A snapshot that ends these series, by the bytes of their labels, with stale markers. `time`
    is in milliseconds since the epoch."""
    return Snapshot(time, dict.fromkeys(series, STALE))


def write_request(snapshots: Iterable[Snapshot]) -> bytes:
    """A `WriteRequest`, not compressed: all samples of a series together, in the order of their
    times; of two at the same time, the last one."""
    series: dict[bytes, dict[bytes, bytes]] = {}
    for snapshot in sorted(snapshots, key=lambda snapshot: snapshot.time):
        time = _TIME + varint(snapshot.time)
        for labels, value in snapshot.values.items():
            series.setdefault(labels, {})[time] = value
    written: list[bytes] = []
    for labels, samples in series.items():
        content = labels + b"".join([_sample(value, time) for time, value in samples.items()])
        written += (_SERIES, varint(len(content)), content)
    return b"".join(written)


def _sample(value: bytes, time: bytes) -> bytes:
    return _SAMPLE + varint(len(_VALUE) + len(value) + len(time)) + _VALUE + value + time


class SeriesEncoder:
    """Writes series and their samples, for one destination."""

    def __init__(self, external: Mapping[str, str], chosen: Labels, host: str) -> None:
        """`external` labels are on every series that has none of the same name; without one,
        `instance` is the name of the host. `chosen` are labels of containers."""
        self._external = external
        self._chosen = chosen
        self._host = host
        self._kept: WeakKeyDictionary[Container, _Kept] = WeakKeyDictionary()
        self._own = _Kept("", self._common(host))

    def _common(self, host: str) -> dict[str, str]:
        return {"instance": host, **self._external}

    def reading(self, samples: Samples) -> Snapshot:
        """What was measured of one container: its samples, by the labels that cAdvisor and the
        configuration give it. Raises `ValueError` or `OverflowError` where the reading has no time
        that can be written."""
        kept = self._kept_of(samples)
        reading, values = CadvisorSample(samples), {}
        for family in FAMILIES:
            if family.labels:
                for own, value in family.points(reading):
                    values[kept.labels(family.name, own, family.labels)] = _figure(value, family)
            elif (figure := number(family.read(reading))) is not None:
                values[kept.labels(family.name)] = _figure(figure, family)
        return Snapshot.at(samples.time, values)

    def own(self, samples: Iterable[Sample]) -> dict[bytes, bytes]:
        """The values of the agent's own samples by their labels, for `Snapshot.at`; without those
        whose names Prometheus does not know."""
        values = {}
        for sample in samples:
            names, own = tuple(sample.labels), tuple(sample.labels.values())
            if _METRIC_NAME.fullmatch(sample.name) and all(map(LABEL_NAME.fullmatch, names)):
                labels = self._own.labels(sample.name, own, names)
                values[labels] = _double(float(sample.value))
        return values

    def _kept_of(self, samples: Samples) -> _Kept:
        container, group = samples.container, samples.inspection.cgroup
        kept = self._kept.get(container)
        if kept is None or kept.group != group:
            common = self._common(container.host or self._host)
            labels = {**common, **container_labels(container, group, self._chosen)}
            kept = self._kept[container] = _Kept(group, labels)
        return kept


class _Kept:
    """The labels of series that have some of them in common."""

    __slots__ = ("_common", "_known", "group")

    def __init__(self, group: str, common: Mapping[str, str]) -> None:
        self.group = group
        """The container's control group, which is one of them."""
        self._common = common
        self._known: dict[tuple[str, Sequence[str], Sequence[str]], bytes] = {}

    def labels(self, name: str, values: Sequence[str] = (), names: Sequence[str] = ()) -> bytes:
        """Those of a series of a family, whose own labels are `names`."""
        known = self._known.get((name, values, names))
        if known is None:
            if len(self._known) >= _MOST:
                self._known.clear()
            labels = {**self._common, **dict(zip(names, values, strict=True)), "__name__": name}
            known = self._known[name, values, names] = _labels(labels)
        return known


def _labels(labels: Mapping[str, str]) -> bytes:
    """Sorted, and without those that are empty, which is how Prometheus has what is not there. A
    lone surrogate becomes `?`."""
    return b"".join(
        [
            delimited(_LABELS, delimited(1, name.encode()) + delimited(2, _text(value)))
            for name, value in sorted(labels.items())
            if value
        ]
    )


def _text(value: str) -> bytes:
    return value.encode("utf-8", "replace")


def _figure(value: Number, family: Family[CadvisorSample]) -> bytes:
    return _double(value / 1e9 if family.nanoseconds else value)
