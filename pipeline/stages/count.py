"""Counts entries, as a metric on `/metrics`. The entries go on unchanged.

    { count = { name = "http_requests", labels = { path = "{path}", status = "{status}" } } }
    { count = { name = "errors", when = "status >= 500", labels = { at = "{container.service}" } } }

The first gives `http_requests_total{path="/",status="200"}`. Labels are templates as in `set`; an
expression `when` selects which entries count. Stages with the same name, labels, help and limit
count together, in whatever routes they are.

Every combination of values is a series, which costs memory here and in Prometheus, so there are
at most `series` of them. Entries beyond that are counted with `other` for every label: a sum over
all series stays right, and an alert can watch for it. A value is cut to 200 characters.

A series stays as long as the agent runs. One with a label made of `container.name` or
`container.id` is deleted when the container is removed. For containers that live shorter than the
time between two scrapes, use `container.service` or `container.image` instead. After a restart of
the agent the series start at zero, which `rate()` and `increase()` expect, and entries that are
read again are counted again.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, ClassVar

from msgspec import Meta

from pipeline.model import component
from pipeline.model.batch import Batch
from pipeline.model.component import StageContext
from pipeline.stages._metric import Labelling, Measure


class Count(Measure, frozen=True, kw_only=True):
    """What is counted, and the name of the metric, to which `_total` is added."""

    SHORT: ClassVar[str] = "name"


Config = Annotated[
    Count,
    Meta(
        examples=[
            "shop_lines",
            {"name": "http_requests", "labels": {"path": "{path}", "status": "{status}"}},
        ]
    ),
]


class Stage(component.Stage):
    """Counts the entries of a batch by their labels, and adds the sums to the metric."""

    stateful = True

    def __init__(self, config: Count) -> None:
        self._config = config
        self._labelling = Labelling(config)
        self.attach(StageContext())

    def attach(self, context: StageContext) -> None:
        config = self._config
        text = config.help or "Log entries, counted by a stage of dockline."
        names = self._labelling.names
        self._counter = context.derived.counter(config.name, text, names, config.series)

    def effect(self) -> component.Effect:
        return component.Effect(self._labelling.reads, frozenset())

    def __call__(self, batch: Batch) -> Batch | None:
        labelling = self._labelling
        if (counted := labelling.counted(batch)) is not None:
            self._counter.add(Counter(labelling.rows(counted)), labelling.owner(batch))
        return batch
