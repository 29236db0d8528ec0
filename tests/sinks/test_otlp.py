"""The otlp sink at VictoriaLogs and VictoriaMetrics, and at a receiver that rejects."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from pipeline.model.batch import Batch
from pipeline.model.component import Payload, Secret, SinkContext
from pipeline.model.container import Container
from pipeline.model.errors import ConfigError, Unavailable
from pipeline.sinks.otlp import NO_READING, Config, Otlp
from pipeline.sources.docker.stats import stats_batch
from pipeline.testing.builders import batch, container
from pipeline.testing.sink_kit import SinkKit
from pipeline.transport.http import AuthConfig
from pipeline.transport.split_retry import AllRejected
from tests.servers.http_receiver import answer, http_receiver
from tests.servers.otlp import JSON, PROTOBUF, Collector, messages, plain, some_rejected
from tests.servers.ports import free_port
from tests.servers.victoria import VictoriaLogs, VictoriaMetrics
from tests.sources.docker.answers import LIMITED, reading

SHOP = {"com.docker.compose.project": "shop", "com.docker.compose.service": "api"}


def sink(url: str, **options: Any) -> Otlp:
    return Otlp(Config(type="otlp", url=url, **options), SinkContext("store", host="web-9"))


async def send(to: Otlp, *batches: Batch) -> Payload[Any]:
    payload = to.encode(batches)
    await to.send(payload)
    return payload


async def deliver(to: Otlp, *batches: Batch) -> Payload[Any]:
    await to.open()
    try:
        return await send(to, *batches)
    finally:
        await to.close()


def stats(of: Container, number: int = 1, time: float = 1795509435.5) -> Batch:
    inspection = replace(LIMITED, started=time - 100, memory_limit=2**26)
    return stats_batch(reading(container=of, inspection=inspection, time=time), number)


def refused(payload: Payload[Any]) -> list[tuple[str, str]]:
    return [(one.lines[index].decode(), reason) for one, index, reason in payload.refused]


# -- VictoriaLogs --------------------------------------------------------------------------------


def store(server: VictoriaLogs, **options: Any) -> Otlp:
    return sink(f"{server.url}/insert/opentelemetry", headers=server.headers, **options)


@pytest.mark.parametrize("compression", ["none", "gzip"])
async def test_entries_are_found_in_victorialogs_with_all_that_is_known_of_them(
    tenant: VictoriaLogs, compression: str
) -> None:
    of = container("shop-api-1", labels=SHOP)
    fields: list[dict[str, Any]] = [
        {"level": "WARN", "status": 503},
        {},
    ]
    lines = batch("it broke \u2603", "plain", of=of, fields=fields, streams="out err", start=70_000)
    await deliver(store(tenant, compression=compression), lines)
    one, two = tenant.until("*", 2)
    assert one["_msg"] == "it broke \u2603"
    assert one["_time"].encode() == lines.times[0].replace(b".000000000", b"")
    assert one["container.name"] == "shop-api-1" and one["service.name"] == "api"
    assert one["container.label.com.docker.compose.project"] == "shop"
    assert one["container.image.name"] == "shop/api" and one["host.name"] == "web-1"
    assert (one["event.sequence"], one["log.iostream"]) == ("70000", "stdout")
    assert one["severity"] == "warning"
    assert one["status"] == "503" and one["level"] == "WARN"
    assert (two["_msg"], two["log.iostream"], two["event.sequence"]) == ("plain", "stderr", "70001")


async def test_each_of_many_entries_of_many_containers_is_stored_once(
    tenant: VictoriaLogs,
) -> None:
    several = [container(f"c-{number}", number=number) for number in range(1, 6)]
    rounds = [
        batch(*[f"{turn}-{number}" for number in range(200)], of=of, start=200 * turn)
        for turn in range(10)
        for of in several
    ]
    to = store(tenant)
    payload = await deliver(to, *rounds)
    assert payload.entries == 10_000
    found = tenant.until("*", 10_000)
    assert len(found) == 10_000
    for of in several:
        numbers = [int(x["event.sequence"]) for x in found if x["container.id"] == of.id]
        assert sorted(numbers) == list(range(2000))


async def test_a_path_that_victorialogs_does_not_have_costs_nothing(
    tenant: VictoriaLogs,
) -> None:
    """It says so with 400, as if the entries were bad."""
    to = sink(tenant.url)
    payload = to.encode([batch("one")])
    await to.open()
    with pytest.raises(Unavailable, match=r"unsupported path .*; check the path in `url`"):
        await to.send(payload)
    await to.close()
    assert payload.entries == 1 and not payload.refused


# -- metrics -------------------------------------------------------------------------------------


async def test_readings_are_found_in_victoriametrics(victoriametrics: VictoriaMetrics) -> None:
    api, db = container("api-1", labels=SHOP), container("db-1", number=2)
    to = sink(f"{victoriametrics.url}/opentelemetry", labels=["com.docker.compose.project"])
    lines = [stats(api), stats(db), stats(api, 2)]
    payload = await deliver(to, *lines)
    assert payload.entries == 3 and not payload.refused
    (series,) = victoriametrics.series(
        '{__name__="container.memory.usage","container.name"="db-1"}'
    )
    usage = reading().stats["memory_stats"]["usage"]
    assert series["values"] == [usage]
    both = victoriametrics.series('{__name__="container.cpu.time","container.name"="api-1"}')
    assert {one["metric"]["cpu.mode"] for one in both} == {"user", "kernel"}
    labels = both[0]["metric"]
    assert labels["service.name"] == "api" and labels["container.id"] == api.id
    assert labels["container.label.com.docker.compose.project"] == "shop"
    assert "container.label.com.docker.compose.service" not in labels


# -- requests ------------------------------------------------------------------------------------


async def test_logs_and_stats_of_one_payload_go_to_their_own_paths() -> None:
    collector = Collector()
    async with http_receiver(collector) as to:
        one = sink(f"{to.url}/base/", auth=AuthConfig(bearer=Secret("abc")))
        of = container()
        payload = await deliver(one, batch("a", of=of), stats(of), batch("b", of=of))
    assert payload.entries == 3
    assert [request.path for request in to.requests] == ["/base/v1/logs", "/base/v1/metrics"]
    assert {request.headers["content-type"] for request in to.requests} == {PROTOBUF}
    assert {request.headers["authorization"] for request in to.requests} == {"Bearer abc"}
    assert collector.messages == ["a", "b"]
    (resource_metrics,) = collector.readings
    assert plain(resource_metrics.resource.attributes)["container.id"] == of.id


async def test_paths_may_be_others() -> None:
    async with http_receiver(Collector()) as to:
        options = {"logs_path": "/otlp/logs", "metrics_path": "/api/v1/push"}
        await deliver(sink(to.url, **options), batch("a"), stats(container()))
    assert [request.path for request in to.requests] == ["/otlp/logs", "/api/v1/push"]


async def test_the_host_of_the_agent_stands_in_for_one_that_is_not_known() -> None:
    collector = Collector()
    async with http_receiver(collector) as to:
        await deliver(sink(to.url), batch("x", of=container(host="")))
    (request,) = collector.taken
    assert plain(request.resource_logs[0].resource.attributes)["host.name"] == "web-9"


async def test_a_reading_that_is_none_is_refused() -> None:
    async with http_receiver(Collector()) as to:
        lines = batch("cpu 1%", source="stats", streams="none")
        payload = await deliver(sink(to.url), lines, batch("log"))
    assert refused(payload) == [("cpu 1%", NO_READING)]
    assert payload.entries == 1


# -- some rejected -------------------------------------------------------------------------------


@pytest.mark.fault(30)
@pytest.mark.parametrize("kind", [PROTOBUF, JSON])
async def test_as_many_are_refused_as_were_rejected_and_none_is_sent_again(kind: str) -> None:
    collector = Collector(lambda request: some_rejected(2, "too old", kind))
    async with http_receiver(collector) as to:
        one = sink(to.url)
        payload = await deliver(one, batch("a", "b"), batch("c", of=container("x", number=2)))
        await one.open()
        await one.send(payload)
        await one.close()
    reason = f"{to.url} rejected 2 log records of 3 entries: too old"
    assert refused(payload) == [("b", reason), ("c", reason)]
    assert payload.entries == 1
    assert len(to.requests) == 1


async def test_with_a_dead_letter_all_of_the_request_go_there() -> None:
    collector = Collector(lambda request: some_rejected(1, "no"))
    async with http_receiver(collector) as to:
        payload = await deliver(sink(to.url, dead_letter="kept"), batch("a", "b", "c"))
    assert [line for line, _ in refused(payload)] == ["a", "b", "c"]
    assert payload.entries == 0


async def test_no_more_are_refused_than_were_sent() -> None:
    """Points of metrics are more than readings, and a server may count as it likes."""
    collector = Collector(lambda request: some_rejected(10**12, ""))
    async with http_receiver(collector) as to:
        of = container()
        payload = await deliver(sink(to.url), stats(of), stats(of, 2), batch("a"))
    reasons = {reason.partition(" rejected ")[2] for _, reason in refused(payload)}
    assert reasons == {
        "1000000000000 data points of 2 entries",
        "1000000000000 log records of 1 entry",
    }
    assert payload.entries == 0


async def test_a_warning_is_said_once_and_costs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    collector = Collector(lambda request: some_rejected(0, "soon gone\nand more"))
    async with http_receiver(collector) as to:
        one = sink(to.url)
        await one.open()
        for _ in range(3):
            payload = await send(one, batch("a"))
            assert payload.entries == 1 and not payload.refused
        await one.close()
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert said == [f"sink store: {to.url} says: soon gone and more"]


@pytest.mark.fault(126)
async def test_why_an_entry_is_refused_is_said_in_the_servers_words() -> None:
    """Not in the bytes of a protobuf."""
    said = answer(400, b"\x08\x03\x12\x0fit is\ntoo\x1b deep", Content_Type=PROTOBUF)
    collector = Collector(lambda request: said if "bad" in messages(request) else None)
    async with http_receiver(collector) as to:
        payload = await deliver(sink(to.url), batch("a", "bad"))
    assert refused(payload) == [("bad", f"{to.url} answers 400: it is too deep")]


# -- bad servers ---------------------------------------------------------------------------------


@pytest.mark.fault(30)
@pytest.mark.parametrize(
    "said",
    [
        answer(200, b"<html>Please log in</html>", Content_Type="text/html"),
        answer(200, b"<html>Please log in</html>", Content_Type=PROTOBUF),
        answer(200, b"not json", Content_Type=JSON),
        answer(200, b"ok"),
    ],
)
async def test_what_no_server_of_otlp_says_is_no_success(said: bytes) -> None:
    turns = iter([said])
    collector = Collector(lambda request: next(turns, None))
    async with http_receiver(collector) as to:
        one = sink(to.url)
        payload = one.encode([batch("a", "b")])
        await one.open()
        with pytest.raises(Unavailable, match=r"in a form that is not OTLP .*; check the path"):
            await one.send(payload)
        await one.open()
        await one.send(payload)
        await one.close()
    assert payload.entries == 2
    assert [messages(request) for request in collector.taken] == [["a", "b"], ["a", "b"]]


async def test_one_bad_entry_is_refused_and_the_others_arrive_once() -> None:
    def answers(request: Any) -> bytes | None:
        return answer(400, b"bad record") if "bad" in messages(request) else None

    collector = Collector(answers)
    async with http_receiver(collector) as to:
        lines = [*map(str, range(10)), "bad", *map(str, range(10, 20))]
        payload = await deliver(sink(to.url), batch(*lines))
    assert collector.messages == list(map(str, range(20)))
    ((line, reason),) = refused(payload)
    assert line == "bad" and "answers 400: bad record" in reason
    assert payload.entries == 20


async def test_what_is_too_large_is_sent_in_parts_that_say_whose_they_are() -> None:
    def answers(request: Any) -> bytes | None:
        return answer(413) if len(messages(request)) > 3 else None

    collector = Collector(answers)
    api, web = container("api-1"), container("web-1", number=2)
    async with http_receiver(collector) as to:
        await deliver(sink(to.url), batch(*"abcd", of=api), batch(*"ef", of=web))
    assert sorted(collector.messages) == list("abcdef")
    for request in collector.taken:
        for one in request.resource_logs:
            name = plain(one.resource.attributes)["container.name"]
            told = [record.body.string_value for record in one.scope_logs[0].log_records]
            assert set(told) <= set("abcd" if name == "api-1" else "ef")


async def test_what_is_hopeless_for_logs_is_not_for_metrics() -> None:
    def answers(request: Any) -> bytes | None:
        return answer(400, b"no logs here") if hasattr(request, "resource_logs") else None

    collector = Collector(answers)
    async with http_receiver(collector) as to:
        one = sink(to.url)
        payload = one.encode([batch(*map(str, range(500))), stats(container())])
        await one.open()
        for _ in range(3):
            with pytest.raises(AllRejected, match="no logs here"):
                await one.send(payload)
        await one.close()
    assert len(collector.readings) == 1
    assert (payload.entries, payload.refused) == (501, [])


async def test_what_was_taken_before_a_server_went_away_is_not_sent_again() -> None:
    turns = iter([None, answer(503, Retry_After="7")])
    collector = Collector(lambda request: next(turns, None))
    async with http_receiver(collector) as to:
        one = sink(to.url)
        payload = one.encode([batch("a"), stats(container())])
        await one.open()
        with pytest.raises(Unavailable) as caught:
            await one.send(payload)
        assert caught.value.retry_after == 7
        await one.open()
        await one.send(payload)
        await one.close()
    assert collector.messages == ["a"]
    assert len(collector.readings) == 1


# -- configuration -------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["collector:4318", "ftp://collector", "http://u:p@collector"])
def test_an_address_that_makes_no_sense_is_named(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        sink(url)
    assert caught.value.path == "url"


def test_it_needs_no_extra_package(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("opentelemetry", "google.protobuf", "cramjam"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    assert sink("http://collector:4318").encode([batch("a")]).entries == 1


# -- what every sink promises --------------------------------------------------------------------


class TestCollector(SinkKit):
    complaint = "refused the connection"

    @pytest.fixture
    async def sink(self) -> AsyncIterator[Otlp]:
        async with http_receiver(Collector()) as to:
            yield sink(to.url)

    @pytest.fixture
    def unreachable(self) -> Otlp:
        return sink(f"http://127.0.0.1:{free_port()}")


class TestVictoriaLogs(SinkKit):
    complaint = "answers 405"

    @pytest.fixture
    def sink(self, tenant: VictoriaLogs) -> Otlp:
        return store(tenant)

    @pytest.fixture
    async def unreachable(self) -> AsyncIterator[Otlp]:
        async with http_receiver(lambda request: answer(405)) as to:
            yield sink(to.url)
