"""The `nats` source, with a real nats-server."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Self

import pytest
from nats.aio.client import Client
from nats.js.api import AckPolicy, ConsumerConfig
from nats.js.errors import ServerError
from prometheus_client import CollectorRegistry

from pipeline.accounting.ledger import Ledger
from pipeline.buffer.columns import ColumnCodec
from pipeline.encode.json import JsonEncoder
from pipeline.encode.nats.messages import ColumnsMessages, JsonMessages
from pipeline.encode.nats.subject import Subjects
from pipeline.intake import runner as inlet_module
from pipeline.intake.runner import SourceRunner
from pipeline.model.batch import Batch
from pipeline.model.component import Duration, SourceContext
from pipeline.model.container import Container
from pipeline.model.errors import ConfigError, Unavailable
from pipeline.model.metrics import Metrics
from pipeline.sources.nats import Config, NatsSource
from pipeline.testing.builders import batch, container, entries
from pipeline.testing.intake_room import Sink, room, until
from pipeline.testing.source_kit import Connect, SourceKit
from pipeline.topology import Route, Router
from pipeline.transport.nats.connection import NatsConnection
from pipeline.transport.nats.consumers import Wanted, ensure
from pipeline.transport.nats.jetstream import JetStream
from pipeline.transport.nats.pull import ACK, Delivered, Puller
from tests.servers.nats import NatsServer, old
from tests.servers.nats_by_hand import by_hand
from tests.servers.nats_commands import sent as published

PARTITIONS = 4
SUBJECT = "dockline.{partition}.{source}.{container.id}"


@pytest.fixture(autouse=True)
def quick_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that ends waits that long for the last messages, and one that begins for others."""
    monkeypatch.setattr("pipeline.transport.nats.pull.EXPIRES", 0.2)
    monkeypatch.setattr("pipeline.sources.nats.EXPIRES", 0.2)
    monkeypatch.setattr("pipeline.transport.nats.members.EVERY", 0.2)
    monkeypatch.setattr("pipeline.sources.nats.EVERY", 0.2)


@pytest.fixture
def server(nats_server: NatsServer) -> NatsServer:
    """With an empty stream, and no consumers."""
    asyncio.run(_afresh(nats_server))
    return nats_server


@pytest.fixture
def old_server(old_nats_server: NatsServer) -> NatsServer:
    """The same of before 2.11."""
    asyncio.run(_afresh(old_nats_server))
    return old_nats_server


async def _afresh(server: NatsServer) -> None:
    client = Client()
    await client.connect(server.url)
    stream = client.jetstream()
    for info in await stream.streams_info():
        await stream.delete_stream(str(info.config.name))
    async with asyncio.timeout(60):
        while True:
            with suppress(ServerError):  # it still removes the folder of the one before
                await stream.add_stream(
                    name="DOCKLINE", subjects=["dockline.>"], retention="workqueue"
                )
                break
            await asyncio.sleep(0.05)
    await client.close()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[NatsServer]:
    """A server that the test may kill."""
    server = NatsServer(tmp_path / "nats")
    server.start()
    asyncio.run(_afresh(server))
    yield server
    server.stop()


def make(url: str, *, ack_wait: float = 1.0, **more: Any) -> NatsSource:
    config = Config(
        type="nats",
        urls=[url],
        partitions=PARTITIONS,
        ack_wait=Duration(ack_wait),
        timeout=Duration(20),
        **more,
    )
    return NatsSource(config, SourceContext("queue", "hub-1"))


class Agent:
    """Publishes as the sink does."""

    def __init__(self, url: str) -> None:
        self._url = url
        subject = Subjects(SUBJECT, partitions=PARTITIONS).of
        self._columns = ColumnsMessages(ColumnCodec().encode, subject, {})
        self._json = JsonMessages(subject, {})
        self._numbers: dict[str, int] = {}
        self.container = container()

    async def connect(self) -> Self:
        self._client = Client()
        await self._client.connect(self._url, allow_reconnect=False)
        self._stream = self._client.jetstream()
        return self

    async def connect_again(self) -> None:
        await self._client.close()
        await self.connect()

    async def publish(self, *batches: Batch, form: str = "columns") -> None:
        messages = self._columns if form == "columns" else self._json
        for message in published(messages.of(batches)):
            await self._stream.publish(message.subject, message.body, headers=message.headers)

    async def log(self, *lines: bytes | str, of: Container | None = None) -> None:
        of = of or self.container
        start = self._numbers.get(of.id, 1)
        self._numbers[of.id] = start + len(lines)
        await self.publish(batch(*lines, of=of, start=start))

    async def raw(self, subject: str, body: bytes, headers: dict[str, str] | None = None) -> None:
        await self._stream.publish(subject, body, headers=headers)

    async def pending(self) -> int:
        """Messages in the stream that nobody has acknowledged."""
        return (await self._stream.stream_info("DOCKLINE")).state.messages

    async def close(self) -> None:
        await self._client.close()


@asynccontextmanager
async def agent(server: NatsServer) -> AsyncIterator[Agent]:
    one = await Agent(server.url).connect()
    try:
        yield one
    finally:
        await one.close()


class _Peer(Agent):
    """For the kit: what is acknowledged is in the work queue no more."""

    _sent = 0
    _peers = itertools.count(1)

    async def connect(self) -> Self:
        # Not the numbers of the one before: the stream would know its messages.
        self._numbers[self.container.id] = 1000 * next(self._peers)
        await super().connect()
        return self

    async def send(self, *lines: bytes) -> None:
        await self.log(*lines)
        self._sent += 1

    async def send_rubbish(self, data: bytes) -> None:
        head = {"Dockline-Format": "columns/1", "Dockline-Entries": "1"}
        size = {"Dockline-Size": str(len(data))}
        await self.raw("dockline.0.logs.rubbish", data, head | size)

    async def answered(self) -> int:
        return self._sent - await self.pending()


class TestNats(SourceKit):
    complaint = "refused the connection"
    rubbish = (b"\xc1", b"\x92\x90\x90", b"\xdd\xff\xff\xff\xff", b"\x91" * 1000)

    @pytest.fixture
    def source(self, server: NatsServer) -> NatsSource:
        return make(server.url)

    @pytest.fixture
    def connect(self, server: NatsServer) -> Connect:
        return lambda: _Peer(server.url).connect()

    @pytest.fixture
    def unusable(self) -> NatsSource:
        return make("nats://127.0.0.1:1")


# ------------------------------------------------------------------------------- messages


async def test_entries_come_with_all_that_they_had(server: NatsServer) -> None:
    of = container("shop-1", labels={"a.b": "c"}, host="web-7", number=77)
    sent = batch(
        b"\xff one", "two", of=of, start=41, streams="out err", fields=[{"n": 1 << 70}, {}],
        parts=[0, 2], flags={41: "truncated"},
    )  # fmt: skip
    event = batch("died", of=of, start=3, streams="none", source="events")
    async with room(make(server.url), name="queue") as one, agent(server) as publisher:
        await publisher.publish(sent, event)
        (sink,) = one.sinks
        await until(lambda: len(sink.lines) == 2)
        (came,) = sink.batches
        assert entries(came) == entries(sent) and came.flags == sent.flags
        assert vars_of(came.container) == vars_of(of)
        await until(lambda: one.intake.settled == 2)
        assert one.intake.entries == 3, "the event is taken, and no route wants it"
        await until(lambda: _none_left(publisher))


def vars_of(one: Container) -> tuple[Any, ...]:
    return one.id, one.name, one.image, dict(one.labels), one.host, one.tty


async def _none_left(publisher: Agent) -> bool:
    return await publisher.pending() == 0


async def test_json_of_the_sink_is_read_back(server: NatsServer) -> None:
    of = container("shop-1", labels={"team": "a"}, host="web-7")
    sent = batch(
        "one", "two", of=of, start=5, streams="out err",
        fields=[{"status": 200, "host": "taken"}, {"a": {"b": None}}], flags={6: "truncated"},
    )  # fmt: skip
    async with room(make(server.url), name="queue") as one, agent(server) as publisher:
        await publisher.publish(sent, form="json")
        (sink,) = one.sinks
        await until(lambda: len(sink.lines) == 2)
        encode = JsonEncoder().encode
        assert b"".join(encode([came]) for came in sink.batches) == encode([sent])


async def test_whatever_else_is_in_the_stream_is_an_entry_too(server: NatsServer) -> None:
    async with room(make(server.url), name="queue") as one, agent(server) as publisher:
        await publisher.raw("dockline.1.other", b'{"level":"info"}\n')
        await publisher.raw("dockline.1.other", b"\xff\x00")
        (sink,) = one.sinks
        await until(lambda: len(sink.lines) == 2)
        assert sink.lines == [b'{"level":"info"}', b"\xff\x00"]
        (first, second) = sink.batches
        assert first.container is second.container
        assert (first.container.name, len(first.container.id)) == ("dockline.1.other", 64)
        assert [list(one.sequences) for one in sink.batches] == [[1], [2]]
        assert first.times[0].startswith(b"20")


@pytest.mark.fault(35)
@pytest.mark.parametrize(
    "body, headers",
    [
        (b"x", {"Dockline-Format": "columns/9"}),
        (b"x", {"Dockline-Format": "columns/1"}),
        (
            b"x",
            {"Dockline-Format": "columns/1", "Dockline-Size": "9" * 12, "Dockline-Entries": "1"},
        ),
        (b"[]", {"Dockline-Format": "json/1"}),
        (b"{}", {"Dockline-Format": "json/1"}),
        (b"[" * 100_000, {"Dockline-Format": "json/1"}),
    ],
)
async def test_what_cannot_be_read_is_ended_and_counted(
    server: NatsServer, body: bytes, headers: dict[str, str]
) -> None:
    async with room(make(server.url), name="queue") as one, agent(server) as publisher:
        await publisher.raw("dockline.2.x", body, headers)
        await publisher.log("good")
        await until(lambda: one.sinks[0].lines == [b"good"])
        await until(lambda: one.intake.refused == {"malformed": 1})
        await until(lambda: _none_left(publisher))


@pytest.mark.parametrize(
    "headers",
    [
        b"NATS/1.0", b"x", b"NATS/1.0 \xff\xff\xff\r\n\r\n",
        b"NATS/1.0 409 Consumer Deleted\xff\r\n\r\n", b"NATS/1.0 503 \xff\r\na:b\r\n\r\n",
    ],
)  # fmt: skip
@pytest.mark.parametrize("ordered", [True, False])
async def test_headers_that_are_none_keep_nothing_from_coming(
    server: NatsServer, headers: bytes, ordered: bool
) -> None:
    await _odd_headers(server, headers, ordered)


async def _odd_headers(server: NatsServer, headers: bytes, ordered: bool) -> int:
    """How many messages were refused. Newer servers mend most of such headers."""
    source = make(server.url, ordered=ordered)
    async with room(source, name="queue") as one, agent(server) as publisher:
        async with by_hand(server.port) as other:
            await other.publish(b"dockline.2.x", b"x", headers)
        await publisher.raw("dockline.2.x", b"next")
        await until(lambda: b"next" in one.sinks[0].lines)
        await until(lambda: _none_left(publisher))
        refused = sum(one.intake.refused.values())
        assert one.sinks[0].lines == [b"x"] * (1 - refused) + [b"next"]
        assert not one.running.done()
        return refused


async def test_an_old_server_keeps_headers_that_are_none_and_they_are_refused(
    old_server: NatsServer,
) -> None:
    headers = b"NATS/1.0 409 Consumer Deleted\xff\r\n\r\n"
    assert await _odd_headers(old_server, headers, ordered=False) == 1


@pytest.mark.parametrize(
    "odd", [b"\xff\xfe", b"\x0bx", b"x\x0c3", b"\0\x1b[2J", b"x" * 3900], ids=repr
)
@pytest.mark.parametrize("headers", [None, b"NATS/1.0\r\na: b\r\n\r\n"], ids=["", "headers"])
async def test_a_subject_may_be_what_a_server_takes(
    server: NatsServer, odd: bytes, headers: bytes | None
) -> None:
    async with room(make(server.url), name="queue") as one, agent(server) as publisher:
        async with by_hand(server.port) as other:
            await other.publish(b"dockline.2." + odd, b"x", headers)
        await until(lambda: one.sinks[0].lines == [b"x"])
        (came,) = one.sinks[0].batches
        said = re.sub("[\0-\x1f]", "\ufffd", odd.decode("utf-8", "backslashreplace"))
        assert came.container.name == f"dockline.2.{said}"
        await until(lambda: _none_left(publisher))
        assert not one.running.done()


async def test_messages_larger_than_a_pull_come_through(
    server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.sources.nats.SMALLEST_PULL", 1000)
    source = make(server.url, in_flight=1 << 16)
    async with room(source, name="queue", limit=1 << 16) as one, agent(server) as publisher:
        large = json.dumps([f"{number:x}" for number in range(100_000)]).encode()
        assert len(large) < 1_000_000
        for number in range(3):
            await publisher.raw("dockline.3.large", large)
            await publisher.raw("dockline.3.small", b"%d" % number)
        await until(lambda: len(one.sinks[0].lines) == 6)
        assert one.sinks[0].lines[1::2] == [b"0", b"1", b"2"]


# ------------------------------------------------------------------------ acknowledgements


async def test_a_slow_sink_keeps_a_message_from_being_delivered_again(server: NatsServer) -> None:
    async with room(make(server.url, ack_wait=10), name="queue") as one, agent(server) as publisher:
        (sink,) = one.sinks
        sink.settles = False
        await publisher.log("slow")
        await until(lambda: sink.held == 1)
        await asyncio.sleep(21)  # more than twice ack_wait
        assert len(sink.lines) == 1 and await publisher.pending() == 1
        delivered = [c["delivered"]["consumer_seq"] for c in await consumers(publisher)]
        assert sum(delivered) == 1, "not even to be recognized"
        sink.settle()
        await until(lambda: _none_left(publisher))


async def consumers(publisher: Agent) -> list[dict[str, Any]]:
    found = []
    for number in range(PARTITIONS):
        answer = await publisher._client.request(
            f"$JS.API.CONSUMER.INFO.DOCKLINE.hub-{number}", b""
        )
        found.append(json.loads(answer.data))
    return [one for one in found if "delivered" in one]


async def test_what_a_stopping_hub_has_not_settled_comes_again_at_once_and_in_order(
    server: NatsServer,
) -> None:
    async with agent(server) as publisher:
        async with room(make(server.url, ack_wait=300), name="queue") as first:
            (sink,) = first.sinks
            sink.settles = False
            for number in range(20):
                await publisher.log(str(number))
            await until(lambda: sink.held == 20)
            sink.settle_one()
            await first.stop()
            assert await publisher.pending() == 19
        async with room(make(server.url, ack_wait=300), name="queue") as second:
            sink = second.sinks[0]
            await until(lambda: len(sink.lines) == 19)  # without waiting for ack_wait
            assert sink.lines == [str(number).encode() for number in range(1, 20)]


@pytest.mark.slow
async def test_what_a_hub_had_that_died_comes_to_another_in_order(server: NatsServer) -> None:
    async with (
        agent(server) as publisher,
        room(make(server.url, ack_wait=3), name="queue") as second,
    ):
        # `second` has all partitions, and then half of them, when `first` has come.
        first = make(server.url, ack_wait=3)
        async with room(first, name="queue") as dying:
            await until(lambda: len(reads(first)) == PARTITIONS // 2, within=60)
            for sink in (*dying.sinks, *second.sinks):
                sink.settles = False
            of = [container(f"c{number}", number=number) for number in range(12)]
            for number in range(10):
                for one in of:
                    await publisher.log(f"{one.name} {number}", of=one)
            both = (*dying.sinks, *second.sinks)
            await until(lambda: sum(len(sink.lines) for sink in both) == 120)
            assert 0 < len(dying.sinks[0].lines) < 120
            dying.running.cancel()
            await asyncio.wait([dying.running])
            await first.close()
            second.sinks[0].settle()
            second.sinks[0].settles = True
            for one in of:
                await publisher.log(f"{one.name} 10", of=one)
            await until(lambda: len(second.sinks[0].lines) == 132, within=60)
            await until(lambda: _none_left(publisher))
        for one in of:
            own = [b for b in second.sinks[0].batches if b.container.id == one.id]
            assert [n for b in own for n in b.sequences] == list(range(1, 12)), one.name


@pytest.mark.slow
async def test_hubs_share_partitions_and_every_container_is_read_by_one_in_order(
    server: NatsServer,
) -> None:
    async with agent(server) as publisher:
        sources = [make(server.url, ack_wait=4) for _ in range(3)]
        of = [container(f"c{number}", number=number) for number in range(20)]
        async with room(sources[0], name="queue") as a, room(sources[1], name="queue") as b:
            shared = asyncio.Event()

            async def publish() -> None:
                while not shared.is_set():
                    for one in of:
                        await publisher.log("x", of=one)
                    await asyncio.sleep(0.05)

            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(publish(), name="agents")
                await until(lambda: sizes(sources[:2]) == [2, 2], within=60)
                async with room(sources[2], name="queue") as c:
                    await until(lambda: len(reads(sources[2])) >= 1, within=60)
                    await until(lambda: c.sinks[0].lines, within=60)
                    await c.stop()
                shared.set()
            await until(lambda: _none_left(publisher))
            rooms = (a, b, c)
            numbers = {one.id: sorted(_numbers(rooms, one.id)) for one in of}
            last = {one.id: publisher._numbers[one.id] for one in of}
            assert numbers == {key: list(range(1, end)) for key, end in last.items()}, "each once"
            for it in rooms:
                for one in of:
                    own = _numbers([it], one.id)
                    assert own == sorted(own)
            assert all(it.sinks[0].lines for it in rooms[:2])


def reads(source: NatsSource) -> set[int]:
    """The partitions that it reads."""
    return {one.partition for one in source.shared().shares if one.here}


def sizes(sources: list[NatsSource]) -> list[int]:
    return sorted(len(reads(source)) for source in sources)


def _numbers(rooms: Any, container_id: str) -> list[int]:
    return [
        number
        for one in rooms
        for batch in one.sinks[0].batches
        if batch.container.id == container_id
        for number in batch.sequences
    ]


async def test_without_order_every_hub_reads_everything(server: NatsServer) -> None:
    sources = [make(server.url, ordered=False) for _ in range(2)]
    async with (
        agent(server) as publisher,
        room(sources[0], name="queue") as a,
        room(sources[1], name="queue") as b,
    ):
        await until(lambda: sizes(sources) == [PARTITIONS, PARTITIONS])
        for number in range(200):
            await publisher.log(str(number))
        await until(lambda: len(a.sinks[0].lines) + len(b.sinks[0].lines) == 200)
        made = [one["config"] for one in await consumers(publisher)]
        assert len(made) == PARTITIONS and not any("priority_policy" in one for one in made)


async def test_what_a_hub_of_before_has_is_waited_for_and_it_gets_nothing_more(
    server: NatsServer,
) -> None:
    """One of an earlier version, which knows nothing of pins, while hubs are updated."""
    of = container("c1", number=1)
    async with agent(server) as publisher:
        for number in range(8):
            await publisher.log(str(number), of=of)
        (number,) = [n for n, one in enumerate(await subjects(publisher)) if one]
        before = Wanted("DOCKLINE", f"hub-{number}", f"dockline.{number}.>", False, 60, 1000)
        jetstream = JetStream(NatsConnection([server.url]), timeout=20)
        await jetstream.open()
        await ensure(jetstream, before)
        had: list[Delivered] = []

        def came(delivered: Delivered) -> bool:
            had.append(delivered)
            return False

        old = Puller(jetstream, "DOCKLINE", before.name, came)
        await old.open()
        await old.pull(4, 1 << 20)
        await until(lambda: len(had) == 4)
        async with room(make(server.url), name="queue") as one:
            (sink,) = one.sinks
            await until(lambda: sizes([one.source]) == [PARTITIONS])  # type: ignore[list-item]
            await old.pull(4, 1 << 20)
            with pytest.raises(Unavailable, match="Priority Group missing"):
                await old.next()
            await asyncio.sleep(1)
            assert sink.lines == [] and len(had) == 4
            for delivered in had:
                await jetstream.nats.publish(delivered.reply, ACK)
            await until(lambda: len(sink.lines) == 4)
            assert sink.lines == [b"4", b"5", b"6", b"7"]
            await until(lambda: _none_left(publisher))
        await jetstream.close()


async def subjects(publisher: Agent) -> list[bool]:
    """For each partition, whether there are messages of it."""
    answer = await publisher._client.request(
        "$JS.API.STREAM.INFO.DOCKLINE", b'{"subjects_filter": "dockline.>"}'
    )
    found = {name.split(".")[1] for name in json.loads(answer.data)["state"]["subjects"]}
    return [str(number) in found for number in range(PARTITIONS)]


async def test_a_stream_of_others_has_one_consumer(server: NatsServer) -> None:
    source = make(server.url, subject="dockline.orders.>", durable="orders")
    async with room(source, name="queue") as one, agent(server) as publisher:
        await publisher.raw("dockline.orders.new", b"an order")
        await publisher.raw("dockline.else", b"not ours")
        await until(lambda: one.sinks[0].lines == [b"an order"])

        async def one_is_left() -> bool:
            return await publisher.pending() == 1

        await until(one_is_left)


# ---------------------------------------------------------------------------------- faults


@asynccontextmanager
async def running(
    url: str, ack_wait: float = 1, **more: Any
) -> AsyncIterator[tuple[SourceRunner, Sink]]:
    """As an agent runs it: opened again after every failure."""
    metrics, sink = Metrics(CollectorRegistry()), Sink("out")
    route = Route("all", frozenset({"logs"}), lambda container: True, [], [sink])
    router = Router([route], metrics, Ledger())
    config = Config(
        type="nats",
        urls=[url],
        partitions=PARTITIONS,
        ack_wait=Duration(ack_wait),
        timeout=Duration(2),
        **more,
    )
    context = SourceContext("queue", "hub")
    runner = await asyncio.to_thread(SourceRunner, config, context, router, metrics)
    async with asyncio.TaskGroup() as tasks:
        runner.intake.tasks = tasks
        flushing = tasks.create_task(router.flusher.run(), name="flusher")
        task = tasks.create_task(runner.run(), name="inlet")
        yield runner, sink
        runner.stop()
        runner.give_up()
        await asyncio.wait([task], timeout=10)
        task.cancel()
        flushing.cancel()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inlet_module, "FIRST_WAIT", 0.05)
    monkeypatch.setattr(inlet_module, "LONGEST_WAIT", 0.2)


async def persist(publish: Callable[[], Any], connect: Callable[[], Any]) -> None:
    """As the sink does: until the stream has it."""
    while True:
        try:
            await publish()
            return
        except Exception:
            await asyncio.sleep(0.1)
            try:
                await connect()
            except Exception:
                await asyncio.sleep(0.1)


@pytest.mark.fault(32)
@pytest.mark.server
async def test_a_server_that_is_killed_and_comes_back_costs_nothing_but_repeats(
    own: NatsServer, quick: None
) -> None:
    of = [container(f"c{number}", number=number) for number in range(8)]
    async with running(own.url) as (runner, sink), agent(own) as publisher:

        async def publish() -> None:
            for number in range(1, 101):
                for one in of:
                    message = batch(str(number), of=one, start=number)
                    await persist(
                        lambda message=message: publisher.publish(message),  # type: ignore[misc]
                        publisher.connect_again,
                    )

        async with asyncio.TaskGroup() as tasks:
            publishing = tasks.create_task(publish(), name="agents")
            for _ in range(3):
                seen = len(sink.lines)
                await until(lambda n=seen: len(sink.lines) > n + 50 or publishing.done())  # type: ignore[misc]
                await asyncio.to_thread(own.kill)
                await until(runner.not_ready)
                await asyncio.to_thread(own.start)
                await until(lambda: runner.is_open)
            await publishing

        def came(one: Container) -> list[int]:
            own = (b.sequences for b in sink.batches if b.container.id == one.id)
            return list(dict.fromkeys(number for numbers in own for number in numbers))

        with suppress(TimeoutError):  # what is missing says more
            await until(lambda: all(len(came(one)) == 100 for one in of), within=60)
        assert {one.name: came(one) for one in of} == {
            one.name: list(range(1, 101)) for one in of
        }, "each comes first in order"
        part = runner.part()
        assert part.unaccounted == 0


@pytest.mark.server
@pytest.mark.parametrize("before", [False, True], ids=["current", "2.10"])
async def test_a_stream_that_a_server_has_begun_anew_is_read_from_its_beginning(
    tmp_path: Path, quick: None, caplog: pytest.LogCaptureFixture, before: bool
) -> None:
    """A server that is killed as its stream is empty may come back so, and, up to 2.12, with
    consumers that still are where they were."""
    with NatsServer(tmp_path / "nats", program=old() if before else "") as own:
        await _afresh(own)
        await _begun_anew(own, ordered=not before)
    assert not before or "has lost its position" in caplog.text


async def _begun_anew(own: NatsServer, ordered: bool) -> None:
    async with running(own.url, ordered=ordered) as (runner, sink), agent(own) as publisher:
        for number in range(20):
            await publisher.log(f"before {number}")
        await until(lambda: len(sink.lines) == 20)
        await asyncio.sleep(0.5)  # for what it writes of its consumers once in a while
        await asyncio.to_thread(own.kill)
        await until(runner.not_ready)
        for path in own.store.glob("jetstream/*/streams/DOCKLINE/msgs/*"):
            path.unlink()
        await asyncio.to_thread(own.start)
        await publisher.connect_again()
        await publisher.log("after")
        await until(lambda: sink.lines[20:] == [b"after"])


@pytest.mark.server
async def test_a_stream_that_is_not_there_yet_is_waited_for(own: NatsServer, quick: None) -> None:
    async with running(own.url) as (runner, sink), agent(own) as publisher:
        await until(lambda: runner.is_open)
        await publisher._stream.delete_stream("DOCKLINE")
        await until(lambda: "DOCKLINE" in (runner.intake.problem or ""))
        await publisher._stream.add_stream(name="DOCKLINE", subjects=["dockline.>"])
        await publisher.log("one")
        await until(lambda: sink.lines == [b"one"])


@pytest.mark.server
async def test_messages_of_a_stream_that_is_made_anew_are_others(
    own: NatsServer, quick: None
) -> None:
    async with running(own.url) as (runner, sink), agent(own) as publisher:
        sink.settles = False
        await publisher.log("of the old one")
        await until(lambda: sink.held == 1)
        await publisher._stream.delete_stream("DOCKLINE")
        await until(lambda: "DOCKLINE" in (runner.intake.problem or ""))
        await publisher._stream.add_stream(name="DOCKLINE", subjects=["dockline.>"])
        await publisher.log("of the new one")  # which has the same place in it
        await until(lambda: sink.held == 2)
        sink.settle()
        assert sink.lines == [b"of the old one", b"of the new one"]


@pytest.mark.server
async def test_consumers_that_somebody_removes_are_made_anew_and_that_is_said(
    own: NatsServer, quick: None, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(own.url, ack_wait=60) as (runner, sink), agent(own) as publisher:
        sink.settles = False
        await publisher.log("one")
        await until(lambda: sink.held == 1)
        assert "created again" not in caplog.text
        for number in range(PARTITIONS):
            with suppress(ServerError):  # it may still write to the folder that it removes
                await publisher._stream.delete_consumer("DOCKLINE", f"hub-{number}")
        await until(
            lambda: "was removed, perhaps with the stream; it is created again" in caplog.text
        )
        await publisher.log("two")
        await until(lambda: len(sink.lines) == 2)
        assert runner.not_ready() is None
        sink.settles = True
        sink.settle()
        await until(lambda: _none_left(publisher))
        assert sink.lines == [b"one", b"two"], "what it has is known again"
    assert caplog.text.count("created again") == 1


@pytest.mark.server
async def test_a_consumer_of_another_kind_is_named(own: NatsServer, quick: None) -> None:
    async with agent(own) as publisher:
        other = ConsumerConfig(durable_name="hub-0", ack_policy=AckPolicy.EXPLICIT)
        await publisher._stream.add_consumer("DOCKLINE", other)
        source = make(own.url)
        with pytest.raises(Unavailable, match=r"consumer hub-0 .* has filter_subject"):
            await source.open()
        await source.close()


async def test_an_older_server_is_refused_and_named_unless_order_is_not_wanted(
    old_server: NatsServer,
) -> None:
    source = make(old_server.url)
    with pytest.raises(Unavailable) as raised:
        await source.open()
    version = old_server.look("varz")["version"]
    assert str(raised.value) == (
        f"keeping the order needs NATS 2.11 or newer, and {old_server.url} is {version}; update "
        "it, or set ordered = false"
    )
    await source.close()
    async with agent(old_server) as publisher:
        assert await consumers(publisher) == [], "nothing was made there"
        async with room(make(old_server.url, ordered=False), name="queue") as one:
            await publisher.log("one")
            await until(lambda: one.sinks[0].lines == [b"one"])
            await until(lambda: _none_left(publisher))


@pytest.mark.parametrize(("made_with", "enough"), [("4", True), ("2", True), ("5", False)])
async def test_a_hub_with_fewer_partitions_than_the_sinks_says_so(
    server: NatsServer, made_with: str, enough: bool
) -> None:
    client = Client()
    await client.connect(server.url)
    config = (await client.jetstream().stream_info("DOCKLINE")).config
    await client.jetstream().update_stream(config, metadata={"dockline.partitions": made_with})
    await client.close()
    source = make(server.url)
    try:
        if enough:
            await source.open()
        else:
            with pytest.raises(Unavailable, match=r"5 partitions, .* set partitions = 5, as in"):
                await source.open()
    finally:
        await source.close()


# --------------------------------------------------------------------------- configuration


@pytest.mark.parametrize("subject", ["dockline.{number}.>", "dockline..x", "$JS.>"])
def test_a_subject_that_is_none_is_refused(subject: str) -> None:
    with pytest.raises(ConfigError, match="a subject is like") as raised:
        make("nats://127.0.0.1", subject=subject)
    assert raised.value.path == "subject"


def test_without_its_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nats", None)
    with pytest.raises(ConfigError, match=r"dockline\[nats\]"):
        make("nats://127.0.0.1")
