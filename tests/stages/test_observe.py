"""The stage `observe`."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from pipeline.model.component import Stage, StageContext
from pipeline.model.errors import ConfigError
from pipeline.model.metrics import Metrics
from pipeline.stages import observe
from pipeline.testing.builders import batch, container
from pipeline.testing.stage_kit import StageKit


class TestObserve(StageKit):
    def make(self) -> Stage:
        return observe.Stage(
            observe.Observe(
                name="status", value="status", labels={"msg": "{msg}{message}"}, series=5
            )
        )


class Observing:
    """A registry, and stages that observe into it."""

    def __init__(self) -> None:
        self.metrics = Metrics(CollectorRegistry())

    def stage(self, **config: Any) -> Stage:
        made = observe.Stage(observe.Observe(**config))
        made.attach(StageContext(self.metrics.derived))
        return made

    def value(self, sample: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(sample, labels)


def test_numbers_are_counted_into_buckets_and_entries_go_on_unchanged() -> None:
    here = Observing()
    stage = here.stage(name="seconds", value="ms / 1000", labels={"path": "{path}"})
    whole = batch(
        *"abcd",
        fields=[
            {"ms": 5, "path": "/"},
            {"ms": "700", "path": "/"},
            {"ms": 60_000, "path": "/"},
            {"ms": 1.5, "path": "/a"},
        ],
    )
    assert stage(whole) is whole
    assert here.value("seconds_bucket", path="/", le="0.005") == 1
    assert here.value("seconds_bucket", path="/", le="0.5") == 1
    assert here.value("seconds_bucket", path="/", le="1.0") == 2
    assert here.value("seconds_bucket", path="/", le="10.0") == 2
    assert here.value("seconds_bucket", path="/", le="+Inf") == 3
    assert here.value("seconds_count", path="/") == 3
    assert here.value("seconds_sum", path="/") == pytest.approx(60.705)
    assert here.value("seconds_count", path="/a") == 1


def test_what_is_no_number_does_not_count() -> None:
    here = Observing()
    stage = here.stage(name="n", value="n", buckets=[1])
    values = [None, "x", True, [], {}, "inf", 10**400, float("inf"), float("nan"), "", "0x1"]
    stage(batch(*"x" * 11, fields=[{"n": value} for value in values]))
    assert here.value("n_count") == 0
    stage(batch(*"xxx", fields=[{"n": " 3 "}, {"n": -2}, {}]))
    assert here.value("n_count") == 2
    assert here.value("n_sum") == 1


def test_only_what_is_meant_counts() -> None:
    here = Observing()
    stage = here.stage(name="n", value="n", buckets=[1], when="n > 5 and stream == 'stderr'")
    stage(batch(*"xxx", streams="out err err", fields=[{"n": 9}, {"n": 1}, {"n": 7}]))
    assert here.value("n_sum") == 7


def test_series_with_a_containers_id_go_with_it() -> None:
    here = Observing()
    of = container(number=3)
    stage = here.stage(name="n", value="1", labels={"id": "{container.id}"})
    stage(batch("x", of=of))
    assert here.value("n_count", id=of.id) == 1
    here.metrics.derived.forget(of.id)
    assert here.value("n_count", id=of.id) is None


@pytest.mark.parametrize(
    ("config", "path"),
    [
        ({"buckets": [1, 1]}, "buckets"),
        ({"buckets": [2, 1]}, "buckets"),
        ({"buckets": [float("inf")]}, "buckets"),
        ({"buckets": [float("nan"), 1]}, "buckets"),
        ({"value": "n +"}, "value"),
        ({"name": "n_sum"}, "name"),
        ({"labels": {"le": "x"}}, "labels"),
    ],
)
def test_errors_name_their_place(config: dict[str, Any], path: str) -> None:
    with pytest.raises(ConfigError) as caught:
        observe.Stage(observe.Observe(**({"name": "n", "value": "n"} | config)))
    assert caught.value.path == path


def test_check_knows_what_it_reads_and_that_it_makes_nothing() -> None:
    config = observe.Observe(name="n", value="ms / 1000", labels={"a": "{b}"}, when="c == 1")
    effect = observe.Stage(config).effect()
    found = [(use.field, use.key) for use in effect.reads]
    assert found == [("ms", "value"), ("c", "when"), ("b", "labels.a")]
    assert effect.makes == frozenset()
