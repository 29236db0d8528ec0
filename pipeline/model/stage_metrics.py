"""Metrics that stages make from entries: each name is defined once, and the number of series is
limited.

They are on `/metrics` with the agent's own. A family keeps plain numbers by label values, and is
updated once per batch: a batch of ten groups costs ten additions.
"""

from __future__ import annotations

import logging
import re
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections import Counter as Counted
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Final, TypeVar

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString

from pipeline.model.errors import ConfigError

log = logging.getLogger(__name__)

Values = tuple[str, ...]
"""The label values of a series, in the order of the label names."""

OTHER: Final = "other"
"""The value of every label of one more series, which counts what is beyond a family's limit."""

LONGEST: Final = 200
"""Limit in characters for a label's value. The rest is cut off."""

_OURS: Final = ("dockline_", "container_", "machine_")
_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_SUFFIXES: Final = ("_total", "_bucket", "_count", "_sum", "_created", "_info")
"""What a histogram's own name must not end in."""


class Family(ABC):
    """A metric family: one metric with all its series."""

    kind: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    """Suffixes of its samples' names."""

    def __init__(self, name: str, text: str, labels: Values, most: int) -> None:
        """`name`: without suffixes. `text`: the help text. `labels`: the label names. `most`: limit
        of series."""
        self.name = name
        self.text = text
        self.labels = labels
        self._most = most
        self._known: set[Values] = set()
        self._owned: dict[str, set[Values]] = {}
        self._is_full = False

    @property
    def names(self) -> set[str]:
        """Every name that it has on `/metrics`."""
        return {self.name, *(self.name + suffix for suffix in self.suffixes)}

    def says(self) -> tuple[Any, ...]:
        """What two stages must agree on to use the same family."""
        return self.kind, self.labels, self.text, self._most

    def series(self, values: Values, owner: str) -> Values:
        """The label values of the series to count in; `OTHER` for all if there are too many series.

        `owner`: a container's id, or empty. A series is removed when all containers that own it are
        gone.
        """
        if values not in self._known:
            values = tuple(map(_clean, values))
        if values not in self._known:
            if len(self._known) >= self._most:
                return self._full()
            self._known.add(values)
        if owner:
            self._owned.setdefault(owner, set()).add(values)
        return values

    def _full(self) -> Values:
        if not self._is_full:
            self._is_full = True
            log.warning(
                'metric %s has %d series, its limit: what is new counts as "%s"; see "series"',
                self.name,
                self._most,
                OTHER,
            )
        return (OTHER,) * len(self.labels)

    def forget(self, owner: str) -> None:
        """Removes the series that only this container owns. `owner`: its id."""
        gone = self._owned.pop(owner, set()).difference(*self._owned.values())
        for values in gone:
            self._known.discard(values)
            self._remove(values)

    @abstractmethod
    def _remove(self, values: Values) -> None:
        """Removes one series."""

    @abstractmethod
    def samples(self) -> Iterator[Sample]:
        """Yields the samples of all series."""

    def metric(self) -> Metric:
        """The family for `prometheus_client`. Its samples are made while they are written."""
        metric = Metric(self.name, self.text, self.kind)
        samples: Any = _LazySamples(self.samples)
        metric.samples = samples
        return metric

    def _named(self, values: Values) -> dict[str, str]:
        return dict(zip(self.labels, values, strict=True))


class Counter(Family):
    """A counter of entries."""

    kind = "counter"
    suffixes = ("_total",)

    def __init__(self, name: str, text: str, labels: Values, most: int) -> None:
        super().__init__(name, text, labels, most)
        self._counts: Counted[Values] = Counted()
        if not labels:
            self._counts[()] = 0  # so that `increase()` sees the first one

    def add(self, groups: Mapping[Values, int], owner: str = "") -> None:
        """Adds the counts of a batch. `groups`: entries by label values. `owner`: as for
        `series`."""
        for values, count in groups.items():
            self._counts[self.series(values, owner)] += count

    def samples(self) -> Iterator[Sample]:
        """Yields one sample for each series."""
        for values, count in list(self._counts.items()):
            yield Sample(f"{self.name}_total", self._named(values), count)

    def _remove(self, values: Values) -> None:
        del self._counts[values]


class Histogram(Family):
    """A histogram of values."""

    kind = "histogram"
    suffixes = ("_bucket", "_sum", "_count")

    def __init__(
        self, name: str, text: str, labels: Values, most: int, bounds: Sequence[float]
    ) -> None:
        """`bounds`: upper bounds of the buckets, ascending. `+Inf` is added."""
        super().__init__(name, text, labels, most)
        self._bounds = tuple(bounds)
        self._counts: dict[Values, list[int]] = {}
        self._sums: dict[Values, float] = {}
        self._bucket = partial(bisect_left, self._bounds)
        if not labels:
            self.observe({(): []})

    def says(self) -> tuple[Any, ...]:
        """What two stages must agree on to use the same family; the buckets, too."""
        return *super().says(), self._bounds

    def observe(self, groups: Mapping[Values, Sequence[float]], owner: str = "") -> None:
        """Adds the values of a batch. `groups`: finite values by label values. `owner`: as for
        `series`."""
        for values, observed in groups.items():
            series = self.series(values, owner)
            counts = self._counts.setdefault(series, [0] * (len(self._bounds) + 1))
            for bucket, count in Counted(map(self._bucket, observed)).items():
                counts[bucket] += count
            self._sums[series] = self._sums.get(series, 0.0) + sum(observed)

    def samples(self) -> Iterator[Sample]:
        """Yields the buckets, the count and the sum of each series."""
        limits = [*map(floatToGoString, self._bounds), "+Inf"]
        # copied at once: a scrape pauses between samples, and those of a series belong together
        taken = [(key, counts.copy(), self._sums[key]) for key, counts in self._counts.items()]
        for values, counts, total in taken:
            labels, below = self._named(values), 0
            for limit, count in zip(limits, counts, strict=True):
                below += count
                yield Sample(f"{self.name}_bucket", labels | {"le": limit}, below)
            yield Sample(f"{self.name}_count", labels, below)
            yield Sample(f"{self.name}_sum", labels, total)

    def _remove(self, values: Values) -> None:
        del self._counts[values]
        del self._sums[values]


OneFamily = TypeVar("OneFamily", bound=Family)


class Derived(Collector):
    """A Prometheus collector with all families that stages make."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """`registry`: where to register it; None if it is not to be scraped."""
        self._families: dict[str, Family] = {}
        self._before: Mapping[str, Family] = {}
        """The families of the configuration before. A family that is asked for unchanged is
        continued."""
        if registry is not None:
            registry.register(self)

    def counter(
        self, name: str, text: str = "", labels: Iterable[str] = (), most: int = 1000
    ) -> Counter:
        """The counter of this name, made if there is none.

        Its samples are called `NAME_total`, whether or not `name` ends in that. `text`: the help
        text. `labels`: the label names. `most`: limit of series. Raises `ConfigError` if the name
        is invalid, or used in another way.
        """
        stem = name.removesuffix("_total")
        return self._add(Counter(_checked(stem, name), text, _sorted(labels), most))

    def histogram(
        self,
        name: str,
        text: str = "",
        labels: Iterable[str] = (),
        most: int = 1000,
        bounds: Sequence[float] = (),
    ) -> Histogram:
        """The histogram of this name, made if there is none.

        `text`: the help text. `labels`: the label names. `most`: limit of series. `bounds`: upper
        bounds of the buckets, ascending. Raises `ConfigError` if the name is invalid, or used in
        another way.
        """
        for suffix in _SUFFIXES:
            if name.endswith(suffix):
                raise ConfigError(f'a histogram\'s name cannot end in "{suffix}"', "name")
        return self._add(Histogram(_checked(name, name), text, _sorted(labels), most, bounds))

    def _add(self, family: OneFamily) -> OneFamily:
        found = self._families.get(family.name)
        if isinstance(found, type(family)) and found.says() == family.says():
            return found
        for other in self._families.values():
            if both := other.names & family.names:
                hint = ""
                if other.kind == family.kind:
                    hint = "; to use the same one, give it the same labels, help and limits"
                raise ConfigError(
                    f'another stage makes a {other.kind} "{other.name}", which has '
                    f'"{min(both)}" too{hint}',
                    "name",
                )
        before = self._before.get(family.name)
        if isinstance(before, type(family)) and before.says() == family.says():
            family = before
        self._families[family.name] = family
        return family

    def draft(self) -> Derived:
        """A new collection for the stages of another configuration, to be passed to `adopt`.

        Families that are unchanged go on counting; others are new.
        """
        draft = Derived()
        draft._before = self._families
        return draft

    def adopt(self, draft: Derived) -> None:
        """Replaces all families by those of a draft."""
        self._families = draft._families

    def forget(self, container_id: str) -> None:
        """Removes the series of a container that is gone."""
        for family in self._families.values():
            family.forget(container_id)

    def collect(self) -> Iterator[Metric]:
        """Yields all families."""
        for family in self._families.values():
            yield family.metric()


class _LazySamples:
    """Samples that are made while they are written."""

    def __init__(self, make: Callable[[], Iterator[Sample]]) -> None:
        self._make = make

    def __iter__(self) -> Iterator[Sample]:
        return self._make()


def _checked(stem: str, written: str) -> str:
    if not _NAME.fullmatch(stem) or not stem.strip("_"):
        raise ConfigError(
            f'"{written}" is not a metric name; use letters, digits and "_", as in "http_requests"',
            "name",
        )
    for prefix in _OURS:
        if stem.startswith(prefix):
            raise ConfigError(f'names that begin with "{prefix}" are dockline\'s own', "name")
    return stem


def _sorted(labels: Iterable[str]) -> Values:
    names = tuple(sorted(labels))
    for name in names:
        if not _NAME.fullmatch(name) or name.startswith("__"):
            raise ConfigError(
                f'"{name}" is not a label name; use letters, digits and "_"', "labels"
            )
        if name in ("le", "quantile"):
            raise ConfigError(f'the label "{name}" is reserved by Prometheus', "labels")
    return names


def _clean(value: str) -> str:
    """The value as it appears on `/metrics`. Two values that look the same there would make the
    scrape fail."""
    return value[:LONGEST].encode("utf-8", "replace").decode().replace("\0", "\ufffd")
