"""The endpoints tell whether the agent is alive, whether it is ready, and how it is doing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio
from aiohttp import ClientSession
from prometheus_client import CollectorRegistry

from pipeline.accounting.audit import AuditReport, ContainerPart
from pipeline.accounting.auditor import Chosen, Take
from pipeline.model.container import Container
from pipeline.model.errors import DocklineError
from pipeline.model.metrics import Metrics
from pipeline.model.samples import Inspection
from pipeline.observe.access import Gate
from pipeline.observe.admin import Admin
from pipeline.observe.metrics_page import Exposition
from pipeline.observe.overview import ContainerNow, Overview
from tests.servers.prometheus import PrometheusServer
from tests.sources.docker.answers import answer, reading

REPORT = AuditReport(False, [ContainerPart("1", "api-1", {"logs": 3}, [])], {})
TOKEN = "a-token-of-some-length"
OVERVIEW = Overview("web-1", 1.0, 2.0, "", [ContainerNow("1", "api-1", 3)], [], [])
SENTENCES = ["the Engine does not answer", "sink papertrail: its buffer is full"]


class Running:
    """An agent's endpoints, with nothing but what the test puts in."""

    def __init__(self, *, metrics: bool = True) -> None:
        self.metrics = Metrics(CollectorRegistry())
        self.exposition = Exposition(labels=["x"], registry=self.metrics.registry)
        self.missing: list[str] = []
        self.gate = Gate(TOKEN, metrics=metrics)
        self.report, self.shown = REPORT, OVERVIEW
        self.admin = Admin(
            "127.0.0.1:0",
            self.gate,
            self.exposition,
            lambda: self.missing,
            self.audit,
            overview=self.overview,
        )

    async def audit(self, take: Take, chosen: Chosen) -> AuditReport:
        for place, part in reversed(list(enumerate(self.report.containers))):
            take(place, part)
        return msgspec.structs.replace(self.report, containers=[])

    async def overview(self) -> Overview:
        return self.shown

    async def get(self, path: str, **headers: str) -> tuple[int, str, str]:
        """Status, content type and text, with the token unless something else is said."""
        headers.setdefault("Authorization", f"Bearer {TOKEN}")
        url = f"http://{self.admin.address}{path}"
        async with ClientSession() as client, client.get(url, headers=headers) as response:
            return response.status, response.content_type, await response.text()


@pytest_asyncio.fixture
async def running() -> AsyncIterator[Running]:
    running = Running()
    await running.admin.start()
    yield running
    await running.admin.close()


async def test_the_index_names_the_endpoints(running: Running) -> None:
    status, kind, text = await running.get("/")
    assert (status, kind) == (200, "text/plain")
    assert "/tap" in text
    for path in ("/metrics", "/healthz", "/readyz", "/audit", "/top"):
        assert path in text
        assert (await running.get(path))[0] == 200


async def test_the_ledger_is_served_as_json(running: Running) -> None:
    status, kind, text = await running.get("/audit")
    assert (status, kind) == (200, "application/json")
    assert msgspec.json.decode(text, type=AuditReport) == REPORT


async def test_the_ledger_and_what_it_does_are_served_whatever_is_in_a_text(
    running: Running,
) -> None:
    odd = "\udcff\0\n"
    running.report = AuditReport(False, [ContainerPart("1", odd, {odd: 3}, [])], {odd: 1})
    running.shown = Overview(odd, 1.0, 2.0, odd, [ContainerNow("1", odd, 3)], [], [])
    for path, name in (("/audit", "name"), ("/top", "name")):
        status, _, text = await running.get(path)
        (found,) = msgspec.json.decode(text)["containers"]
        assert (status, found[name]) == (200, "\ufffd\0\n")


async def test_what_it_does_just_now_is_served_as_json(running: Running) -> None:
    status, kind, text = await running.get("/top")
    assert (status, kind) == (200, "application/json")
    assert msgspec.json.decode(text, type=Overview) == OVERVIEW


async def test_without_the_token_there_is_nothing_but_what_is_for_everybody(
    running: Running,
) -> None:
    for path in ("/audit", "/top", "/tap", "/-/reload", "/nothing", "/metrics/", "//metrics"):
        for token in ("", "Bearer ", "Bearer x", f"Basic {TOKEN}", f"Bearer {TOKEN}x"):
            status, _, text = await running.get(path, Authorization=token)
            assert status in (401, 429), (path, token)  # the last one is one too many
            assert text.count("\n") == 1, (path, token)
    for path in ("/", "/metrics", "/healthz", "/readyz"):
        assert (await running.get(path, Authorization=""))[0] == 200


async def test_healthz_says_ok_whatever_is_not_ready(running: Running) -> None:
    running.missing = SENTENCES
    assert await running.get("/healthz") == (200, "text/plain", "ok\n")


async def test_readyz_says_ok_when_all_is_ready(running: Running) -> None:
    assert await running.get("/readyz") == (200, "text/plain", "ok\n")


async def test_readyz_has_a_line_for_each_thing_that_is_not_ready(running: Running) -> None:
    running.missing = SENTENCES
    expected = "the Engine does not answer\nsink papertrail: its buffer is full\n"
    assert await running.get("/readyz") == (503, "text/plain", expected)


async def test_readyz_is_json_where_that_is_asked_for(running: Running) -> None:
    running.missing = SENTENCES[:1]
    status, kind, text = await running.get("/readyz", Accept="application/json")
    assert (status, kind) == (503, "application/json")
    assert text == '{"ready": false, "missing": ["the Engine does not answer"]}\n'
    browser = "text/html,application/json;q=0.5"
    assert (await running.get("/readyz", Accept=browser))[1] == "text/plain"


async def test_metrics_has_the_agents_and_the_containers_series(running: Running) -> None:
    running.metrics.received.labels("shop-api-1").inc(3)
    running.exposition.update(reading("v1"))
    _, _, text = await running.get("/metrics")
    assert 'dockline_received_entries_total{container="shop-api-1"} 3.0\n' in text
    assert "container_memory_usage_bytes{" in text


async def test_an_address_that_is_taken_is_one_clear_sentence(running: Running) -> None:
    second = Admin(running.admin.address, running.gate, running.exposition, list, running.audit)
    with pytest.raises(DocklineError, match="is in use"):
        await second.start()


@pytest.mark.server
@pytest.mark.parametrize("protocol", ["OpenMetricsText1.0.0", "PrometheusText0.0.4"])
async def test_prometheus_takes_all_of_it_whatever_is_in_the_labels(
    running: Running, protocol: str, tmp_path: Path
) -> None:
    hostile = 'quote " backslash \\ end\\\nnew line\r\ttab \0 nul \ud800 surrogate ünï 🐳 {}=,'
    running.metrics.delivered.labels("papertrail").inc(7)
    running.exposition.describe_machine({"NCPU": 2, "MemTotal": 4096})
    running.exposition.update(reading("v1"))
    odd = Container("c" * 64, "odd", "busybox", {"x": hostile})
    running.exposition.update(reading("v2", odd, Inspection()))
    _, _, text = await running.get("/metrics")
    lines = [line for line in text.split("\n") if line and not line.startswith("#")]
    with PrometheusServer(tmp_path, running.admin.address, protocol=protocol) as prometheus:
        await prometheus.wait_for(f"scrape_samples_scraped == {len(lines)} and up == 1")
        (found,) = await prometheus.wait_for('container_memory_usage_bytes{name="odd"}')
        assert found["metric"]["container_label_x"] == hostile.replace("\ud800", "\ufffd")
        assert await prometheus.value("dockline_delivered_entries_total") == 7
        assert await prometheus.value("machine_cpu_cores") == 2
        assert "level=warn" not in prometheus.log.read_text()


@pytest.mark.server
async def test_promql_gives_the_figures_and_a_removed_container_is_gone(
    running: Running, tmp_path: Path
) -> None:
    stats = answer("v1")
    running.exposition.update(reading(stats))
    with PrometheusServer(tmp_path, running.admin.address) as prometheus:
        working_set = await prometheus.value("container_memory_working_set_bytes")
        assert working_set == 8146944 - 5644288
        assert await prometheus.value("container_cpu_usage_seconds_total") == 0.08184031
        stats["cpu_stats"]["cpu_usage"]["total_usage"] += 2_000_000_000
        running.exposition.update(reading(stats))
        await prometheus.wait_for("container_cpu_usage_seconds_total > 2")
        seen = "container_cpu_usage_seconds_total[1h]"
        grown = await prometheus.value(f"max_over_time({seen}) - min_over_time({seen})")
        assert grown == pytest.approx(2)
        running.exposition.remove(reading(stats).container.id)
        await prometheus.wait_for("absent(container_cpu_usage_seconds_total)")


@pytest.mark.server
async def test_prometheus_brings_the_token_where_metrics_are_closed(tmp_path: Path) -> None:
    closed = Running(metrics=False)
    await closed.admin.start()
    (tmp_path / "token").write_text(f"{TOKEN}\n")  # as the agent keeps it
    with PrometheusServer(
        tmp_path, closed.admin.address, credentials=tmp_path / "token"
    ) as prometheus:
        await prometheus.wait_for("up == 1")
    assert (await closed.get("/metrics", Authorization=""))[0] == 401
    await closed.admin.close()
