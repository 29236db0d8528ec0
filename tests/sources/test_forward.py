"""The forward source, with clients that keep to the protocol and clients that do not.

Docker's own driver is in `tests/integration/test_fluentd_driver.py`.
"""

from __future__ import annotations

import asyncio
import gc
import gzip
import json
import resource
import socket
import ssl
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from typing import Any

import msgpack
import pytest

from pipeline.encode.json import JsonEncoder
from pipeline.forward.columns import DEEPEST
from pipeline.model.batch import Batch
from pipeline.model.component import Duration, Secret, SinkContext, Size, SourceContext
from pipeline.model.container import Container
from pipeline.model.errors import ConfigError, Unavailable
from pipeline.sinks.forward import Config as SinkConfig
from pipeline.sinks.forward import Forward as Sink
from pipeline.sources.forward import Config, Forward
from pipeline.stages import redact
from pipeline.testing.builders import batch
from pipeline.testing.hostile import LINES, hostile
from pipeline.testing.intake_room import Room, room, until
from pipeline.testing.leaks import no_garbage
from pipeline.testing.source_kit import Connect, SourceKit
from pipeline.transport.net.listen import ListenTLSConfig
from tests.servers.certificates import Authority
from tests.servers.receivers import client_context
from tests.sources.fluent_client import Client, event_time, pack

ID = "0123456789abcdef" * 4


def source(**options: Any) -> Forward:
    config = Config(type="forward", **{"listen": "127.0.0.1:0", **options})
    return Forward(config, SourceContext("in", "hub-1"))


@asynccontextmanager
async def served(**options: Any) -> AsyncIterator[tuple[Room, Client]]:
    """A source that runs, and a client of it."""
    it = source(**options)
    async with room(it) as one:
        client = await Client(it.port).connect()
        try:
            yield one, client
        finally:
            await client.close()


def batches(one: Room) -> list[Batch]:
    return one.sinks[0].batches


async def entries(one: Room, count: int) -> list[tuple[bytes, bytes, dict[str, Any]]]:
    """Time, line and fields of all, once there are so many."""
    await until(lambda: sum(map(len, batches(one))) >= count)
    found = []
    for it in batches(one):
        found += list(zip(it.times, it.lines, it.fields or [{}] * len(it), strict=True))
    assert len(found) == count
    return found


# -- modes ---------------------------------------------------------------------------------------

RECORDS = [{"message": "one", "n": 1}, {"message": "two"}]
TIMES = [event_time(1769903999, 123456789), event_time(1769904000)]
PAIRS = list(zip(TIMES, RECORDS, strict=True))
EXPECTED = [
    (b"2026-01-31T23:59:59.123456789Z", b"one", {"n": 1}),
    (b"2026-02-01T00:00:00.000000000Z", b"two", {}),
]
STREAM = b"".join(pack(list(pair)) for pair in PAIRS)
MODES = {
    "forward": [["tag", PAIRS, {"chunk": "c"}]],
    "packed": [["tag", STREAM, {"chunk": "c", "size": 2}]],
    "compressed": [["tag", gzip.compress(STREAM), {"chunk": "c", "compressed": "gzip"}]],
    "members": [
        ["tag", b"".join(gzip.compress(pack(list(pair))) for pair in PAIRS),
         {"chunk": "c", "compressed": "gzip"}]
    ],
    "text": [["tag", STREAM, {"chunk": "c", "compressed": "text"}]],
    "message": [["tag", *PAIRS[0], None], ["tag", *PAIRS[1], {"chunk": "c"}]],
    "heartbeats": [None, ["tag", PAIRS, {"chunk": "c"}], None],
}  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("cut", [None, 1])
async def test_every_mode_is_taken_and_acknowledged_as_a_string(mode: str, cut: int | None) -> None:
    async with served() as (one, client):
        data = b"".join(map(pack, MODES[mode]))
        for start in range(0, len(data), cut or len(data)):
            await client.write(data[start : start + (cut or len(data))])
            await asyncio.sleep(0)
        assert await entries(one, 2) == EXPECTED
        answer = await client.hear()
        assert answer == {"ack": "c"}
        assert one.intake.refused == {}
    assert pack({"ack": "c"}) == b"\x81\xa3ack\xa1c", "a string, not bytes"


async def test_the_raw_strings_of_old_clients_and_plain_seconds_are_taken() -> None:
    raw = msgpack.packb(["tag", 1769904000, {"log": b"\xff one"}], use_bin_type=False)
    stream = msgpack.packb([1769904000.5, {"msg": "two"}])
    packed = msgpack.packb([b"tag", stream], use_bin_type=False)
    async with served() as (one, client):
        await client.write(raw + packed)
        assert await entries(one, 2) == [
            (b"2026-02-01T00:00:00.000000000Z", b"\xff one", {}),
            (b"2026-02-01T00:00:00.500000000Z", b"two", {}),
        ]


async def test_a_large_chunk_is_one_message_in_order_in_any_mode() -> None:
    count = 20_000
    pairs = [[event_time(1, n), {"message": f"line {n}", "f": {"a": [n]}}] for n in range(count)]
    stream = b"".join(map(pack, pairs))
    async with served(in_flight=Size(2**24)) as (one, client):
        for number, message in enumerate(
            (
                ["a", pairs, {"chunk": "0"}],
                ["b", stream, {"chunk": "1"}],
                ["c", gzip.compress(stream), {"chunk": "2", "compressed": "gzip"}],
                ["d", [[1, {"message": "x" * 500_000}]], {"chunk": "3"}],
                ["e", 1, {"message": "y" * 500_000}, {"chunk": "4"}],
            )
        ):
            await client.say(message)
            assert await client.hear() == {"ack": str(number)}
        lines = one.sinks[0].lines
        assert lines[: 3 * count] == [b"line %d" % n for n in range(count)] * 3
        assert lines[3 * count :] == [b"x" * 500_000, b"y" * 500_000]
        assert one.intake.taken == 5
        assert batches(one)[0].fields is not None
        assert batches(one)[0].fields[7] == {"f": {"a": [7]}}


# -- whose an entry is ---------------------------------------------------------------------------


async def test_for_a_stranger_the_tag_and_the_host_stand_for_a_container() -> None:
    async with served() as (one, client):
        await client.say(["app.web", [[1, {"log": "a", "stream": "stderr", "k": b"\xff"}]]])
        await client.say(["app.db", [[1, {"only": {"fields": True}}]]])
        await entries(one, 2)
        first, second = batches(one)
        assert (first.container.name, first.container.host) == ("app.web", "hub-1")
        assert (first.lines, first.streams, first.fields) == ([b"a"], b"\x02", [{"k": "\ufffd"}])
        assert (second.container.name, second.bare) == ("app.db", True)
        assert second.fields == [{"only": {"fields": True}}]
        assert first.container.id != second.container.id
        entry = json.loads(JsonEncoder().encode([first]))
        assert entry["event"]["dataset"] == "forward.logs"
        assert entry["container"] == {"id": first.container.id, "name": "app.web"}


async def test_bytes_for_keys_and_values_are_text_and_what_json_has_not_is_made_fit() -> None:
    record = {
        b"message": b"\xff kept", b"n\xff": [float("nan"), {b"k": b"v\xff"}], "user": b"bob",
        "at": event_time(1), "none": None, "x": msgpack.ExtType(7, b"x"), b"user": "\udcff",
        1: 2, None: True,
    }  # fmt: skip
    async with served() as (one, client):
        await client.write(msgpack.packb(["t", 1, record], unicode_errors="surrogateescape"))
        ((_, line, fields),) = await entries(one, 1)
        assert line == b"\xff kept"
        assert fields == {
            "n\ufffd": [None, {"k": "v\ufffd"}], "user": "\ufffd", "at": 10**9, "none": None,
            "x": None, "1": 2, "null": True,
        }  # fmt: skip
        assert one.intake.refused == {}


@pytest.mark.fault(114)
async def test_what_is_to_be_hidden_is_found_in_bytes_as_keys_and_values_and_beside_them() -> None:
    records = [
        {b"\xff": 1, "message": "bob@example.com"}, {"log": "x", "a": [{b"k": b"bob@example.com"}]},
        {b"log": b"y bob@example.com"}, {"msg": "bob@example.com"}, {b"bob@example.com": 1},
    ]  # fmt: skip
    it = source()
    async with room(it, stages=[("redact", redact.Stage(["email"]))]) as one:
        client = await Client(it.port).connect()
        await client.say(["t", [[1, record] for record in records]])
        await until(lambda: sum(map(len, batches(one))) == 5)
        written = JsonEncoder().encode(batches(one)).decode()
        assert "example" not in written
        assert written.count("[redacted]") == 5
        await client.close()


def docker(log: str, **more: str) -> dict[str, str]:
    return {"container_id": ID, "container_name": "/web-1", "source": "stdout", "log": log, **more}


async def test_dockers_driver_tells_the_container_and_its_labels() -> None:
    async with served() as (one, client):
        labels = {"com.docker.compose.project": "shop"}
        await client.say(["docker", event_time(1, 5), docker("out", **labels), {"chunk": "1"}])
        await client.say(["docker", event_time(1, 6), docker("err", source="stderr", **labels)])
        await entries(one, 2)
        of = batches(one)[0].container
        assert (of.id, of.name, of.project, dict(of.labels)) == (ID, "web-1", "shop", labels)
        assert [stream for b in batches(one) for stream in b.streams] == [1, 2]
        assert all(b.fields is None for b in batches(one))
        entry = json.loads(JsonEncoder().encode(batches(one)[:1]).splitlines()[0])
        assert entry["event"]["dataset"] == "docker.logs"
        assert (entry["container"]["runtime"], entry["container"].get("image")) == ("docker", None)


def part(log: str, ordinal: int, *, last: bool = False, identity: str = "p") -> dict[str, str]:
    return docker(
        log,
        partial_message="true",
        partial_id=identity,
        partial_ordinal=str(ordinal),
        partial_last="true" if last else "false",
    )


async def test_a_line_in_parts_is_one_with_its_first_time_and_each_part_is_answered() -> None:
    async with served() as (one, client):
        for number, record in enumerate(
            (part("a" * 16384, 1), part("b" * 16384, 2), part("c", 3, last=True))
        ):
            await client.say(["docker", event_time(1 + number), record, {"chunk": str(number)}])
            assert await client.hear() == {"ack": str(number)}
        ((time, line, _),) = await entries(one, 1)
        assert line == b"a" * 16384 + b"b" * 16384 + b"c"
        assert time == b"1970-01-01T00:00:01.000000000Z"


async def test_parts_of_both_streams_and_of_two_connections_do_not_get_mixed_up() -> None:
    async with served() as (one, client):
        await client.say(["t", 1, part("out ", 1)])
        await client.say(["t", 1, part("err ", 1, identity="q") | {"source": "stderr"}])
        other = await Client(one.source.port).connect()  # type: ignore[attr-defined]
        await client.say(["t", 1, part("er", 2, identity="q", last=True) | {"source": "stderr"}])
        await entries(one, 1)
        await other.say(["t", 1, part("out ", 1)])  # sent again, since it was not answered
        await other.say(["t", 1, part("put", 2, last=True)])
        assert [line for _, line, _ in await entries(one, 2)] == [b"err er", b"out put"]
        await other.close()


async def test_a_line_in_parts_that_is_too_long_is_cut_and_marked() -> None:
    async with served(max_line=Size(20_000)) as (one, client):
        await client.say(["t", 1, docker("short")])
        await client.say(["t", 1, part("a" * 16384, 1)])
        await client.say(["t", 1, part("b" * 16384, 2, last=True)])
        await entries(one, 2)
        last = batches(one)[-1]
        assert last.lines[-1] == b"a" * 16384 + b"b" * 3616
        assert last.flags == {last.sequences[-1]: "truncated"}


async def test_a_line_whose_beginning_somebody_else_had_is_marked() -> None:
    async with served() as (one, client):
        await client.say(["t", 1, part("middle ", 2)])
        await client.say(["t", 1, part("end", 3, last=True)])
        ((_, line, _),) = await entries(one, 1)
        assert (line, batches(one)[0].flags) == (b"middle end", {1: "truncated"})


async def test_lines_that_are_never_ended_make_room_and_are_counted() -> None:
    async with served(max_line=Size(2**20)) as (one, client):
        for number in range(1100):
            await client.say(["t", 1, part("x", 1, identity=str(number))])
        await until(lambda: one.intake.refused.get("partial_line") == 100)


# -- from dockline to dockline -------------------------------------------------------------------


@asynccontextmanager
async def both(**options: Any) -> AsyncIterator[tuple[Room, Sink]]:
    it = source(in_flight=Size(2**24))
    async with room(it) as one:
        config = SinkConfig(type="forward", address=f"tcp://127.0.0.1:{it.port}", **options)
        sink = Sink(config, SinkContext("out", host="web-1"))
        await sink.open()
        try:
            yield one, sink
        finally:
            await sink.close()


def columns(one: Batch) -> dict[str, Any]:
    found = {name: getattr(one, name) for name in ("lines", "times", "streams", "source", "bare")}
    found |= {"sequences": list(one.sequences), "parts": one.parts and list(one.parts)}
    found |= {"fields": one.fields, "flags": one.flags}
    return found


SHOP = Container(
    "f" * 64,
    "shop-api-1",
    "registry:5000/shop/api:1.4@sha256:" + "0" * 64,
    {"com.docker.compose.project": "shop", "a.b": "1", "a_b": "2"},
    host="web-7",
)


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize(
    "sent",
    [
        batch(*LINES, of=SHOP, streams=" ".join(["out", "err"] * 6).rpartition(" ")[0], start=41),
        batch("a", "b", of=SHOP, fields=[{"status": 500, "http": {"a": [1, None]}}, {}]),
        batch("a", of=SHOP, fields=[{"container": "mine", "fields": {"x": 1}, "message": "m"}]),
        batch("a", "b", of=SHOP, flags={1: "truncated"}),
        batch("a", "b", of=SHOP).replace(sequences=[3, 3], parts=[1, 2]),
    ],
)
async def test_another_docklines_entries_are_what_they_were(sent: Batch, compression: Any) -> None:
    async with both(compression=compression) as (one, sink):
        await sink.send(sink.encode([sent]))
        (got,) = batches(one)
        assert columns(got) == columns(sent)
        assert (got.container.id, got.container.module) == (SHOP.id, "docker")
        assert {name: getattr(got.container, name) for name in ("name", "image", "host")} == {
            "name": SHOP.name, "image": SHOP.image, "host": SHOP.host,
        }  # fmt: skip
        assert dict(got.container.labels) == dict(SHOP.labels)
        assert got.container.project == "shop"


@pytest.mark.parametrize("exact", [True, False])
async def test_what_another_dockline_has_of_syslog_is_of_syslog_still(exact: bool) -> None:
    of = Container("e" * 64, "cron", "", host="gw-1", module="syslog")
    async with both() as (one, sink):
        payload = sink.encode([batch("a", of=of, start=9), batch("b", of=SHOP)])
        client = await Client(one.source.port).connect()  # type: ignore[attr-defined]
        for data in payload.data.unacknowledged.values():
            tag, stream, option = msgpack.unpackb(data, strict_map_key=False)
            await client.say([tag, stream, option if exact else {"chunk": option["chunk"]}])
            await client.hear()
        syslog, docker = batches(one)
        facts = ("id", "name", "image", "labels", "host")
        assert [getattr(syslog.container, name) for name in facts] == [
            of.id,
            "cron",
            "",
            {},
            "gw-1",
        ]
        assert (syslog.container.module, docker.container.module) == ("syslog", "docker")
        await client.close()


async def test_a_record_that_came_through_a_third_program_has_its_container_still() -> None:
    async with both() as (one, sink):
        payload = sink.encode([batch("a", of=SHOP, start=9)])
        (data,) = payload.data.unacknowledged.values()
        tag, stream, option = msgpack.unpackb(data, strict_map_key=False)
        client = await Client(one.source.port).connect()  # type: ignore[attr-defined]
        await client.say([tag, stream, {"chunk": option["chunk"]}])
        await client.hear()
        (got,) = batches(one)
        assert (got.container.id, got.container.name, got.container.project) == (
            SHOP.id, "shop-api-1", "shop",
        )  # fmt: skip
        assert got.container.image == "registry:5000/shop/api:1.4"
        assert list(got.sequences) == [9]
        await client.close()


async def test_whatever_a_dockline_sends_arrives_and_is_counted() -> None:
    async with both() as (one, sink):
        logs = [b for b in hostile() if b.source == "logs" and len(b)]
        await sink.send(sink.encode(logs))
        arrived = sum(map(len, batches(one)))
        assert one.intake.refused == {}
        assert arrived == sum(map(len, logs))


# -- the shared key ------------------------------------------------------------------------------


async def test_who_knows_the_key_is_let_in_and_named() -> None:
    async with served(shared_key=Secret("key")) as (one, client):
        pong = await client.ping("key")
        assert pong[1:4] == [True, "", "hub-1"]
        await client.say(["tag", [[1, {"message": "in"}]], {"chunk": "c"}])
        assert await client.hear() == {"ack": "c"}
        assert batches(one)[0].container.host == "client-1"


@pytest.mark.parametrize(
    ("user", "password", "fine"),
    [("me", "pass", True), ("me", "wrong", False), ("you", "pass", False), ("", "", False)],
)
async def test_a_user_has_to_know_the_password(user: str, password: str, fine: bool) -> None:
    users = {"me": Secret("pass")}
    async with served(shared_key=Secret("key"), users=users) as (one, client):
        pong = await client.ping("key", user, password)
        assert pong[1] is fine
        if not fine:
            assert pong[2:] == ["username/password mismatch", "hub-1", ""]
            assert await client.hear() is None
            assert one.intake.refused == {"handshake": 1}


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (["tag", [[1, {"message": "in"}]]], "malformed"),
        (["PING", "h", b"s", "x" * 128, "", ""], "handshake"),
        (["PING", 1, [], {}, "", ""], "malformed"),
        (["PING"], "malformed"),
        (None, "malformed"),
        (["PING", "h" * 5000, b"s", "x" * 128, "", ""], "too_large"),
        ("x" * 300_000, "too_large"),
        ([None] * 3 + [[]], "malformed"),
    ],
)
async def test_who_does_not_is_not(said: Any, reason: str) -> None:
    async with served(shared_key=Secret("key")) as (one, client):
        assert (await client.hear())[0] == "HELO"
        await client.say(said)
        while await client.hear() is not None:
            pass
        assert one.intake.refused == {reason: 1}
        assert one.intake.taken == 0


@pytest.mark.parametrize("options", [{}, {"shared_key": Secret("key")}])
async def test_who_speaks_tls_where_there_is_none_is_told_from_others(
    options: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    async with served(**options) as (one, client):
        with pytest.raises((ConnectionError, ssl.SSLError)):
            await asyncio.open_connection(
                "127.0.0.1", client.port, ssl=ssl.create_default_context(), server_hostname="hub"
            )
        await until(lambda: one.intake.refused != {})
    assert "it speaks TLS; set tls here, or turn it off there" in caplog.text


async def test_who_does_not_wait_for_the_answer_is_not_let_in() -> None:
    async with served(shared_key=Secret("key")) as (one, client):
        await client.hear()
        await client.write(pack(["PING", "h", b"s", "x", "", ""]) + pack(["tag", 1, {}]))
        assert await client.hear() is None
        assert one.intake.refused == {"handshake": 1}


@pytest.mark.fault(124)
async def test_who_knows_the_key_gets_the_place_of_who_has_not_shown_it() -> None:
    async with served(shared_key=Secret("key"), connections=3) as (one, client):
        assert (await client.ping("key"))[1]
        port = one.source.port  # type: ignore[attr-defined]
        for count in range(1, 6):
            strangers = [await Client(port).connect() for _ in range(5)]
            for stranger in strangers:
                await stranger.hear()
            other = await Client(port).connect()
            assert (await other.ping("key"))[1]
            await other.close()
            assert one.intake.refused["connections"] >= 4 * count
            for stranger in strangers:
                await stranger.close()
        await client.say(["tag", [[1, {"message": "still"}]], {"chunk": "c"}])
        assert await client.hear() == {"ack": "c"}


@pytest.mark.fault(124)
async def test_who_is_not_let_in_costs_some_kilobytes() -> None:
    count, unfinished = 100, pack(["PING", "h" * 5000])[:4000]
    async with served(shared_key=Secret("key")) as (one, _):
        listener = one.source._listener  # type: ignore[attr-defined]
        with ExitStack() as stack:
            gc.collect()
            tracemalloc.start(1)
            try:
                before, _ = tracemalloc.get_traced_memory()
                for _ in range(count):
                    sock = socket.create_connection(("127.0.0.1", listener.port))
                    stack.enter_context(sock).sendall(unfinished)
                await until(lambda: len(listener._connections) == count + 1)
                await asyncio.sleep(0.2)
                after, _ = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
        assert 4000 * count < after - before < 24_000 * count


# -- limits --------------------------------------------------------------------------------------


def nested(levels: int) -> bytes:
    return b"\x91" * levels + b"\xc0"


BOMBS = {
    "no MessagePack": (b"\xc1", "malformed"),
    "HTTP": (b"GET / HTTP/1.1\r\n\r\n", "malformed"),
    "nested": (nested(100_000), "too_deep"),
    "nested maps": (b"\x81\xa1k" * 50_000 + b"\xc0", "too_deep"),
    "nested four-billion arrays": (b"\xdd\xff\xff\xff\xff" * 5000, "too_deep"),
    "no message": (pack({"a": 1}), "malformed"),
    "no message, nested deeper than it can be shown": (nested(1000), "malformed"),
    "no tag": (pack([1, [[1, {}]]]), "malformed"),
    "no record": (pack(["tag", 1]), "malformed"),
    "options that are none": (pack(["tag", [], "x"]), "malformed"),
    "a map with a list for a key": (b"\x93\xa3tag\x01\x81\x90\x01", "malformed"),
    "a chunk that is cut short": (pack(["tag", STREAM[:-1]]), "malformed"),
    "a chunk of another packing": (pack(["tag", STREAM, {"compressed": "zstd"}]), "malformed"),
    "gzip that is none": (pack(["tag", b"rubbish", {"compressed": "gzip"}]), "malformed"),
    "gzip that is cut short": (
        pack(["tag", gzip.compress(STREAM)[:-9], {"compressed": "gzip"}]), "malformed"
    ),
    "a nested chunk": (pack(["tag", nested(100_000)]), "too_deep"),
    "a decompression bomb of rubbish": (
        pack(["tag", gzip.compress(b"\xdb\xff\xff\xff\xff" + b"x" * 2**26),
              {"compressed": "gzip"}]),
        "too_large",
    ),
    "a decompression bomb of tiny entries": (
        pack(["tag", gzip.compress(b"\x92\0\x80" * 2**22), {"compressed": "gzip"}]), "too_large"
    ),
    "a decompression bomb of lists": (
        pack(["tag", gzip.compress((b"\x92\0\x81\xa0\xdc\x75\x30" + b"\x90" * 30_000) * 64),
              {"compressed": "gzip"}]),
        "too_large",
    ),
    "a million empty gzips": (
        pack(["tag", gzip.compress(b"") * 2**18, {"compressed": "gzip"}]), "too_large"
    ),
    "a decompression bomb of short texts": (
        pack(["tag", gzip.compress(b"\x92\0\x81\xa1k\xdc\x4e\x20" + b"\xa2ab" * 20_000) * 100,
              {"compressed": "gzip"}]),
        "too_large",
    ),
    "a decompression bomb of containers": (
        pack(["tag", gzip.compress(b"".join(
            pack([0, {"container_id": f"{n:064x}", "log": ""}]) for n in range(10_000))),
              {"compressed": "gzip"}]),
        "too_large",
    ),
    "a decompression bomb of labels": (
        pack(["tag", gzip.compress(b"".join(
            pack([0, {"container_id": f"{n:064x}", "log": "",
                      **{f"{i:x}": "" for i in range(3000)}}])
            for n in range(30))), {"compressed": "gzip"}]),
        "too_large",
    ),
    "an entry of lists": (
        pack(["tag", [[1, {"x": [[[]] * 30_000] * 5}]]]), "too_large"
    ),
    "an entry of lists, not in a list": (
        pack(["tag", 1, {"x": [[[]] * 30_000] * 5}]), "too_large"
    ),
    "a long tag": (pack(["t" * 5000, 1, {"message": "x"}]), "too_large"),
    "a large array": (pack([*range(100_000)]), "malformed"),
    "a large map": (pack({str(n): n for n in range(20_000)}), "malformed"),
    "large options": (pack(["tag", b"", {"x": "y" * 200_000}]), "too_large"),
    "a large record": (pack(["tag", 1, {"x": "y" * 3_000_000}]), "too_large"),
    "a large record inside": (pack(["tag", [[1, {"x": "y" * 3_000_000}]]]), "too_large"),
}  # fmt: skip


@pytest.mark.fault(35, 109)
@pytest.mark.parametrize("bomb", BOMBS)
async def test_a_bomb_is_refused_in_bounded_memory_and_others_go_on(bomb: str) -> None:
    data, reason = BOMBS[bomb]
    async with served(max_unpacked=Size(2**22)) as (one, client):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        await client.send_rubbish(data)
        await until(lambda: one.intake.refused == {reason: 1}, within=60)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 * 1024
        assert one.intake.taken == 0
        await client.say(["tag", [[1, {"message": "good"}]], {"chunk": "c"}])
        assert await client.hear() == {"ack": "c"}


@pytest.mark.parametrize(
    "bad",
    [b"\x93\xa1t\x01\x81\x90\x01", pack(5), pack(["t" * 5000, []]), b"\xc1", nested(5000)],
    ids=["a key", "no message", "a tag", "no MessagePack", "nested"],
)
async def test_what_came_right_before_a_bad_message_is_taken(bad: bytes) -> None:
    async with served() as (one, client):
        await client.send_rubbish(pack(["tag", 1, {"message": "good"}]) + bad)
        await until(lambda: sum(one.intake.refused.values()) == 1)
        assert [line for _, line, _ in await entries(one, 1)] == [b"good"]


@pytest.mark.fault(109)
async def test_an_entry_of_more_values_than_anybody_writes_is_left_out_alone() -> None:
    many = [
        {"message": "many", "a": {"b": [1] * 50_000}},
        {f"k{n}": n for n in range(50_001)},
        {"message": "many", "a": [[]] * 150_000},
        {"message": "many", **{f"k{n}": [1] * 20_000 for n in range(3)}},
        {n: n for n in range(50_001)},
    ]
    most = {"message": "most", "a": [[n, {"b": n}] for n in range(9_000)], "c": [1] * 10_000}
    driver = {"container_id": "a" * 64, "log": "driver"}
    for form in (lambda some: ["t", some], lambda some: ["t", b"".join(map(pack, some))]):
        async with served(in_flight=Size(2**24)) as (one, client):
            records = [{"message": "before"}, *many, most, driver]
            await client.say([*form([[1, record] for record in records]), {"chunk": "c"}])
            found = await entries(one, 3)
            assert sorted(line for _, line, _ in found) == [b"before", b"driver", b"most"]
            assert one.intake.refused == {"too_large": 5}
            assert await client.hear() == {"ack": "c"}
            for number, record in enumerate(many):
                await client.say(["t", 1, record, {"chunk": f"{number}"}])
                assert await client.hear() == {"ack": f"{number}"}
            assert one.intake.refused == {"too_large": 10}


@pytest.mark.fault(111)
async def test_a_connection_that_ends_for_what_it_said_is_let_go_at_once() -> None:
    """Not when the garbage collector comes: it may have said two megabytes."""
    async with served() as (one, _):
        listener = one.source._listener  # type: ignore[attr-defined]
        with no_garbage():
            for number in range(3):
                client = await Client(listener.port).connect()
                await client.send_rubbish(b"\xc1" * 1000)
                await until(lambda: one.intake.refused == {"malformed": number + 1})  # noqa: B023
                await client.close()
                await until(lambda: len(listener._connections) == 1)


async def test_tags_and_chunks_need_not_be_utf8() -> None:
    async with served() as (one, client):
        await client.write(b"\x94\xa2\xff\xfe\x01\x81\xa7message\xa1x\x81\xa5chunk\xa2\xff\xfe")
        assert [line for _, line, _ in await entries(one, 1)] == [b"x"]
        client._unpacker = msgpack.Unpacker(unicode_errors="surrogateescape")
        assert pack(await client.hear()) == b"\x81\xa3ack\xa2\xff\xfe", "the same bytes"
        assert one.intake.refused == {}


@pytest.mark.fault(109)
async def test_a_message_of_many_containers_lets_others_have_the_loop_and_is_answered_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pipeline.support.selector.SLICE", 0.0)
    turns = 0

    async def neighbour() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    drivers = [[1, {"container_id": f"{n:064x}", "log": "x"}] for n in range(500)]
    async with served() as (one, client):
        running = asyncio.create_task(neighbour())  # noqa: TID251 - ended below
        await client.say(["tag", drivers, {"chunk": "c"}])
        before = turns
        assert await client.hear() == {"ack": "c"}
        running.cancel()
        assert turns - before > len(drivers)  # one between two containers, at least
        assert len(await entries(one, 500)) == 500


async def test_a_message_that_has_begun_to_be_handed_in_is_taken_whole_when_the_source_stops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pipeline.support.selector.SLICE", 0.0)
    drivers = [[1, {"container_id": f"{n:064x}", "log": "x"}] for n in range(500)]
    async with served() as (one, client):
        await client.say(["tag", drivers, {"chunk": "c"}])
        while one.intake.entries <= 20:
            await asyncio.sleep(0)
        assert one.intake.entries < 500
        one.intake.stop()
        assert one.intake.entries == 500
        assert await client.hear() == {"ack": "c"}
        assert len(await entries(one, 500)) == 500


@pytest.mark.fault(35)
async def test_four_gibibytes_are_refused_at_the_limit() -> None:
    async with served(max_message=Size(2**20)) as (one, client):
        try:
            await client.write(b"\x92\xa3tag\xc6\xff\xff\xff\xff")
            for _ in range(100):
                await client.write(b"x" * 65536)
        except ConnectionError:
            pass
        await until(lambda: one.intake.refused == {"too_large": 1})


async def test_good_entries_beside_bad_ones_are_taken_and_the_bad_are_counted() -> None:
    bad = [1, [1], [1, 2], ["x", {}], [1, []], [None, {}], [float("inf"), {}]]
    rows = [*bad, [1, {"message": "good"}]]
    async with served() as (one, client):
        await client.say(["tag", rows, {"chunk": "c"}])
        assert await client.hear() == {"ack": "c"}
        assert one.sinks[0].lines == [b"good"]
        assert one.intake.refused == {"malformed_entry": 7}


async def test_what_is_nested_deeper_than_json_can_be_written_is_cut_off() -> None:
    deep: Any = "x"
    for _ in range(250):
        deep = {"d": [deep]} if _ % 2 else [deep]
    async with served() as (one, client):
        await client.say(["tag", [[1, {"message": "deep", "deep": deep}]], {"chunk": "c"}])
        assert await client.hear() == {"ack": "c"}
        ((_, line, fields),) = await entries(one, 1)
        assert line == b"deep"
        assert JsonEncoder().encode(batches(one)).count(b"[") < DEEPEST
        assert "…" in str(fields)


async def test_what_came_before_rubbish_is_taken_and_acknowledged() -> None:
    async with served() as (one, client):
        good = ["tag", [[1, {"message": "good"}]], {"chunk": "c"}]
        await client.write(pack(good) + pack("rubbish") + pack(good))
        assert await client.hear() == {"ack": "c"}
        assert await client.hear() is None
        assert one.sinks[0].lines == [b"good"]
        assert one.intake.refused == {"malformed": 1}


@pytest.mark.fault(35)
async def test_a_client_that_says_nothing_is_let_go_of() -> None:
    async with served(idle=Duration(0.2)) as (one, client):
        assert await client.hear() is None
        assert one.intake.refused == {"idle": 1}


async def test_a_client_that_stops_in_the_middle_is_let_go_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pipeline.forward.session.STALLED", 0.2)
    async with served() as (one, client):
        await client.write(b"\x92\xa3tag")
        assert await client.hear() is None
        assert one.intake.refused == {"stalled": 1}


async def test_a_client_that_does_not_read_its_answers_is_held_up_and_let_go_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pipeline.forward.session.STALLED", 0.5)
    async with served(in_flight=Size(2**24)) as (one, _):
        port = one.source.port  # type: ignore[attr-defined]
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(sock, ("127.0.0.1", port))
        message = pack(["tag", 1, {"message": "x"}, {"chunk": "c" * 10_000}]) * 10
        with sock, suppress(ConnectionError):
            async with asyncio.timeout(60):
                while not one.intake.refused:
                    await loop.sock_sendall(sock, message)
        await until(lambda: one.intake.refused == {"unread": 1})
        assert one.intake.taken < 10_000


@pytest.mark.fault(124)
async def test_a_client_that_does_not_answer_helo_is_let_go_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pipeline.forward.session.HANDSHAKE", 0.2)
    async with served(shared_key=Secret("key")) as (one, client):
        await client.hear()
        assert await client.hear() is None
        assert one.intake.refused == {"handshake": 1}


@pytest.mark.fault(35)
async def test_a_flood_of_connections_is_refused_beyond_the_limit() -> None:
    async with served(connections=5) as (one, client):
        await client.say(["tag", [[1, {"message": "first"}]], {"chunk": "c"}])
        assert await client.hear() == {"ack": "c"}
        port = one.source.port  # type: ignore[attr-defined]
        others = [await Client(port).connect() for _ in range(50)]
        await until(lambda: one.intake.refused == {"connections": 46})
        await client.say(["tag", [[1, {"message": "still"}]], {"chunk": "d"}])
        assert await client.hear() == {"ack": "d"}
        for other in others:
            await other.close()

        async def is_let_in() -> bool:
            again = await Client(port).connect()
            try:
                await again.say(["tag", [[1, {"message": "again"}]], {"chunk": "e"}])
                return await again.hear() == {"ack": "e"}
            except ConnectionError:
                return False
            finally:
                await again.close()

        await until(is_let_in)


@pytest.mark.fault(35)
async def test_messages_that_are_not_complete_are_bounded_over_all_connections() -> None:
    async with served(max_pending=Size(2**20)) as (one, client):
        port = one.source.port  # type: ignore[attr-defined]
        others = [await Client(port).connect() for _ in range(8)]
        for other in others:
            with suppress(ConnectionError):
                await other.write(b"\x92\xa3tag\xc6\x00\xff\xff\xff" + b"x" * 300_000)
        await until(lambda: one.intake.refused.get("pending", 0) >= 4)
        for other in others:
            await other.close()
        await client.say(["tag", [[1, {"message": "good"}]], {"chunk": "c"}])
        assert await client.hear() == {"ack": "c"}


# -- TLS, heartbeats, configuration --------------------------------------------------------------


@pytest.mark.parametrize("shows_one", [True, False])
async def test_over_tls_clients_show_a_certificate_where_that_is_asked_for(
    authority: Authority, stranger: Authority, shows_one: bool
) -> None:
    own = authority.issue("hub")
    tls = ListenTLSConfig(cert=own.cert, key=own.key, client_ca=authority.ca)
    it = source(tls=tls)
    context = client_context(authority)
    client = (authority if shows_one else stranger).issue("client-cert")
    context.load_cert_chain(client.cert, client.key)
    async with room(it) as one:
        assert it.reached().startswith("tls://127.0.0.1:")
        peer = Client(it.port, context)
        try:
            await peer.connect()
            await peer.say(["tag", [[1, {"message": "good"}]], {"chunk": "c"}])
            answer = await peer.hear()
        except (ConnectionError, ssl.SSLError):
            answer = None
        if shows_one:
            assert answer == {"ack": "c"}
            await peer.close()
        else:
            assert answer is None
            await until(lambda: one.intake.refused == {"tls": 1})


async def test_plain_text_on_a_tls_port_is_refused_and_counted(authority: Authority) -> None:
    own = authority.issue("hub")
    it = source(tls=ListenTLSConfig(cert=own.cert, key=own.key))
    async with room(it) as one:
        client = await Client(it.port).connect()
        await client.say(["tag", [[1, {"message": "x"}]]])
        await until(lambda: one.intake.refused == {"tls": 1})
        await client.close()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"cert": "/nowhere.pem"}, "tls.cert: there is no file /nowhere.pem"),
        ({"client_ca": "/nowhere.pem"}, "tls.client_ca: there is no file /nowhere.pem"),
    ],
)
async def test_certificates_that_cannot_be_used_are_told(
    authority: Authority, options: dict[str, str], says: str
) -> None:
    own = authority.issue("hub")
    it = source(tls=ListenTLSConfig(**{"cert": own.cert, "key": own.key, **options}))
    with pytest.raises(Unavailable, match=says):
        await it.open()
    await it.close()


@contextmanager
def beating(one: Room) -> Iterator[socket.socket]:
    """Like Fluentd with `heartbeat_type udp`."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.connect(("127.0.0.1", one.source.port))  # type: ignore[attr-defined]
        yield sock


async def test_a_heartbeat_over_udp_is_answered_where_that_is_asked_for_and_nothing_else_is() -> (
    None
):
    async with served(heartbeat=True) as (one, _), asyncio.timeout(60):
        with beating(one) as sock:
            sock.send(b"\0" * 2)
            sock.send(b"\0")
            assert await asyncio.get_running_loop().sock_recv(sock, 10) == b"\0"
        assert one.intake.refused == {"heartbeat": 1}
    async with served() as (one, _):
        with beating(one) as sock, pytest.raises(ConnectionRefusedError):
            sock.send(b"\0")
            await asyncio.get_running_loop().sock_recv(sock, 10)


@pytest.mark.fault(108)
async def test_one_spoofed_datagram_does_not_set_two_servers_against_each_other() -> None:
    async with served(heartbeat=True) as (one, _), served(heartbeat=True) as (other, _):
        spoofed = one.source._datagrams  # type: ignore[attr-defined]
        spoofed.sendto(b"\0", ("127.0.0.1", other.source.port))  # type: ignore[attr-defined]
        await until(lambda: bool(one.intake.refused or other.intake.refused))
        await asyncio.sleep(1.1)
        assert one.intake.refused | other.intake.refused == {"heartbeat": 1}


@pytest.mark.parametrize(
    ("options", "path", "says"),
    [
        ({"listen": "udp://0.0.0.0:1"}, "listen", "known are tcp://, tls://"),
        ({"listen": "tls://0.0.0.0"}, "tls", "TLS needs a certificate"),
        ({"users": {"a": Secret("b")}}, "users", "without a shared_key"),
    ],
)
def test_what_cannot_be_meant_is_told_where_it_stands(
    options: dict[str, Any], path: str, says: str
) -> None:
    with pytest.raises(ConfigError, match=says) as raised:
        source(**options)
    assert raised.value.path == path


def test_without_a_setting_only_this_host_is_listened_to() -> None:
    it = Forward(Config(type="forward"), SourceContext("in"))
    assert it.reached() == "tcp://127.0.0.1:24224"


# -- the kit -------------------------------------------------------------------------------------


class TestForward(SourceKit):
    complaint = "it is in use"
    rubbish = tuple(data for data, _ in BOMBS.values() if len(data) < 1000)

    @pytest.fixture
    def source(self) -> Forward:
        return source()

    @pytest.fixture
    def connect(self, source: Forward) -> Connect:
        return lambda: Client(source.port).connect()

    @pytest.fixture
    def unusable(self) -> Iterator[Forward]:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            yield source(listen=f"127.0.0.1:{taken.getsockname()[1]}")


class TestForwardOverTls(TestForward):
    rubbish = (b"\xc1",)

    @pytest.fixture
    def source(self, authority: Authority) -> Forward:
        own = authority.issue("hub")
        return source(tls=ListenTLSConfig(cert=own.cert, key=own.key))

    @pytest.fixture
    def connect(self, source: Forward, authority: Authority) -> Connect:
        context = client_context(authority)
        return lambda: Client(source.port, context).connect()
