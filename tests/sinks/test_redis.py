"""The Redis sink and a real server; and doubles, for what a server should never answer."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis

from pipeline.model.batch import Batch
from pipeline.model.component import Duration, Secret, SinkContext, TLSConfig
from pipeline.model.errors import ConfigError, Unavailable
from pipeline.sinks.redis import Config, Redis, SentinelConfig
from pipeline.testing.builders import batch, container
from pipeline.testing.sink_kit import SinkKit
from pipeline.transport.redis.resp import command
from tests.servers.certificates import Authority
from tests.servers.daemon import eventually
from tests.servers.ports import free_port
from tests.servers.receivers import serve
from tests.servers.redis import RedisServer, has_replicas

pytestmark = pytest.mark.server


def sink(address: str | list[str], **options: Any) -> Redis:
    options = {"timeout": Duration(60), **options}
    return Redis(
        Config(type="redis", address=address, **options), SinkContext("redis", host="here")
    )


@pytest.fixture
def server(redis_server: RedisServer) -> RedisServer:
    """An empty one."""
    redis_server.empty()
    return redis_server


@pytest.fixture
def own(tmp_path: Path) -> Iterator[RedisServer]:
    """One that the test may configure and kill."""
    with RedisServer(tmp_path / "server") as running:
        yield running


async def deliver(to: Redis, *batches: Batch) -> list[tuple[Batch, int, str]]:
    """What was refused of it."""
    payload = to.encode(batches)
    try:
        await to.open()
        await to.send(payload)
    finally:
        await to.close()
    return payload.refused


async def trouble(to: Redis, *batches: Batch) -> str:
    with pytest.raises(Unavailable) as raised:
        await deliver(to, *(batches or [batch("one")]))
    return str(raised.value)


# -- what arrives --------------------------------------------------------------------------------


async def test_an_entry_is_json_beside_what_tells_it_from_all_others(server: RedisServer) -> None:
    await deliver(sink(server.address), batch("one", "two\r\n\u2603", route="all", start=7))
    first, second = server.entries()
    assert set(first) == {"event.id", "json"}
    assert json.loads(first["json"])["message"] == "one"
    assert json.loads(second["json"])["message"] == "two\r\n\u2603"
    assert first["event.id"].endswith("1:logs:all:2026-01-31T23:59:59.000000000Z:7.0")
    assert first["event.id"] != second["event.id"]


async def test_as_fields_each_name_is_one_and_none_is_overwritten(server: RedisServer) -> None:
    fields = {"status": 500, "user": {"id": 1}, "no": None, "event.id": "mine", "message": "m"}
    some = batch("one", fields=[fields], of=container(labels={"a.b": "c"}), streams="err")
    await deliver(sink(server.address, format="fields"), some)
    (entry,) = server.entries()
    assert entry["message"] == "one"
    assert (entry["status"], entry["user"], entry["no"]) == ("500", '{"id":1}', "")
    assert entry["event.id"].endswith(":0.0")
    assert json.loads(entry["fields"]) == {"event.id": "mine", "message": "m"}
    assert entry["@timestamp"] == "2026-01-31T23:59:59.000000000Z"
    assert (entry["stream"], entry["event.sequence"]) == ("stderr", "0")
    assert (entry["container.name"], entry["container.labels.a_b"]) == ("api-1", "c")


async def test_streams_are_named_by_a_template_with_clean_values(server: RedisServer) -> None:
    to = sink(server.address, stream="logs:{container.image}:{level}")
    some = batch("one", "two", "three", fields=[{"level": "a b"}, {}, {"level": "a b"}])
    await deliver(to, some, batch("four", of=container(image="x" * 500)))
    assert server.messages("logs:shop_api_1.4:a_b") == ["one", "three"]
    assert server.messages("logs:shop_api_1.4:_") == ["two"]
    assert server.messages(f"logs:{'x' * 128}:_") == ["four"]


async def test_more_entries_than_are_sent_at_once_arrive_in_order(server: RedisServer) -> None:
    lines = [str(number) for number in range(2500)]
    await deliver(sink(server.address, pipeline=100), batch(*lines))
    assert server.messages() == lines


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({"max_length": 10, "trim": "exact"}, range(10, 11)),
        ({"max_length": 100}, range(100, 500)),
        ({"max_age": Duration(3600)}, range(1000, 1001)),
    ],
)
async def test_a_stream_is_trimmed(
    server: RedisServer, options: dict[str, Any], kept: range
) -> None:
    await deliver(sink(server.address, **options), batch(*map(str, range(1000))))
    assert server("XLEN", "dockline") in kept


async def test_what_is_older_than_wanted_goes(server: RedisServer) -> None:
    server("XADD", "dockline", "1000-0", "json", "{}")
    await deliver(sink(server.address, max_age=Duration(60), trim="exact"), batch("one"))
    assert server.messages() == ["one"]


# -- ways to the server --------------------------------------------------------------------------


async def test_over_a_unix_socket_and_into_a_database(server: RedisServer) -> None:
    to = sink(f"unix://{server.socket}", database=3)
    await deliver(to, batch("one"))
    assert server.messages(db=3) == ["one"]
    assert server.messages() == []


async def test_over_tls_with_certificates_on_both_sides(
    tmp_path: Path, authority: Authority
) -> None:
    own, client, port = authority.issue("redis"), authority.issue("dockline"), free_port()
    files = ["--tls-cert-file", own.cert, "--tls-key-file", own.key, "--tls-ca-cert-file"]
    options = ["--tls-port", str(port), *files, authority.ca]
    tls = TLSConfig(ca=authority.ca, cert=client.cert, key=client.key)
    with RedisServer(tmp_path / "tls", *options) as server:
        to = sink(f"rediss://localhost:{port}", tls=tls)
        await to.open()
        assert re.search(r"TLSv1\.3, certificate until .*, redis \d+\.", to.reached())
        await to.send(to.encode([batch("one")]))
        await to.close()
        assert server.messages() == ["one"]
        without = sink(f"rediss://localhost:{port}", tls=TLSConfig(ca=authority.ca))
        assert "client certificate" in await trouble(without)
        assert "not trusted here" in await trouble(sink(f"rediss://localhost:{port}"))
        assert "closed the connection" in await trouble(sink(f"redis://localhost:{port}"))


@pytest.mark.fault(27)
async def test_an_expired_certificate_is_told(tmp_path: Path, authority: Authority) -> None:
    own, port = authority.issue("late", expired=True), free_port()
    files = ["--tls-cert-file", own.cert, "--tls-key-file", own.key, "--tls-ca-cert-file"]
    options = ["--tls-port", str(port), *files, authority.ca, "--tls-auth-clients", "no"]
    with RedisServer(tmp_path / "tls", *options):
        to = sink(f"rediss://localhost:{port}", tls=TLSConfig(ca=authority.ca))
        assert "has expired" in await trouble(to)


async def test_an_acl_user_needs_xadd_on_its_streams_and_no_more(own: RedisServer) -> None:
    own("ACL", "SETUSER", "dockline", "on", ">secret", "~logs:*", "+xadd", "+ping")
    own("CONFIG", "SET", "requirepass", "other")
    who = {"user": "dockline", "password": Secret("secret")}
    await deliver(sink(own.address, stream="logs:a", **who), batch("one"))
    assert own.messages("logs:a", password="other") == ["one"]
    assert "does not let this user" in await trouble(sink(own.address, stream="else", **who))
    assert "wants a password" in await trouble(sink(own.address))
    wrong = await trouble(sink(own.address, user="dockline", password=Secret("guess")))
    assert "does not know this user" in wrong and "guess" not in wrong
    await deliver(sink(own.address, password=Secret("other")), batch("two"))
    assert own.messages(password="other") == ["two"]


async def test_an_idle_connection_that_the_server_closed_is_made_anew_with_all_it_needs(
    own: RedisServer,
) -> None:
    own("CONFIG", "SET", "requirepass", "secret")
    to = sink(own.address, password=Secret("secret"), database=2)
    await to.open()
    await to.send(to.encode([batch("one")]))
    own("CLIENT", "KILL", "TYPE", "normal", password="secret")
    await asyncio.sleep(0.05)
    await to.send(to.encode([batch("two")]))
    await to.close()
    assert own.messages(db=2, password="secret") == ["one", "two"]


async def test_sentinels_name_the_master_and_after_a_failover_the_other_one(
    tmp_path: Path, own: RedisServer
) -> None:
    other = RedisServer(tmp_path / "other", "--replicaof", "127.0.0.1", str(own.port))
    watch = RedisServer(tmp_path / "sentinel", sentinel=True)
    with other, watch:
        has_replicas(own, 1)
        watch("SENTINEL", "MONITOR", "shop", "127.0.0.1", own.port, 1)
        where = ["redis://127.0.0.1:1", f"127.0.0.1:{watch.port}"]
        to = sink(where, sentinel=SentinelConfig(master="shop"))
        await deliver(to, batch("one"))
        assert own.messages() == ["one"]
        eventually("the sentinel knows the replica", lambda: _replicas(watch) == 1)
        await asyncio.to_thread(own.kill)
        await asyncio.to_thread(eventually, "a failover", lambda: _failed_over(watch, other))
        await asyncio.to_thread(eventually, "it is told", lambda: _master(watch) == other.port)
        await deliver(to, batch("two"))
        assert other.messages() == ["one", "two"]
        unknown = sink(where, sentinel=SentinelConfig(master="none"))
        assert 'knows no master "none"' in await trouble(unknown)
        assert "is a Sentinel" in await trouble(sink(f"redis://127.0.0.1:{watch.port}"))


def _failed_over(sentinel: RedisServer, to: RedisServer) -> bool:
    """Asks for it until it is so: a sentinel gives it up where it has not heard of the replica for
    a moment."""
    if to("ROLE")[0] == b"master":
        return True
    with suppress(redis.ResponseError):  # it is at it, or does not know enough of the replica yet
        sentinel("SENTINEL", "FAILOVER", "shop")
    return False


def _replicas(sentinel: RedisServer) -> int:
    return len(sentinel("SENTINEL", "REPLICAS", "shop"))


def _master(sentinel: RedisServer) -> int:
    return int(sentinel("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "shop")[1])


# -- errors, one by one --------------------------------------------------------------------------


async def test_a_key_that_holds_something_else_costs_its_own_entries_only(
    server: RedisServer,
) -> None:
    server("SET", "logs:bad", "text")
    bad, good = container("bad", number=1), container("good", number=2)
    batches = [batch("a", of=good), batch("b", "c", of=bad), batch("d", of=good)]
    refused = await deliver(sink(server.address, stream="logs:{container.name}"), *batches)
    assert server.messages("logs:good") == ["a", "d"]
    assert [(one, index) for one, index, _ in refused] == [(batches[1], 0), (batches[1], 1)]
    assert "WRONGTYPE" in refused[0][2]


async def test_where_it_is_the_only_key_there_is_nothing_is_lost(server: RedisServer) -> None:
    server("SET", "dockline", "text")
    assert "WRONGTYPE" in await trouble(sink(server.address))


async def test_without_memory_nothing_is_refused_and_what_was_taken_is_not_sent_again(
    own: RedisServer,
) -> None:
    own("CONFIG", "SET", "maxmemory-policy", "noeviction")
    used = own("INFO", "memory")["used_memory"]
    own("CONFIG", "SET", "maxmemory", used + 2_000_000)
    lines = [f"{number}-{'x' * 1000}" for number in range(5000)]
    to = sink(own.address, pipeline=500)
    payload = to.encode([batch(*lines)])
    await to.open()
    with pytest.raises(Unavailable, match="has no memory left"):
        await to.send(payload)
    taken = len(payload.data.commands) - len(payload.data.left)
    assert 0 < taken < 5000
    own("CONFIG", "SET", "maxmemory", 0)
    await to.open()
    await to.send(payload)
    await to.close()
    assert own.messages() == lines
    assert payload.refused == [] and payload.entries == 5000


async def test_a_replica_is_said_to_be_one(tmp_path: Path, own: RedisServer) -> None:
    with RedisServer(tmp_path / "r", "--replicaof", "127.0.0.1", str(own.port)) as replica:
        assert "is a replica, which takes no writes" in await trouble(sink(replica.address))


async def test_the_answers_of_replicas_are_waited_for(tmp_path: Path, own: RedisServer) -> None:
    to = sink(own.address, replicas=1)
    assert "has 0 replicas" in await trouble(to)
    assert own.messages() == []
    with RedisServer(tmp_path / "r", "--replicaof", "127.0.0.1", str(own.port)) as replica:
        has_replicas(own, 1)
        await deliver(to, batch("one", "two"))
        assert replica.messages() == ["one", "two"]
        await to.open()
        payload = to.encode([batch("three")])
        assert replica.process is not None
        replica.process.send_signal(19)
        patient = to._config
        to._config = msgspec.structs.replace(patient, timeout=Duration(1))
        with pytest.raises(Unavailable, match="has the entries on 0 replicas"):
            await to.send(payload)
        to._config = patient
        replica.process.send_signal(18)
        has_replicas(own, 1)
        await to.open()
        await to.send(payload)
        await to.close()
        assert replica.messages()[-1] == "three"


# -- what no server should answer ----------------------------------------------------------------

OK = b"+PONG\r\n*2\r\n$6\r\nserver\r\n$5\r\nredis\r\n"


class Double:
    """Answers the greeting as it should, and then each request with what it is told to."""

    def __init__(self, answers: list[bytes | None], greeting: bytes = OK) -> None:
        self.answers = answers
        self.greeting = greeting
        self.received: list[bytes] = []
        """After each greeting, all that was sent."""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"PING\r\n")
        writer.write(self.greeting[:7])
        if await reader.read(100) == command(b"HELLO"):
            writer.write(self.greeting[7:])
        while data := await reader.read(2**20):
            self.received.append(data)
            if not self.answers:
                return
            if (answer := self.answers.pop(0)) is None:
                writer.transport.abort()
                return
            writer.write(answer)


def taken(count: int) -> bytes:
    return b"$3\r\n1-0\r\n" * count


@pytest.mark.fault(26)
@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak as Redis does"),
        (taken(3), "answers more than was asked"),
        (taken(1), "does not answer within 0.3 s"),
        (taken(1) + b"$3\r\n1-", "does not answer within 0.3 s"),
        (b"$99999999999\r\n", "announces an answer of 99999999999 bytes"),
        (b"*99999999\r\n", "announces a list of 99999999 items"),
        (b"*1\r\n" * 100, "announces a list"),
        (b"$3\r\n1-0..", "longer than announced"),
        (b":x\r\n", "for a number"),
        (b"+" + b"x" * 70_000, "a line that does not end"),
        (b"-MOVED 1234 10.0.0.7:6379\r\n" * 2, "another one has this stream.*10.0.0.7:6379"),
        (b"-LOADING Redis is loading the dataset in memory\r\n" * 2, "still loading its data"),
        (b"-READONLY You can't write\r\n" * 2, "is a replica"),
        (b"-ERR unknown command 'XADD'\r\n" * 2, "answers with an error: ERR unknown command"),
        (b"-\xff\x1b[2J\r\n" * 2, "answers with an error"),
        (b":1\r\n:1\r\n", "answers with an error: ERR no id but 1"),
        (None, "closed the connection"),
    ],
)
async def test_what_is_no_id_is_no_success(answer: bytes | None, says: str) -> None:
    double = Double([answer])
    async with serve(double) as port:
        to = sink(f"redis://127.0.0.1:{port}")
        payload = to.encode([batch("one", "two")])
        await to.open()
        connection = to._connection
        assert connection is not None
        if "within 0.3 s" in says:
            connection._timeout = 0.3
        with pytest.raises(Unavailable, match=says) as raised:
            await to.send(payload)
        connection._timeout = 60.0
        assert "\x1b" not in str(raised.value)
        double.answers = [taken(2)]
        await to.open()
        await to.send(payload)
        await to.close()
    assert payload.refused == []


async def test_what_was_taken_is_not_sent_again_and_an_entry_to_blame_is_refused() -> None:
    double = Double([b"-ERR bad\r\n" + taken(1) + b"-OOM no\r\n" + taken(1), taken(1)])
    async with serve(double) as port:
        to = sink(f"redis://127.0.0.1:{port}")
        some = batch("one", "two", "three", "four")
        payload = to.encode([batch(), some])
        await to.open()
        with pytest.raises(Unavailable, match="OOM"):
            await to.send(payload)
        await to.open()
        await to.send(payload)
        await to.close()
    assert re.findall(rb'"message":"(\w+)"', double.received[1]) == [b"three"]
    assert [(one, index) for one, index, _ in payload.refused] == [(some, 0)]
    assert payload.entries == 3


@pytest.mark.parametrize(
    "greeting",
    [b"-DENIED Redis is running in protected mode\r\n", b"-LOADING a\r\n", b"220 smtp\r\n"],
)
async def test_a_server_that_is_not_ready_is_not_sent_anything(greeting: bytes) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        await reader.read()

    async with serve(refuse) as port:
        problem = await trouble(sink(f"redis://127.0.0.1:{port}"))
        assert f"redis://127.0.0.1:{port} " in problem


async def test_one_that_resets_the_connection_may_expect_tls() -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        at_once = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        writer.transport.abort()

    async with serve(reset) as port:
        said = await trouble(sink(f"redis://127.0.0.1:{port}"), batch("x"))
    assert "as soon as it was spoken to; check the port, and whether it expects TLS" in said


async def test_an_answer_to_nothing_is_not_taken_for_the_next_one() -> None:
    double = Double([taken(1), taken(1)])
    async with serve(double) as port:
        to = sink(f"redis://127.0.0.1:{port}")
        await to.open()
        await to.send(to.encode([batch("one")]))
        double.answers = [taken(1) + taken(1), taken(1)]
        with pytest.raises(Unavailable, match="more than was asked"):
            await to.send(to.encode([batch("two")]))
        await to.close()


# -- configuration -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "path", "says"),
    [
        ({"address": []}, "address", "one address is needed"),
        ({"address": ["redis://x", "redis://y"]}, "address", "those of Sentinels"),
        ({"address": "http://x"}, "address", "known are redis://, rediss://, unix://"),
        ({"address": "redis://u:p@x"}, "address", "keys of their own"),
        ({"address": "redis://x/2"}, "address", "`database`"),
        ({"address": "redis://x:1/2"}, "address", "`database`"),
        ({"address": "unix://x"}, "address", "no absolute path"),
        ({"address": "redis://x", "tls": TLSConfig()}, "address", "not encrypted"),
        ({"address": "redis://x", "user": "a"}, "password", "needs a password"),
        ({"address": "redis://x", "stream": "a{"}, "stream", "write"),
        (
            {"address": "redis://x", "max_length": 1, "max_age": Duration(1)},
            "max_age",
            "one or the other",
        ),
        (
            {"address": ["a b"], "sentinel": SentinelConfig(master="m")},
            "address",
            "is not an address",
        ),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(
    options: dict[str, Any], path: str, says: str
) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        sink(**options)
    assert caught.value.path == path


# -- what every sink promises --------------------------------------------------------------------


class TestJson(SinkKit):
    complaint = "refused the connection"

    @pytest.fixture
    async def sink(self, server: RedisServer) -> AsyncIterator[Redis]:
        yield sink(server.address, stream="logs:{container.name}:{level}", max_age=Duration(1))

    @pytest.fixture
    def unreachable(self) -> Redis:
        return sink(f"redis://127.0.0.1:{free_port()}")


class TestFields(SinkKit):
    complaint = "No such file"

    @pytest.fixture
    async def sink(self, server: RedisServer) -> AsyncIterator[Redis]:
        yield sink(f"unix://{server.socket}", format="fields")

    @pytest.fixture
    def unreachable(self, tmp_path: Path) -> Redis:
        return sink(f"unix://{tmp_path}/redis.sock")
