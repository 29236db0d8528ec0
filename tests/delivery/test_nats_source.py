"""What a hub that is killed may lose and repeat: as users run it, with a real nats-server."""

from __future__ import annotations

import asyncio
import random
import signal
import urllib.request
import zlib
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest
from nats.aio.client import Client

from pipeline.buffer.columns import ColumnCodec
from pipeline.encode.nats.messages import ColumnsMessages
from pipeline.encode.nats.subject import Subjects
from pipeline.model.container import Container
from pipeline.testing.agent_process import AgentProcess, whole_entries, whole_lines
from pipeline.testing.builders import batch, container
from tests.servers.daemon import PATIENCE, eventually
from tests.servers.nats import NatsServer
from tests.servers.nats_by_hand import by_hand
from tests.servers.ports import free_port
from tests.sinks.test_prometheus import stats

pytestmark = pytest.mark.server

CONFIG = """
[agent]
shutdown = "60s"
[sources.queue]
type = "nats"
urls = ["{url}"]
partitions = 4
ack_wait = "{wait}"
[sinks.out]
type = "file"
path = "{folder}/entries"
{more}
[routes.all]
to = ["out"]
"""
CONTAINERS = [container(f"c{number}", number=number) for number in range(10)]
LINES = 200
LONG = "30s"
"""For a hub that stands still meanwhile: it would get again, and deliver twice, what it has."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    server = NatsServer(tmp_path / "nats")
    server.start()
    yield server
    server.stop()


async def publish(url: str, first: int, last: int) -> None:
    """Some numbered lines of each container."""
    client = Client()
    await client.connect(url, connect_timeout=int(PATIENCE))
    stream = client.jetstream(timeout=PATIENCE)
    if first == 1:
        await stream.add_stream(name="DOCKLINE", subjects=["dockline.>"], retention="workqueue")
    subject = Subjects("dockline.{partition}.{source}.{container.id}", partitions=4).of
    messages = ColumnsMessages(ColumnCodec().encode, subject, {})
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
    entries = whole_entries(folder / "entries")
    return [one["event"]["sequence"] for one in entries if one["container"]["id"] == of.id]


@pytest.mark.fault(32)
@pytest.mark.parametrize("more", ["", 'buffer = { disk = "16MiB" }'], ids=["memory", "disk"])
def test_a_hub_that_is_killed_loses_nothing_and_is_given_again_what_it_had_not_acknowledged(
    server: NatsServer, tmp_path: Path, more: str
) -> None:
    config = CONFIG.format(url=server.url, folder=tmp_path, more=more, wait="1s")
    steps = list(range(1, LINES + 2, LINES // 4))
    with AgentProcess(tmp_path / "hub", "", config) as hub:
        path = tmp_path / "entries"
        for first, last in pairwise(steps):
            before = len(whole_lines(path))
            asyncio.run(publish(server.url, first, last))
            hub.until(lambda b=before, p=path: len(whole_lines(p)) > b)  # type: ignore[misc]
            hub.stop(signal.SIGKILL)
            hub.start()
        hub.until(lambda: left(server) == 0, "not all is acknowledged")
        assert hub.address, "it has begun: all may have been acknowledged by the one before"
        assert hub.stop() == 0
    for one in CONTAINERS:
        came = numbers(tmp_path, one)
        assert list(dict.fromkeys(came)) == list(range(1, LINES + 1)), "in order, but for repeats"
        assert max(Counter(came).values()) <= len(steps), "each process delivers a line once"


def test_a_hub_that_stops_has_delivered_and_acknowledged_all_that_it_took(
    server: NatsServer, tmp_path: Path
) -> None:
    config = CONFIG.format(url=server.url, folder=tmp_path, more="", wait=LONG)
    with AgentProcess(tmp_path / "hub", "", config) as hub:
        asyncio.run(publish(server.url, 1, LINES + 1))
        path = tmp_path / "entries"
        hub.until(lambda: len(whole_lines(path)) > 0)
        assert hub.stop() == 0
        there = LINES * len(CONTAINERS) - len(whole_lines(path))
        # The server sees to acknowledgements when it has time.
        eventually("each is here or there, and once", lambda: left(server) == there)
        hub.start()
        hub.until(lambda: left(server) == 0)
        assert hub.address, "it has begun: all may have been acknowledged by the one before"
        assert hub.stop() == 0
    for one in CONTAINERS:
        assert numbers(tmp_path, one) == list(range(1, LINES + 1)), "each once, in order"


HEAD = "Dockline-Format: columns/1\r\nDockline-Size: %d\r\nDockline-Entries: 1\r\n"
TIME = b"2026-01-31T23:59:59.000000000Z"


def hostile() -> list[tuple[bytes, bytes, bytes | None]]:
    """Subjects, bodies and headers of messages that no dockline publishes, and that say nothing."""
    facts = msgpack.packb(("a" * 64, "bad", "", {}, "", False))
    who = msgpack.packb(([facts], [(0, 1, "logs", "")]))
    start = who + b"\x91\x97" + msgpack.packb([[b"x"], [TIME], b"\1", [[1]]])[1:]
    deep: Any = None
    for _ in range(900):
        deep = msgpack.ExtType(2, msgpack.packb(deep))
    bodies = [
        b"\0", random.Random(1).randbytes(1000), b"\xdd\xff\xff\xff\xff", b"\x91" * 10_000,
        who + b"\x91\x97" + b"\xdd\0\x0f\xff\xff" * 900 + b"\xc0" * (1 << 20),
        start + b"\x91\x81\xa1a\xdd\1\0\0\0" + b"\x80" * (1 << 24) + b"\xc2\xc0",
        start + msgpack.packb(deep) + b"\xc2\xc0",
        who + msgpack.packb([[[b"x"], [TIME], b"\1", [0, 1 << 63, 1], None, False, None]]),
        who + msgpack.packb([[{b"x": 1}, [TIME], b"\1", [{7: 1}], None, False, None]]),
    ]  # fmt: skip
    found: list[tuple[bytes, bytes, bytes | None]] = []
    for number, body in enumerate(bodies):
        headers = f"NATS/1.0\r\n{HEAD % len(body)}\r\n".encode()
        found.append((b"dockline.%d.bad" % (number % 4), zlib.compress(body, 9), headers))
    bomb = zlib.compress(b"\0" * (1 << 30), 9)[:900_000]
    found.append((b"dockline.1.bad", bomb, f"NATS/1.0\r\n{HEAD % (1 << 30)}\r\n".encode()))
    found.append((b"dockline.1.bad", bomb, f"NATS/1.0\r\n{HEAD % 1000}\r\n".encode()))
    no_headers = b"NATS/1.0", b"x", b"NATS/1.0 \xff\xff\xff\r\n\r\n"
    found += [(b"dockline.2.bad\x0c\xff", b"x", headers) for headers in no_headers]
    json_head = b"NATS/1.0\r\nDockline-Format: json/1\r\n\r\n"
    found += [(b"dockline.3.bad", body, json_head) for body in (b"", b"[" * 900_000, b'{"a":1}')]
    return found


@pytest.mark.fault(35)
def test_a_hub_ends_what_is_hostile_and_delivers_all_around_it(
    server: NatsServer, tmp_path: Path
) -> None:
    bad = hostile()

    async def publish_all() -> None:
        async with by_hand(server.port) as other:
            for number, (subject, body, headers) in enumerate(bad, 1):
                await publish(server.url, number, number + 1)
                await other.publish(subject, body, headers)
            await publish(server.url, len(bad) + 1, len(bad) + 2)

    config = CONFIG.format(url=server.url, folder=tmp_path, more="", wait=LONG)
    refused = 'dockline_source_refused_messages_total{source="queue",reason="malformed"}'
    with AgentProcess(tmp_path / "hub", "", config) as hub:
        asyncio.run(publish_all())
        hub.until(lambda: left(server) == 0, "not all is acknowledged")
        # A server that pins a consumer adds a header, which makes sense of headers that made none.
        odd = [one for one in whole_entries(tmp_path / "entries") if one["message"] == "x"]
        assert len(odd) <= 3 and hub.metric(refused) == len(bad) - len(odd)
        assert hub.metric('dockline_source_restarts_total{source="queue"}') == 0
        assert hub.get("/readyz")[0] == 200
        status = Path(f"/proc/{hub.process.pid}/status").read_text()
        peak = int(status.partition("VmHWM:")[2].split()[0]) >> 10
        assert peak < 600, f"{peak} MiB"
        assert hub.stop() == 0
        said = [line for line in hub.said.splitlines() if "source queue" in line]
        assert 1 <= len(said) < len(bad) and " refused: dockline." in said[0]
    for one in CONTAINERS:
        assert numbers(tmp_path, one) == list(range(1, len(bad) + 2)), "each once, in order"


@pytest.mark.parametrize("docker", [False, True], ids=["hub", "hub and Docker"])
async def test_a_hub_shows_the_stats_of_other_hosts_on_a_prometheus_sink(
    server: NatsServer, tmp_path: Path, docker: bool, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue("engine").url if docker else ""
    await publish(server.url, 1, 1)
    client = Client()
    await client.connect(server.url, connect_timeout=int(PATIENCE))
    subject = Subjects("dockline.{partition}.{source}.{container.id}", partitions=4).of
    (message,) = ColumnsMessages(ColumnCodec().encode, subject, {}).of([stats(7)])
    stream = client.jetstream(timeout=PATIENCE)
    await stream.publish(message.subject, message.body, headers=message.headers)
    await client.close()
    port = free_port()
    more = f'[sinks.shown]\ntype = "prometheus"\nlisten = "127.0.0.1:{port}"'
    config = CONFIG.format(url=server.url, folder=tmp_path, more=more, wait=LONG)
    config = config.replace('["out"]', '["shown"]').replace(
        "[routes.all]", '[routes.all]\nfrom = ["stats"]'
    )
    with AgentProcess(tmp_path / "hub", url, config) as hub:
        delivered = 'dockline_delivered_entries_total{sink="shown"}'
        await asyncio.to_thread(hub.until, lambda: hub.metric(delivered))
        url = f"http://127.0.0.1:{port}/metrics"

        def shows() -> bool:
            with urllib.request.urlopen(url, timeout=PATIENCE) as page:
                return 'name="c-7"' in page.read().decode()

        await asyncio.to_thread(hub.until, shows)  # what is delivered may be of this host
