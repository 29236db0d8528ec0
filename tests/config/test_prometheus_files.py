"""Prometheus' configuration, the alert rules and the Grafana dashboard, against real tools."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from pipeline.accounting.audit import LedgerMetrics
from pipeline.accounting.auditor import Auditor, BufferSnapshot
from pipeline.accounting.ledger import Ledger
from pipeline.intake.runner import SourceGauges
from pipeline.model.cadvisor import FAMILIES
from pipeline.model.component import SinkContext, StageContext
from pipeline.model.container_state import State
from pipeline.model.metrics import Metrics
from pipeline.model.samples import Inspection
from pipeline.model.state_families import STATE_FAMILIES
from pipeline.observe.access import Gate
from pipeline.observe.admin import Admin
from pipeline.observe.metrics_page import Exposition
from pipeline.sinks.prometheus import Config
from pipeline.stages import observe
from pipeline.testing.builders import batch, container
from pipeline.topology.output import Output, OutputGauges
from tests.servers.prometheus import PrometheusServer, promtool
from tests.sources.docker.answers import CONTAINER, answer, reading

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "config/prometheus"
DASHBOARD = ROOT / "config/grafana/dockline.json"
OWN = re.compile(r"\b(?:dockline|container|machine)_[a-z_]+\b")

JOB = container("job", number=9)
HISTOGRAM = "http_request_duration_seconds"
"""What a stage `observe` of the agent makes."""
VARIABLES = {
    "$__rate_interval": "5s",
    "$__range": "1m",
    "$instance": ".*",
    "$container": ".*",
    "${histogram}": HISTOGRAM,
}


def dashboard() -> dict[str, Any]:
    return json.loads(DASHBOARD.read_text())  # type: ignore[no-any-return]


def panels() -> list[dict[str, Any]]:
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def expressions() -> Iterator[tuple[str, str]]:
    """Of each panel, its title and each query, with Grafana's variables filled in."""
    for panel in panels():
        for target in panel["targets"]:
            expression = target["expr"]
            for name, value in VARIABLES.items():
                expression = expression.replace(name, value)
            yield panel["title"], expression


def metric_names(text: str) -> set[str]:
    """Names of our metrics in a PromQL expression, which label names such as `container` and
    those of `by (…)` are not."""
    without = re.sub(r'"[^"]*"|\b(by|on) \([^)]*\)', "", text)
    return {name for name in OWN.findall(without) if not name.startswith("container_label_")}


def exported() -> set[str]:
    """Every name that `/metrics` can have."""
    registry = CollectorRegistry()
    Metrics(registry)
    registry.register(OutputGauges([]))
    registry.register(SourceGauges([]))
    registry.register(LedgerMetrics(Ledger(), dict))
    ours = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in registry.collect()
    }
    machine = {"machine_cpu_cores", "machine_memory_bytes"}
    of_containers = {family.name for family in (*FAMILIES, *STATE_FAMILIES)}
    return ours | machine | of_containers


# ---------------------------------------------------------------------- Prometheus' own files


@pytest.mark.server
def test_promtool_accepts_the_configuration_and_the_rules_that_it_names() -> None:
    done = promtool("check", "config", str(PROMETHEUS / "prometheus.yml"))
    assert done.returncode == 0, done.stderr.decode()
    assert b"23 rules found" in done.stdout


@pytest.mark.server
def test_each_alert_fires_when_it_should_and_not_before() -> None:
    done = promtool("test", "rules", str(Path(__file__).parent / "rules_test.yml"))
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()


def test_each_alert_is_tested() -> None:
    rules = re.findall(r"- alert: (\w+)", (PROMETHEUS / "rules.yml").read_text())
    tests = (Path(__file__).parent / "rules_test.yml").read_text()
    assert len(rules) == 23
    untested = [rule for rule in rules if not re.search(rf"alertname: {rule}\n *eval_time", tests)]
    assert untested == []


def test_the_rules_ask_for_nothing_that_is_not_exported() -> None:
    text = (PROMETHEUS / "rules.yml").read_text()
    blocks = re.findall(r"expr: (?:\|\n((?: {10}.*\n)+)|(.*)\n)", text)
    asked = set().union(*(metric_names("".join(block)) for block in blocks))
    assert len(blocks) == 23
    assert len(asked) > 15
    assert asked <= exported()


# ------------------------------------------------------------------------------- dashboard


def test_the_dashboard_is_one_that_grafana_10_can_import() -> None:
    board = dashboard()
    assert board["schemaVersion"] >= 38
    assert "id" not in board
    assert (board["uid"], board["title"]) == ("dockline", "dockline")
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))


def test_its_panels_do_not_overlap() -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in dashboard()["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken, f"{panel['title']} lies over {taken.get((x, y))}"
                taken[x, y] = panel["title"]


def variables() -> dict[str, dict[str, Any]]:
    return {variable["name"]: variable for variable in dashboard()["templating"]["list"]}


def test_data_source_agent_container_and_histogram_are_variables() -> None:
    assert list(variables()) == ["datasource", "instance", "container", "histogram"]
    assert variables()["datasource"]["type"] == "datasource"
    for panel in panels():
        assert panel["datasource"]["uid"] == "${datasource}"
        for target in panel["targets"]:
            assert target["datasource"]["uid"] == "${datasource}"
            assert "$instance" in target["expr"]
    for name in ("instance", "container", "histogram"):
        assert metric_names(variables()[name]["definition"]) <= exported()


def test_every_panel_says_what_it_shows_and_names_its_series() -> None:
    for panel in panels():
        assert panel["description"].endswith(".")
        if panel["type"] == "timeseries":
            assert all(target["legendFormat"] for target in panel["targets"])


def test_the_dashboard_asks_for_nothing_that_is_not_exported() -> None:
    asked = set().union(*(metric_names(expression) for _, expression in expressions()))
    assert len(asked) > 25
    assert asked <= exported()


# ---------------------------------------------------------------------------- a whole agent


@pytest.fixture
def metrics() -> Metrics:
    """Those of an agent with one sink."""
    metrics = Metrics(CollectorRegistry())
    output = Output(Config(type="prometheus"), SinkContext("papertrail"), metrics, Ledger())
    metrics.registry.register(OutputGauges([output]))
    ledger = Ledger()
    ledger.container(CONTAINER.id, CONTAINER.name).route("logs", "shop").held = 1
    metrics.registry.register(LedgerMetrics(ledger, dict))
    return metrics


@asynccontextmanager
async def busy_agent(metrics: Metrics) -> AsyncIterator[str]:
    """The address of an agent of which everything that can be counted keeps growing."""
    ended = State(state="exited", exit_code=3, finished=time.time(), end="by_itself")
    states = [(CONTAINER, state := State(state="running", started=time.time())), (JOB, ended)]
    exposition = Exposition(registry=metrics.registry, states=lambda: states)
    exposition.describe_machine({"NCPU": 2, "MemTotal": 2**32})
    auditor = Auditor(Ledger(), lambda: BufferSnapshot([], []))
    admin = Admin("127.0.0.1:0", Gate(), exposition, list, auditor.audit)
    await admin.start()
    async with asyncio.TaskGroup() as tasks:
        growing = tasks.create_task(grow(metrics, exposition, state))
        try:
            yield admin.address
        finally:
            growing.cancel()
            await admin.close()


async def grow(metrics: Metrics, exposition: Exposition, state: State) -> None:
    stats = answer("v1")
    turn = 0
    metrics.engine_up.set(1)
    metrics.containers.set(1)
    latencies = observe.Stage(observe.Observe(name=HISTOGRAM, value="seconds"))
    latencies.attach(StageContext(metrics.derived))
    while True:
        latencies(batch("GET /", "GET /a", fields=[{"seconds": 0.03}, {"seconds": 0.2}]))
        metrics.received.labels(CONTAINER.name).inc(10)
        metrics.received_bytes.labels(CONTAINER.name).inc(1000)
        metrics.filtered.labels("shop", "keep").inc()
        metrics.made.labels("shop", "split").inc()
        metrics.stage_errors.labels("shop", "python").inc()
        metrics.log_gaps.labels(CONTAINER.name).inc()
        metrics.reloads.labels("success").inc()
        metrics.reload_success.set(1)
        metrics.source_refused.labels("forward", "too_large").inc()
        for counter in (
            metrics.source_messages,
            metrics.source_entries,
            metrics.source_settled,
            metrics.source_restarts,
        ):
            counter.labels("forward").inc()
        metrics.source_errors.labels("stats_late").inc()
        metrics.dropped.labels("papertrail", "refused").inc()
        for counter in (
            metrics.delivered,
            metrics.delivered_bytes,
            metrics.dead_lettered,
            metrics.truncated,
            metrics.retried,
        ):
            counter.labels("papertrail").inc()
        stats["cpu_stats"]["cpu_usage"]["total_usage"] += 10_000_000
        stats["cpu_stats"]["throttling_data"]["periods"] += 2
        stats["cpu_stats"]["throttling_data"]["throttled_periods"] += 1
        inspection = Inspection(
            f"/docker/{CONTAINER.id}",
            cpu_quota=50_000,
            memory_limit=2**26,
        )
        exposition.update(reading(stats, inspection=inspection))
        state.restarts, state.oom, state.health, state.version = turn, turn, "healthy", turn + 1
        turn += 1
        await asyncio.sleep(0.1)


async def histograms(prometheus: PrometheusServer) -> list[str]:
    """What the variable of that name offers, of the series as Grafana writes them."""
    variable = variables()["histogram"]
    query = variable["definition"].removeprefix("query_result(").removesuffix(")")
    found = await prometheus.wait_for(query.replace("$instance", ".*"))
    pattern = re.compile(variable["regex"].strip("/"))
    names = [pattern.match(f"{one['metric']['__name__']}{{}} 1 1796125725400") for one in found]
    return [name[1] for name in names if name]


@pytest.mark.server
async def test_every_panel_shows_something_of_a_busy_agent(
    metrics: Metrics, tmp_path: Path
) -> None:
    async with busy_agent(metrics) as address:
        rules = PROMETHEUS / "rules.yml"
        with PrometheusServer(tmp_path, address, rules=[rules]) as prometheus:
            await prometheus.wait_for("count_over_time(dockline_engine_up[1m]) > 8")
            for _, expression in expressions():
                await prometheus.wait_for(expression)
            (found,) = await prometheus.wait_for('container_last_seen{instance=~".*"}')
            assert found["metric"]["name"] == CONTAINER.name
            assert await histograms(prometheus) == [HISTOGRAM]
            p99 = {t: e for t, e in expressions() if t.startswith("Quantiles")}.popitem()[1]
            assert 0.1 < await prometheus.value(p99) <= 0.25
            used = await prometheus.value("sum(rate(container_cpu_usage_seconds_total[1m]))")
            assert 0 < used < 0.2
