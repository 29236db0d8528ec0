"""Every configuration in `docs/guides/stores.md` brings lines to the store that it is for."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import Config
from pipeline.config.file import parse
from pipeline.model import registry
from pipeline.model.batch import Batch
from pipeline.model.component import Sink, SinkContext
from pipeline.testing.builders import batch, container
from tests.servers import graylog
from tests.servers.elasticsearch import Elasticsearch
from tests.servers.http_receiver import http_receiver
from tests.servers.receivers import Collector, serve
from tests.servers.victoria import VictoriaLogs, victorialogs

__all__ = ["victorialogs"]

PAGE = (Path(__file__).parents[2] / "docs/guides/stores.md").read_text()
ENVIRON = {"ES_API_KEY": "id:key", "OPENSEARCH_PASSWORD": "secret"}
STORES = {
    section.partition("\n")[0]: re.findall(
        r"^```toml\n(.*?)^```$", section, re.DOTALL | re.MULTILINE
    )
    for section in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]
}


def test_each_store_of_the_table_has_one_configuration() -> None:
    listed = re.findall(r"^\| \[([^\]]+)\]\(#([^)]+)\) ", PAGE, re.MULTILINE)
    assert listed == [(name, name.lower().replace(" ", "-")) for name in STORES]
    assert [len(blocks) for blocks in STORES.values()] == [1] * len(STORES)


@pytest.mark.parametrize("store", STORES)
def test_it_is_read_without_a_warning(store: str) -> None:
    assert parse(STORES[store][0], ENVIRON).warnings == []


def config_of(store: str, addresses: dict[str, str]) -> Config:
    text = STORES[store][0]
    for written, real in addresses.items():
        host = written.replace("_", "-")
        found = re.search(rf"\w+://{host}:\d+", text)
        assert found, f"{host} is not in it"
        text = text.replace(found[0], real)
    return parse(text, ENVIRON).config


def through(config: Config, some: Batch) -> Batch:
    """What a route makes of it."""
    for stage in config.routes["everything"].stages:
        made = registry.implementation("stages", stage.name)(stage.config)
        left = made.bind(some.container)(some)
        assert left is not None
        some = left
    return some


LINES = ['{"level":"error","msg":"boom","status":503}', "not JSON"]


def prepared(store: str, addresses: dict[str, str]) -> tuple[Sink[Any], Batch]:
    """The sink that the route leads to, and what the route makes of two lines."""
    config = config_of(store, addresses)
    (name,) = config.routes["everything"].to
    settings: Any = config.sinks[name]
    sink: Sink[Any] = registry.implementation("sinks", settings.type)(settings, SinkContext(name))
    labels = {"com.docker.compose.project": "shop"}
    return sink, through(config, batch(*LINES, of=container("api", labels=labels)))


async def send(store: str, **addresses: str) -> None:
    sink, some = await asyncio.to_thread(prepared, store, addresses)  # it looks for modules
    payload = sink.encode([some])
    await sink.open()
    await sink.send(payload)
    await sink.close()
    assert (payload.entries, payload.refused) == (2, [])


async def test_victorialogs_has_them(victorialogs: VictoriaLogs) -> None:
    await send("VictoriaLogs", victorialogs=victorialogs.url)
    victorialogs.until("*", 2)
    (found,) = victorialogs.query('{container.name="api"} log.level:error and status:>=500')
    assert found["_msg"] == LINES[0]


async def test_loki_has_them(victorialogs: VictoriaLogs) -> None:
    await send("Loki", loki=victorialogs.url + "/insert")
    victorialogs.until("*", 2)
    (found,) = victorialogs.query("status:=503")
    assert found["_stream"] == '{compose_project="shop",container_name="api",host="web-1"}'
    assert (found["level"], found["_msg"]) == ("error", LINES[0])


async def test_elasticsearch_has_them() -> None:
    server = Elasticsearch()
    async with http_receiver(server) as to, http_receiver(server) as other:
        await send("Elasticsearch", elasticsearch_1=to.url, elasticsearch_2=other.url)
        (request,) = [*to.requests, *other.requests]
        assert request.headers["authorization"] == "ApiKey aWQ6a2V5"
    assert {index for index, _ in server.stored} == {"logs-docker.logs-default"}
    assert server.messages == LINES


async def test_opensearch_has_them() -> None:
    server = Elasticsearch()
    async with http_receiver(server) as to:
        await send("OpenSearch", opensearch=to.url)
        assert to.requests[0].headers["authorization"].startswith("Basic ")
    assert {index for index, _ in server.stored} == {"docker-2026.01.31"}
    assert server.messages == LINES


async def test_what_speaks_otlp_has_them(victorialogs: VictoriaLogs) -> None:
    await send("OpenTelemetry Collector", collector=victorialogs.url + "/insert/opentelemetry")
    victorialogs.until("*", 2)
    (found,) = victorialogs.query("status:=503")
    assert found["container.name"] == "api"
    assert found["_msg"] == LINES[0]


async def test_graylog_has_them() -> None:
    receiver = Collector()
    async with serve(receiver) as port:
        await send("Graylog", graylog=f"tcp://127.0.0.1:{port}")
        first, second = graylog.stream(await receiver.has(1))
    assert (first["short_message"], first["_status"], first["level"]) == (LINES[0], 503, 3)
    assert second["short_message"] == LINES[1]
    assert first["_container_name"] == "api"
