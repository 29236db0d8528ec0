"""The victorialogs sink at a real VictoriaLogs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from pipeline.model.component import SinkContext
from pipeline.model.errors import ConfigError, Unavailable
from pipeline.sinks.victorialogs import Config, VictoriaLogs
from pipeline.testing.builders import batch, container
from pipeline.testing.sink_kit import SinkKit
from tests.servers.http_receiver import http_receiver
from tests.servers.ports import free_port
from tests.servers.victoria import VictoriaLogs as Server


def sink(url: str, **options: Any) -> VictoriaLogs:
    context = SinkContext("store", host="web-1")
    return VictoriaLogs(Config(type="victorialogs", url=url, **options), context)


def store(server: Server, **options: Any) -> VictoriaLogs:
    return sink(server.url, tenant=str(server.account), **options)


async def deliver(to: VictoriaLogs, *batches: Any) -> None:
    await to.open()
    try:
        await to.send(to.encode(batches))
    finally:
        await to.close()


@pytest.mark.parametrize("compression", ["none", "gzip"])
async def test_entries_are_found_by_what_they_say_and_by_their_container(
    tenant: Server, compression: str
) -> None:
    one, two = container(name="shop-api-1"), container(name="shop-db-1")
    fields = [{"status": 500, "user": {"name": "ann"}}, {"status": 200}]
    await deliver(
        store(tenant, compression=compression),
        batch("it broke", "it works", of=one, fields=fields),
        batch("checkpoint ☃", of=two, streams="err"),
    )
    tenant.until("*", 3)
    (found,) = tenant.query('status:>=500 and container.name:="shop-api-1"')
    assert found["_msg"] == "it broke"
    assert found["user.name"] == "ann"
    assert found["event.sequence"] == "0"
    assert found["container.id"] == one.id
    (other,) = tenant.query('_stream:{container.name="shop-db-1",stream="stderr"}')
    assert other["_msg"] == "checkpoint ☃"


async def test_times_keep_their_nanoseconds(tenant: Server) -> None:
    times = [b"2026-01-31T23:59:59.123456789Z", b"2026-01-31T23:59:59.123456791Z"]
    await deliver(store(tenant), batch("first", "second").replace(times=times))
    found = tenant.until("*", 2)
    assert [entry["_time"].encode() for entry in found] == times


async def test_streams_and_ignored_fields_are_as_configured(tenant: Server) -> None:
    options = {"stream_fields": ["stream"], "ignore_fields": ["container.labels.a", "ecs.version"]}
    labelled = container(labels={"a": "b"})
    await deliver(store(tenant, **options), batch("one", of=labelled))
    (found,) = tenant.until("*", 1)
    assert found["_stream"] == '{stream="stdout"}'
    assert not [name for name in found if name.startswith(("container.labels", "ecs"))]


async def test_a_tenant_sees_only_its_own(victorialogs: Server) -> None:
    await deliver(sink(victorialogs.url, tenant="7:1"), batch("one"))
    await deliver(sink(victorialogs.url), batch("two"))
    assert [entry["_msg"] for entry in victorialogs.until("*", 1)] == ["two"]


async def test_it_says_whom_it_has_reached(tenant: Server) -> None:
    to = sink(tenant.url)
    await to.open()
    assert to.reached().startswith(tenant.url)
    await to.close()


async def test_while_it_is_restarted_it_cannot_be_reached(victorialogs: Server) -> None:
    to = sink(victorialogs.url)
    payload = to.encode([batch("one")])
    await to.open()
    victorialogs.stop()
    with pytest.raises(Unavailable):
        await to.send(payload)
    victorialogs.start()
    await to.open()
    await to.send(payload)
    await to.close()
    assert [entry["_msg"] for entry in victorialogs.until("*", 1)] == ["one"]


def test_streams_have_to_be_told_apart() -> None:
    with pytest.raises(ConfigError, match="at least one field"):
        sink("http://host:9428", stream_fields=[])


async def test_the_address_may_have_a_path_before_its_own() -> None:
    async with http_receiver() as to:
        await deliver(sink(to.url + "/logs/"), batch("one"))
    assert to.requests[0].path.startswith("/logs/insert/jsonline?_stream_fields=host.name,")


class TestVictoriaLogs(SinkKit):
    complaint = "refused the connection"

    @pytest.fixture
    async def sink(self, tenant: Server) -> AsyncIterator[VictoriaLogs]:
        yield store(tenant)

    @pytest.fixture
    def unreachable(self) -> VictoriaLogs:
        return sink(f"http://127.0.0.1:{free_port()}")
