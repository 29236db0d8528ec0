"""Requests to JetStream and publishing to it; faults come from a server of the tests' own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pipeline.encode.nats.messages import JsonMessages, Published
from pipeline.model.errors import Unavailable
from pipeline.testing.builders import batch
from pipeline.transport.nats.connection import NatsConnection
from pipeline.transport.nats.errors import NO_ACKNOWLEDGEMENT, NO_RESPONDERS, problem_of
from pipeline.transport.nats.jetstream import MOST_BYTES, JetStream, Span
from tests.servers.fake_nats import FakeNats, fake_nats, stored
from tests.servers.nats import NatsServer
from tests.suite.waiting import until

HEAD = b"NATS/1.0\r\nA: b\r\n\r\n"


class Said(Published):
    """A message of its own."""

    def __init__(self, body: bytes) -> None:
        super().__init__("dockline.x", body, HEAD, [])


def numbered(count: int) -> list[Span[Said]]:
    return [(Said(b"%d" % number), 0, 1) for number in range(count)]


class Done(list[bytes]):
    """Bodies of what is stored, in order."""

    def __call__(self, message: Said, start: int, stop: int) -> None:
        assert (start, stop) == (0, 1)
        self.append(message.body)


@asynccontextmanager
async def connected(url: str, **options: Any) -> AsyncIterator[JetStream]:
    jetstream = JetStream(NatsConnection([url]), **{"timeout": 60.0, **options})
    try:
        await jetstream.open()
        yield jetstream
    finally:
        await jetstream.close()


@asynccontextmanager
async def publishing(jetstream: JetStream, what: list[Span[Said]]) -> AsyncIterator[None]:
    """It goes on meanwhile, and is cancelled at the end."""
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(jetstream.publish(what, print, "DOCKLINE"), name="publish")
        yield
        assert not task.done()
        task.cancel()


async def published(server: FakeNats, count: int, **options: Any) -> tuple[list[bytes], list[Any]]:
    """Bodies that are stored, and what problems there were."""
    done = Done()
    async with fake_nats(server) as url, connected(url, **options) as jetstream:
        problems = await jetstream.publish(numbered(count), done, "DOCKLINE")
    return list(done), [(one.body, problem) for one, _, problem in problems]


@pytest.fixture
def server(nats_server: NatsServer) -> NatsServer:
    """One without streams."""
    nats_server.empty()
    return nats_server


async def test_all_that_is_published_is_acknowledged(server: NatsServer) -> None:
    async with connected(server.url, in_flight=10) as jetstream:
        config = {"name": "DOCKLINE", "subjects": ["dockline.>"]}
        assert "config" in await jetstream.request("STREAM.CREATE.DOCKLINE", config)
        done = Done()
        assert await jetstream.publish(numbered(1000), done, "DOCKLINE") == []
        assert jetstream.max_payload == 1 << 20
    assert done == [b"%d" % number for number in range(1000)]
    found = server.stream("DOCKLINE")
    assert found is not None and found["state"]["messages"] == 1000


async def test_a_subject_that_no_stream_takes_is_a_problem_of_its_own(server: NatsServer) -> None:
    async with connected(server.url) as jetstream:
        (problem,) = await jetstream.publish(numbered(1), print, "DOCKLINE")
    assert problem[1:] == (0, NO_RESPONDERS)


@pytest.mark.server
async def test_without_jetstream_that_is_said(tmp_path: Path) -> None:
    with NatsServer(tmp_path, more="jetstream: false") as server:
        async with connected(server.url) as jetstream:
            with pytest.raises(Unavailable, match="has no JetStream for us; check that it is"):
                await jetstream.request("STREAM.INFO.DOCKLINE")


async def test_no_more_are_on_their_way_than_allowed() -> None:
    """The peer answers nothing until so many have come, and then one by one."""
    most = 0
    server = FakeNats()

    def answers(number: int) -> Iterable[bytes]:
        nonlocal most
        most = max(most, number + 1)
        return []

    server.answers = answers
    async with (
        fake_nats(server) as url,
        connected(url, in_flight=7) as jetstream,
        publishing(jetstream, numbered(100)),
    ):
        await until(lambda: most >= 7)
        await asyncio.sleep(0.1)
    assert most == 7


async def test_a_write_waits_until_half_of_them_are_answered() -> None:
    server = FakeNats(lambda number: [])
    (some,) = JsonMessages(lambda batch: "dockline.x", {}).of([batch(*map(str, range(30)))])
    done: list[int] = []

    def stored_some(_: Any, start: int, stop: int) -> None:
        done.extend(range(start, stop))

    async with (
        fake_nats(server) as url,
        connected(url, in_flight=8) as jetstream,
        asyncio.TaskGroup() as tasks,
    ):
        spans = [(some, 0, 10), (some, 11, 30)]
        task = tasks.create_task(jetstream.publish(spans, stored_some, "DOCKLINE"), name="publish")
        for came, answers in [(8, 3), (8, 1), (12, 4), (16, 4), (20, 4), (24, 4), (28, 4), (29, 5)]:
            await _until_there_are(server, came)
            for number in range(len(done), len(done) + answers):
                server.say(acknowledgement(jetstream, number))
            await _until_there_are(done, len(done) + answers)
        assert await task == []
    assert done == [*range(10), *range(11, 30)]


async def _until_there_are(what: FakeNats | list[int], count: int) -> None:
    some = what.bodies if isinstance(what, FakeNats) else what
    await until(lambda: len(some) >= count)
    await asyncio.sleep(0.02)
    assert len(some) == count


def acknowledgement(jetstream: JetStream, number: int) -> bytes:
    subject, body = f"{jetstream._inbox}p{number}".encode(), *stored(number)
    return b"MSG %b 1 %d\r\n%b\r\n" % (subject, len(body), body)


async def test_silence_ends_after_the_timeout() -> None:
    server = FakeNats(lambda number: [])
    async with fake_nats(server) as url, connected(url, timeout=0.3) as jetstream:
        with pytest.raises(Unavailable, match=r"acknowledged nothing for 0\.3 s"):
            await jetstream.publish(numbered(100), print, "DOCKLINE")


async def test_nor_more_bytes() -> None:
    server = FakeNats(lambda number: [], max_payload=MOST_BYTES)
    async with fake_nats(server) as url, connected(url) as jetstream:
        large = [(Said(bytes(MOST_BYTES // 4)), 0, 1) for _ in range(20)]
        async with publishing(jetstream, large):
            await until(lambda: len(server.bodies) >= 4)
            await asyncio.sleep(0.1)
    assert len(server.bodies) == 4


async def test_after_a_problem_nothing_more_is_published_and_what_is_stored_is_known() -> None:
    full = {"code": 503, "err_code": 10077, "description": "maximum bytes exceeded"}

    def answers(number: int) -> Iterable[bytes]:
        return [json.dumps({"error": full}).encode()] if number == 3 else stored(number)

    server = FakeNats(answers)
    done, ((body, problem),) = await published(server, 100, in_flight=1)
    assert done == [b"0", b"1", b"2"] and body == b"3"
    assert (problem.err_code, str(problem)) == (10077, "maximum bytes exceeded (10077)")
    assert server.bodies == [b"0", b"1", b"2", b"3"]


@pytest.mark.fault(26)
@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"+OK",
        b"{}",
        b'{"stream":"DOCKLINE"}',
        b'{"stream":"OTHER","seq":7}',
        b'{"stream":"DOCKLINE","seq":0}',
        b'{"stream":7,"seq":"x"}',
        b"[" * 100_000,
        b'{"x":' * 100_000,
        b"\xff\xfe",
    ],
)
async def test_an_answer_that_is_none_is_not_believed(answer: bytes) -> None:
    server = FakeNats(lambda number: [answer])
    done, ((_, problem),) = await published(server, 1)
    assert done == [] and problem is NO_ACKNOWLEDGEMENT


@pytest.mark.fault(26)
async def test_answers_that_come_twice_or_to_nothing_change_nothing() -> None:
    def answers(number: int) -> Iterable[bytes]:
        return [*stored(number), *stored(number), b"rubbish"]

    server = FakeNats(answers)
    done, problems = await published(server, 50, in_flight=3)
    assert done == [b"%d" % number for number in range(50)] and problems == []


async def test_a_connection_that_breaks_is_told_at_once_and_what_was_stored_is_known() -> None:
    server = FakeNats()

    def answers(number: int) -> Iterable[bytes]:
        if number == 5:
            server.reset()
            return []
        return stored(number)

    server.answers = answers
    done = Done()
    async with fake_nats(server) as url, connected(url, timeout=60.0, in_flight=1) as jetstream:
        with pytest.raises(Unavailable, match="closed the connection"):
            await jetstream.publish(numbered(50), done, "DOCKLINE")
        assert len(done) == 5
        server.answers = stored
        await jetstream.open()
        assert await jetstream.publish(numbered(50)[5:], done, "DOCKLINE") == []
    assert len(done) == 50


async def test_what_was_published_before_it_was_cancelled_is_not_taken_for_something_else() -> None:
    server = FakeNats(lambda number: [])
    async with fake_nats(server) as url, connected(url) as jetstream:
        async with publishing(jetstream, numbered(3)):
            await until(lambda: len(server.bodies) == 3)
        server.say(b"")
        server.answers = lambda number: [*stored(0)]
        done = Done()
        assert await jetstream.publish(numbered(2), done, "DOCKLINE") == []
        assert done == [b"0", b"1"]


@pytest.mark.parametrize("answer", [b"rubbish", b"[1]", b"{" * 100_000])
async def test_a_request_that_is_answered_with_rubbish_is_told(answer: bytes) -> None:
    server = FakeNats()
    server._answer = lambda subject, body: [answer]  # type: ignore[method-assign]
    async with fake_nats(server) as url, connected(url) as jetstream:
        with pytest.raises(Unavailable, match="with rubbish"):
            await jetstream.request("STREAM.INFO.DOCKLINE")


async def test_many_tasks_may_ask_at_once_and_publish_meanwhile(server: NatsServer) -> None:
    async with connected(server.url) as jetstream:
        config = {"name": "DOCKLINE", "subjects": ["dockline.>"]}
        await jetstream.request("STREAM.CREATE.DOCKLINE", config)
        done = Done()
        *answers, problems = await asyncio.gather(
            *(jetstream.request(f"STREAM.INFO.{name}") for name in ["DOCKLINE", "OTHER"] * 20),
            jetstream.publish(numbered(500), done, "DOCKLINE"),
        )
    assert [problem_of(answer) is None for answer in answers] == [True, False] * 20
    assert problems == [] and len(done) == 500


async def test_a_request_without_an_answer_ends_after_the_timeout_and_others_go_on() -> None:
    server = FakeNats()
    answer = server._answer
    server._answer = lambda subject, body: [] if b"SILENT" in subject else answer(subject, body)  # type: ignore[method-assign]
    async with fake_nats(server) as url, connected(url, timeout=0.3) as jetstream:
        with pytest.raises(Unavailable, match=r"does not answer \S+SILENT within 0\.3 s"):
            await jetstream.request("STREAM.INFO.SILENT")
        assert "config" in await jetstream.request("STREAM.INFO.DOCKLINE")


async def test_when_the_connection_breaks_all_that_was_asked_ends_at_once() -> None:
    server = FakeNats()

    def answer(subject: bytes, body: bytes) -> Iterable[bytes]:
        if b"LAST" in subject:
            server.reset()
        return []

    server._answer = answer  # type: ignore[method-assign]
    async with fake_nats(server) as url, connected(url) as jetstream:
        names = ["ONE", "TWO", "LAST"]
        ended = await asyncio.gather(
            *(jetstream.request(f"STREAM.INFO.{name}") for name in names),
            jetstream.until_lost(),
            return_exceptions=True,
        )
    assert ["closed the connection" in str(error) for error in ended] == [True] * 4
