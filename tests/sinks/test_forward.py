"""The forward sink against a server written from the specification, which behaves or does not.

A second dockline is at the other end in `tests/sources/test_forward.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgpack
import pytest

from pipeline.model.component import Duration, Secret, SinkContext, TLSConfig
from pipeline.model.errors import ConfigError, Unavailable
from pipeline.model.timestamps import nanoseconds
from pipeline.sinks import forward as module
from pipeline.sinks.forward import Config, Forward
from pipeline.testing.builders import batch, container
from pipeline.testing.sink_kit import SinkKit
from tests.servers.certificates import Authority
from tests.servers.fluent import Chunk, Fluentd, ack, acknowledge
from tests.servers.ports import free_port
from tests.servers.receivers import serve, server_context, something_came


def forward(port: int, **options: Any) -> Forward:
    options = {"address": f"tcp://127.0.0.1:{port}", "timeout": Duration(60), **options}
    return Forward(Config(type="forward", **options), SinkContext("forward", host="web-1"))


async def deliver(to: Forward, *lines: str) -> None:
    await to.open()
    try:
        await to.send(to.encode([batch(*lines)]))
    finally:
        await to.close()


def numbers(count: int) -> list[str]:
    return list(map(str, range(count)))


# -- as it should be -----------------------------------------------------------------------------


@pytest.mark.parametrize("compression", ["none", "gzip"])
async def test_entries_arrive_with_their_time_to_the_nanosecond(compression: str) -> None:
    server = Fluentd()
    one = batch(*numbers(1000), fields=[{"n": n} for n in range(1000)])
    async with serve(server) as port:
        to = forward(port, compression=compression)
        await to.open()
        await to.send(to.encode([one]))
        await to.close()
    (chunk,) = server.chunks
    assert (chunk.tag, chunk.messages) == ("docker.api-1", numbers(1000))
    assert [time for time, _ in chunk.entries] == list(map(nanoseconds, one.times))
    assert [record["n"] for _, record in chunk.entries] == list(range(1000))
    assert [record["event"]["sequence"] for _, record in chunk.entries] == list(range(1000))
    assert ("compressed" in chunk.option) == (compression == "gzip")


async def test_there_is_a_chunk_for_each_tag() -> None:
    server = Fluentd()
    api, db = container("api", number=1), container("db", number=2)
    async with serve(server) as port:
        to = forward(port, tag="{container.name}.{stream}")
        await to.open()
        await to.send(
            to.encode(
                [
                    batch("a", "b", "c", of=api, streams="out err out"),
                    batch("d", of=db),
                    batch("e", of=api, start=3),
                ]
            )
        )
        await to.close()
    assert {chunk.tag: chunk.messages for chunk in server.chunks} == {
        "api.stdout": ["a", "c", "e"],
        "api.stderr": ["b"],
        "db.stdout": ["d"],
    }


@pytest.mark.fault(101)
async def test_what_a_label_says_leads_to_no_other_file_of_the_receiver() -> None:
    template = "logs/{container.labels['team']}/{container.name}"
    server = Fluentd()
    async with serve(server) as port:
        for team in ("../../etc", "..", "a\nb\\c", "a.b"):
            to = forward(port, tag=template)
            await to.open()
            await to.send(to.encode([batch("x", of=container("api", labels={"team": team}))]))
            await to.close()
    assert [chunk.tag for chunk in server.chunks] == [
        "logs/.._.._etc/api", "logs/_/api", "logs/a_b_c/api", "logs/a.b/api",
    ]  # fmt: skip


async def test_an_empty_tag_is_one_that_can_be_routed() -> None:
    server = Fluentd()
    async with serve(server) as port:
        await deliver(forward(port, tag="{container.project}"), "one")
    assert server.chunks[0].tag == "docker"


async def test_it_runs_over_tls(authority: Authority) -> None:
    server, tls = Fluentd(), TLSConfig(ca=authority.ca)
    async with serve(server, tls=server_context(authority.issue("fluentd"))) as port:
        await deliver(forward(port, address=f"tls://localhost:{port}", tls=tls), *numbers(5000))
    assert server.messages == numbers(5000)


async def test_an_idle_connection_that_the_server_closed_is_quietly_made_anew() -> None:
    async def once(chunk: Chunk) -> AsyncIterator[bytes | None]:
        yield ack(chunk.identity)
        yield None

    server = Fluentd(once, shared_key="key")
    async with serve(server) as port:
        to = forward(port, shared_key=Secret("key"))
        await to.open()
        for line in ("one", "two"):
            await to.send(to.encode([batch(line)]))
            await something_came(to)
        await to.close()
    assert (server.messages, server.connections) == (["one", "two"], 2)


# -- the shared key ------------------------------------------------------------------------------


async def test_both_ends_show_that_they_know_the_shared_key() -> None:
    server = Fluentd(shared_key="secret")
    async with serve(server) as port:
        await deliver(forward(port, shared_key=Secret("secret")), "one")
        await deliver(forward(port, shared_key=Secret("secret"), hostname="elsewhere"), "two")
    assert (server.messages, server.clients) == (["one", "two"], ["web-1", "elsewhere"])


async def test_a_user_shows_the_password() -> None:
    server = Fluentd(shared_key="secret", users={"dockline": "pass"})
    key = {"shared_key": Secret("secret"), "user": "dockline"}
    async with serve(server) as port:
        await deliver(forward(port, **key, password=Secret("pass")), "one")
        with pytest.raises(Unavailable, match="refuses the login: username/password mismatch"):
            await deliver(forward(port, **key, password=Secret("wrong")), "two")
    assert server.messages == ["one"]


@pytest.mark.parametrize(
    ("server", "key", "says"),
    [
        (Fluentd(shared_key="secret"), "wrong", "refuses the login: shared_key mismatch"),
        (Fluentd(shared_key="secret", knows_the_key=False), "secret", "does not know the shared"),
        (Fluentd(), "secret", "does not ask for the shared key"),
        (Fluentd(shared_key="secret"), None, "asks for a shared key; set shared_key"),
        (
            Fluentd(shared_key="secret", hangs_up=True),
            "wrong",
            "check shared_key, user and",
        ),
        (Fluentd(greeting=b"\x92\xa4HELO\xc0"), "secret", "did not begin with HELO"),
        (Fluentd(greeting=b"220 smtp ready\r\n"), "secret", "did not begin with HELO"),
        (Fluentd(greeting=b"\xc1"), "secret", "it is not MessagePack"),
    ],
)
async def test_where_the_keys_do_not_go_together_nothing_is_sent(
    server: Fluentd, key: str | None, says: str
) -> None:
    timeout = Duration(0.5 if "does not ask" in says else 60)  # which only silence tells
    async with serve(server) as port:
        to = forward(port, shared_key=key and Secret(key), timeout=timeout)
        to._stream._timeout = 60.0
        with pytest.raises(Unavailable, match=says) as raised:
            await deliver(to, "one")
    assert server.messages == []
    assert "secret" not in str(raised.value)


async def test_who_hangs_up_before_it_asks_for_the_key_probably_expects_something_else() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with serve(hang_up) as port:
        with pytest.raises(Unavailable, match=r"before it asked .* check whether it expects TLS"):
            await deliver(forward(port, shared_key=Secret("secret")), "one")


async def test_a_key_that_is_asked_for_is_found_missing_without_an_entry(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    patience = module.GREETING
    monkeypatch.setattr(module, "GREETING", 60.0)
    for server, says in (
        (Fluentd(shared_key="secret"), "asks for a shared key; set shared_key"),
        (Fluentd(greeting=b"220 smtp ready\r\n"), "does not speak the Fluent forward protocol"),
    ):
        async with serve(server) as port:
            to = forward(port)
            await to.open()
            with pytest.raises(Unavailable, match=says):
                await to.probe()
            await to.close()
    monkeypatch.setattr(module, "GREETING", patience)  # of one that does not ask
    async with serve(Fluentd()) as port:
        to = forward(port)
        await to.open()
        await to.probe()
        await deliver(to, "one")


# -- acknowledgements, as they should not be -----------------------------------------------------


async def test_only_what_was_not_acknowledged_is_sent_again() -> None:
    silent = True

    async def answers(chunk: Chunk) -> AsyncIterator[bytes | None]:
        if silent and chunk.tag == "b":
            yield None
        yield ack(chunk.identity)

    server = Fluentd(answers)
    batches = [batch(name, of=container(name, number=n)) for n, name in enumerate("abc", 1)]
    async with serve(server) as port:
        to = forward(port, tag="{container.name}")
        payload = to.encode(batches)
        await to.open()
        with pytest.raises(Unavailable, match="closed the connection"):
            await to.send(payload)
        silent = False
        await to.open()
        await to.send(payload)
        await to.send(payload)  # all of it is acknowledged: nothing is left to send
        await to.close()
    assert server.messages == ["a", "b", "b", "c"]
    first, again = (chunk.identity for chunk in server.chunks if chunk.tag == "b")
    assert first == again


async def test_acknowledgements_may_come_in_any_order_cut_anywhere() -> None:
    owed: list[bytes] = []

    async def answers(chunk: Chunk) -> AsyncIterator[bytes | None]:
        owed.append(ack(chunk.identity))
        if len(owed) == 3:
            stream = b"".join(reversed(owed))
            for start in range(0, len(stream), 5):
                yield stream[start : start + 5]
                await asyncio.sleep(0.001)

    server = Fluentd(answers)
    batches = [batch(name, of=container(name, number=n)) for n, name in enumerate("abc", 1)]
    async with serve(server) as port:
        to = forward(port)
        await to.open()
        await to.send(to.encode(batches))
        await to.close()
    assert (server.messages, server.connections) == (["a", "b", "c"], 1)


@pytest.mark.fault(26)
async def test_one_that_comes_twice_is_no_news() -> None:
    async def twice(chunk: Chunk) -> AsyncIterator[bytes | None]:
        yield ack(chunk.identity)
        yield ack(chunk.identity)

    server = Fluentd(twice)
    async with serve(server) as port:
        to = forward(port)
        await to.open()
        for line in numbers(5):
            await to.send(to.encode([batch(line)]))
            await asyncio.sleep(0.02)
        await to.close()
    assert (server.messages, server.connections) == (numbers(5), 1)


@pytest.mark.fault(26)
async def test_one_for_another_chunk_is_not_believed() -> None:
    async def wrong(chunk: Chunk) -> AsyncIterator[bytes | None]:
        yield ack("another")
        await asyncio.sleep(10)

    async with serve(Fluentd(wrong)) as port:
        with pytest.raises(Unavailable, match="acknowledged a chunk 'another' that"):
            await deliver(forward(port), "one")


@pytest.mark.fault(26)
async def test_one_before_anything_was_sent_is_not_believed() -> None:
    server = Fluentd(greeting=ack("early"))
    async with serve(server) as port:
        to = forward(port)
        await to.open()
        await something_came(to)
        with pytest.raises(Unavailable, match="acknowledged a chunk 'early' that was not sent"):
            await to.send(to.encode([batch("one")]))
        await to.close()
    assert server.messages == []


@pytest.mark.fault(26)
async def test_one_that_is_late_costs_a_repetition_and_nothing_else() -> None:
    late = True

    async def answers(chunk: Chunk) -> AsyncIterator[bytes | None]:
        if late:
            await asyncio.sleep(0.5)
        yield ack(chunk.identity)

    server = Fluentd(answers)
    async with serve(server) as port:
        to = forward(port, ack_timeout=Duration(0.2))
        payload = to.encode([batch("one")])
        await to.open()
        with pytest.raises(Unavailable, match=r"acknowledged nothing for 0\.2 s"):
            await to.send(payload)
        late = False
        await to.close()
        to = forward(port)
        await to.open()
        await to.send(payload)
        await to.close()
    assert server.messages == ["one", "one"]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "expected an acknowledgement, got 72"),
        (b"\xc1", "it is not MessagePack"),
        (b"\xdd\xff\xff\xff\xff" * 2000, "nested too deep"),
        (b"\xdb\xff\xff\xff\xff" + b"x" * 200_000, "longer than 65536 bytes"),
        (b"\x81\x90\x01", "it is not valid MessagePack"),
        (msgpack.packb({"ack": 7}), "expected an acknowledgement, got {'ack': 7}"),
        (msgpack.packb({"ack": "x" * 1000}), "xxx…"),
        (msgpack.packb({"nack": "chunk"}), "expected an acknowledgement"),
    ],
)
async def test_rubbish_is_told_in_a_sentence(answer: bytes, says: str) -> None:
    async def answers(chunk: Chunk) -> AsyncIterator[bytes | None]:
        yield answer
        await asyncio.sleep(10)

    async with serve(Fluentd(answers)) as port:
        with pytest.raises(Unavailable, match=says) as raised:
            await deliver(forward(port), "one")
    assert len(str(raised.value)) < 300


async def test_an_acknowledgement_as_bytes_is_one_too() -> None:
    async def answers(chunk: Chunk) -> AsyncIterator[bytes | None]:
        yield ack(chunk.identity.encode())

    server = Fluentd(answers)
    async with serve(server) as port:
        await deliver(forward(port), "one")
    assert server.messages == ["one"]


# -- configuration, and the kit ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "path", "says"),
    [
        ({"address": "udp://x"}, "address", "known are tcp://, tls://"),
        ({"tag": "{container.nam}"}, "tag", 'Did you mean "name"'),
        ({"user": "x"}, "user", "without a shared_key"),
        ({"address": "tcp://x", "tls": TLSConfig()}, "address", "not encrypted"),
    ],
)
def test_what_cannot_be_meant_is_told_where_it_stands(
    options: dict[str, Any], path: str, says: str
) -> None:
    with pytest.raises(ConfigError, match=says) as raised:
        forward(1, **options)
    assert raised.value.path == path


class TestForward(SinkKit):
    complaint = "refused the connection"

    @pytest.fixture
    async def sink(self) -> AsyncIterator[Forward]:
        async with serve(Fluentd()) as port:
            yield forward(port)

    @pytest.fixture
    def unreachable(self) -> Forward:
        return forward(free_port())


class TestForwardWithAKeyOverTls(SinkKit):
    complaint = "refuses the login"

    @pytest.fixture
    async def sink(self, authority: Authority) -> AsyncIterator[Forward]:
        context = server_context(authority.issue("fluentd"))
        async with serve(Fluentd(acknowledge, shared_key="key"), tls=context) as port:
            yield self._of(port, authority, "key")

    @pytest.fixture
    async def unreachable(self, authority: Authority) -> AsyncIterator[Forward]:
        context = server_context(authority.issue("fluentd"))
        async with serve(Fluentd(shared_key="key"), tls=context) as port:
            yield self._of(port, authority, "wrong")

    @staticmethod
    def _of(port: int, authority: Authority, key: str) -> Forward:
        tls = TLSConfig(ca=authority.ca)
        address = f"tls://localhost:{port}"
        return forward(port, address=address, tls=tls, shared_key=Secret(key), compression="gzip")
