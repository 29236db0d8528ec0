"""The Loki sink at VictoriaLogs, and at a server that says what Loki's source says."""

from __future__ import annotations

import itertools
import logging
import sys
from collections.abc import AsyncIterator
from typing import Any

import cramjam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model.batch import Batch
from pipeline.model.component import Payload, Secret, SinkContext, TLSConfig
from pipeline.model.errors import ConfigError, Unavailable
from pipeline.sinks.loki import Config, Loki, snappy
from pipeline.testing.builders import batch, container
from pipeline.testing.sink_kit import SinkKit
from pipeline.transport.http import AuthConfig
from tests.servers.certificates import Authority
from tests.servers.http_receiver import OK, Request, answer, http_receiver
from tests.servers.loki_received import Pushed, pushed, streams
from tests.servers.ports import free_port
from tests.servers.receivers import server_context
from tests.servers.victoria import VictoriaLogs

ENCODINGS = ["protobuf", "json"]
NO_CONTENT = answer(204)


def sink(url: str, **options: Any) -> Loki:
    return Loki(Config(type="loki", url=url, **options), SinkContext("loki", host="web-1"))


def store(server: VictoriaLogs, **options: Any) -> Loki:
    return sink(server.url + "/insert/", headers=server.headers, **options)


async def deliver(to: Loki, *batches: Batch) -> Payload[Any]:
    payload = to.encode(batches)
    await to.open()
    try:
        await to.send(payload)
    finally:
        await to.close()
    return payload


def refused(payload: Payload[Any]) -> dict[str, str]:
    """Messages and reasons."""
    return {one.lines[index].decode(): why for one, index, why in payload.refused}


def seconds(*numbers: int) -> Batch:
    """An entry of each of these seconds, named after it."""
    times = [b"2026-01-31T23:59:%02d.000000000Z" % number for number in numbers]
    return batch(*map(str, numbers)).replace(times=times)


# -- at a real server --------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ENCODINGS)
async def test_entries_are_found_by_labels_and_by_structured_metadata(
    tenant: VictoriaLogs, encoding: str
) -> None:
    labels = {"com.docker.compose.project": "shop", "com.docker.compose.service": "api"}
    api, db = container("shop-api-1", labels=labels), container("db", number=2)
    times = [b"2026-01-31T23:59:59.123456789Z", b"2026-01-31T23:59:59.123456791Z"]
    fields = [{"level": "ERROR", "trace": "4bf92f"}, {"level": "info"}]
    await deliver(
        store(tenant, encoding=encoding, metadata={"trace_id": "{trace}"}),
        batch("it broke", 'it "works"\n☃', of=api, fields=fields, start=7).replace(times=times),
        batch("checkpoint", of=db, streams="err"),
    )
    tenant.until("*", 3)
    stream = '{compose_project="shop",compose_service="api",container_name="shop-api-1"}'
    first, second = tenant.query(f"_stream:{stream}")
    assert first.pop("_stream_id") == second.pop("_stream_id")
    common = {
        "_stream": stream[:-1] + ',host="web-1"}',
        "compose_project": "shop",
        "compose_service": "api",
        "container_id": api.id,
        "container_name": "shop-api-1",
        "host": "web-1",
        "stream": "stdout",
    }
    assert first == common | {
        "_time": times[0].decode(),
        "_msg": "it broke",
        "level": "error",
        "event_sequence": "7",
        "trace_id": "4bf92f",
    }
    assert second == common | {
        "_time": times[1].decode(),
        "_msg": 'it "works"\n☃',
        "level": "info",
        "event_sequence": "8",
    }
    (other,) = tenant.query(f"container_id:={db.id}")
    assert other["_stream"] == '{container_name="db",host="web-1"}'
    assert (other["_msg"], other["stream"]) == ("checkpoint", "stderr")


@pytest.mark.parametrize("encoding", ENCODINGS)
async def test_a_payload_of_many_containers_arrives_whole(
    tenant: VictoriaLogs, encoding: str
) -> None:
    to = store(tenant, encoding=encoding, labels={"n": "{container.name}"})
    batches = [
        batch(*["x" * 100] * 500, of=container(f"c{n % 7}", number=n % 7), start=n // 7 * 500)
        for n in range(35)
    ]
    await deliver(to, *batches)
    tenant.until("*", 35 * 500)
    counted = tenant.stats("* | stats by (n) count_uniq(event_sequence) entries")
    assert {one["n"]: one["entries"] for one in counted} == {f"c{n}": "2500" for n in range(7)}


async def test_while_it_is_restarted_it_cannot_be_reached(victorialogs: VictoriaLogs) -> None:
    to = sink(victorialogs.url + "/insert")
    payload = to.encode([batch("one")])
    await to.open()
    assert to.reached().startswith(victorialogs.url)
    victorialogs.stop()
    with pytest.raises(Unavailable):
        await to.send(payload)
    victorialogs.start()
    await to.open()
    await to.send(payload)
    await to.close()
    assert [entry["_msg"] for entry in victorialogs.until("*", 1)] == ["one"]


# -- requests ----------------------------------------------------------------------------------


async def test_a_request_is_snappy_protobuf_and_names_its_tenant() -> None:
    async with http_receiver(lambda request: NO_CONTENT) as to:
        await deliver(sink(to.url, tenant="shop"), batch("one"))
    (request,) = to.requests
    assert request.path == "/loki/api/v1/push"
    assert request.headers["content-type"] == "application/x-protobuf"
    assert "content-encoding" not in request.headers
    assert request.headers["x-scope-orgid"] == "shop"
    assert [entry.line for entry in pushed(request)] == ["one"]


@pytest.mark.parametrize("compression", ["none", "gzip"])
async def test_a_request_of_json_is_compressed_as_configured(compression: str) -> None:
    async with http_receiver(lambda request: NO_CONTENT) as to:
        await deliver(sink(to.url, encoding="json", compression=compression), batch("one"))
    (request,) = to.requests
    assert request.headers["content-type"] == "application/json"
    assert request.headers.get("content-encoding", "none") == compression
    assert "x-scope-orgid" not in request.headers
    assert [entry.line for entry in pushed(request)] == ["one"]


@pytest.mark.parametrize("path", ["", "/", "/loki/api/v1/push", "/loki/api/v1/push/"])
async def test_the_address_may_be_that_of_the_push_api_itself(path: str) -> None:
    async with http_receiver() as to:
        await deliver(sink(to.url + "/behind" + path), batch("one"))
    assert to.requests[0].path == "/behind/loki/api/v1/push"


async def test_it_authenticates_itself() -> None:
    auth = AuthConfig(user="me", password=Secret("secret"))
    async with http_receiver() as to:
        await deliver(sink(to.url, auth=auth), batch("one"))
        await deliver(sink(to.url, auth=AuthConfig(bearer=Secret("token"))), batch("one"))
    said = [request.headers["authorization"] for request in to.requests]
    assert said == ["Basic bWU6c2VjcmV0", "Bearer token"]


async def test_a_large_request_is_compressed_beside_the_loop_and_arrives_whole() -> None:
    lines = [f"{number} {'x' * 100}" for number in range(5000)]
    async with http_receiver() as to:
        await deliver(sink(to.url), batch(*lines))
    assert [entry.line for entry in pushed(*to.requests)] == lines


async def test_entries_of_a_stream_stand_together_and_in_order() -> None:
    one, other = container("one"), container("other", number=2)
    async with http_receiver() as to:
        await deliver(sink(to.url), batch("a", of=one), batch("b", of=other), batch("c", of=one))
    (request,) = to.requests
    assert [[entry.line for entry in stream] for stream in streams(request)] == [["a", "c"], ["b"]]


async def test_a_line_may_be_the_whole_entry() -> None:
    async with http_receiver() as to:
        await deliver(sink(to.url, line="json"), batch("one", fields=[{"status": 500}]))
    (entry,) = pushed(*to.requests)
    assert entry.line.startswith('{"@timestamp":"2026-01-31T23:59:59.000000000Z","message":"one"')
    assert '"status":500' in entry.line


# -- labels --------------------------------------------------------------------------------------


async def labelled(*batches: Batch, **options: Any) -> list[Pushed]:
    async with http_receiver() as to:
        await deliver(sink(to.url, **options), *batches)
    return pushed(*to.requests)


async def test_the_level_may_be_a_label() -> None:
    levels = [{"level": "WARN"}, {"level": 50}, {}]
    options: dict[str, Any] = {"labels": {"app": "shop"}, "level_label": True}
    found = await labelled(batch("a", "b", "c", fields=levels), batch("d"), **options)
    assert {entry.line: entry.labels for entry in found} == {
        "a": '{app="shop", level="warning"}',
        "b": '{app="shop", level="error"}',
        "c": '{app="shop"}',
        "d": '{app="shop"}',
    }
    assert not any("level" in entry.metadata for entry in found)


async def test_too_many_streams_are_said_and_become_metadata(
    caplog: pytest.LogCaptureFixture,
) -> None:
    some = batch(*"abc", fields=[{"user": user} for user in "uvw"])
    with caplog.at_level(logging.WARNING):
        found = await labelled(some, labels={"user": "{user}"}, max_streams=2)
    assert [(one.labels, one.metadata.get("user")) for one in found] == [
        ('{user="u"}', None),
        ('{user="v"}', None),
        ('{job="dockline"}', "w"),
    ]
    (said,) = caplog.messages
    assert said.startswith("sink loki: container api-1 has reached max_streams")


async def test_without_structured_metadata_there_is_none() -> None:
    (entry,) = await labelled(batch("one"), structured_metadata=False)
    assert entry.metadata == {}


@pytest.mark.parametrize(
    ("options", "path", "message"),
    [
        ({"labels": {"a": "{container.nam}"}}, "labels.a", "container has no"),
        ({"metadata": {"a": "{"}}, "metadata.a", "braces"),
        ({"metadata": {"host": "x"}}, "metadata.host", "the name of a label"),
        ({"metadata": {"level": "x"}, "level_label": True}, "metadata.level", "of a label"),
        ({"labels": {"level": "{level}"}, "level_label": True}, "level_label", "already"),
        (
            {"metadata": {"a": "x"}, "structured_metadata": False},
            "metadata",
            "metadata needs structured_metadata",
        ),
        ({"url": "loki:3100"}, "url", "is not a URL"),
        (
            {"tenant": "shop", "headers": {"x-scope-orgid": Secret("x")}},
            "headers.x-scope-orgid",
            "cannot be set",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(
    options: dict[str, Any], path: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        sink(**({"url": "http://loki:3100"} | options))
    assert error.value.path == path


def test_without_the_library_for_snappy_json_goes_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "cramjam", None)
    sink("http://loki:3100", encoding="json")
    with pytest.raises(ConfigError, match=r"pip install 'dockline\[loki\]'"):
        sink("http://loki:3100")


def test_its_secrets_are_not_shown() -> None:
    config = Config(type="loki", url="http://a", auth=AuthConfig(bearer=Secret("secret")))
    assert "secret" not in repr(config)


# -- what Loki has to say ------------------------------------------------------------------------


def too_old(request: Request) -> bytes:
    """Takes nothing from before second 10, as `pkg/distributor/validator.go`."""
    old = [one for one in pushed(request) if one.nanoseconds < 1769903950_000000000]
    if not old:
        return NO_CONTENT
    said = (
        f"{len(old)} errors like: entry for stream '{old[0].labels}' has timestamp too old: "
        "2026-01-31T23:59:01Z, oldest acceptable timestamp is: 2026-01-31T23:59:10Z\n"
    )
    return answer(400, said.encode())


@pytest.mark.fault(30)
@pytest.mark.parametrize("encoding", ENCODINGS)
async def test_those_too_old_are_refused_at_once_and_the_rest_goes_on(encoding: str) -> None:
    numbers = itertools.chain(range(9, -1, -1), range(10, 60))
    async with http_receiver(too_old) as to:
        payload = await deliver(sink(to.url, encoding=encoding), seconds(*numbers))
    assert len(to.requests) == 1, "Loki has the rest, and would keep it twice"
    assert list(refused(payload)) == [str(n) for n in range(9, -1, -1)]
    assert all("its time is too old" in why for why in refused(payload).values())
    assert payload.entries == 50


async def test_where_all_are_too_old_none_is_asked_for_twice() -> None:
    async with http_receiver(too_old) as to:
        payload = await deliver(sink(to.url), seconds(1, 2, 3), seconds(4, 5))
    assert len(to.requests) == 1
    assert (payload.entries, list(refused(payload))) == (0, ["1", "2", "3", "4", "5"])


@pytest.mark.fault(30)
async def test_those_too_far_behind_their_stream_are_refused_stream_by_stream() -> None:
    """Loki names one stream at a time, and of its entries ten at the most."""
    api, db = container("api"), container("db", number=2)
    limits = {'{container_name="api"}': 5, '{container_name="db"}': 12}

    def judge(request: Request) -> bytes:
        for stream in reversed(streams(request)):
            oldest = 1769903940_000000000 + limits[stream[0].labels] * 10**9
            behind = [entry for entry in stream if entry.nanoseconds < oldest]
            if behind:
                named = "".join(
                    f"entry with timestamp 2026-01-31 23:59:{entry.line.zfill(2)} +0000 UTC "
                    f"ignored, reason: 'entry too far behind, entry timestamp is: 2026-01-31T23:59:"
                    f"{entry.line.zfill(2)}Z, oldest acceptable timestamp is: 2026-01-31T23:59:"
                    f"{limits[entry.labels]:02}Z',\n"
                    for entry in behind[:10]
                )
                total = f"total ignored: {len(behind)} out of {len(stream)}"
                end = f"user 'fake', {total} for stream: {behind[0].labels}\n"
                return answer(400, (named + end).encode())
        return NO_CONTENT

    api_batch, db_batch = (seconds(*range(20)).replace(container=one) for one in (api, db))
    async with http_receiver(judge) as to:
        to_loki = sink(to.url, labels={"container_name": "{container.name}"})
        payload = await deliver(to_loki, api_batch, db_batch)
    assert len(to.requests) == 3
    found = {(one.container.name, index) for one, index, _ in payload.refused}
    assert found == {("api", n) for n in range(5)} | {("db", n) for n in range(12)}
    assert [entry.line for entry in pushed(to.requests[-1])] == [
        *map(str, range(5, 20)), *map(str, range(12, 20)),
    ]  # fmt: skip


async def test_those_too_long_are_refused_and_the_rest_goes_on() -> None:
    def judge(request: Request) -> bytes:
        longest = max(len(entry.line.encode()) for entry in pushed(request))
        if longest <= 1000:
            return NO_CONTENT
        said = (
            "1 errors like: Max entry size '1000' bytes exceeded for stream '{a=\"b\"}' while "
            f"adding an entry with length '{longest}' bytes"
        )
        return answer(400, said.encode())

    async with http_receiver(judge) as to:
        payload = await deliver(sink(to.url), batch("a", "b" * 1001, "c" * 1000, "d" * 5000))
    assert [one[:1] for one in refused(payload)] == ["b", "d"]
    assert len(to.requests) == 2


async def test_an_entry_that_it_does_not_name_is_found() -> None:
    def judge(request: Request) -> bytes:
        bad = any(entry.line == "bad" for entry in pushed(request))
        return answer(400, b"stream '{a=\"b\"}' has structured metadata too large") if bad else OK

    async with http_receiver(judge) as to:
        payload = await deliver(sink(to.url), batch("a", "b", "bad", "c"), batch("d", "bad"))
    assert [index for _, index, _ in payload.refused] == [2, 1]
    assert "structured metadata too large" in refused(payload)["bad"]
    taken = [entry.line for request in to.requests for entry in pushed(request)]
    assert {"a", "b", "c", "d"} <= set(taken)


@pytest.mark.fault(30)
async def test_260_is_no_success() -> None:
    async with http_receiver(lambda request: answer(260, b"blocked until then")) as to:
        payload = await deliver(sink(to.url), batch("one", "two"), batch("three"))
    assert len(to.requests) == 1
    assert payload.entries == 0
    assert list(refused(payload)) == ["one", "two", "three"]
    assert "configured to block this tenant: blocked until then" in refused(payload)["one"]


async def test_what_is_too_large_is_divided_with_its_streams_together() -> None:
    def judge(request: Request) -> bytes:
        return answer(413) if len(pushed(request)) > 2 else NO_CONTENT

    one, other = container("one"), container("other", number=2)
    async with http_receiver(judge) as to:
        payload = await deliver(
            sink(to.url), batch("a", "b", of=one), batch("c", of=other), batch("d", of=one)
        )
    taken = [streams(request) for request in to.requests if len(pushed(request)) <= 2]
    assert [[[entry.line for entry in stream] for stream in some] for some in taken] == [
        [["a", "b"]],
        [["c"], ["d"]],
    ]
    assert (payload.entries, payload.refused) == (4, [])


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_what_is_busy_is_tried_again_when_it_says(status: int) -> None:
    async with http_receiver(lambda request: answer(status, b"busy", Retry_After="7")) as to:
        with pytest.raises(Unavailable, match=f"answers {status}: busy") as error:
            await deliver(sink(to.url), batch("one"))
    assert error.value.retry_after == 7


@pytest.mark.parametrize("status", [301, 401, 403, 404, 405, 407])
async def test_a_wrong_configuration_costs_no_entry(status: int) -> None:
    async with http_receiver(lambda request: answer(status, b"no org id")) as to:
        with pytest.raises(Unavailable, match=f"answers {status}"):
            await deliver(sink(to.url), batch("one"))


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 204",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"\0\xff rubbish\r\n\r\n",
    ],
)
async def test_half_an_answer_or_rubbish_is_no_success(said: bytes) -> None:
    async with http_receiver(lambda request: said) as to:
        with pytest.raises(Unavailable):
            await deliver(sink(to.url), batch("one"))


async def test_an_expired_certificate_is_said_and_nothing_sent(authority: Authority) -> None:
    tls = server_context(authority.issue("loki", expired=True))
    async with http_receiver(tls=tls) as to:
        trusts = TLSConfig(ca=authority.ca)
        with pytest.raises(Unavailable, match="expired"):
            await deliver(sink(f"https://localhost:{to.port}", tls=trusts), batch("one"))
    assert to.requests == []


# -- the kit -------------------------------------------------------------------------------------


class TestLoki(SinkKit):
    complaint = "refused the connection"

    @pytest.fixture
    async def sink(self, tenant: VictoriaLogs) -> AsyncIterator[Loki]:
        yield store(tenant)

    @pytest.fixture
    def unreachable(self) -> Loki:
        return sink(f"http://127.0.0.1:{free_port()}")


class TestLokiJson(TestLoki):
    @pytest.fixture
    async def sink(self, tenant: VictoriaLogs) -> AsyncIterator[Loki]:
        labels = {"name": "{container.name}", "level": "{level}", "stream": "{stream}"}
        yield store(tenant, encoding="json", labels=labels, line="json")


@given(st.lists(st.binary(max_size=200) | st.just(b"abc" * 50_000), max_size=6))
def test_pieces_become_one_block_of_snappy(pieces: list[bytes]) -> None:
    block = snappy(cramjam.snappy.compress_raw, pieces)
    assert bytes(cramjam.snappy.decompress_raw(block)) == b"".join(pieces)
    assert snappy(cramjam.snappy.compress_raw, b"abc") == bytes(cramjam.snappy.compress_raw(b"abc"))
