"""NATS JetStream: nothing is lost, and what comes again is known to the stream by its name."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pipeline.model.component import BatchConfig, Duration, Size
from pipeline.transport.nats.streams import StreamConfig
from tests.delivery.sending import numbers, sending, until
from tests.servers.nats import NatsServer
from tests.servers.nats_messages import kept, take
from tests.servers.receivers import serve

pytestmark = pytest.mark.server

LINES = {"columns": 20_000, "json": 4_000}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    with NatsServer(tmp_path) as one:
        yield one


async def received(url: str) -> list[int]:
    """Numbers of all lines in the stream, in its order."""
    messages = await kept(url)
    if any(message.headers["Dockline-Format"] == "json/1" for message in messages):
        return [number for message in messages for number in numbers(message.body)]
    lines = (line for one in messages for back in one.batches for line in back.lines)
    return [number for line in lines for number in numbers(line)]


@asynccontextmanager
async def cut(server: NatsServer, after: int, pause: float = 0.0) -> AsyncIterator[str]:
    """The URL of a way to the server that breaks once, when so many acknowledgements have come over
    it: the next are there, and do not arrive. The next connection takes `pause` seconds."""
    seen = 0

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if seen > after:
            await asyncio.sleep(pause)
        there, onward = await asyncio.open_connection("127.0.0.1", server.port)

        async def forth() -> None:
            while data := await reader.read(1 << 16):
                onward.write(data)

        async def back() -> None:
            nonlocal seen
            while data := await there.read(1 << 16):
                seen_before, seen = seen, seen + data.count(b'"seq"')
                if seen_before <= after < seen:
                    writer.transport.abort()
                    return
                writer.write(data)

        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(forth(), name="forth")
                tasks.create_task(back(), name="back")
        finally:
            onward.transport.abort()

    async with serve(relay) as port:
        yield f"nats://127.0.0.1:{port}"
    assert seen > after


@pytest.mark.parametrize("format", ["columns", "json"])
async def test_a_server_killed_in_the_middle_has_everything_once_when_it_is_back(
    server: NatsServer, format: str
) -> None:
    lines = LINES[format]
    async with sending("nats", urls=[server.url], format=format) as sent:
        for part in range(4):
            sent.lines(lines // 4)
            await sent.kill_behind(part * lines // 4, server)
            server.start()
        await until(lambda: sent.settled == lines)
        assert sent.delivered == lines
        assert sorted(await received(server.url)) == list(range(lines))


@pytest.mark.parametrize("format", ["columns", "json"])
async def test_acknowledgements_that_did_not_arrive_repeat_nothing_within_the_window(
    server: NatsServer, format: str
) -> None:
    async with cut(server, 12) as url, sending("nats", urls=[url], format=format) as sent:
        sent.lines(LINES[format])
        await until(lambda: sent.settled == LINES[format])
        assert sent.count("retried_payloads")
        assert await received(server.url) == list(range(LINES[format]))


async def test_after_the_window_what_was_in_flight_is_there_twice(server: NatsServer) -> None:
    settings: dict[str, Any] = {
        "stream": StreamConfig(duplicate_window=Duration(0.1)),
        "batch": BatchConfig(bytes=Size(2**20)),
    }
    async with cut(server, 3, 1.0) as url, sending("nats", urls=[url], **settings) as sent:
        sent.lines(LINES["columns"])
        await until(lambda: sent.settled == LINES["columns"])
        counts = Counter(await received(server.url))
    assert set(counts) == set(range(LINES["columns"]))
    repeated = sum(count - 1 for count in counts.values())
    assert 0 < repeated <= 2**20 // 100


async def test_a_full_stream_loses_nothing_and_goes_on_when_there_is_room(
    server: NatsServer,
) -> None:
    settings = {"stream": StreamConfig(max_messages=10), "format": "json"}
    got: list[int] = []
    async with sending("nats", urls=[server.url], **settings) as sent:
        sent.lines(35)
        await until(lambda: "is full" in (sent.output.delivery.problem or ""))
        while sent.settled < 35 or len(got) < 35:
            got += [
                number for message in await take(server.url) for number in numbers(message.body)
            ]
    # What was on its way behind one that was not taken may be there before it.
    assert sorted(got) == list(range(35))


async def test_entries_that_are_gathered_otherwise_are_stored_once_as_json_and_twice_as_columns(
    server: NatsServer,
) -> None:
    """As an agent does that was killed: its lines are gathered to other payloads."""
    for format, times in (("json", 1), ("columns", 2)):
        subject = format + ".{source}"
        stream = StreamConfig(name=format)
        for lines in (1000, 2000):
            settings = {"format": format, "subject": subject, "stream": stream}
            async with sending("nats", urls=[server.url], **settings) as sent:
                sent.lines(lines)
                await until(lambda sent=sent, lines=lines: sent.settled == lines)
        messages = await kept(server.url, format)
        if format == "json":
            got = [json.loads(one.body)["event"]["sequence"] for one in messages]
        else:
            got = [n for one in messages for back in one.batches for n in back.sequences]
        counts = Counter(got)
        assert set(counts) == set(range(2000))
        assert max(counts.values()) <= times
        assert format == "columns" or sum(counts.values()) == 2000
