"""The Elasticsearch sink at VictoriaLogs, and at a server that does what Elasticsearch does."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import pytest

from pipeline.model.batch import Batch
from pipeline.model.component import Payload, Secret, SinkContext, TLSConfig
from pipeline.model.errors import ConfigError, Unavailable
from pipeline.sinks import elasticsearch
from pipeline.sinks.elasticsearch import Config, Elasticsearch
from pipeline.testing.builders import batch, container
from pipeline.testing.sink_kit import SinkKit
from pipeline.transport.http import AuthConfig
from pipeline.transport.split_retry import LONG, AllRejected
from tests.servers.certificates import Authority
from tests.servers.elasticsearch import BAD, BUSY, NO_SHARD, Judgement
from tests.servers.elasticsearch import Elasticsearch as Server
from tests.servers.http_receiver import OK, Request, answer, http_receiver
from tests.servers.ports import free_port
from tests.servers.receivers import server_context
from tests.servers.victoria import VictoriaLogs

OF_VICTORIALOGS = {
    "_msg_field": "message",
    "_time_field": "@timestamp",
    "_stream_fields": "container.name",
}


def sink(*urls: str, **options: Any) -> Elasticsearch:
    config = Config(type="elasticsearch", urls=list(urls), **options)
    return Elasticsearch(config, SinkContext("search", host="web-1"))


async def deliver(to: Elasticsearch, *batches: Batch, attempts: int = 1) -> Payload[Any]:
    """Sends until it is sent; so many times it is."""
    payload = to.encode(batches)
    for _ in range(attempts - 1):
        await to.open()
        with pytest.raises(Unavailable):
            await to.send(payload)
    await to.open()
    try:
        await to.send(payload)
    finally:
        await to.close()
    return payload


def refused(payload: Payload[Any]) -> dict[str, str]:
    """Messages and reasons."""
    return {one.lines[index].decode(): why for one, index, why in payload.refused}


def says(**judgements: Judgement) -> Callable[[dict[str, Any]], Judgement]:
    """Of documents, by their message."""
    return lambda document: judgements.get(document["message"])


def sent(server: Server) -> list[list[str]]:
    """The messages of each request."""
    return [[document["message"] for document in documents] for documents in server.requests]


def store(server: VictoriaLogs, **options: Any) -> Elasticsearch:
    url = server.url + "/insert/elasticsearch/"
    return sink(url, **{"headers": server.headers, "parameters": OF_VICTORIALOGS, **options})


# -- at a real server ----------------------------------------------------------------------------


@pytest.mark.parametrize("compression", ["none", "gzip"])
async def test_entries_are_found_by_what_they_say_and_by_their_container(
    tenant: VictoriaLogs, compression: str
) -> None:
    api, db = container("shop-api-1"), container("shop-db-1", number=2)
    fields = [{"status": 500, "user": {"name": "ann"}}, {"status": 200}]
    to = store(tenant, compression=compression)
    times = [b"2026-01-31T23:59:59.123456789Z", b"2026-01-31T23:59:59.123456791Z"]
    payload = await deliver(
        to,
        batch("it broke", "it works", of=api, fields=fields).replace(times=times),
        batch("checkpoint ☃", of=db, streams="err"),
    )
    assert (payload.entries, payload.refused) == (3, [])
    tenant.until("*", 3)
    (found,) = tenant.query('status:>=500 and _stream:{container.name="shop-api-1"}')
    assert found["_msg"] == "it broke"
    assert found["_time"].encode() == times[0]
    assert found["user.name"] == "ann"
    assert found["container.id"] == api.id
    (other,) = tenant.query("stream:=stderr")
    assert other["_msg"] == "checkpoint ☃"


async def test_a_payload_of_ten_thousand_arrives_whole(tenant: VictoriaLogs) -> None:
    to = store(tenant, parameters={})
    payload = await deliver(to, *(batch(*["x" * 100] * 500, start=500 * n) for n in range(20)))
    assert payload.entries == 10_000
    query = "* | stats count_uniq(event.sequence) entries"
    tenant.until("*", 10_000)
    assert tenant.stats(query) == [{"entries": "10000"}]


async def test_an_entry_that_it_cannot_read_is_found_and_refused(
    victorialogs: VictoriaLogs,
) -> None:
    """VictoriaLogs answers 200 with nothing at all where one is longer than 256 KiB, always."""
    lines = ["a", "b", "x" * 300_000, "c"]
    to = sink(victorialogs.url + "/insert/elasticsearch", parameters=OF_VICTORIALOGS)
    payload = to.encode([batch(*lines)])
    for _ in range(50):
        await to.open()
        with suppress(Unavailable):
            await to.send(payload)
            break
    await to.close()
    assert (payload.entries, list(refused(payload))) == (3, ["x" * 300_000])
    assert {entry["_msg"] for entry in victorialogs.until("*", 3)} == {"a", "b", "c"}


async def test_while_it_is_restarted_it_cannot_be_reached(victorialogs: VictoriaLogs) -> None:
    to = sink(victorialogs.url + "/insert/elasticsearch")
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
    assert len(victorialogs.until("*", 1)) == 1


# -- requests ------------------------------------------------------------------------------------


async def test_documents_are_created_in_their_index_with_an_id() -> None:
    server = Server()
    async with http_receiver(server) as to:
        await deliver(sink(to.url, index="docker-{container.name}-%Y"), batch("one", "two"))
    (index, first), (other, second) = server.stored
    assert index == other == "docker-api-1-2026"
    assert first != second
    assert server.messages == ["one", "two"]


async def test_what_is_sent_again_is_not_stored_twice_and_counts_as_delivered() -> None:
    server = Server()
    async with http_receiver(server) as to:
        for _ in range(2):
            payload = await deliver(sink(to.url), batch("one", "two"))
            assert (payload.entries, payload.refused) == (2, [])
    assert server.messages == ["one", "two"]
    assert server.conflicts == 2


async def test_without_ids_it_is_stored_twice() -> None:
    server = Server()
    async with http_receiver(server) as to:
        for _ in range(2):
            await deliver(sink(to.url, ids=False), batch("one"))
    assert server.messages == ["one", "one"]


async def test_the_answer_is_asked_for_in_short_and_parameters_go_with_it() -> None:
    async with http_receiver(lambda request: answered(201)) as to:
        await deliver(sink(to.url + "/es", parameters={"pipeline": "a&b"}), batch("one"))
    path = to.requests[0].path
    assert path.startswith("/es/_bulk?pipeline=a%26b&filter_path=items.*.status,")


KEY = base64.b64encode(b"id:secret").decode()


@pytest.mark.parametrize(
    ("options", "header"),
    [
        ({"api_key": Secret("id:secret")}, f"ApiKey {KEY}"),
        ({"api_key": Secret(KEY)}, f"ApiKey {KEY}"),
        ({"auth": AuthConfig(user="id", password=Secret("secret"))}, f"Basic {KEY}"),
    ],
)
async def test_it_authenticates_itself(options: dict[str, Any], header: str) -> None:
    probes: list[Request] = []

    def probe(request: Request) -> bytes:
        probes.append(request)
        return OK

    async with http_receiver(Server(), probe=probe) as to:
        await deliver(sink(to.url, **options), batch("one"))
    said = [request.headers["authorization"] for request in (*probes, *to.requests)]
    assert said == [header, header]


def test_its_secrets_are_not_shown() -> None:
    config = Config(type="elasticsearch", urls=["http://a"], api_key=Secret("secret"))
    assert "secret" not in repr(config)


@pytest.mark.parametrize(
    ("options", "path", "message"),
    [
        ({"index": "logs-{container.nam}"}, "index", "container has no"),
        ({"index": "logs-%y"}, "index", "no %y"),
        ({"urls": ["es:9200"]}, "urls", "is not a URL"),
        ({"auth": AuthConfig(bearer=Secret("a")), "api_key": Secret("b")}, "api_key", "either"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(
    options: dict[str, Any], path: str, message: str
) -> None:
    config = Config(**({"type": "elasticsearch", "urls": ["http://es:9200"]} | options))
    with pytest.raises(ConfigError, match=message) as error:
        Elasticsearch(config, SinkContext("search"))
    assert error.value.path == path


# -- results of single entries -------------------------------------------------------------------


@pytest.mark.fault(30)
async def test_a_bad_entry_is_refused_with_type_and_reason_and_the_rest_is_stored() -> None:
    server = Server(says(bad=BAD))
    async with http_receiver(server) as to:
        payload = await deliver(sink(to.url), batch("a", "bad", "b"), batch("c", start=3))
    assert server.messages == ["a", "b", "c"]
    assert len(server.requests) == 1
    assert refused(payload) == {
        "bad": "400 document_parsing_exception: [1:9] failed to parse field [status] of type [long]"
    }
    assert payload.entries == 3


@pytest.mark.fault(30)
@pytest.mark.parametrize("judgement", [BUSY, NO_SHARD, (502, "t", "r")])
async def test_a_busy_entry_is_sent_again_alone_for_as_long_as_it_takes(
    judgement: tuple[int, str, str],
) -> None:
    server = Server(says(busy=judgement, too=judgement, bad=BAD))
    async with http_receiver(server) as to:
        attempts = LONG + 5

        def after(document: dict[str, Any]) -> Judgement:
            if len(server.requests) <= attempts - 1 or document["message"] == "bad":
                return says(busy=judgement, too=judgement, bad=BAD)(document)
            return None

        server.judge = after
        payload = await deliver(
            sink(to.url), batch("a", "busy", "bad", "b", "too"), attempts=attempts
        )
    assert sent(server) == [["a", "busy", "bad", "b", "too"], *[["busy", "too"]] * (attempts - 1)]
    assert list(refused(payload)) == ["bad"]
    assert payload.entries == 4
    assert sorted(server.messages) == ["a", "b", "busy", "too"]


async def test_it_is_said_of_how_many_and_why() -> None:
    to = Server(says(busy=BUSY))
    async with http_receiver(to) as receiver:
        search = sink(receiver.url)
        await search.open()
        with pytest.raises(Unavailable) as error:
            await search.send(search.encode([batch("a", "busy")]))
        await search.close()
    assert str(error.value) == (
        f"{receiver.url} has not taken 1 of 2 entries; the first: 429 "
        "es_rejected_execution_exception: rejected execution of primary operation"
    )


DUBIOUS = [
    (500, "null_pointer_exception", "null"),
    (403, "cluster_block_exception", "index [a] blocked by: [FORBIDDEN/8/index write (api)];"),
    (404, "index_not_found_exception", "no such index [a]"),
]


@pytest.mark.parametrize("judgement", DUBIOUS)
async def test_what_may_be_the_entrys_fault_is_refused_after_long_where_others_are_taken(
    judgement: tuple[int, str, str],
) -> None:
    server = Server(says(bad=judgement))
    async with http_receiver(server) as to:
        payload = await deliver(sink(to.url), batch("a", "bad", "b"), attempts=LONG)
    assert sent(server) == [["a", "bad", "b"], *[["bad"]] * (LONG - 1)]
    assert refused(payload) == {"bad": f"{judgement[0]} {judgement[1]}: {judgement[2]}"}
    assert server.messages == ["a", "b"]


@pytest.mark.parametrize("judgement", DUBIOUS)
async def test_while_nothing_is_taken_nothing_is_refused_for_it(
    judgement: tuple[int, str, str],
) -> None:
    server = Server(lambda document: judgement)
    async with http_receiver(server) as to:
        search = sink(to.url)
        payload = search.encode([batch("a", "b")])
        for _ in range(3 * LONG):
            await search.open()
            with pytest.raises(Unavailable):
                await search.send(payload)
        assert payload.refused == []
        server.judge = says()
        await search.open()
        await search.send(payload)
        await search.close()
    assert server.messages == ["a", "b"]


async def test_where_all_are_bad_all_are_refused_at_once() -> None:
    server = Server(lambda document: BAD)
    async with http_receiver(server) as to:
        payload = await deliver(sink(to.url), batch("a", "b"), batch("c"))
    assert (payload.entries, list(refused(payload))) == (0, ["a", "b", "c"])
    assert len(server.requests) == 1


async def test_what_does_not_fit_is_refused_once_while_nothing_else_is_taken_either() -> None:
    server = Server(says(bad=BAD, a=(404, "index_not_found_exception", "no such index [a]")))
    async with http_receiver(server) as to:
        one = sink(to.url)
        payload = one.encode([batch("a", "bad")])
        for _ in range(3):
            await one.open()
            with pytest.raises(AllRejected, match=r"not taken 1 of .* the first: 404"):
                await one.send(payload)
        assert (payload.entries, list(refused(payload))) == (1, ["bad"])
        server.judge = says(bad=BAD)
        await one.open()
        await one.send(payload)
        await one.close()
    assert (server.messages, payload.entries, len(payload.refused)) == (["a"], 1, 1)


async def test_that_others_do_not_fit_is_no_evidence_that_an_index_takes_anything() -> None:
    server = Server(says(a=(400, "illegal_argument_exception", "only write ops"), bad=BAD))
    async with http_receiver(server) as to:
        one = sink(to.url)
        payload, other = one.encode([batch("a")]), one.encode([batch("bad", "bad")])
        await one.open()
        with pytest.raises(AllRejected):
            await one.send(payload)
        await one.send(other)
        with pytest.raises(AllRejected):
            await one.send(payload)
        await one.close()
    assert (len(other.refused), payload.refused) == (2, [])


async def test_what_an_index_takes_nothing_for_costs_no_entry_until_others_are_taken() -> None:
    """As one that wants a pipeline, or another kind of action."""
    server = Server(lambda document: (400, "illegal_argument_exception", "only write ops"))
    async with http_receiver(server) as to:
        one = sink(to.url)
        payload, other = one.encode([batch("a", "b")]), one.encode([batch("c")])
        await one.open()
        for _ in range(LONG):
            with pytest.raises(AllRejected, match="2 of 2 entries; the first: 400 illegal_arg"):
                await one.send(payload)
        assert (payload.entries, payload.refused) == (2, [])
        server.judge = says(a=BAD, b=BAD)
        await one.send(other)
        await one.send(payload)
        await one.close()
    assert list(refused(payload)) == ["a", "b"]


# -- answers that are none -----------------------------------------------------------------------


def answered(*statuses: int) -> bytes:
    items = [{"create": {"status": status}} for status in statuses]
    return answer(200, json.dumps({"items": items}).encode())


@pytest.mark.fault(28, 30)
@pytest.mark.parametrize(
    "said",
    [
        answered(201),
        answered(201, 201, 201),
        answer(200),
        answer(200, b'{"items":[{"create":{"status":201}},{"create":{"st'),
        answer(200, b"<html>It works!</html>", Content_Type="text/html"),
        answer(200, b'{"items":[201,201]}'),
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{",
        b"",
        b"\0\xff rubbish\r\n\r\n",
    ],
)
async def test_half_an_answer_or_rubbish_is_no_success_and_all_is_sent_again(said: bytes) -> None:
    answers = [said]
    server = Server()

    def judge(request: Request) -> bytes:
        stored = server(request)
        return answers.pop() if answers else stored

    async with http_receiver(judge) as to:
        payload = await deliver(sink(to.url), batch("one", "two"), attempts=2)
    assert (payload.entries, payload.refused) == (2, [])
    assert server.messages == ["one", "two"]
    assert server.conflicts == 2


async def test_rubbish_is_shown() -> None:
    async with http_receiver(lambda request: answer(200, b"<html>\nIt works!</html>")) as to:
        with pytest.raises(Unavailable) as error:
            await deliver(sink(to.url), batch("one"))
    assert str(error.value) == (
        f"what {to.url} says is no answer to a bulk request: <html> It works!</html>; check that "
        "it is Elasticsearch"
    )


async def test_an_answer_longer_than_is_read_has_the_request_divided(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(elasticsearch, "LARGEST_ANSWER", 200)
    server = Server(lambda document: (400, "mapper_parsing_exception", "x" * 80))

    def judge(request: Request) -> bytes:
        _, _, body = server(request).partition(b"\r\n\r\n")
        return answer(200, body[:200])

    async with http_receiver(judge) as to:
        payload = await deliver(sink(to.url), batch("a", "b", "c"))
    assert sorted(refused(payload)) == ["a", "b", "c"]
    assert all("400 mapper_parsing_exception: xxx" in why for why in refused(payload).values())


def test_a_key_and_another_authorization_are_not_both_sent() -> None:
    with pytest.raises(ConfigError, match="either a header Authorization or api_key"):
        sink("http://a", api_key=Secret("k"), headers={"authorization": Secret("Basic x")})


# -- whole requests ------------------------------------------------------------------------------


async def test_what_is_too_large_is_divided() -> None:
    server = Server()

    def judge(request: Request) -> bytes:
        return answer(413) if len(request.lines) > 4 else server(request)

    async with http_receiver(judge) as to:
        await deliver(sink(to.url), batch("a", "b", "c"), batch("d", "e", start=3))
    assert sent(server) == [["a", "b"], ["c"], ["d", "e"]]


@pytest.mark.parametrize("status", [301, 401, 403, 404, 405, 407, 429, 500, 503])
async def test_a_wrong_configuration_or_a_busy_server_costs_no_entry(status: int) -> None:
    async with http_receiver(lambda request: answer(status, b"no", Retry_After="7")) as to:
        with pytest.raises(Unavailable, match=f"answers {status}"):
            await deliver(sink(to.url), batch("one"))


async def test_nodes_are_used_in_turn_and_one_that_fails_is_left_alone() -> None:
    one, two = Server(), Server()
    async with http_receiver(one) as a, http_receiver(two) as b:
        dead = f"http://127.0.0.1:{free_port()}"
        search = sink(a.url, dead, b.url)
        await search.open()
        for number in range(12):
            await search.send(search.encode([batch(str(number), start=number)]))
        await search.close()
    assert sorted(one.messages + two.messages, key=int) == [str(number) for number in range(12)]
    assert len(one.messages) > 2 and len(two.messages) > 2


async def test_an_expired_certificate_is_said_and_nothing_sent(authority: Authority) -> None:
    tls = server_context(authority.issue("es", expired=True))
    async with http_receiver(Server(), tls=tls) as to:
        trusts = TLSConfig(ca=authority.ca)
        with pytest.raises(Unavailable, match="expired"):
            await deliver(sink(f"https://localhost:{to.port}", tls=trusts), batch("one"))
    assert to.requests == []


# -- the kit -------------------------------------------------------------------------------------


class TestElasticsearch(SinkKit):
    complaint = "refused the connection"

    @pytest.fixture
    async def sink(self) -> AsyncIterator[Elasticsearch]:
        async with http_receiver(Server()) as to:
            yield sink(to.url)

    @pytest.fixture
    def unreachable(self) -> Elasticsearch:
        return sink(f"http://127.0.0.1:{free_port()}")


@pytest.mark.server
class TestAtVictoriaLogs(TestElasticsearch):
    @pytest.fixture
    async def sink(self, tenant: VictoriaLogs) -> AsyncIterator[Elasticsearch]:
        yield store(tenant)
