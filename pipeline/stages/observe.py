"""Makes a histogram of a number in the entries, as a metric on `/metrics`. They go on unchanged.

    { observe = { name = "http_duration_seconds", value = "duration_ms / 1000" } }
    { observe = { name = "rows", value = "rows", buckets = [1, 10, 99], labels = { db = "{db}" } } }

The first gives `http_duration_seconds_bucket{le="0.1"}` and so on, `http_duration_seconds_sum` and
`http_duration_seconds_count`, for `histogram_quantile()`. `value` is an expression. A text that is
a number counts as one; an entry for which it is no number does not count.

The rest is as with `count`: `labels` are templates, `when` selects which entries count, there are
at most `series` combinations of values, and series with the name of a container end with it. Each
combination has a number for every bucket, so a few labels and buckets are many series.
"""

from __future__ import annotations

import math
from collections import defaultdict
from itertools import compress, pairwise
from typing import Annotated

from msgspec import Meta, field

from pipeline.expression import compile_value
from pipeline.expression.insight import fields_read
from pipeline.expression.values import to_float
from pipeline.model import component
from pipeline.model.batch import Batch
from pipeline.model.component import StageContext
from pipeline.model.errors import ConfigError
from pipeline.model.records import MISSING
from pipeline.model.stage_metrics import Values
from pipeline.stages._metric import Labelling, Measure, compiled


class Observe(Measure, frozen=True, kw_only=True):
    """What is measured, and the name of the metric."""

    value: Annotated[str, Meta(min_length=1, examples=["duration_ms / 1000"])]
    """An expression for the number, such as the name of a field. In Prometheus times are in
    seconds,
    and sizes in bytes."""
    buckets: Annotated[list[float], Meta(min_length=1, max_length=100)] = field(
        default_factory=lambda: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0]
    )
    """Upper bounds, ascending; a bucket without a bound is added. The default is for the seconds
    that
    a request takes."""


Config = Annotated[
    Observe,
    Meta(examples=[{"name": "http_duration_seconds", "value": "duration_ms / 1000"}]),
]


class Stage(component.Stage):
    """Collects the numbers of a batch by their labels, and adds them to the histogram."""

    stateful = True

    def __init__(self, config: Observe) -> None:
        if not all(low < high for low, high in pairwise([-math.inf, *config.buckets, math.inf])):
            raise ConfigError("the bounds of buckets must ascend, as in [0.1, 0.5, 1]", "buckets")
        self._config = config
        self._labelling = Labelling(config)
        self._value = compiled(compile_value, config, "value")
        self.attach(StageContext())

    def attach(self, context: StageContext) -> None:
        config = self._config
        text = config.help or "A number in log entries, observed by a stage of dockline."
        names = self._labelling.names
        self._histogram = context.derived.histogram(
            config.name, text, names, config.series, config.buckets
        )

    def effect(self) -> component.Effect:
        reads = fields_read(self._config.value, "value")
        return component.Effect([*reads, *self._labelling.reads], frozenset())

    def __call__(self, batch: Batch) -> Batch | None:
        labelling = self._labelling
        groups: dict[Values, list[float]] = defaultdict(list)
        numbers = map(to_float, self._value(batch))
        pairs = zip(labelling.rows(batch), numbers, strict=True)
        for row, number in compress(pairs, labelling.mask(batch)):
            if number is not MISSING:
                groups[row].append(number)
        self._histogram.observe(groups, labelling.owner(batch))
        return batch
