"""Readings become a page that Prometheus takes whole, in both of its formats."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from itertools import groupby
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Gauge, Histogram, Info
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families

from pipeline.model.cadvisor import container_labels, label_names
from pipeline.model.container import Container
from pipeline.model.metrics import Metrics
from pipeline.model.samples import Inspection, Samples
from pipeline.observe.metrics_page import TOGETHER, Exposition
from tests.servers.prometheus import promtool
from tests.sources.docker.answers import CONTAINER, answer, reading

FULL = Inspection(
    cgroup=f"/docker/{CONTAINER.id}",
    started=1795509432.938584,
    health="healthy",
    restarts=0,
    out_of_memory=0,
    cpu_shares=512,
    cpu_period=100_000,
    cpu_quota=50_000,
    memory_limit=2**26,
    memory_swap_limit=2**27,
    memory_reservation=2**25,
)


def other(number: int, **facts: Any) -> Container:
    return Container(f"{number:064x}", facts.pop("name", f"other-{number}"), "busybox", **facts)


async def page(exposition: Exposition, openmetrics: bool = False) -> str:
    return b"".join(await exposition.render(openmetrics=openmetrics)).decode()


def values(text: str, name: str) -> list[str]:
    """The figures of a metric, as written."""
    return re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE)


async def test_an_empty_page_is_valid_in_both_formats() -> None:
    assert await page(Exposition()) == ""
    assert await page(Exposition(), openmetrics=True) == "# EOF\n"


async def test_a_series_has_cadvisors_name_and_labels_and_no_timestamp() -> None:
    exposition = Exposition(labels=["tier"])
    exposition.update(reading("v1"))
    text = await page(exposition)
    labels = (
        f'id="/docker/{CONTAINER.id}",image="shop/api:1.4",name="shop-api-1",'
        'container_label_tier="front"'
    )
    assert f"container_memory_usage_bytes{{{labels}}} 8146944\n" in text
    assert f'container_cpu_usage_seconds_total{{{labels},cpu="total"}} 0.081840310\n' in text
    assert f'container_network_receive_bytes_total{{{labels},interface="eth0"}} 896\n' in text
    assert "# TYPE container_memory_usage_bytes gauge\n" in text
    assert "# TYPE container_cpu_usage_seconds_total counter\n" in text


@pytest.mark.fault(38)
async def test_families_come_once_each_with_all_their_lines_together() -> None:
    metrics = Metrics(CollectorRegistry())
    metrics.received.labels("shop-api-1").inc()
    exposition = Exposition(registry=metrics.registry)
    exposition.describe_machine({"NCPU": 2, "MemTotal": 4096})
    for number in range(3):
        exposition.update(reading("v1", other(number), FULL))
    for openmetrics in (False, True):
        text = await page(exposition, openmetrics)
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        runs = [name for name, _ in groupby(re.split(r"[{ ]", line)[0] for line in lines)]
        assert len(runs) == len(set(runs))
        assert max(Counter(re.findall("# TYPE (.*) ", text)).values()) == 1


@pytest.mark.server
async def test_the_page_of_everything_passes_promtools_check() -> None:
    metrics = Metrics(CollectorRegistry())
    metrics.received.labels("shop-api-1").inc()
    exposition = Exposition(labels=["tier"], registry=metrics.registry)
    exposition.update(reading("v1", inspection=FULL))
    exposition.describe_machine({"NCPU": 2, "MemTotal": 4096})
    done = promtool("check", "metrics", stdin=(await page(exposition)).encode())
    complaints = (done.stdout + done.stderr).decode().splitlines()
    # cAdvisor's own names break two rules of style, and keeping them is the point.
    allowed = {'container_memory_failcnt counter metrics should have "_total" suffix'}
    assert set(complaints) <= allowed, complaints


async def test_openmetrics_names_counters_without_total_and_ends_with_eof() -> None:
    exposition = Exposition(registry=Metrics(CollectorRegistry()).registry)
    exposition.update(reading("v1"))
    text = await page(exposition, openmetrics=True)
    assert "# TYPE container_cpu_usage_seconds counter\ncontainer_cpu_usage_seconds_total{" in text
    assert "# TYPE container_memory_failcnt unknown\ncontainer_memory_failcnt{" in text
    assert text.endswith("\n# EOF\n")
    assert "_created" not in text


async def test_both_formats_say_the_same() -> None:
    metrics = Metrics(CollectorRegistry())
    metrics.delivered.labels("papertrail").inc(3)
    metrics.engine_up.set(1)
    exposition = Exposition(labels=["tier"], registry=metrics.registry)
    exposition.update(reading("v1", inspection=FULL))
    exposition.update(reading("v2", other(2)))
    exposition.describe_machine({"NCPU": 2, "MemTotal": 4096})

    def lines(text: str) -> list[str]:
        return [line for line in text.splitlines() if not line.startswith("#")]

    plain = lines(await page(exposition))
    assert plain == lines(await page(exposition, openmetrics=True))
    assert len(plain) > 60


async def test_a_family_of_many_series_comes_in_pieces_under_one_header() -> None:
    registry = CollectorRegistry()
    gauge = Gauge("many", "Of many series.", ["number"], registry=registry)
    for number in range(TOGETHER + 1):
        gauge.labels(number).set(number)
    pieces = await Exposition(registry=registry).render()
    assert [piece.count(b"\nmany{") + piece.startswith(b"many{") for piece in pieces if piece] == [
        0,
        TOGETHER,
        1,
    ]
    assert b"".join(pieces).count(b"# TYPE many gauge") == 1


async def test_every_kind_of_metric_in_the_registry_comes_out_valid() -> None:
    registry = CollectorRegistry()
    Histogram("lag_seconds", "With \\ and \n in it.", registry=registry).observe(0.3)
    Info("build", "What runs.", registry=registry).info({"version": "0.1"})
    Gauge("odd", "Not finite.", registry=registry).set(float("inf"))
    exposition = Exposition(registry=registry)
    plain = {f.name: f for f in text_string_to_metric_families(await page(exposition))}
    modern = {f.name: f for f in openmetrics_families(await page(exposition, openmetrics=True))}
    assert plain["lag_seconds"].type == modern["lag_seconds"].type == "histogram"
    assert plain["lag_seconds"].documentation == "With \\ and \n in it."
    assert plain["build_info"].samples == modern["build"].samples
    assert plain["odd"].samples[0].value == float("inf")


async def test_a_removed_container_is_gone_at_the_next_scrape() -> None:
    exposition = Exposition()
    exposition.update(reading("v1"))
    exposition.update(reading("v1", other(2)))
    exposition.remove(CONTAINER.id)
    exposition.remove("unknown")
    text = await page(exposition)
    assert "other-2" in text
    assert "shop-api-1" not in text


async def test_a_container_that_is_no_longer_alive_is_gone_and_stays_gone() -> None:
    alive = {CONTAINER.id}
    exposition = Exposition(alive=alive.__contains__)
    exposition.update(reading("v1"))
    assert await page(exposition)
    alive.clear()
    assert await page(exposition) == ""
    alive.add(CONTAINER.id)
    assert await page(exposition) == ""


@pytest.mark.fault(24)
def test_figures_that_nobody_asks_for_do_not_pile_up() -> None:
    alive: set[str] = set()
    exposition = Exposition(alive=alive.__contains__)
    for number in range(2000):
        one = other(number)
        alive.add(one.id)
        exposition.update(reading("v1", one))
        if number >= 150:
            alive.remove(other(number - 150).id)
    assert len(exposition._series) <= 301
    assert alive <= set(exposition._series)


async def test_a_reading_that_is_too_old_is_not_shown() -> None:
    now = 0.0
    exposition = Exposition(max_age=15, clock=lambda: now)
    exposition.update(reading("v1"))
    now = 15.0
    assert await page(exposition)
    now = 15.1
    assert await page(exposition) == ""


async def test_others_run_between_the_pieces_of_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.support.selector.SLICE", 0.0)
    exposition = Exposition()
    exposition.update(reading("v1"))
    scrape = asyncio.get_running_loop().create_task(exposition.render())
    turns = 0
    while not scrape.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > len(await scrape)


@pytest.mark.fault(38)
async def test_a_removal_during_a_scrape_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.support.selector.SLICE", 0.0)
    exposition = Exposition()
    exposition.update(reading("v1"))
    scrape = asyncio.get_running_loop().create_task(exposition.render())
    await asyncio.sleep(0)
    exposition.remove(CONTAINER.id)
    assert not scrape.done()
    assert await scrape
    assert await exposition.render() == []


async def test_a_new_name_takes_the_place_of_the_old_one() -> None:
    exposition = Exposition()
    exposition.update(reading("v1"))
    exposition.update(reading("v1", Container(CONTAINER.id, "renamed", "shop/api:1.4")))
    text = await page(exposition)
    assert 'name="renamed"' in text
    assert "shop-api-1" not in text


@pytest.mark.fault(22)
async def test_counters_keep_every_digit() -> None:
    stats = answer("v1")
    stats["cpu_stats"]["cpu_usage"]["total_usage"] = 2**63 + 1
    stats["networks"]["eth0"]["rx_bytes"] = 2**63 + 1
    exposition = Exposition()
    exposition.update(reading(stats))
    text = await page(exposition)
    assert values(text, "container_cpu_usage_seconds_total") == ["9223372036.854775809"]
    assert values(text, "container_network_receive_bytes_total") == ["9223372036854775809"]


async def test_the_machine_is_described_only_by_what_the_engine_tells() -> None:
    exposition = Exposition()
    exposition.describe_machine({"NCPU": 2, "MemTotal": 0})
    text = await page(exposition)
    assert values(text, "machine_cpu_cores") == ["2.0"]
    assert "machine_memory_bytes" not in text


# ---------------------------------------------------------------------------------- labels


def test_chosen_labels_are_named_as_cadvisor_names_them_and_only_they_are_there() -> None:
    container = other(1, labels={"com.example/a-b": "1", "secret": "2"})
    labels = container_labels(container, "", label_names(["com.example/a-b", "absent"]))
    assert labels == {
        "id": f"/docker/{container.id}",
        "image": "busybox",
        "name": "other-1",
        "container_label_com_example_a_b": "1",
    }


@pytest.mark.fault(24)
@pytest.mark.parametrize(
    ("chosen", "present", "value"),
    [
        (["a.b", "a-b"], {"a.b": "dot", "a-b": "dash"}, "dot"),
        (["a-b", "a.b"], {"a.b": "dot", "a-b": "dash"}, "dash"),
        (["a.b", "a-b"], {"a-b": "dash"}, "dash"),
    ],
)
def test_of_labels_with_the_same_name_the_first_chosen_that_is_there_counts(
    chosen: list[str], present: dict[str, str], value: str
) -> None:
    labels = container_labels(other(1, labels=present), "", label_names(chosen))
    assert labels["container_label_a_b"] == value


HOSTILE = 'quote " backslash \\ end\\\nnew line\r\ttab \0 nul \ud800 surrogate ünï 🐳 {}=,# EOF'


async def test_no_series_is_there_twice_whatever_is_in_its_labels() -> None:
    metrics = Metrics(CollectorRegistry())
    names = ["\udcfe", "\udcff", "\ufffd", "a", 'b\ufffd"\n', "\u2028\ufffd"]
    for name in names:
        metrics.received.labels(name).inc()
    text = await page(Exposition(registry=metrics.registry))
    (family,) = (one for one in text_string_to_metric_families(text) if "received_e" in one.name)
    shown = [sample.labels["container"] for sample in family.samples]
    assert sorted(shown) == sorted(names[2:])


@pytest.mark.fault(24)
async def test_a_hostile_label_value_comes_back_as_it_was_but_for_surrogates() -> None:
    exposition = Exposition(labels=["x"])
    exposition.update(reading("v1", other(1, labels={"x": HOSTILE})))
    exposition.update(reading("v1", other(2)))
    expected = HOSTILE.replace("\ud800", "\ufffd")
    for families in (
        text_string_to_metric_families(await page(exposition)),
        openmetrics_families(await page(exposition, openmetrics=True)),
    ):
        for family in families:
            first = family.samples[0]
            assert first.labels["container_label_x"] == expected
            assert {sample.labels["name"] for sample in family.samples} == {"other-1", "other-2"}


@pytest.mark.fault(38)
@given(st.text(), st.text(), st.dictionaries(st.text(), st.text(), max_size=3))
def test_any_text_in_names_images_and_labels_leaves_the_page_whole(
    name: str, image: str, labels: dict[str, str]
) -> None:
    exposition = Exposition(labels=[*labels])
    exposition.update(reading("v1", Container("a" * 64, name, image, labels)))
    text = asyncio.run(page(exposition, openmetrics=True))
    for family in openmetrics_families(text):
        for sample in family.samples:
            assert sample.labels["name"] == name
            assert sample.labels["image"] == image


# ------------------------------------------------------------------------ custom collector


async def test_it_is_a_custom_collector_with_the_same_series() -> None:
    exposition = Exposition(registry=Metrics(CollectorRegistry()).registry)
    exposition.update(reading("v1", inspection=FULL))
    exposition.describe_machine({"NCPU": 2})
    registry = CollectorRegistry()
    registry.register(exposition)
    assert registry.get_sample_value("machine_cpu_cores") == 2
    labels = container_labels(CONTAINER, FULL.cgroup, [])
    usage = registry.get_sample_value("container_memory_usage_bytes", labels)
    assert usage == 8146944
    cpu = registry.get_sample_value("container_cpu_usage_seconds_total", {**labels, "cpu": "total"})
    assert cpu == 0.08184031
    assert not [family for family in registry.collect() if family.name.startswith("dockline")]


async def test_rendering_never_fails_for_a_reading_of_junk() -> None:
    exposition = Exposition()
    junk: dict[str, Any] = {"cpu_stats": 1, "networks": {"eth0": None, "": {"rx_bytes": 1}}}
    exposition.update(Samples(CONTAINER, 1.0, junk))
    assert values(await page(exposition), "container_network_receive_bytes_total") == ["1"]
