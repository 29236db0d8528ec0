"""The NATS sink against a real nats-server, and against one of the tests' own for the faults."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import nats
import pytest

from pipeline.model.component import Duration, Secret, SinkContext, Size, TLSConfig
from pipeline.model.errors import ConfigError, Unavailable
from pipeline.sinks.nats import Config, NatsSink
from pipeline.testing.builders import batch, container, entries
from pipeline.testing.sink_kit import SinkKit
from pipeline.transport.nats.auth import NatsAuth
from pipeline.transport.nats.streams import StreamConfig
from tests.servers.certificates import Authority
from tests.servers.daemon import PATIENCE
from tests.servers.fake_nats import FakeNats, fake_nats, stored
from tests.servers.nats import NatsServer
from tests.servers.nats_messages import delete, kept, purge
from tests.servers.ports import free_port

pytestmark = pytest.mark.server


def sink(*urls: str, **options: Any) -> NatsSink:
    options = {"timeout": Duration(60), "ack_timeout": Duration(60), **options}
    return NatsSink(
        Config(type="nats", urls=list(urls), **options), SinkContext("queue", host="here")
    )


@pytest.fixture
def server(nats_server: NatsServer) -> NatsServer:
    """One without streams."""
    nats_server.empty()
    return nats_server


async def deliver(to: NatsSink, *batches: Any) -> Any:
    payload = to.encode(batches)
    await to.open()
    try:
        await to.send(payload)
    finally:
        await to.close()
    return payload


def stream(server: NatsServer, name: str = "DOCKLINE") -> dict[str, Any]:
    found = server.stream(name)
    assert found is not None
    return found


# -- as it should be ------------------------------------------------------------------------------


async def test_batches_are_in_the_stream_as_they_were(server: NatsServer) -> None:
    one, two = container("one", number=1), container("two", number=2)
    sent = [
        batch("a", "b", of=one, route="r", fields=[{"x": 1}, {}]),
        batch("c", of=two, source="events"),
        batch("d", of=one, route="r", start=2),
    ]
    to = sink(server.url)
    payload = await deliver(to, *sent)
    assert (payload.entries, payload.refused) == (4, [])
    first, second = await kept(server.url)
    assert [entries(back) for back in first.batches] == [entries(sent[0]), entries(sent[2])]
    assert first.subject == f"dockline.13.logs.{one.id}"
    assert second.subject == f"dockline.7.events.{two.id}"
    assert first.headers["Nats-Expected-Stream"] == "DOCKLINE"


async def test_as_json_each_entry_is_a_message(server: NatsServer) -> None:
    to = sink(server.url, format="json", subject="logs.{container.name}")
    await deliver(to, batch("a", "b", fields=[{"x": 1}, {}]))
    messages = await kept(server.url)
    assert [json.loads(one.body)["message"] for one in messages] == ["a", "b"]
    assert {one.subject for one in messages} == {"logs.api-1"}
    assert stream(server)["config"]["subjects"] == ["logs.>"]


@pytest.mark.parametrize("format", ["columns", "json"])
async def test_what_comes_again_is_stored_once_and_counts_as_delivered(
    server: NatsServer, format: str
) -> None:
    for _ in range(3):
        payload = await deliver(sink(server.url, format=format), batch("a", "b"))
        assert payload.entries == 2
    count = stream(server)["state"]["messages"]
    assert count == (1 if format == "columns" else 2)


async def test_over_tls_with_a_user(tmp_path: Path, authority: Authority) -> None:
    more = 'authorization { user: "agent", password: "s3cret" }'
    with NatsServer(tmp_path, tls=authority.issue("nats"), more=more) as server:
        auth = NatsAuth(user="agent", password=Secret("s3cret"))
        to = sink(server.url, tls=TLSConfig(ca=authority.ca), auth=auth)
        await deliver(to, batch("a"))
        await to.open()
        assert to.reached().startswith(f"{server.url}, nats-server 2.")
        assert to.reached().endswith(", stream DOCKLINE")
        await to.close()
        assert stream(server)["state"]["messages"] == 1


# -- size -----------------------------------------------------------------------------------------


async def test_what_is_too_large_for_the_server_is_split_and_an_entry_alone_refused(
    tmp_path: Path,
) -> None:
    dice = random.Random(1)
    with NatsServer(tmp_path, more="max_payload: 8KB") as server:
        it = container()
        small = [dice.randbytes(700).hex() for _ in range(50)]
        one = batch(*small[:20], dice.randbytes(9000).hex(), *small[20:], of=it)
        two = batch("end", of=it, start=51)
        payload = await deliver(sink(server.url), one, two)
        ((refused, index, reason),) = payload.refused
        messages = await kept(server.url)
    assert (refused, index) == (one, 20)
    assert "longer than the server's max_payload, 8192 bytes" in reason
    assert payload.entries == 51
    back = [entry for message in messages for part in message.batches for entry in entries(part)]
    assert [entry.sequence for entry in back] == [*range(20), *range(21, 52)]
    assert [entry.message.decode() for entry in back] == [*small, "end"]
    assert all(len(message.body) <= 8192 for message in messages)


async def test_what_is_larger_before_compression_than_hubs_take_is_split_too(
    server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.sinks.nats.LARGEST", 4096)
    sent = batch(*["x" * 1000] * 5, "x" * 5000, "end")
    payload = await deliver(sink(server.url), sent)
    messages = await kept(server.url)
    ((_, index, reason),) = payload.refused
    assert (
        index == 5
        and "before compression it is longer than the 4096 bytes that hubs take" in reason
    )
    assert all(int(message.headers["Dockline-Size"]) <= 4096 for message in messages)
    back = [entry for message in messages for part in message.batches for entry in entries(part)]
    assert [entry.sequence for entry in back] == [0, 1, 2, 3, 4, 6]


async def test_the_streams_own_limit_of_a_message_is_kept_as_well(server: NatsServer) -> None:
    client = await nats.connect(server.url, connect_timeout=int(PATIENCE))
    config = {"name": "DOCKLINE", "subjects": ["dockline.>"], "max_msg_size": 2000}
    await client.jetstream(timeout=PATIENCE).add_stream(**config)
    await client.close()
    lines = ["x" * 100 + str(number) for number in range(9)]
    one = batch(*lines, "".join(map(str, range(3000))))
    payload = await deliver(sink(server.url, stream=StreamConfig(create=False)), one)
    ((_, index, reason),) = payload.refused
    assert index == 9 and "message size exceeds maximum allowed" in reason
    back = [e for m in await kept(server.url) for b in m.batches for e in entries(b)]
    assert [entry.message.decode() for entry in back] == lines


# -- trouble --------------------------------------------------------------------------------------


async def test_a_full_stream_is_said_so_and_takes_the_rest_when_there_is_room(
    server: NatsServer,
) -> None:
    to = sink(server.url, stream=StreamConfig(max_messages=3), format="json")
    payload = to.encode([batch(*map(str, range(5)))])
    await to.open()
    says = r"stream DOCKLINE is full \(maximum messages exceeded.*its readers are behind"
    for _ in range(2):
        with pytest.raises(Unavailable, match=says):
            await to.send(payload)
    assert [json.loads(one.body)["message"] for one in await kept(server.url)] == ["0", "1", "2"]
    await purge(server.url)
    await to.open()
    await to.send(payload)
    assert [json.loads(one.body)["message"] for one in await kept(server.url)] == ["3", "4"]
    await to.send(payload)  # all of it is acknowledged: nothing is left to send
    await to.close()
    assert (payload.entries, stream(server)["state"]["messages"]) == (5, 2)


async def test_a_stream_that_was_removed_is_told_and_made_anew(server: NatsServer) -> None:
    to = sink(server.url)
    await to.open()
    await to.send(to.encode([batch("one")]))
    await delete(server.url)
    payload = to.encode([batch("two")])
    with pytest.raises(Unavailable, match=r"no stream at .* takes the subject dockline\.13"):
        await to.send(payload)
    await to.open()
    await to.send(payload)
    await to.close()
    assert stream(server)["state"]["messages"] == 1


async def test_a_subject_of_another_stream_is_told(server: NatsServer) -> None:
    await deliver(sink(server.url, stream=StreamConfig(name="FIRST")), batch("a"))
    other = sink(server.url, stream=StreamConfig(name="SECOND", subjects=["x.>"]))
    with pytest.raises(Unavailable, match="belongs to another stream than SECOND"):
        await deliver(other, batch("b"))


async def test_a_server_that_ends_in_the_middle_has_the_rest_later(tmp_path: Path) -> None:
    server = NatsServer(tmp_path)
    server.start()
    to = sink(server.url)
    await to.open()
    await to.send(to.encode([batch("one")]))
    server.kill()
    payload = to.encode([batch("two", start=1)])
    with pytest.raises(Unavailable):
        await to.send(payload)
    with pytest.raises(Unavailable, match="refused the connection: nothing listens there"):
        await to.open()
    server.start()
    await to.open()
    await to.send(payload)
    await to.close()
    lines = [back.lines for message in await kept(server.url) for back in message.batches]
    server.stop()
    assert lines == [[b"one"], [b"two"]]


async def test_silence_is_told_after_the_timeout_and_only_the_rest_comes_again() -> None:
    """The answer to every third message is missing."""

    def answers(number: int) -> Iterable[bytes]:
        if number == 8:
            to._jetstream._timeout = 1.0  # once the answers have come, which may take their time
        return stored(number) if number % 3 else []

    server = FakeNats(answers)
    async with fake_nats(server) as url:
        to = sink(url, format="json")
        payload = to.encode([batch(*map(str, range(9)))])
        await to.open()
        with pytest.raises(Unavailable, match=r"acknowledged nothing for 1 s"):
            await to.send(payload)
        server.answers, to._jetstream._timeout = stored, 60.0
        await to.open()
        await to.send(payload)
        await to.close()
    again = [json.loads(body)["message"] for body in server.bodies[9:]]
    assert again == ["0", "3", "6"]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"+OK", "answers a message with no valid acknowledgement"),
        (b'{"error":{"code":503,"err_code":10008}}', r"does not take messages: .*10008"),
        (b'{"error":{"description":"a\\nb"}}', r"does not take messages: a b \(0\)"),
    ],
)
async def test_an_answer_that_is_no_acknowledgement_delivers_nothing(
    answer: bytes, says: str
) -> None:
    async with fake_nats(FakeNats(lambda number: [answer])) as url:
        with pytest.raises(Unavailable, match=says):
            await deliver(sink(url), batch("a"))


# -- configuration --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"urls": ["http://x"]}, "urls"),
        ({"subject": "a.{b}"}, "subject"),
        ({"subject": "{source}"}, "subject"),
        ({"stream": StreamConfig(max_age=Duration(1))}, "stream.duplicate_window"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(options: dict[str, Any], path: str) -> None:
    with pytest.raises(ConfigError) as caught:
        NatsSink(Config(type="nats", **{"urls": ["nats://x"], **options}), SinkContext("queue"))
    assert caught.value.path == path


def test_a_subject_may_begin_with_a_placeholder_where_the_stream_says_what_it_takes() -> None:
    assert sink("nats://x", subject="{source}.x", stream=StreamConfig(subjects=[">"]))


def test_without_its_library_there_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nats", None)
    with pytest.raises(ConfigError, match=r"pip install 'dockline\[nats\]'"):
        sink("nats://x")


# -- what every sink promises ---------------------------------------------------------------------


class TestColumns(SinkKit):
    leaves = frozenset(("Checked", "InRuns"))
    complaint = "refused the connection"

    @pytest.fixture
    def sink(self, server: NatsServer) -> NatsSink:
        return sink(server.url, stream=StreamConfig(max_bytes=Size(10**8)))

    @pytest.fixture
    def unreachable(self) -> NatsSink:
        return sink(f"nats://127.0.0.1:{free_port()}")


class TestJson(SinkKit):
    leaves = frozenset(("Checked", "InRuns"))
    complaint = "does not speak NATS"

    @pytest.fixture
    def sink(self, server: NatsServer) -> NatsSink:
        return sink(server.url, format="json")

    @pytest.fixture
    async def unreachable(self) -> AsyncIterator[NatsSink]:
        server = FakeNats()
        server.greeting = b"220 mail.example.com ESMTP\r\n"
        async with fake_nats(server) as url:
            yield sink(url)
