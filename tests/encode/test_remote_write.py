"""Readings as requests of remote write: the series of `/metrics`, sorted, in order, and valid."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.parser import text_string_to_metric_families

from pipeline.encode.remote_write import SeriesEncoder, Snapshot, stale, write_request
from pipeline.model.cadvisor import label_names
from pipeline.model.container import Container
from pipeline.model.samples import Inspection, Samples
from pipeline.observe.metrics_page import Exposition
from pipeline.testing.builders import container
from tests.servers.remote_write import STALE, Series, series
from tests.sources.docker.answers import answer, reading

OURS = {"job", "instance"}


def encoder(chosen: tuple[str, ...] = (), **external: str) -> SeriesEncoder:
    return SeriesEncoder({"job": "dockline", **external}, label_names(chosen), "here")


def written(*readings: Samples, by: SeriesEncoder | None = None) -> list[Series]:
    by = by or encoder()
    return series(write_request([by.reading(one) for one in readings]))


def key(labels: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(labels.items()))


async def on_the_page(*readings: Samples, chosen: tuple[str, ...] = ()) -> dict[object, float]:
    """What `/metrics` says, by the labels. The parser gives each counter a `_total`."""
    exposition = Exposition(labels=chosen)
    for one in readings:
        exposition.update(one)
    page = b"".join(await exposition.render()).decode()
    return {
        key({"__name__": sample.name.replace("failcnt_total", "failcnt"), **sample.labels}): (
            sample.value
        )
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


@pytest.mark.parametrize("name", ["v1", "v2", "podman"])
async def test_series_are_those_of_the_page_with_a_job_and_an_instance(name: str) -> None:
    one = reading(name)
    found = {}
    for each in written(one, by=encoder(("tier",))):
        labels = dict(each.labels)
        assert (labels.pop("job"), labels.pop("instance")) == ("dockline", "web-1")
        (sample,) = each.samples
        assert sample.time == 1795509435500
        found[key(labels)] = sample.value
    assert found == await on_the_page(one, chosen=("tier",))
    assert len(found) >= 8


def test_samples_of_a_series_stand_together_in_the_order_of_their_times() -> None:
    at = [12.0, 10.0, 11.5, 10.0]
    usage = [3, 1, 2, 9]
    readings = []
    for time, bytes_ in zip(at, usage, strict=True):
        stats = answer("v1")
        stats["memory_stats"]["usage"] = bytes_
        readings.append(reading(stats, time=time))
    found = written(*readings)
    assert len({each.name for each in found}) > 10
    assert len({key(dict(each.labels)) for each in found}) == len(found)
    (memory,) = [each for each in found if each.name == "container_memory_usage_bytes"]
    assert [(sample.time, sample.value) for sample in memory.samples] == [
        (10_000, 9),
        (11_500, 2),
        (12_000, 3),
    ], "of two at the same time the last one counts"


texts = st.text(st.characters(), max_size=20)


@pytest.mark.fault(24)
@given(
    name=texts,
    image=texts,
    host=texts,
    labels=st.dictionaries(texts, texts, max_size=5),
    cgroup=texts,
    interface=texts,
)
def test_any_text_gives_valid_sorted_labels_each_once(
    name: str, image: str, host: str, labels: dict[str, str], cgroup: str, interface: str
) -> None:
    stats = answer("v1")
    stats["networks"] = {interface: {"rx_bytes": 1}}
    one = Container("c" * 64, name, image, labels, host)
    made = reading(stats, one, Inspection(cgroup=cgroup))
    for each in written(made, by=encoder(tuple(labels), Zone="z", _a="")):
        names = [label for label, _ in each.labels]
        assert names == sorted(set(names))
        assert all(re.fullmatch("[a-zA-Z_][a-zA-Z0-9_]*", label) for label in names)
        assert all(value for _, value in each.labels)


def test_external_labels_give_way_to_a_series_own_and_an_empty_one_takes_away() -> None:
    found = written(reading(), by=encoder(name="not this", instance="", cluster="west"))
    labels = dict(found[0].labels)
    assert labels["name"] == "shop-api-1"
    assert labels["cluster"] == "west"
    assert "instance" not in labels


def test_a_container_that_does_not_tell_its_host_has_the_agents() -> None:
    one = reading(container=container(host=""))
    assert dict(written(one)[0].labels)["instance"] == "here"


def test_labels_are_made_anew_when_the_control_group_is_another() -> None:
    by, one = encoder(), reading()
    first = dict(written(one, by=by)[0].labels)
    other = replace(one, inspection=replace(one.inspection, cgroup="/else"))
    assert dict(written(other, by=by)[0].labels) == {**first, "id": "/else"}
    assert dict(written(one, by=by)[0].labels) == first


def test_a_stale_marker_has_the_bits_that_prometheus_looks_for() -> None:
    snapshot = encoder().reading(reading())
    found = series(write_request([snapshot, stale(snapshot.time + 1, snapshot.values)]))
    for each in found:
        assert [sample.bits == STALE for sample in each.samples] == [False, True]
        assert math.isnan(each.samples[1].value)


@pytest.mark.parametrize("time", [-1.0, 1e18, 1e300])
def test_a_time_that_cannot_be_written_is_said(time: float) -> None:
    with pytest.raises((ValueError, OverflowError)):
        encoder().reading(reading(time=time))


def test_the_agents_own_are_written_with_their_labels() -> None:
    registry = CollectorRegistry()
    Counter("things", "Things.", ["kind"], registry=registry).labels("a\ud800").inc(3)
    Gauge("level", "Level.", registry=registry).set(math.inf)
    Histogram("wait", "Wait.", buckets=(1, 2), registry=registry).observe(1.5)
    by, values = encoder(cluster="west"), {}
    for metric in registry.collect():
        values |= by.own(metric.samples)
    found = {
        (each.name, dict(each.labels).get("kind") or dict(each.labels).get("le")): each
        for each in series(write_request([Snapshot.at(5.0, values)]))
    }
    assert found["things_total", "a?"].samples[0][:2] == (5000, 3.0)
    assert found["level", None].samples[0].value == math.inf
    assert found["wait_bucket", "2.0"].samples[0].value == 1.0
    assert dict(found["wait_bucket", "+Inf"].labels)["instance"] == "here"
    assert dict(found["wait_sum", None].labels)["cluster"] == "west"
