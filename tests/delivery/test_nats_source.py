"""What a hub that is killed may lose and repeat: as users run it, with a real nats-server."""

from __future__ import annotations

import asyncio
import json
import signal
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from aiohttp import ClientSession
from nats.aio.client import Client

from pipeline.batch import Container
from pipeline.buffer.columns import Columns
from pipeline.encode.messages import ColumnsMessages
from pipeline.encode.subject import Subjects
from pipeline.testing.agent_process import AgentProcess, whole_lines
from pipeline.testing.builders import batch, container
from tests.servers.daemon import free_port
from tests.servers.nats import NatsServer
from tests.sinks.test_prometheus import stats

CONFIG = """
[sources.queue]
type = "nats"
urls = ["{url}"]
partitions = 4
ack_wait = "1s"
[sinks.out]
type = "file"
path = "{folder}/entries"
{more}
[routes.all]
to = ["out"]
"""
CONTAINERS = [container(f"c{number}", number=number) for number in range(10)]
LINES = 200


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    server = NatsServer(tmp_path / "nats")
    server.start()
    yield server
    server.stop()


async def publish(url: str, first: int, last: int) -> None:
    """Some numbered lines of each container."""
    client = Client()
    await client.connect(url)
    stream = client.jetstream()
    if first == 1:
        await stream.add_stream(name="DOCKLINE", subjects=["dockline.>"], retention="workqueue")
    subject = Subjects("dockline.{partition}.{source}.{container.id}", partitions=4).of
    messages = ColumnsMessages(Columns().encode, subject, {})
    for number in range(first, last):
        batches = [batch(f"{one.name} {number}", of=one, start=number) for one in CONTAINERS]
        for message in messages.of(batches):
            await stream.publish(message.subject, message.body, headers=message.headers)
    await client.close()


def left(server: NatsServer) -> int:
    """Messages that nobody has acknowledged."""
    stream = server.stream("DOCKLINE")
    assert stream is not None
    return int(stream["state"]["messages"])


def numbers(folder: Path, of: Container) -> list[int]:
    """Of the lines that have arrived, in order."""
    entries = map(json.loads, whole_lines(folder / "entries"))
    return [one["event"]["sequence"] for one in entries if one["container"]["id"] == of.id]


@pytest.mark.parametrize("more", ["", 'buffer = { disk = "16MiB" }'], ids=["memory", "disk"])
def test_a_hub_that_is_killed_loses_nothing_and_is_given_again_what_it_had_not_acknowledged(
    server: NatsServer, tmp_path: Path, more: str
) -> None:
    config = CONFIG.format(url=server.url, folder=tmp_path, more=more)
    steps = list(range(1, LINES + 2, LINES // 4))
    with AgentProcess(tmp_path / "hub", "", config) as hub:
        for first, last in pairwise(steps):
            asyncio.run(publish(server.url, first, last))
            before = len(whole_lines(tmp_path / "entries"))
            path = tmp_path / "entries"
            hub.until(lambda b=before, p=path: len(whole_lines(p)) > b)  # type: ignore[misc]
            hub.stop(signal.SIGKILL)
            hub.start()
        hub.until(lambda: left(server) == 0, "not all is acknowledged")
        assert hub.stop() == 0
    for one in CONTAINERS:
        came = numbers(tmp_path, one)
        assert list(dict.fromkeys(came)) == list(range(1, LINES + 1)), "in order, but for repeats"
        assert max(Counter(came).values()) <= len(steps), "each process delivers a line once"


def test_a_hub_that_stops_has_delivered_and_acknowledged_all_that_it_took(
    server: NatsServer, tmp_path: Path
) -> None:
    config = CONFIG.format(url=server.url, folder=tmp_path, more="")
    with AgentProcess(tmp_path / "hub", "", config) as hub:
        asyncio.run(publish(server.url, 1, LINES + 1))
        path = tmp_path / "entries"
        hub.until(lambda: len(whole_lines(path)) > 0)
        assert hub.stop() == 0
        had = len(whole_lines(path))
        assert had + left(server) == LINES * len(CONTAINERS), "each is here or there, and once"
        hub.start()
        hub.until(lambda: left(server) == 0)
        assert hub.stop() == 0
    for one in CONTAINERS:
        assert numbers(tmp_path, one) == list(range(1, LINES + 1)), "each once, in order"


async def test_a_hub_shows_the_stats_of_other_hosts_on_a_prometheus_sink(
    server: NatsServer, tmp_path: Path
) -> None:
    await publish(server.url, 1, 1)
    client = Client()
    await client.connect(server.url)
    subject = Subjects("dockline.{partition}.{source}.{container.id}", partitions=4).of
    (message,) = ColumnsMessages(Columns().encode, subject, {}).of([stats(7)])
    await client.jetstream().publish(message.subject, message.body, headers=message.headers)
    await client.close()
    port = free_port()
    more = f'[sinks.shown]\ntype = "prometheus"\nlisten = "127.0.0.1:{port}"'
    config = CONFIG.format(url=server.url, folder=tmp_path, more=more)
    config = config.replace('["out"]', '["shown"]').replace(
        "[routes.all]", '[routes.all]\nfrom = ["stats"]'
    )
    with AgentProcess(tmp_path / "hub", "", config) as hub:
        delivered = 'dockline_delivered_entries_total{sink="shown"}'
        await asyncio.to_thread(hub.until, lambda: hub.metric(delivered) == 1)
        url = f"http://127.0.0.1:{port}/metrics"
        async with ClientSession() as session, session.get(url) as answer:
            assert 'name="c-7"' in await answer.text()
