"""What `dockline check --live` asks of sinks over HTTP, beside opening them."""

from __future__ import annotations

import urllib.request
from typing import Any

import pytest

from pipeline.model import registry
from pipeline.model.component import Secret, Sink, SinkContext
from pipeline.model.errors import Unavailable
from pipeline.transport.http import AuthConfig
from tests.servers.http_receiver import Request, answer, http_receiver
from tests.servers.victoria import VictoriaLogs, VictoriaMetrics

PATHS = {
    "victorialogs": "",
    "loki": "/insert",
    "elasticsearch": "/insert/elasticsearch",
    "otlp": "/insert/opentelemetry",
}
ALL = ["http", "prometheus_remote_write", *PATHS]
MADE = {
    kind: (registry.config_type("sinks", kind), registry.implementation("sinks", kind))
    for kind in ALL
}
WITH_REQUESTS = [kind for kind in ALL if kind != "http"]


def made(kind: str, url: str, **options: Any) -> Sink[Any]:
    address = {"urls": [url]} if kind == "elasticsearch" else {"url": url}
    config_type, implementation = MADE[kind]
    one: Sink[Any] = implementation(
        config_type(type=kind, **address, **options), SinkContext("out")
    )
    return one


async def probed(kind: str, url: str, **options: Any) -> str:
    """What it has reached. Raises `Unavailable`."""
    sink = made(kind, url, **options)
    try:
        await sink.open()
        await sink.probe()
        return sink.reached()
    finally:
        await sink.close()


@pytest.mark.parametrize("kind", PATHS)
async def test_a_real_store_takes_a_probe_and_stores_nothing(
    victorialogs: VictoriaLogs, kind: str
) -> None:
    assert victorialogs.url in await probed(kind, victorialogs.url + PATHS[kind])
    with urllib.request.urlopen(f"{victorialogs.url}/metrics", timeout=60) as answer:
        lines = answer.read().decode().splitlines()
    ingested = [line for line in lines if line.startswith("vl_rows_ingested_total")]
    assert ingested and all(line.endswith(" 0") for line in ingested)


@pytest.mark.parametrize("encoding", ["protobuf", "json"])
async def test_it_takes_one_in_either_encoding(tenant: VictoriaLogs, encoding: str) -> None:
    url = tenant.url + PATHS["loki"]
    assert tenant.url in await probed("loki", url, encoding=encoding)


@pytest.mark.parametrize("kind", PATHS)
async def test_a_real_store_tells_of_a_wrong_path(tenant: VictoriaLogs, kind: str) -> None:
    with pytest.raises(Unavailable, match="check the path"):
        await probed(kind, tenant.url + "/wrong")


async def test_a_real_receiver_of_remote_writes_takes_a_probe_and_tells_of_a_wrong_path(
    victoriametrics: VictoriaMetrics,
) -> None:
    kind, url = "prometheus_remote_write", victoriametrics.url
    assert url in await probed(kind, f"{url}/api/v1/write")
    with pytest.raises(Unavailable, match="check the path"):
        await probed(kind, f"{url}/wrong")


@pytest.mark.parametrize("kind", ALL)
async def test_a_wrong_password_is_told(kind: str) -> None:
    def judge(request: Request) -> bytes:
        return answer(401, b"who are you")

    async with http_receiver(judge, probe=judge) as to:
        with pytest.raises(Unavailable, match="answers 401: who are you; check `auth`"):
            await probed(kind, to.url, auth=AuthConfig(user="u", password=Secret("wrong")))


@pytest.mark.parametrize("kind", WITH_REQUESTS)
@pytest.mark.parametrize("status", [400, 422, 500])
async def test_what_a_server_says_of_a_request_without_entries_does_not_matter(
    kind: str, status: int
) -> None:
    async with http_receiver(lambda request: answer(status, b"there is nothing in it")) as to:
        assert to.url in await probed(kind, to.url)
        assert to.requests


@pytest.mark.parametrize("known", ["/v1/logs", "/v1/metrics"])
async def test_a_server_of_otlp_may_take_only_logs_or_only_metrics(known: str) -> None:
    def judge(request: Request) -> bytes:
        return answer(200 if request.path == known else 404)

    async with http_receiver(judge) as to:
        assert to.url in await probed("otlp", to.url)


async def test_an_http_server_of_ones_own_is_sent_nothing_and_its_answer_to_get_is_told() -> None:
    async with http_receiver(probe=lambda request: answer(404)) as to:
        assert await probed("http", to.url) == f"{to.url}, which answers 404 to GET"
        assert to.requests == []


@pytest.mark.parametrize("kind", ["loki", "victorialogs", "prometheus_remote_write"])
async def test_a_web_page_is_no_stores_answer(kind: str) -> None:
    """As of a login that stands before it. Other sinks read what the answer says."""
    page = answer(200, b"\n<!doctype html><p>Please log in</p>", Content_Type="text/html")
    async with http_receiver(lambda request: page) as to:
        with pytest.raises(Unavailable, match=r"with a web page.*Please log in"):
            await probed(kind, to.url)
