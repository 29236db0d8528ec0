"""The Kafka sink and librdkafka's mock cluster; and a double, for TLS, SASL and bad answers.

No broker of Apache's runs here: Debian has none.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

import confluent_kafka
import pytest

import pipeline.transport.kafka.producer  # noqa: F401 - a sink imports it when it is made
from pipeline.intake.received import Received
from pipeline.model.batch import Batch
from pipeline.model.component import Duration, Secret, SinkContext, Size, TLSConfig
from pipeline.model.errors import ConfigError, Unavailable
from pipeline.sinks.kafka import Config, Kafka, SaslConfig
from pipeline.testing.builders import batch, container
from pipeline.testing.leaks import no_garbage
from pipeline.testing.sink_kit import SinkKit
from pipeline.transport.kafka import cluster as transport
from tests.servers import kafka
from tests.servers.certificates import Authority
from tests.servers.kafka import KafkaCluster
from tests.servers.kafka_double import Broker
from tests.servers.ports import free_port
from tests.servers.receivers import serve, server_context
from tests.suite.waiting import until

pytestmark = pytest.mark.server


def sink(*servers: str, **options: Any) -> Kafka:
    options = {"timeout": Duration(60), **options}
    return Kafka(
        Config(type="kafka", bootstrap_servers=list(servers), **options),
        SinkContext("kafka", host="here"),
    )


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody on this machine is taken for away because all of it is busy."""
    monkeypatch.setattr(transport, "GREETING", 60.0)


@pytest.fixture
def cluster() -> Iterator[KafkaCluster]:
    with KafkaCluster() as running:
        yield running


async def deliver(to: Kafka, *batches: Batch, patience: int = 50) -> list[tuple[Batch, int, str]]:
    """As a delivery does, without its pauses; what was refused."""
    payload = to.encode(batches)
    try:
        for attempt in range(patience):
            try:
                await to.open()
                await to.send(payload)
                return payload.refused
            except Unavailable:
                if attempt + 1 == patience:
                    raise
                await asyncio.sleep(0.05)
    finally:
        await to.close()
    raise AssertionError


def hurry(to: Kafka, seconds: float) -> None:
    """From now on, so that what it has to wait for before may take its time."""
    to._cluster._timeout = seconds
    to._cluster._options["request_timeout_ms"] = int(seconds * 1000)


async def opened(to: Kafka) -> None:
    """However often it takes, where there is little time for it."""
    while True:
        with suppress(Unavailable):
            await to.open()
            return


async def trouble(to: Kafka, *batches: Batch) -> str:
    with pytest.raises(Unavailable) as raised:
        await deliver(to, *(batches or [batch("one")]), patience=1)
    return str(raised.value)


def message(value: bytes) -> str:
    return str(json.loads(value)["message"])


# -- what arrives --------------------------------------------------------------------------------


async def test_a_record_has_key_time_and_headers(cluster: KafkaCluster) -> None:
    await deliver(sink(*cluster.servers), batch("one", "\u2603\n", start=7))
    first, second = await asyncio.to_thread(cluster.records)
    assert (message(first.value), message(second.value)) == ("one", "\u2603\n")
    assert first.key == container().id.encode()
    assert first.time == 1769903999000
    assert first.headers == {
        "content-type": b"application/json",
        "source": b"logs",
        "host": b"web-1",
    }


async def test_a_containers_entries_are_in_one_partition_and_in_order(
    cluster: KafkaCluster,
) -> None:
    containers = [container(f"c-{number}", number=number) for number in range(20)]
    to = sink(*cluster.servers, max_batch=Size(20_000))
    batches = [batch(*map(str, range(n, n + 10)), of=c) for n in (0, 10, 20) for c in containers]
    await deliver(to, *batches)
    found = defaultdict(list)
    where = defaultdict(set)
    for record in await asyncio.to_thread(cluster.records):
        found[record.key].append(int(message(record.value)))
        where[record.key].add(record.partition)
    assert {key: len(those) for key, those in where.items()} == {
        c.id.encode(): 1 for c in containers
    }
    assert all(numbers == list(range(30)) for numbers in found.values())
    assert len(set.union(*where.values())) == 4, "all partitions are used"


async def test_a_key_goes_where_other_clients_send_it(cluster: KafkaCluster) -> None:
    """`murmur2_random` is how librdkafka names the hash of the Java client."""
    cluster.create("dockline", 12)
    servers = ",".join(cluster.servers)
    other = confluent_kafka.Producer(
        {"bootstrap.servers": servers, "partitioner": "murmur2_random", "log_level": 0}
    )
    containers = [container(number=number) for number in range(1, 30)]
    for one in containers:
        other.produce("dockline", b"theirs", one.id.encode())
    await asyncio.to_thread(other.flush)
    await deliver(sink(*cluster.servers), *[batch("ours", of=one) for one in containers])
    where = defaultdict(set)
    for record in await asyncio.to_thread(cluster.records):
        where[record.key].add(record.partition)
    assert {len(partitions) for partitions in where.values()} == {1}


async def test_topics_are_named_by_a_template_with_clean_values(cluster: KafkaCluster) -> None:
    to = sink(*cluster.servers, topic="logs.{container.image}.{level}")
    some = batch("one", "two", "three", fields=[{"level": "a b"}, {}, {"level": "a b"}])
    await deliver(to, some)
    first = await asyncio.to_thread(cluster.records, "logs.shop_api_1.4.a_b")
    second = await asyncio.to_thread(cluster.records, "logs.shop_api_1.4._")
    assert [message(record.value) for record in first] == ["one", "three"]
    assert [message(record.value) for record in second] == ["two"]


@pytest.mark.parametrize("compression", ["gzip", "snappy", "lz4", "zstd"])
async def test_batches_are_compressed(cluster: KafkaCluster, compression: str) -> None:
    lines = [f"{number} {'x' * 500}" for number in range(300)]
    to = sink(*cluster.servers, compression=compression, max_batch=Size(50_000))
    await deliver(to, batch(*lines))
    records = await asyncio.to_thread(cluster.records)
    assert [message(record.value) for record in records] == lines


# -- trouble with a cluster ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "code", [kafka.NOT_LEADER, kafka.TIMED_OUT, kafka.NO_AUTHORIZATION, kafka.OUT_OF_ORDER, 999]
)
async def test_what_a_broker_cannot_do_now_waits_and_nothing_is_lost(
    cluster: KafkaCluster, code: int
) -> None:
    to = sink(*cluster.servers)
    await deliver(to, batch("zero"))
    cluster.fail(kafka.PRODUCE, code, code)
    await to.open()
    payload = to.encode([batch("one", "two")])
    with pytest.raises(Unavailable, match='says of the topic "dockline"'):
        await to.send(payload)
    assert payload.refused == []
    await to.open()
    with pytest.raises(Unavailable):
        await to.send(payload)
    await to.open()
    await to.send(payload)
    await to.close()
    records = await asyncio.to_thread(cluster.records)
    assert [message(record.value) for record in records] == ["zero", "one", "two"]


@pytest.mark.parametrize("code", [kafka.TOO_LARGE, kafka.INVALID_TIMESTAMP])
async def test_the_record_to_blame_is_found_by_halving_and_refused(
    cluster: KafkaCluster, code: int
) -> None:
    """Of eight the batch fails, then its first half, a quarter, and the first record."""
    cluster.create("dockline", 1)
    cluster.fail(kafka.PRODUCE, code, code, code, code)
    some = batch(*map(str, range(8)))
    refused = await deliver(sink(*cluster.servers), some)
    assert [(one, index) for one, index, _ in refused] == [(some, 0)]
    assert f"({code})" in refused[0][2] or f"error {code}" in refused[0][2]
    records = await asyncio.to_thread(cluster.records)
    assert [message(record.value) for record in records] == list("1234567")


async def test_columns_that_a_broker_finds_too_large_are_split_until_one_entry_is_refused(
    cluster: KafkaCluster,
) -> None:
    cluster.create("dockline", 1)
    cluster.fail(kafka.PRODUCE, *[kafka.TOO_LARGE] * 2)
    some = batch(*map(str, range(8)))
    assert await deliver(sink(*cluster.servers, format="columns"), some) == []
    records = await asyncio.to_thread(cluster.records)
    assert len(records) > 1
    lines = []
    for record in records:
        headers = {name: value.decode() for name, value in record.headers.items()}
        found = Received().message(headers, record.value)
        assert found is not None
        lines += [line for one in found[0] for line in one.lines]
    assert sorted(lines) == [b"%d" % number for number in range(8)]
    cluster.fail(kafka.PRODUCE, *[kafka.TOO_LARGE] * 3)
    one = batch("one")
    refused = await deliver(sink(*cluster.servers, format="columns"), one)
    assert [(it, index) for it, index, _ in refused] == [(one, 0)]
    assert "(10)" in refused[0][2]


async def test_a_record_that_the_broker_calls_invalid_is_refused_once_others_are_stored(
    cluster: KafkaCluster,
) -> None:
    """Of three the batch fails, then the first record; then the others do not, and it does."""
    cluster.create("dockline", 1)
    cluster.fail(kafka.PRODUCE, 87, 87, 0, 87)
    some = batch("bad", "1", "2")
    refused = await deliver(sink(*cluster.servers), some)
    assert [(one, index) for one, index, _ in refused] == [(some, 0)]
    records = await asyncio.to_thread(cluster.records)
    assert [message(record.value) for record in records] == ["1", "2"]


async def test_while_a_broker_calls_all_records_invalid_none_is_refused(
    cluster: KafkaCluster,
) -> None:
    """As where the topic has a schema that entries do not have."""
    cluster.create("dockline", 1)
    cluster.fail(kafka.PRODUCE, *[87] * 6)
    to = sink(*cluster.servers)
    payload = to.encode([batch("0", "1")])
    for _ in range(2):
        await to.open()
        with pytest.raises(Unavailable, match="all records of the topic") as raised:
            await to.send(payload)
        assert raised.value.doubts == 1
    assert payload.refused == []
    await to.open()
    await to.send(payload)
    await to.close()
    records = await asyncio.to_thread(cluster.records)
    assert [message(record.value) for record in records] == ["0", "1"]


async def test_what_a_part_of_the_partitions_has_taken_is_not_sent_again(
    cluster: KafkaCluster,
) -> None:
    cluster.create("dockline", 3)
    for partition in range(3):
        cluster.lead("dockline", partition, partition + 1)
    containers = [container(number=number) for number in range(1, 31)]
    to = sink(*cluster.servers)
    payload = to.encode([batch("x", of=one) for one in containers])
    await to.open()
    cluster.fail(kafka.PRODUCE, kafka.NOT_LEADER)
    with pytest.raises(Unavailable):
        await to.send(payload)
    (left,) = payload.data
    assert left.left is not None and len(left.left) == 1
    await to.open()
    await to.send(payload)
    await to.close()
    records = await asyncio.to_thread(cluster.records)
    assert len(records) == 30 and len({record.key for record in records}) == 30


async def test_brokers_that_go_down_are_waited_for(cluster: KafkaCluster) -> None:
    to = sink(*cluster.servers)
    await deliver(to, batch("one"))
    cluster.down()
    problem = await trouble(to, batch("two"))
    assert problem.count("kafka://127.0.0.1:") == 3
    cluster.up()
    await deliver(to, batch("two"))
    records = await asyncio.to_thread(cluster.records)
    assert [message(record.value) for record in records] == ["one", "two"]


async def test_one_broker_that_is_down_leaves_the_others(cluster: KafkaCluster) -> None:
    cluster.create("dockline", 1)
    cluster.lead("dockline", 0, 1)
    await deliver(sink(*cluster.servers), batch("one"))
    cluster.down(1)
    cluster.lead("dockline", 0, 2)
    await deliver(sink(*cluster.servers), batch("two"))
    cluster.up(1)
    records = await asyncio.to_thread(cluster.records)
    assert [message(record.value) for record in records] == ["one", "two"]


async def test_a_broker_that_is_too_slow_is_said_to_be(cluster: KafkaCluster) -> None:
    to = sink(cluster.servers[0], timeout=Duration(0.5))
    await deliver(to, batch("one"))
    for broker in (1, 2, 3):
        cluster.slow(broker, 3000)
    assert "does not answer within 0.5 s" in await trouble(to)


async def test_a_broker_that_stands_still_is_noticed_long_before_the_timeout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broker, still = Broker(answers=["", "silent"]), False

    async def some(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await (reader.read() if still else broker(reader, writer))

    async with serve(some) as port:
        to = sink(f"localhost:{port}")
        await to.open()
        await to.send(to.encode([batch("one")]))
        monkeypatch.setattr(transport, "QUIET", 0.1)
        monkeypatch.setattr(transport, "GREETING", 0.2)
        still = True  # as when it is stopped by SIGSTOP: the kernel goes on to accept
        for attempt in (to.send(to.encode([batch("two")])), to.open()):
            with pytest.raises(Unavailable, match=r"does not answer within 0\.2 s"):
                await attempt
        await to.close()


async def test_a_broker_that_is_slow_and_greets_others_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transport, "QUIET", 0.1)
    broker, greeted = Broker(), 0

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal greeted
        greeted += 1
        await broker(reader, writer)

    async with serve(slow) as port:
        to = sink(f"localhost:{port}")
        await to.open()
        before, broker.answers = greeted, ["silent"]
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(to.send(to.encode([batch("one")])), name="send")
            await until(lambda: greeted - before > 4)
            sending.cancel()
        hurry(to, 1)
        await opened(to)
        broker.answers = ["silent"]
        with pytest.raises(Unavailable, match="does not answer within 1 s"):
            await to.send(to.encode([batch("two")]))
        await to.close()


async def test_a_topic_that_cannot_be_made_is_named(cluster: KafkaCluster) -> None:
    to = sink(*cluster.servers, topic="none")
    cluster._library.rd_kafka_mock_topic_set_error(cluster._cluster, b"none", 3)
    assert 'there is no topic "none" yet' in await trouble(to)
    cluster._library.rd_kafka_mock_topic_set_error(cluster._cluster, b"none", 29)
    assert 'the topic "none" may not be written' in await trouble(to)


async def test_opening_sees_that_the_topic_is_there_as_check_live_does(
    cluster: KafkaCluster,
) -> None:
    cluster._library.rd_kafka_mock_topic_set_error(cluster._cluster, b"none", 3)
    to = sink(*cluster.servers, topic="none")
    with pytest.raises(Unavailable, match='there is no topic "none" yet'):
        await to.open()
    await to.close()
    to = sink(*cluster.servers, topic="none.{container.name}")
    await to.open()
    assert to.reached() == f"kafka://{cluster.servers[0]}, 3 brokers"
    await to.close()


# -- who may ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_sasl_over_tls(authority: Authority, mechanism: Any) -> None:
    broker = Broker(users={"dockline": "secret"})
    own = server_context(authority.issue("broker"), clients=authority)
    client = authority.issue("dockline")
    tls = TLSConfig(ca=authority.ca, cert=client.cert, key=client.key)
    async with serve(broker, tls=own) as port:
        where = f"localhost:{port}"
        good = SaslConfig(mechanism=mechanism, user="dockline", password=Secret("secret"))
        await deliver(sink(where, sasl=good, tls=tls), batch("one"))
        bad = SaslConfig(mechanism=mechanism, user="dockline", password=Secret("guess"))
        said = await trouble(sink(where, sasl=bad, tls=tls))
        assert "does not accept sasl.user and sasl.password" in said and "guess" not in said
        broker.mechanisms = ["GSSAPI"]
        assert "sasl.mechanism" in await trouble(sink(where, sasl=good, tls=tls))
        broker.mechanisms = [mechanism]
        assert "closed the connection" in await trouble(sink(where, tls=tls))
        assert "not trusted here" in await trouble(sink(where, sasl=good, tls=TLSConfig()))
    assert list(map(message, broker.values)) == ["one"]


async def test_an_expired_certificate_is_told(authority: Authority) -> None:
    own = server_context(authority.issue("late", expired=True))
    async with serve(Broker(), tls=own) as port:
        said = await trouble(sink(f"localhost:{port}", tls=TLSConfig(ca=authority.ca)))
        assert "has expired" in said


# -- numbers, and bad answers ----------------------------------------------------------------------


@pytest.mark.fault(26)
@pytest.mark.parametrize(
    "how", ["lost", "closed", "silent", "half", "rubbish", "twice", "other", 7, 20]
)
async def test_whatever_became_of_an_answer_nothing_is_stored_twice_and_nothing_lost(
    how: int | str,
) -> None:
    broker = Broker(answers=["", how, how])
    async with serve(broker) as port:
        to = sink(f"localhost:{port}", max_batch=Size(2000))
        await to.open()  # and so it has its number
        if how in ("silent", "half"):
            hurry(to, 0.5)
        for start in (0, 20, 40):
            lines = [str(number) for number in range(start, start + 20)]
            payload = to.encode([batch(*lines)])
            for _ in range(100):
                try:
                    await to.open()
                    await to.send(payload)
                    break
                except Unavailable:
                    pass
        await to.close()
    assert [int(message(value)) for value in broker.values] == list(range(60))
    assert broker.producers == 1
    assert broker.requests > 9


@pytest.mark.parametrize("how", ["closed", "silent"])
async def test_what_a_broker_has_not_answered_is_let_go_at_once(how: str) -> None:
    """Not when the garbage collector comes, for the sake of an exception."""
    async with serve(Broker(answers=[how, how])) as port:
        to = sink(f"localhost:{port}")
        await to.open()
        if how == "silent":
            hurry(to, 0.3)
        with pytest.raises(Unavailable):  # what is made once
            await to.send(to.encode([batch("0")]))
        with no_garbage():
            await opened(to)
            with suppress(Unavailable):
                await to.send(to.encode([batch("1")]))
        await to.close()


async def test_after_a_payload_was_given_up_the_numbers_begin_anew() -> None:
    broker = Broker(answers=["closed"])
    async with serve(broker) as port:
        to = sink(f"localhost:{port}")
        await to.open()
        with pytest.raises(Unavailable):
            await to.send(to.encode([batch("given up")]))
        await to.open()
        await to.send(to.encode([batch("one")]))
        await to.close()
    assert list(map(message, broker.values)) == ["one"]
    assert broker.producers == 2


async def test_a_broker_that_has_forgotten_the_producer_gets_a_new_one() -> None:
    broker = Broker()
    async with serve(broker) as port:
        to = sink(f"localhost:{port}")
        await deliver(to, batch("one", "two"))
        broker._next.clear()
        await deliver(to, batch("three"))
    assert list(map(message, broker.values)) == ["one", "two", "three"]
    assert broker.producers == 2


async def test_what_is_too_large_is_halved_and_keeps_its_numbers() -> None:
    broker = Broker(too_large=2000)
    some = batch("a", "b", "c" * 3000, "d", "e")
    async with serve(broker) as port:
        refused = await deliver(sink(f"localhost:{port}"), some, batch("f"))
    assert [(one, index) for one, index, _ in refused] == [(some, 2)]
    assert "MessageSizeTooLarge" in refused[0][2]
    assert list(map(message, broker.values)) == ["a", "b", "d", "e", "f"]
    assert broker.producers == 1


@pytest.mark.fault(28)
@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n" + b"x" * 1000, "closed the connection"),
        (b"\xff\xff\xff\xff" + b"x" * 1000, "closed the connection"),
        (b"\0\0\0\x10" + b"x" * 16, "does not speak Kafka as expected"),
        (b"\0\0\0\x06\0\0\0\x01\0\0", "Kafka"),
        (b"", "does not answer within 0.5 s"),
    ],
)
async def test_a_port_that_does_not_speak_kafka_is_told(answer: bytes, says: str) -> None:
    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(answer)
        await reader.read()

    timeout = Duration(60 if answer else 0.5)
    async with serve(other) as port:
        said = await trouble(sink(f"localhost:{port}", timeout=timeout))
        assert f"kafka://localhost:{port} " in said and says in said and "\n" not in said


# -- configuration -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "path", "says"),
    [
        ({"bootstrap_servers": ["a b"]}, "bootstrap_servers", "is not an address"),
        ({"bootstrap_servers": ["tcp://a"]}, "bootstrap_servers", "known are kafka://"),
        ({"topic": "a/b"}, "topic", 'and no "/"'),
        ({"topic": "a{"}, "topic", "write"),
        ({"topic": "."}, "topic", "a topic has"),
        ({"topic": "x" * 250}, "topic", "up to 249"),
        ({"tls": TLSConfig(key="k")}, "tls.key", "certificate"),
        ({"tls": TLSConfig(server_name="k")}, "tls.server_name", "its own name"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(
    options: dict[str, Any], path: str, says: str
) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        Kafka(
            Config(**{"type": "kafka", "bootstrap_servers": ["x"], **options}), SinkContext("kafka")
        )
    assert caught.value.path == path


def test_without_its_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pipeline.transport.kafka.cluster", "pipeline.transport.kafka.producer"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "aiokafka", None)
    with pytest.raises(ConfigError, match=r"needs the Python package aiokafka.*dockline\[kafka\]"):
        sink("x")


# -- what every sink promises --------------------------------------------------------------------


class TestKafka(SinkKit):
    complaint = "refused the connection"

    @pytest.fixture
    async def sink(self, cluster: KafkaCluster) -> AsyncIterator[Kafka]:
        for topic in ("dockline", "dockline-_"):
            cluster.create(topic, 4)
        yield sink(*cluster.servers, compression="zstd")

    @pytest.fixture
    def unreachable(self) -> Kafka:
        return sink(f"127.0.0.1:{free_port()}")
