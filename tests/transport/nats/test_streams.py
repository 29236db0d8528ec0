"""The stream of a JetStream: made, or compared with what is there."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from pipeline.model.component import Duration, Size
from pipeline.model.errors import ConfigError, Unavailable
from pipeline.transport.nats.connection import NatsConnection
from pipeline.transport.nats.jetstream import JetStream
from pipeline.transport.nats.streams import StreamConfig, Streams, covers
from tests.servers.fake_nats import FakeNats, fake_nats
from tests.servers.nats import NatsServer

pytestmark = pytest.mark.server

SUBJECTS = ["dockline.>"]


@pytest.fixture
def server(nats_server: NatsServer) -> NatsServer:
    """One without streams."""
    nats_server.empty()
    return nats_server


async def ensure(url: str, *streams: Streams) -> None:
    jetstream = JetStream(NatsConnection([url]), timeout=60.0)
    try:
        await jetstream.open()
        for one in streams:
            await one.ensure(jetstream)
    finally:
        await jetstream.close()


async def test_a_stream_is_made_as_configured(server: NatsServer) -> None:
    config = StreamConfig(
        name="LOGS",
        max_bytes=Size(10**8),
        max_messages=7,
        max_age=Duration(3600),
        duplicate_window=Duration(60),
    )
    await ensure(server.url, Streams(config, SUBJECTS))
    found = server.stream("LOGS")
    assert found is not None
    made = found["config"]
    assert (made["retention"], made["discard"], made["storage"]) == ("workqueue", "new", "file")
    assert (made["max_bytes"], made["max_msgs"], made["max_age"]) == (10**8, 7, 3600 * 10**9)
    assert (made["subjects"], made["duplicate_window"]) == (SUBJECTS, 60 * 10**9)
    assert made["num_replicas"] == 1


async def test_one_that_is_there_is_left_as_it_is_and_that_is_said_once(
    server: NatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    await ensure(server.url, Streams(StreamConfig(), SUBJECTS))
    caplog.set_level(logging.INFO)
    await ensure(server.url, Streams(StreamConfig(), SUBJECTS))
    assert caplog.messages == []
    other = Streams(StreamConfig(max_bytes=Size(10**8), retention="limits"), SUBJECTS)
    await ensure(server.url, other, other)
    assert caplog.messages == [
        "stream DOCKLINE is left as it is, with retention workqueue instead of limits, "
        "max_bytes -1 instead of 100000000"
    ]
    found = server.stream("DOCKLINE")
    assert found is not None and found["config"]["max_bytes"] == -1


async def test_other_partitions_than_the_stream_was_made_with_are_said(
    server: NatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    await ensure(server.url, Streams(StreamConfig(), SUBJECTS, 16))
    await ensure(
        server.url, Streams(StreamConfig(), SUBJECTS, 16), Streams(StreamConfig(), SUBJECTS)
    )
    assert caplog.messages == []
    await ensure(server.url, Streams(StreamConfig(), SUBJECTS, 32))
    assert caplog.messages == ["stream DOCKLINE is left as it is, with partitions 16 instead of 32"]


async def test_one_that_is_not_there_is_only_made_where_that_is_wanted(server: NatsServer) -> None:
    with pytest.raises(Unavailable, match=r"there is no stream DOCKLINE; make it, or set"):
        await ensure(server.url, Streams(StreamConfig(create=False), SUBJECTS))
    await ensure(server.url, Streams(StreamConfig(), SUBJECTS))
    await ensure(server.url, Streams(StreamConfig(create=False), SUBJECTS))


async def test_one_that_does_not_take_our_subjects_is_of_no_use(server: NatsServer) -> None:
    await ensure(server.url, Streams(StreamConfig(), ["other.>"]))
    with pytest.raises(Unavailable, match=r"does not take dockline\.>, but other\.>"):
        await ensure(server.url, Streams(StreamConfig(), SUBJECTS))
    with pytest.raises(Unavailable, match="cannot be made: subjects overlap"):
        await ensure(server.url, Streams(StreamConfig(name="B"), ["other.x"]))


async def test_what_the_server_has_no_room_for_is_told(server: NatsServer) -> None:
    too_much = Streams(StreamConfig(max_bytes=Size(10**13)), SUBJECTS)
    with pytest.raises(Unavailable, match="cannot be made: insufficient storage"):
        await ensure(server.url, too_much)
    with pytest.raises(Unavailable, match="cannot be made: replicas > 1 not supported"):
        await ensure(server.url, Streams(StreamConfig(replicas=3), SUBJECTS))


@pytest.mark.parametrize("answer", [b"{}", b'{"error": 7}', b'{"config": 7}'])
async def test_an_answer_that_is_none_is_told(answer: bytes) -> None:
    server: Any = FakeNats()
    server._answer = lambda subject, body: [answer]
    async with fake_nats(server) as url:
        with pytest.raises(Unavailable, match="cannot be looked at: the answer is rubbish"):
            await ensure(url, Streams(StreamConfig(), SUBJECTS))


def test_messages_are_not_known_for_longer_than_they_are_kept() -> None:
    config = StreamConfig(max_age=Duration(60))
    with pytest.raises(ConfigError, match="no message is known") as caught:
        Streams(config, SUBJECTS)
    assert caught.value.path == "stream.duplicate_window"


@pytest.mark.parametrize(
    ("takes", "subject", "does"),
    [
        ("a", "a", True),
        ("a", "b", False),
        ("a.>", "a.b.c", True),
        ("a.>", "a.>", True),
        ("a.>", "a", False),
        (">", "a.>", True),
        ("a.*", "a.b", True),
        ("a.*", "a.*", True),
        ("a.*", "a.>", False),
        ("a.*", "a.b.c", False),
        ("a.b", "a.*", False),
        ("*.b", "a.b", True),
        ("a.b.c", "a.b", False),
    ],
)
def test_subjects_with_wildcards_cover_others(takes: str, subject: str, does: bool) -> None:
    assert covers(takes, subject) is does
