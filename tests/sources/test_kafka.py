"""The `kafka` source, with librdkafka's mock cluster."""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import confluent_kafka
import pytest
from aiokafka.protocol.group import SyncGroupRequest
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic
from prometheus_client import CollectorRegistry

from pipeline.accounting.ledger import Ledger
from pipeline.buffer.columns import ColumnCodec
from pipeline.encode.json import JsonEncoder
from pipeline.encode.kafka import KafkaEncoder
from pipeline.encode.kafka_columns import KafkaColumnsEncoder
from pipeline.intake import runner as inlet_module
from pipeline.intake.runner import SourceRunner
from pipeline.model.batch import Batch
from pipeline.model.component import Duration, SourceContext
from pipeline.model.container import Container
from pipeline.model.errors import ConfigError, Unavailable
from pipeline.model.metrics import Metrics
from pipeline.sources.kafka import Config, KafkaSource
from pipeline.testing.builders import batch, container, entries
from pipeline.testing.intake_room import Sink, room, until
from pipeline.testing.source_kit import Connect, SourceKit
from pipeline.topology import Route, Router
from pipeline.transport.kafka.cluster import Cluster
from pipeline.transport.kafka.records import Records
from tests.servers.kafka import (
    COMMIT,
    FETCH,
    FIND_COORDINATOR,
    HEARTBEAT,
    JOIN,
    LIST_OFFSETS,
    METADATA,
    KafkaCluster,
)
from tests.servers.kfake import Kfake

pytestmark = pytest.mark.server

PARTITIONS = 4


@pytest.fixture(scope="module")
def shared_cluster() -> Iterator[KafkaCluster]:
    with KafkaCluster() as made:
        made.rebalance_at_once()
        yield made


@pytest.fixture
def cluster(shared_cluster: KafkaCluster) -> KafkaCluster:
    return shared_cluster


_names = itertools.count()


def fresh(cluster: KafkaCluster, partitions: int = PARTITIONS) -> str:
    """A topic that is made just now, and empty."""
    name = f"topic-{next(_names)}"
    cluster.create(name, partitions)
    return name


def make(
    cluster: KafkaCluster | Kfake, topic: str, host: str = "hub-1", **more: Any
) -> KafkaSource:
    session = Duration(more.pop("session", 6))
    more = {"topics": [topic], "group": f"group-of-{topic}", **more}
    config = Config(
        type="kafka",
        bootstrap_servers=cluster.servers,
        session_timeout=session,
        timeout=Duration(20),
        **more,
    )
    return KafkaSource(config, SourceContext("queue", host))


class Agent:
    """Publishes as the sink does."""

    def __init__(self, cluster: KafkaCluster | Kfake, topic: str, group: str = "") -> None:
        self.topic = topic
        options = {"bootstrap.servers": ",".join(cluster.servers), "log_level": 0}
        self._producer = confluent_kafka.Producer({**options, "linger.ms": 0})
        self._asking = confluent_kafka.Consumer(
            {**options, "group.id": group or f"group-of-{topic}"}
        )
        self._columns = KafkaColumnsEncoder(self._of, ColumnCodec().encode, largest=1_000_000)
        self._json = KafkaEncoder(self._of)
        self._numbers: dict[str, int] = {}
        self.container = container()

    def _of(self, some: Batch) -> list[str]:
        return [self.topic] * len(some)

    async def publish(self, *batches: Batch, form: str = "columns") -> None:
        encoder = self._columns if form == "columns" else self._json
        self.produce(encoder.encode(batches))
        await self.flush()

    def produce(self, records: Records) -> None:
        for entries_of in records.topics:
            for place in entries_of.places:
                self._producer.produce(
                    entries_of.topic,
                    records.values[place],
                    key=entries_of.key,
                    headers=list(records.headers[place]),
                    timestamp=records.times[place] or 0,
                )

    async def flush(self) -> None:
        await asyncio.to_thread(self._producer.flush)

    async def raw(
        self, value: bytes | None, headers: Any = (), key: bytes | None = None, **more: Any
    ) -> None:
        self._producer.produce(self.topic, value, key=key, headers=list(headers), **more)
        await self.flush()

    async def log(self, *lines: bytes | str, of: Container | None = None) -> None:
        of = of or self.container
        start = self._numbers.get(of.id, 1)
        self._numbers[of.id] = start + len(lines)
        await self.publish(batch(*lines, of=of, start=start))

    async def committed(self, partitions: int = PARTITIONS) -> int:
        """Records of the topic that the group has read."""
        places = [confluent_kafka.TopicPartition(self.topic, one) for one in range(partitions)]
        found = await asyncio.to_thread(self._asking.committed, places, 20)
        return sum(max(0, one.offset) for one in found)

    async def close(self) -> None:
        await self.flush()
        self._asking.close()


class _Peer(Agent):
    """One that sends to a source, for the kit. What is committed is answered; rubbish is, too."""

    def __init__(self, cluster: KafkaCluster, topic: str) -> None:
        super().__init__(cluster, topic)
        self._before: int | None = None
        self._rubbish = 0

    async def begin(self) -> _Peer:
        self._before = await self.committed()
        return self

    async def send(self, *lines: bytes) -> None:
        await self.log(*lines)

    async def send_rubbish(self, data: bytes) -> None:
        self._rubbish += 1
        await self.raw(data, [("Dockline-Format", b"columns/1"), ("Dockline-Size", b"7")])

    async def answered(self) -> int:
        assert self._before is not None
        return await self.committed() - self._before - self._rubbish


class TestKafka(SourceKit):
    complaint = "refused the connection"
    rubbish = (b"", b"\xc1", b"x" * 1000)

    @pytest.fixture(autouse=True)
    def quickly(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("pipeline.transport.kafka.consumer.COMMIT", 0.02)
        monkeypatch.setattr("pipeline.transport.kafka.consumer.BEAT", 0.1)

    @pytest.fixture
    def topic(self, cluster: KafkaCluster) -> str:
        return fresh(cluster)

    @pytest.fixture
    def source(self, cluster: KafkaCluster, topic: str) -> KafkaSource:
        return make(cluster, topic)

    @pytest.fixture
    def connect(self, cluster: KafkaCluster, topic: str) -> Connect:

        async def made() -> _Peer:
            peer = await _Peer(cluster, topic).begin()
            peer._numbers = numbers
            return peer

        numbers: dict[str, int] = {}
        return made

    @pytest.fixture
    def unusable(self) -> KafkaSource:
        config = Config(type="kafka", bootstrap_servers=["127.0.0.1:1"])
        return KafkaSource(config, SourceContext("queue", "hub-1"))


# -- what comes ----------------------------------------------------------------------------------


async def test_entries_come_with_all_that_they_had(cluster: KafkaCluster) -> None:
    topic = fresh(cluster)
    of = container("shop-1", labels={"a.b": "c"}, host="web-7", number=77)
    sent = batch(
        b"\xff one", "two", of=of, start=41, streams="out err", fields=[{"n": 1 << 70}, {}],
        parts=[0, 2], flags={41: "truncated"},
    )  # fmt: skip
    event = batch("died", of=of, start=3, streams="none", source="events")
    async with room(make(cluster, topic)) as one:
        agent = Agent(cluster, topic)
        await agent.publish(sent, event)
        (sink,) = one.sinks
        await until(lambda: len(sink.lines) == 2)
        (came,) = sink.batches
        assert entries(came) == entries(sent) and came.flags == sent.flags
        assert vars_of(came.container) == vars_of(of)
        await until(lambda: one.intake.unsettled == 0)
        assert one.intake.entries == 3, "the event is taken, and no route wants it"
        await agent.close()


def vars_of(one: Container) -> tuple[Any, ...]:
    return one.id, one.name, one.image, dict(one.labels), one.host, one.tty


async def test_json_of_the_sink_is_read_back(cluster: KafkaCluster) -> None:
    topic = fresh(cluster)
    of = container("shop-1", labels={"team": "a"}, host="web-7")
    sent = batch(
        "one", "two", "three", of=of, start=5, streams="out err out",
        fields=[{"status": 200, "host": "taken"}, {"a": {"b": None}}, {"c": 1}],
        flags={6: "truncated"},
    )  # fmt: skip
    async with room(make(cluster, topic)) as one:
        agent = Agent(cluster, topic)
        await agent.publish(sent, form="json")
        (sink,) = one.sinks
        await until(lambda: len(sink.lines) == 3)
        encode = JsonEncoder().encode
        assert b"".join(encode([came]) for came in sink.batches) == encode([sent])
        await agent.close()


async def test_whatever_else_is_in_a_topic_is_an_entry_too(cluster: KafkaCluster) -> None:
    topic = fresh(cluster, 1)
    json_headers = [("content-type", b"application/json"), ("source", b"app"), ("host", b"x")]
    async with room(make(cluster, topic)) as one:
        agent = Agent(cluster, topic)
        await agent.raw(b'{"level":"info"}\n', key=b"k-1", timestamp=1_700_000_000_123)
        await agent.raw(None, key=b"gone")
        await agent.raw(b"\xff\x00", key=b"\xff")
        await agent.raw(b"{}", headers=json_headers)
        (sink,) = one.sinks
        await until(lambda: len(sink.lines) == 3)
        assert sink.lines == [b'{"level":"info"}', b"\xff\x00", b"{}"]
        (of,) = {one.container for one in sink.batches}
        assert (of.name, len(of.id), of.module) == (topic, 64, "kafka")
        assert [number for one in sink.batches for number in one.sequences] == [0, 2, 3]
        assert sink.batches[0].times[0] == b"2023-11-14T22:13:20.123000000Z"
        assert sink.batches[0].fields is not None
        assert sink.batches[0].fields[0] == {"kafka": {"key": "k-1"}}
        await until(lambda: one.intake.unsettled == 0)
        await agent.close()


async def test_every_compression_is_read(cluster: KafkaCluster) -> None:
    topic = fresh(cluster)
    async with room(make(cluster, topic)) as one:
        (sink,) = one.sinks
        for number, codec in enumerate(("gzip", "snappy", "lz4", "zstd"), 1):
            options = {"bootstrap.servers": ",".join(cluster.servers), "log_level": 0}
            producer = confluent_kafka.Producer({**options, "compression.type": codec})
            for line in range(200):
                producer.produce(topic, b"%s line %d" % (codec.encode(), line))
            await asyncio.to_thread(producer.flush)
            await until(lambda n=number: len(sink.lines) == 200 * n)  # type: ignore[misc]
        assert one.intake.refused == {}


async def test_topics_by_a_pattern_are_read_and_no_others(cluster: KafkaCluster) -> None:
    a, b = fresh(cluster), fresh(cluster)
    pattern = f"{a}|{b}x?"
    async with room(make(cluster, a, topics=None, topic_pattern=pattern)) as one:
        for topic in (a, b):
            agent = Agent(cluster, topic)
            await agent.raw(topic.encode())
            await agent.close()
        await until(lambda: len(one.sinks[0].lines) == 2)
        assert sorted(one.sinks[0].lines) == sorted([a.encode(), b.encode()])
        shared = one.source.shared()
        assert shared is not None and {share.topic for share in shared.shares} == {a, b}


# -- what cannot be read -------------------------------------------------------------------------


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
        (b"x", {"Dockline-Format": "columns/1", "Dockline-Size": "\xff"}),
        (b"[]", {"Dockline-Format": "json/1"}),
        (b"[" * 100_000, {"Dockline-Format": "json/1"}),
    ],
)
async def test_a_record_that_makes_no_sense_is_skipped_and_counted(
    cluster: KafkaCluster, body: bytes, headers: dict[str, str]
) -> None:
    topic = fresh(cluster)
    async with room(make(cluster, topic)) as one:
        agent = Agent(cluster, topic)
        await agent.raw(body, [(name, value.encode()) for name, value in headers.items()])
        await agent.log("good")
        await until(lambda: one.sinks[0].lines == [b"good"])
        await until(lambda: one.intake.refused == {"malformed": 1})
        await committed(agent, 2)
        await agent.close()


async def committed(agent: Agent, count: int) -> None:
    async def all_of_it() -> bool:
        return await agent.committed() == count

    await until(all_of_it)


# -- where to begin ------------------------------------------------------------------------------


async def test_a_new_group_begins_at_the_end_where_that_is_wanted(cluster: KafkaCluster) -> None:
    topic = fresh(cluster)
    agent = Agent(cluster, topic)
    await agent.log("before")
    async with room(make(cluster, topic, start="end")) as one:
        await until(lambda: len(readings(one.source)) == 4 and all(begun(one.source)))
        await agent.log("after")
        await until(lambda: one.sinks[0].lines == [b"after"])
        await committed(agent, 2)
    await agent.log("while nobody reads")
    async with room(make(cluster, topic, start="end")) as one:
        await until(lambda: one.sinks[0].lines[-1:] == [b"while nobody reads"])
    await agent.close()


def readings(source: Any) -> dict[Any, Any]:
    found: dict[Any, Any] = source._consumer.readings
    return found


def begun(source: Any) -> list[bool]:
    return [one.progress is not None for one in readings(source).values()]


async def test_records_that_were_removed_before_they_were_read_are_counted(
    cluster: KafkaCluster, caplog: pytest.LogCaptureFixture
) -> None:
    topic = fresh(cluster, 1)
    agent = Agent(cluster, topic)
    await agent.raw(b"0")
    async with room(make(cluster, topic)) as one:
        await until(lambda: one.sinks[0].lines == [b"0"])
        await one.stop()
    for number in range(1, 10):
        await agent.raw(b"%d" % number)
    cluster.shorten(topic, 0, 6)
    async with room(make(cluster, topic)) as one:
        await until(lambda: one.sinks[0].lines == [b"6", b"7", b"8", b"9"])
        assert one.intake.refused == {"removed": 5}
    assert "the records from 1 to 5 were removed before this hub read them" in caplog.text
    await agent.close()


async def test_a_topic_that_is_not_there_yet_is_waited_for(cluster: KafkaCluster) -> None:
    there, later = fresh(cluster), f"later-{next(_names)}"
    source = make(cluster, there, topics=[later])
    with pytest.raises(Unavailable, match=f'there is no topic "{later}" yet; the first agent'):
        await source.open()
    await source.close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.transport.kafka.consumer.REFRESH", 0.2)
        async with room(make(cluster, there, topics=[there, later])) as one:
            await until(lambda: one.intake.problem == f'there is no topic "{later}" yet')
            cluster.create(later, 2)
            agent = Agent(cluster, later)
            await agent.raw(b"here")
            await until(lambda: one.sinks[0].lines == [b"here"])
            assert one.intake.problem is None
            await agent.close()


# -- hubs ----------------------------------------------------------------------------------------


@pytest.fixture
def beating(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.transport.kafka.consumer.BEAT", 0.1)
    ask = Cluster.ask

    async def leader_last(self: Cluster, node: int | None, request: Any) -> Any:
        """The mock cluster takes no other member's request once it has the leader's."""
        if isinstance(request, SyncGroupRequest) and request._group_assignment:
            await asyncio.sleep(0.2)
        return await ask(self, node, request)

    monkeypatch.setattr(Cluster, "ask", leader_last)


async def test_a_hub_lets_go_of_a_partition_when_its_sinks_have_all_of_it(
    cluster: KafkaCluster, beating: None
) -> None:
    topic = fresh(cluster)
    agent = Agent(cluster, topic)
    containers = [container(f"c{number}", number=number) for number in range(20)]
    async with room(make(cluster, topic, "a", session=2)) as a:
        await until(lambda: len(readings(a.source)) == 4)
        a.sinks[0].settles = False
        for one in containers:
            await agent.log("first", of=one)
        await until(lambda: a.sinks[0].held == 20)
        async with room(make(cluster, topic, "b", session=2), name="other") as b:
            await until(lambda: sum(one.leaving is not None for one in readings(a.source).values()))
            for one in containers:
                await agent.log("second", of=one)
            stay = [one for one in readings(a.source).values() if one.leaving is None]
            assert len(stay) == 2, "the others are read on"
            await asyncio.sleep(0.5)
            assert readings(b.source) == {} and b.sinks[0].lines == []
            a.sinks[0].settle()
            a.sinks[0].settles = True
            await until(lambda: len(readings(b.source)) == 2)
            await until(lambda: len(a.sinks[0].lines) + len(b.sinks[0].lines) == 40)
            assert sorted(a.sinks[0].lines + b.sinks[0].lines) == [b"first"] * 20 + [b"second"] * 20
            shared = b.source.shared()
            assert shared is not None and sorted(shared.hubs) == ["a", "b"]
            assert {share.reader for share in shared.shares} == {"a", "b"}
    await agent.close()


async def test_a_sink_that_is_stuck_keeps_a_partition_no_longer_than_is_allowed(
    cluster: KafkaCluster, beating: None, caplog: pytest.LogCaptureFixture
) -> None:
    topic = fresh(cluster, 2)
    agent = Agent(cluster, topic)
    async with room(make(cluster, topic, "a", session=2, hand_over=Duration(0.5))) as a:
        a.sinks[0].settles = False
        for number in range(20):
            await agent.log("x", of=container(f"c{number}", number=number))
        await until(lambda: a.sinks[0].held == 20)
        async with room(make(cluster, topic, "b", session=2), name="other") as b:
            await until(lambda: len(b.sinks[0].lines) > 0)
            assert len(readings(a.source)) == len(readings(b.source)) == 1
            assert "was not settled within 0.5 s; the hub that is given it repeats" in caplog.text
            a.sinks[0].settle()
    await agent.close()


async def test_slow_sinks_do_not_cost_a_hub_its_place(cluster: KafkaCluster) -> None:
    topic = fresh(cluster)
    agent = Agent(cluster, topic)
    async with room(make(cluster, topic, session=2), limit=1 << 16) as one:
        one.sinks[0].shut()
        for number in range(300):
            await agent.log(b"%d " % number + b"x" * 1000)
        await until(lambda: one.intake.taken)
        members = one.source._consumer._group  # type: ignore[attr-defined]
        generation = members._generation
        await asyncio.sleep(3)  # longer than the session
        assert members._generation == generation and len(readings(one.source)) == 4
        one.sinks[0].settle()
        await until(lambda: len(one.sinks[0].lines) == 300)
        await until(lambda: one.intake.unsettled == 0)
        assert [int(line.split()[0]) for line in one.sinks[0].lines] == list(range(300))
    await agent.close()


# -- brokers -------------------------------------------------------------------------------------


@asynccontextmanager
async def running(cluster: KafkaCluster, topic: str) -> AsyncIterator[tuple[SourceRunner, Sink]]:
    """As an agent runs it: opened again after every failure."""
    metrics, sink = Metrics(CollectorRegistry()), Sink("out")
    route = Route("all", frozenset({"logs"}), lambda container: True, [], [sink])
    router = Router([route], metrics, Ledger())
    config = Config(
        type="kafka",
        bootstrap_servers=cluster.servers,
        topics=[topic],
        group=f"group-of-{topic}",
        session_timeout=Duration(6),
        timeout=Duration(2),
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
    monkeypatch.setattr("pipeline.transport.kafka.consumer.BACKOFF", 0.1)
    monkeypatch.setattr("pipeline.transport.kafka.consumer.BEAT", 0.1)
    monkeypatch.setattr("pipeline.transport.kafka.consumer.COMMIT", 0.1)
    monkeypatch.setattr("pipeline.transport.kafka.group.PATIENCE", 0.5)


@pytest.fixture
def own() -> Iterator[KafkaCluster]:
    """A cluster that the test may break."""
    with KafkaCluster() as made:
        made.rebalance_at_once()
        yield made


async def test_brokers_that_are_away_for_a_while_cost_nothing(
    own: KafkaCluster, quick: None
) -> None:
    topic = fresh(own)
    agent = Agent(own, topic)
    async with running(own, topic) as (runner, sink):
        sink.settles = False
        for number in range(10):
            await agent.log(str(number))
        await until(lambda: sink.held == 10)
        own.down()
        await until(lambda: runner.intake.problem)
        assert runner.not_ready() is not None and "127.0.0.1" in runner.not_ready()
        sink.settle()
        own.up()
        await until(lambda: runner.intake.problem is None)
        await agent.log("after")
        await until(lambda: b"after" in sink.lines)
        assert sink.lines == [b"%d" % number for number in range(10)] + [b"after"], "each once"
        sink.settle()
        await committed(agent, 11)
    await agent.close()


async def test_one_broker_that_is_away_keeps_no_other_from_being_read(
    own: KafkaCluster, quick: None
) -> None:
    topic = fresh(own)
    own.coordinate(f"group-of-{topic}", 3)
    for partition in range(PARTITIONS):
        own.lead(topic, partition, 1 + partition % 2)
    agent = Agent(own, topic)
    async with running(own, topic) as (runner, sink):
        await until(lambda: len(readings(runner.source)) == 4)
        own.down(1)
        await until(lambda: runner.intake.problem)
        agent._producer.produce(topic, b"reached", partition=1)
        await agent.flush()
        await until(lambda: sink.lines == [b"reached"])
        for partition in range(PARTITIONS):
            own.lead(topic, partition, 2)
        agent._producer.produce(topic, b"moved", partition=0)
        await agent.flush()
        await until(lambda: sink.lines == [b"reached", b"moved"])
        await until(lambda: runner.intake.problem is None)
        own.up(1)
    await agent.close()


async def test_a_coordinator_may_move(cluster: KafkaCluster, beating: None) -> None:
    topic = fresh(cluster)
    agent = Agent(cluster, topic)
    async with room(make(cluster, topic)) as one:
        for broker in (1, 2, 3, 1):
            cluster.coordinate(f"group-of-{topic}", broker)
            await agent.log(str(broker))
            await until(lambda b=broker: one.sinks[0].lines[-1:] == [b"%d" % b])  # type: ignore[misc]
        assert one.sinks[0].lines == [b"1", b"2", b"3", b"1"]
        await committed(agent, 4)
    await agent.close()


@pytest.mark.parametrize(
    "request_, code, complaint",
    [
        (FIND_COORDINATOR, 30, "may not read as the group"),
        (JOIN, 30, "an ACL needs Read on the group"),
        (JOIN, 23, "has consumers of another kind"),
        (JOIN, 26, "does not take a session_timeout of 6 s"),
        (HEARTBEAT, 30, "may not read as the group"),
        (COMMIT, 29, "may not read as the group"),
        (FETCH, 29, "may not be read by this user; an ACL needs Read on the topic"),
        (FETCH, 56, "cannot be read: "),
        (LIST_OFFSETS, 29, "may not be read by this user"),
        (METADATA, 29, ""),
    ],
)
async def test_what_a_broker_refuses_is_said_and_tried_again(
    own: KafkaCluster, quick: None, request_: int, code: int, complaint: str,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    topic = fresh(own, 1)
    agent = Agent(own, topic)
    await agent.raw(b"there")
    own.fail(request_, *[code] * 2)
    async with running(own, topic) as (runner, sink):
        await until(lambda: sink.lines == [b"there"])
        await until(lambda: complaint in caplog.text)
        await until(lambda: runner.intake.problem is None)
        assert "Traceback" not in caplog.text
        await agent.raw(b"more")
        await until(lambda: sink.lines[-1] == b"more")
    await agent.close()


async def test_a_group_that_has_forgotten_a_hub_gives_it_nothing_twice(
    own: KafkaCluster, quick: None, caplog: pytest.LogCaptureFixture
) -> None:
    topic = fresh(own)
    agent = Agent(own, topic)
    async with running(own, topic) as (runner, sink):
        sink.settles = False
        await agent.log("one")
        await until(lambda: sink.held == 1)
        own.fail(HEARTBEAT, 25)
        await until(lambda: "the group took this hub for dead" in caplog.text)
        await until(lambda: len(readings(runner.source)) == 4)
        await agent.log("two")
        await until(lambda: sink.held == 2)
        assert sink.lines == [b"one", b"two"]
        sink.settle()
        await committed(agent, 2)
    await agent.close()


# -- configuration -------------------------------------------------------------------------------


def test_topics_and_a_pattern_are_too_much() -> None:
    with pytest.raises(ConfigError) as raised:
        config = Config(type="kafka", bootstrap_servers=["a"], topics=["b"], topic_pattern="c")
        KafkaSource(config, SourceContext("queue"))
    assert raised.value.path == "topic_pattern"


def test_a_pattern_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="no regular expression"):
        config = Config(type="kafka", bootstrap_servers=["a"], topic_pattern="(")
        KafkaSource(config, SourceContext("queue"))


def test_without_its_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("cluster", "consumer", "group"):
        monkeypatch.delitem(sys.modules, f"pipeline.transport.kafka.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "aiokafka", None)
    with pytest.raises(ConfigError, match=r"dockline\[kafka\]"):
        KafkaSource(Config(type="kafka", bootstrap_servers=["a"]), SourceContext("queue"))


# -- with a broker that changes its topics -----------------------------------------------------


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Kfake]:
    with Kfake(tmp_path / "kafka") as made:
        yield made


async def test_partitions_that_are_added_are_read(
    broker: Kfake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.transport.kafka.consumer.REFRESH", 0.3)
    admin = AdminClient({"bootstrap.servers": ",".join(broker.servers), "log_level": 0})
    admin.create_topics([NewTopic("t", 1, 1)])["t"].result()
    async with room(make(broker, "t")) as one:
        await until(lambda: len(readings(one.source)) == 1)
        admin.create_partitions([NewPartitions("t", 3)])["t"].result()
        agent = Agent(broker, "t")
        agent._producer.produce("t", b"new", partition=2)
        await agent.flush()
        await until(lambda: one.sinks[0].lines == [b"new"])
        await agent.close()


async def test_a_topic_that_is_deleted_and_made_anew_is_read_from_its_beginning(
    broker: Kfake, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("pipeline.transport.kafka.consumer.REFRESH", 0.3)
    monkeypatch.setattr("pipeline.transport.kafka.consumer.BACKOFF", 0.1)
    admin = AdminClient({"bootstrap.servers": ",".join(broker.servers), "log_level": 0})
    admin.create_topics([NewTopic("t", 1, 1), NewTopic("u", 1, 1)])["t"].result()
    async with room(make(broker, "t", topics=["t", "u"])) as one:
        agent = Agent(broker, "t")
        for number in range(5):
            await agent.raw(b"old %d" % number)
        await until(lambda: len(one.sinks[0].lines) == 5)
        admin.delete_topics(["t"])["t"].result()
        await until(lambda: one.intake.problem == 'there is no topic "t" yet')
        admin.create_topics([NewTopic("t", 1, 1)])["t"].result()
        await asyncio.sleep(1)
        other = Agent(broker, "t")
        await other.raw(b"new")
        await until(lambda: one.sinks[0].lines[-1] == b"new")
        await other.raw(b"newer")
        await until(lambda: one.sinks[0].lines[-1] == b"newer")
        assert len(one.sinks[0].lines) == 7 and one.intake.problem is None
        await agent.close()
        await other.close()
