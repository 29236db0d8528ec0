"""Topics of Kafka, Redpanda and others with Kafka's protocol: reads what agents have published, as
a hub, and what others have.

```toml
[engine]
enabled = false

[sources.queue]
type = "kafka"
bootstrap_servers = ["kafka-1:9092", "kafka-2:9092"]
topics = ["dockline"]
```

It needs the extra: `pip install 'dockline[kafka]'`; the image has it.

Agents publish with the `kafka` sink. Any number of processes with this source and the same `group`,
the hubs, share the topics' partitions. Each entry keeps its container, time, `event.sequence` and
fields.

- **Acknowledged end to end**: the offset of a partition is committed, once a second, up to where
  every sink of every route has settled all entries before it: delivered, refused and counted, or
  stored in a disk buffer. After a kill of a hub, or of the brokers, entries may be duplicated and
  none is missing. They keep the agents' sequence numbers, by which sinks with deterministic ids
  detect duplicates.
- **In order**: the sink writes all entries of a container to one partition, and one hub at a time
  reads a partition.
- **The group** is Kafka's own, with the cooperative protocol (KIP-429): when a hub comes or goes,
  only those partitions stop that move. A hub that is to give one up reads no more of it, waits for
  its sinks to settle what was taken, for `hand_over` at most, commits, and then lets go: nothing is
  repeated. The partitions of a hub that died are given to others after `session_timeout`, from what
  was committed. A hub that is cut off for less goes on where it was. Consumers of another kind
  cannot be in the same group.
- **Slow sinks** never cost a hub its place in the group. It fetches no more of a partition than
  `in_flight` lets it, and says that it is alive all the while.
- **Messages**: those of a dockline, in either `format` of the sink, become the entries that they
  were. Any other record becomes an entry too: its value is the message, its topic the container's
  name, its offset `event.sequence`, its timestamp the time; `event.dataset` is `kafka.logs`, and
  its key, if it is text, the field `kafka.key`. Each partition is a container of its own then.
  Records without a value are skipped. Those of aborted transactions are read like all others.
- **Where to begin**: a group that has not read a partition yet begins at `start`. If records were
  removed by the topic's retention before a hub read them, it says so, counts them in
  `dockline_source_refused_messages_total` with the reason `removed`, and goes on with the oldest
  that is there. If a topic was deleted and made anew, or cut short, it says so, and begins at
  `start`.
- **Topics** that don't exist yet, and partitions that are added, are read within 15 s of their
  creation. None is created.
- **What cannot be read** is skipped and counted in `dockline_source_refused_messages_total`; at
  most one in ten seconds is logged: a record of a dockline that makes no sense, a compression that
  is unknown, and a batch of more than 64 MiB of records when decompressed. The limits of the `nats`
  source for columns are the same here.
- **Access**: `sasl` and `tls` as in the sink. An ACL needs Read on the group, and Read and Describe
  on the topics.

Tested with the mock cluster of librdkafka and with kfake of franz-go; not yet with a broker of
Apache Kafka or Redpanda.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec

from pipeline.intake.received import FORMAT, Received, line_of, others
from pipeline.model.batch import Batch
from pipeline.model.component import (
    Duration,
    Intake,
    Share,
    SharedStream,
    Source,
    SourceConfig,
    SourceContext,
    TLSConfig,
)
from pipeline.model.container import Container
from pipeline.model.errors import ConfigError
from pipeline.model.extras import needed
from pipeline.model.records import Fields
from pipeline.model.timestamps import from_nanoseconds
from pipeline.support.selector import SharedPause
from pipeline.transport.kafka.access import SaslConfig, cluster
from pipeline.transport.net.errors import printable

if TYPE_CHECKING:
    from pipeline.transport.kafka.consumer import Consumer
    from pipeline.transport.kafka.reading import Reading
    from pipeline.transport.kafka.record_batches import Record, StoredBatch

LARGEST_ANSWER: Final = 80 << 20
"""Bytes that an answer of a broker may have: more than the largest batch."""
AT_ONCE: Final = 128 << 10
"""Bytes of records that are taken together, where each is an entry."""
MOST_AT_ONCE: Final = 500
"""Records that are taken together."""
LAST: Final = 253_402_300_799_999
"""The last millisecond of the year 9999."""
LONGEST_KEY: Final = 1024
"""Bytes of a key that is kept."""


class Config(SourceConfig, frozen=True, kw_only=True):
    """The brokers, the topics, and how hubs share them."""

    bootstrap_servers: Annotated[
        list[str], msgspec.Meta(min_length=1, examples=[["kafka-1:9092", "kafka-2:9092"]])
    ]
    """`host:port` of one or more brokers; these know the addresses of the others."""
    topics: Annotated[
        list[Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.-]{1,249}$")]] | None,
        msgspec.Meta(min_length=1, examples=[["dockline"]]),
    ] = None
    """Names of the topics to read; `["dockline"]`, the sink's, if there is no `topic_pattern`."""
    topic_pattern: Annotated[str | None, msgspec.Meta(examples=["logs\\..*"])] = None
    """Regular expression instead: topics whose whole name matches are read, also later ones."""
    group: Annotated[str, msgspec.Meta(min_length=1, max_length=255)] = "dockline"
    """Name of the consumer group; the same for all hubs that share the work."""
    start: Literal["beginning", "end"] = "beginning"
    """Where a group begins with a partition that it has not read yet."""
    session_timeout: Annotated[Duration, msgspec.Meta(ge=1)] = Duration(10)
    """How long the group waits for a sign of life of a hub before it gives its partitions to
    others. Brokers take 6 s to 30 min by default."""
    hand_over: Annotated[Duration, msgspec.Meta(ge=0)] = Duration(30)
    """How long a hub may keep a partition that another is to have, for its sinks to settle what was
    taken. Beyond that, entries are duplicated."""
    sasl: SaslConfig | None = None
    """User and password for SASL."""
    tls: TLSConfig | None = None
    """Certificates. With this table, even an empty one, connections use TLS. Each broker is
    verified by its own name."""
    timeout: Annotated[Duration, msgspec.Meta(gt=0)] = Duration(10)
    """Time limit for each answer of a broker."""


class KafkaSource(Source):
    """Reads the partitions that the group gives to this process. What was taken is remembered over
    reconnections."""

    def __init__(self, config: Config, context: SourceContext) -> None:
        _check(config)
        self._config = config
        self._host = context.host
        session, timeout = float(config.session_timeout), float(config.timeout)
        servers, tls, sasl = config.bootstrap_servers, config.tls, config.sasl
        data = cluster(servers, tls, sasl, timeout=timeout, largest=LARGEST_ANSWER)
        # an answer to a join comes when all members have joined, or are taken for dead
        members = cluster(servers, tls, sasl, timeout=timeout + session)
        kafka: Any = needed("pipeline.transport.kafka.consumer", "kafka")
        groups: Any = needed("pipeline.transport.kafka.group", "kafka")
        self._batches: Any = needed("pipeline.transport.kafka.record_batches", "kafka")
        self._topics = [] if config.topic_pattern else config.topics or ["dockline"]
        self._consumer: Consumer = kafka.Consumer(
            data,
            groups.Group(members, config.group, context.host, session=session),
            topics=self._topics,
            pattern=config.topic_pattern,
            from_end=config.start == "end",
            hand_over=float(config.hand_over),
            session=session,
            room=int(config.in_flight),
            name=context.name,
        )
        self._received = Received()
        self._pause: SharedPause
        """Awaited by all who read, so that the event loop has time to say that the hub is alive."""
        self._large = asyncio.Lock()
        """Held while a batch is read that is large when it is decompressed."""
        self._others: dict[tuple[str, int], Container] = {}
        """What stands for the container of others' records, by partition."""

    async def open(self) -> None:
        await self.close()
        await self._consumer.open()

    def reached(self) -> str:
        return f"{self._consumer.reached()}, group {self._config.group}"

    def shared(self) -> SharedStream:
        consumer = self._consumer
        shares = []
        for topic, count in sorted(consumer.topics.items()):
            for number in range(count):
                reading = consumer.readings.get((topic, number))
                reader = consumer.assigned.readers.get((topic, number))
                if reading is not None:
                    share = Share(number, self._host, True, reading.pending, topic)
                else:
                    share = Share(number, reader, False, None, topic)
                shares.append(share)
        hosts = list(consumer.assigned.hosts)
        if self._host in hosts:
            hosts.remove(self._host)
        return SharedStream(
            self._config.topic_pattern or ", ".join(self._topics),
            ", ".join(self._config.bootstrap_servers),
            True,
            [self._host, *hosts],
            shares,
        )

    async def close(self) -> None:
        await self._consumer.close()

    # ----------------------------------------------------------------------------- running

    async def run(self, intake: Intake) -> None:
        consumer = self._consumer
        consumer.report = intake.trouble
        consumer.gone = lambda count, why: intake.refuse("removed", why, count)
        consumer.unreadable = lambda why: intake.refuse("malformed", why)
        consumer.tell()
        async with asyncio.TaskGroup() as tasks:
            keeping = tasks.create_task(consumer.keep(), name="kafka group")
            async with intake.taking(), asyncio.TaskGroup() as reading:
                reading.create_task(consumer.fetch(), name="kafka brokers")
                reading.create_task(self._read_all(intake), name="kafka partitions")
            await consumer.finished()
            keeping.cancel()
        await consumer.leave()

    async def _read_all(self, intake: Intake) -> None:
        """Reads each partition that this process has, for as long as it has it."""
        consumer = self._consumer
        self._pause = SharedPause()
        async with asyncio.TaskGroup() as tasks:
            readers: dict[Reading, asyncio.Task[None]] = {}
            while True:
                consumer.changed.clear()
                current = set(consumer.readings.values())
                for reading in readers.keys() - current:
                    readers.pop(reading).cancel()
                for reading in current:
                    reader = readers.get(reading)
                    if reading.leaving is None and (reader is None or reader.done()):
                        topic, number = reading.partition
                        readers[reading] = tasks.create_task(
                            self._read(reading, intake), name=f"kafka {topic} {number}"
                        )
                await consumer.changed.wait()

    async def _read(self, reading: Reading, intake: Intake) -> None:
        """Reads one partition until another process is to have it."""
        while (batch := await reading.next()) is not None:
            try:
                await self._take_all(reading, batch, intake)
            except self._batches.TooLarge:
                async with self._large:
                    await self._take_all(reading, batch, intake, most=self._batches.LARGEST)
            reading.read(batch)
            self._consumer.wish()

    # ------------------------------------------------------------------------- one batch

    async def _take_all(
        self, reading: Reading, batch: StoredBatch, intake: Intake, most: int | None = None
    ) -> None:
        """Takes the records of a batch that were not taken before. Without `most`, raises
        `TooLarge` for one that is large when it is decompressed."""
        progress = reading.progress
        assert progress is not None
        try:
            if most is None:
                records = self._batches.records(batch, self._batches.SMALL)
            else:
                records = await asyncio.to_thread(self._batches.records, batch, most)
            for some in _portions(records, progress.taken):
                await self._pause()
                if reading.leaving is not None:
                    return
                await self._take(reading, some, intake)
        except ValueError as error:
            if most is None and isinstance(error, self._batches.TooLarge):
                raise
            intake.refuse("malformed", printable(f"{reading} at {progress.taken}: {error}"))
        if reading.leaving is None and progress.taken < batch.until:
            progress.skip(batch.until)
            self._consumer.settled(reading)

    async def _take(self, reading: Reading, records: Sequence[Record], intake: Intake) -> None:
        """Takes records of a partition, and waits until there is room for more."""
        progress = reading.progress
        assert progress is not None
        batches, size = self._decoded(reading.partition, records, intake)
        one = progress.take(records[-1].offset + 1)

        def settled(outcome: bool) -> None:
            progress.end(one, settled=outcome)
            self._consumer.settled(reading)

        if not batches:
            settled(True)
            return
        taken = intake.take(batches, size)
        taken.when_settled(settled)
        await taken.placed()

    def _decoded(
        self, partition: tuple[str, int], records: Sequence[Record], intake: Intake
    ) -> tuple[list[Batch], int]:
        """The entries of records, and the bytes to account for."""
        batches: list[Batch] = []
        rest: list[Record] = []
        written: list[Record] = []
        """By the sink as JSON, as it seems."""
        size = 0
        known: object = None
        form = ""

        def flush() -> None:
            found, bad = self._received.entries([record.value for record in written])
            batches.extend(found)
            rest.extend(written[index] for index in bad)
            written.clear()

        for record in records:
            if record.value is None:
                continue
            if record.headers != known:
                known, form = record.headers, _form(record.headers)
            if form != "dockline":
                size += len(record.value)
                (written if form else rest).append(record)
                continue
            flush()
            headers = {name: _text(value) for name, value in record.headers}
            try:
                found, more = self._received.message(headers, record.value) or ([], 0)
            except ValueError as error:
                topic, number = partition
                where = f'partition {number} of "{topic}" at {record.offset}'
                intake.refuse("malformed", printable(f"{where}: {error}"))
                continue
            batches += found
            size += more
        flush()
        if rest:
            rest.sort(key=lambda record: record.offset)
            batches.append(self._foreign(partition, rest))
        return batches, size

    def _foreign(self, partition: tuple[str, int], records: Sequence[Record]) -> Batch:
        """Entries of records that no agent has written."""
        container = self._others.get(partition)
        if container is None:
            topic, number = partition
            container = self._others[partition] = others("kafka", f"{topic}:{number}", topic)
        fields: list[Fields] | None = None
        keys = [_key(record.key) for record in records]
        if any(key is not None for key in keys):
            fields = [{} if key is None else {"kafka": {"key": key}} for key in keys]
        return Batch(
            container,
            [line_of(record.value) for record in records],
            [_time(record.timestamp) for record in records],
            bytes(len(records)),
            [record.offset for record in records],
            fields=fields,
        )


def _check(config: Config) -> None:
    if config.topics and config.topic_pattern is not None:
        raise ConfigError("either topics or a pattern of them", path="topic_pattern")
    if config.topic_pattern is not None:
        try:
            re.compile(config.topic_pattern)
        except re.error as error:
            raise ConfigError(f"no regular expression: {error}", path="topic_pattern") from None


def _portions(records: Iterator[Record], begin: int) -> Iterator[list[Record]]:
    """Records from the offset `begin` on, some at a time."""
    some: list[Record] = []
    size = 0
    for record in records:
        if record.offset < begin:
            continue
        some.append(record)
        size += len(record.value or b"") + 100
        if size >= AT_ONCE or len(some) >= MOST_AT_ONCE:
            yield some
            some, size = [], 0
    if some:
        yield some


def _form(headers: Sequence[tuple[str, bytes | None]]) -> str:
    """Whether an agent has written a record: `dockline` if its headers say how, `json` if they are
    those of the sink's JSON, which others may have as well."""
    names = {name for name, _ in headers}
    if FORMAT in names:
        return "dockline"
    return "json" if {"content-type", "source", "host"} <= names else ""


def _text(value: bytes | None) -> str:
    return (value or b"").decode("utf-8", "replace")


def _key(key: bytes | None) -> str | None:
    """A key that is text."""
    if not key or len(key) > LONGEST_KEY:
        return None
    try:
        return key.decode()
    except UnicodeDecodeError:
        return None


def _time(milliseconds: int) -> bytes:
    """A record's timestamp; the time now for one that has none."""
    if 0 <= milliseconds <= LAST:
        return from_nanoseconds(milliseconds * 1_000_000)
    return from_nanoseconds(time.time_ns())
