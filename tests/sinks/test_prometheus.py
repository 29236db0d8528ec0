"""The sink serves the newest reading of the containers that it is sent, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from pipeline.config import ConfigErrors, load
from pipeline.model.batch import Batch
from pipeline.model.component import SinkConfig, SinkContext
from pipeline.model.container import Container
from pipeline.model.errors import ConfigError, Unavailable
from pipeline.model.registry import config_type, implementation
from pipeline.sinks.prometheus import FULL, NOT_STATS, Config, Prometheus
from pipeline.sources.docker.stats import stats_batch
from pipeline.testing.builders import batch
from tests.servers.prometheus import PrometheusServer
from tests.sources.docker.answers import answer, reading


def everybody(container_id: str) -> bool:
    return True


@asynccontextmanager
async def opened(
    alive: Callable[[str], bool] = everybody, **settings: Any
) -> AsyncIterator[Prometheus]:
    config = Config(type="prometheus", **{"listen": "127.0.0.1:0", **settings})
    sink = Prometheus(config, SinkContext("exporter", alive=alive))
    await sink.open()
    try:
        yield sink
    finally:
        await sink.close()


async def deliver(sink: Prometheus, *batches: Batch) -> None:
    await sink.send(sink.encode(batches))


async def page(sink: Prometheus, path: str = "/metrics") -> str:
    async with ClientSession() as client, client.get(f"http://{sink.address}{path}") as response:
        response.raise_for_status()
        return await response.text()


def stats(number: int = 1, usage: int = 8146944, sequence: int = 1) -> Batch:
    """A container's reading as a route sends it."""
    labels = {"team": "shop"}
    container = Container(f"{number:064x}", f"c-{number}", "busybox", labels)
    found = answer("v1")
    found["memory_stats"]["usage"] = usage
    return stats_batch(reading(found, container), sequence)


def test_it_is_found_as_the_sink_prometheus() -> None:
    assert config_type("sinks", "prometheus") is Config
    assert implementation("sinks", "prometheus") is Prometheus
    assert issubclass(Config, SinkConfig)
    assert Prometheus.takes == {"stats"}


async def test_it_serves_what_it_was_sent_under_its_own_path_and_labels() -> None:
    async with opened(path="/team", labels=("team",)) as sink:
        await deliver(sink, stats(1), stats(2))
        text = await page(sink, "/team")
    assert 'name="c-1",container_label_team="shop"} 8146944' in text
    assert 'name="c-2",container_label_team="shop"} 8146944' in text
    assert "dockline_" not in text


async def test_of_several_readings_of_a_container_the_last_is_served() -> None:
    async with opened() as sink:
        payload = sink.encode([stats(1, usage=1), stats(1, usage=3, sequence=2)])
        assert payload.entries == 2
        await sink.send(payload)
        assert "container_memory_usage_bytes{" in await page(sink)
        assert "} 3\n" in await page(sink)


async def test_sending_the_same_payload_again_changes_nothing() -> None:
    async with opened() as sink:
        payload = sink.encode([stats(1)])
        await sink.send(payload)
        once = await page(sink)
        await sink.send(payload)
        assert await page(sink) == once


async def test_entries_that_are_not_stats_are_refused_one_by_one() -> None:
    logs = batch("a", "b")
    events = batch("started", streams="none", source="events")
    async with opened() as sink:
        payload = sink.encode([logs, stats(1), events])
        assert payload.entries == 1
        assert payload.refused == [
            (logs, 0, NOT_STATS),
            (logs, 1, NOT_STATS),
            (events, 0, NOT_STATS),
        ]
        await sink.send(payload)
        assert 'name="c-1"' in await page(sink)


async def test_a_container_that_is_gone_is_gone_at_the_next_scrape() -> None:
    alive = {f"{1:064x}", f"{2:064x}"}
    async with opened(alive=alive.__contains__) as sink:
        await deliver(sink, stats(1), stats(2))
        alive.discard(f"{1:064x}")
        text = await page(sink)
    assert 'name="c-1"' not in text
    assert 'name="c-2"' in text


async def test_readings_that_the_page_has_no_room_for_are_refused_until_there_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alive = {f"{number:064x}" for number in range(9)}
    async with opened(alive=alive.__contains__) as sink:
        await deliver(sink, stats(1), stats(2))
        monkeypatch.setattr("pipeline.observe.metrics_page.MOST", sink._exposition._size)
        monkeypatch.setattr("pipeline.observe.metrics_page.LOOK", 0.0)
        full = sink.encode([stats(3), stats(1, usage=9146944)])
        await sink.send(full)
        ((refused, index, reason),) = full.refused
        assert (refused.container.name, index) == ("c-3", 0)
        assert full.entries == 1 and reason == FULL
        assert "9146944" in await page(sink), "what is there gets new figures"
        alive.discard(f"{1:064x}")
        again = sink.encode([stats(3)])
        await sink.send(again)
        assert again.refused == []
        text = await page(sink)
    assert 'name="c-3"' in text and 'name="c-1"' not in text


async def test_an_address_in_use_is_unavailable_until_it_is_free() -> None:
    async with opened() as first:
        taken = first.address
        second = Prometheus(Config(type="prometheus", listen=taken), SinkContext("second"))
        with pytest.raises(Unavailable, match=f"cannot listen on {taken}: it is in use"):
            await second.open()
    await second.open()
    await deliver(second, stats(1))
    assert 'name="c-1"' in await page(second)
    await second.close()


async def test_opening_again_keeps_what_was_sent() -> None:
    async with opened() as sink:
        await deliver(sink, stats(1))
        await sink.open()
        assert 'name="c-1"' in await page(sink)


async def test_it_may_be_closed_without_having_been_opened() -> None:
    await Prometheus(Config(type="prometheus"), SinkContext("exporter")).close()


def test_an_address_that_is_none_is_an_error_of_the_configuration() -> None:
    with pytest.raises(ConfigError, match="not an address to listen on") as found:
        Prometheus(Config(type="prometheus", listen="9115"), SinkContext("exporter"))
    assert found.value.path == "listen"


def test_its_table_is_read_like_any_other(tmp_path: Path) -> None:
    file = tmp_path / "dockline.toml"
    file.write_text("""
        [sinks.team]
        type = "prometheus"
        listen = "[::]:9115"
        path = "/team"
        labels = ["team", "com.docker.compose.service"]
        max_age = "1m"
    """)
    config = load(file, {}).sinks["team"]
    assert isinstance(config, Config)
    assert (config.listen, config.path, config.max_age) == ("[::]:9115", "/team", 60.0)
    assert list(config.labels) == ["team", "com.docker.compose.service"]


@pytest.mark.parametrize("path", ["metrics", "/{x}", "/a b", ""])
def test_a_path_is_one_plain_path(path: str, tmp_path: Path) -> None:
    file = tmp_path / "dockline.toml"
    file.write_text(f'[sinks.team]\ntype = "prometheus"\npath = "{path}"\n')
    with pytest.raises(ConfigErrors) as caught:
        load(file, {})
    assert [problem.path for problem in caught.value.problems] == ["sinks.team.path"]


@pytest.mark.server
async def test_a_real_prometheus_scrapes_it_and_sees_a_container_go(tmp_path: Path) -> None:
    alive = {f"{1:064x}", f"{2:064x}"}
    async with opened(alive=alive.__contains__, path="/team", labels=("team",)) as sink:
        await deliver(sink, stats(1), stats(2))
        with PrometheusServer(tmp_path, sink.address, path="/team") as prometheus:
            query = 'sum by (container_label_team) (container_memory_usage_bytes{name=~"c-.*"})'
            (found,) = await prometheus.wait_for(query)
            assert found["metric"] == {"container_label_team": "shop"}
            assert float(found["value"][1]) == 2 * 8146944
            alive.discard(f"{1:064x}")
            await prometheus.wait_for('absent(container_memory_usage_bytes{name="c-1"})')
            assert await prometheus.value('container_memory_usage_bytes{name="c-2"}') == 8146944
