"""Metrics that stages make out of entries."""

from __future__ import annotations

import logging

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from pipeline.model.errors import ConfigError
from pipeline.model.metrics import Metrics
from pipeline.model.stage_metrics import LONGEST, Derived
from pipeline.observe.metrics_page import Exposition
from tests.servers.prometheus import promtool


def page(derived: Derived) -> dict[str, float]:
    """The samples that a scrape finds, by name and labels."""
    registry = CollectorRegistry()
    registry.register(derived)
    lines = generate_latest(registry).decode().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def test_a_counter_adds_up_groups() -> None:
    derived = Derived()
    counter = derived.counter("http_requests", labels=["status", "path"])
    counter.add({("/", "200"): 2, ("/a", "500"): 1})
    counter.add({("/", "200"): 3})
    assert page(derived) == {
        'http_requests_total{path="/",status="200"}': 5,
        'http_requests_total{path="/a",status="500"}': 1,
    }


def test_without_labels_there_is_a_zero_from_the_start() -> None:
    derived = Derived()
    derived.counter("errors_total")
    derived.histogram("seconds", bounds=[1.0])
    assert page(derived) == {
        "errors_total": 0,
        'seconds_bucket{le="1.0"}': 0,
        'seconds_bucket{le="+Inf"}': 0,
        "seconds_count": 0,
        "seconds_sum": 0,
    }


def test_a_histogram_counts_up_to_and_with_each_bound() -> None:
    derived = Derived()
    histogram = derived.histogram("seconds", labels=["a"], bounds=[0.1, 1])
    histogram.observe({("x",): [0.1, 0.11, 1.0], ("y",): [7.0]})
    histogram.observe({("x",): [-1.0]})
    assert page(derived) == {
        'seconds_bucket{a="x",le="0.1"}': 2,
        'seconds_bucket{a="x",le="1.0"}': 4,
        'seconds_bucket{a="x",le="+Inf"}': 4,
        'seconds_count{a="x"}': 4,
        'seconds_sum{a="x"}': pytest.approx(0.21),
        'seconds_bucket{a="y",le="0.1"}': 0,
        'seconds_bucket{a="y",le="1.0"}': 0,
        'seconds_bucket{a="y",le="+Inf"}': 1,
        'seconds_count{a="y"}': 1,
        'seconds_sum{a="y"}': 7,
    }


def test_what_is_beyond_the_limit_counts_under_other_and_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    derived = Derived()
    counter = derived.counter("hits", labels=["a", "b"], most=2)
    with caplog.at_level(logging.WARNING):
        counter.add({(str(number), "x"): 1 for number in range(5)})
        counter.add({("0", "x"): 1, ("9", "x"): 1})
    assert page(derived) == {
        'hits_total{a="0",b="x"}': 2,
        'hits_total{a="1",b="x"}': 1,
        'hits_total{a="other",b="other"}': 4,
    }
    assert len(caplog.records) == 1


def test_a_containers_own_series_go_with_it_and_shared_ones_with_the_last() -> None:
    derived = Derived()
    counter = derived.counter("hits", labels=["a"], most=2)
    histogram = derived.histogram("seconds", labels=["a"], bounds=[1.0])
    counter.add({("x",): 1, ("y",): 1}, "one")
    counter.add({("y",): 1}, "two")
    histogram.observe({("x",): [1.0]}, "one")
    derived.forget("one")
    assert page(derived) == {'hits_total{a="y"}': 2}
    counter.add({("z",): 1}, "two")
    derived.forget("two")
    derived.forget("three")
    assert page(derived) == {}


def test_stages_that_say_the_same_count_together() -> None:
    derived = Derived()
    first = derived.counter("hits", "Hits.", ["a", "b"], 5)
    assert derived.counter("hits_total", "Hits.", ["b", "a"], 5) is first
    for text, labels, most in (
        ("Other.", ["a", "b"], 5),
        ("Hits.", ["a"], 5),
        ("Hits.", ["a", "b"], 6),
    ):
        with pytest.raises(ConfigError, match="give it the same labels"):
            derived.counter("hits", text, labels, most)
    with pytest.raises(ConfigError, match='counter "hits"'):
        derived.histogram("hits", bounds=[1.0])
    derived.histogram("seconds", bounds=[1.0])
    with pytest.raises(ConfigError, match="labels, help and limits"):
        derived.histogram("seconds", bounds=[2.0])
    with pytest.raises(ConfigError, match="seconds_count"):
        derived.counter("seconds_count")


@pytest.mark.parametrize(
    "name", ["", "a b", "1a", "a-b", "a:b", "é", "_total", "dockline_x", "container_x", "machine_x"]
)
def test_names_that_cannot_be_are_refused(name: str) -> None:
    for make in (Derived().counter, Derived().histogram):
        with pytest.raises(ConfigError) as caught:
            make(name)
        assert caught.value.path == "name"


@pytest.mark.parametrize("label", ["", "a b", "__a", "a-b", "le", "quantile"])
def test_labels_that_cannot_be_are_refused(label: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Derived().counter("a", labels=[label])
    assert caught.value.path == "labels"


HOSTILE = ["", '"', "\\", "\n", "\r\n", "\0", "\ud800", "?", "\ufffd", "é☃", "x" * 10**6, "{a}"]


@pytest.mark.server
async def test_any_label_is_a_page_that_prometheus_reads() -> None:
    metrics = Metrics(CollectorRegistry())
    counter = metrics.derived.counter("hits", "Hits.", ["a"])
    counter.add({(text,): 1 for text in HOSTILE})
    seconds = metrics.derived.histogram("length_bytes", "Lengths.", ["a"], 1000, [1, 2.5, 1e6])
    seconds.observe({(text,): [float(len(text))] for text in HOSTILE})
    exposition = Exposition(registry=metrics.registry)
    text = b"".join(await exposition.render()).decode()
    done = promtool("check", "metrics", stdin=text.encode())
    assert (done.stdout + done.stderr).decode() == ""
    openmetrics = b"".join(await exposition.render(openmetrics=True)).decode()
    families = {family.name: family for family in text_string_to_metric_families(openmetrics)}
    found = [sample.labels["a"] for sample in families["hits"].samples]
    assert len(found) == len(set(found)) >= len(HOSTILE) - 2
    assert max(map(len, found)) == LONGEST


def test_for_another_configuration_what_is_declared_as_before_goes_on_and_the_rest_is_new() -> None:
    derived = Derived()
    kept = derived.counter("kept", "", ["a"])
    kept.add({("x",): 3})
    derived.counter("other", "", ["a"])
    derived.counter("gone")
    draft = derived.draft()
    assert draft.counter("kept", "", ["a"]) is kept
    new = draft.counter("other", "", ["b"])
    derived.adopt(draft)
    assert {metric.name for metric in derived.collect()} == {"kept", "other"}
    assert new.labels == ("b",)
