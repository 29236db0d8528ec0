"""Kafka, Redpanda and others with Kafka's protocol: a queue between agents and a hub, or any other
consumer.

```toml
[sinks.kafka]
type = "kafka"
bootstrap_servers = ["kafka-1:9092", "kafka-2:9092"]
topic = "logs.{container.project}"
compression = "zstd"

[sinks.cloud]
type = "kafka"
bootstrap_servers = ["broker.example.com:9093"]
sasl = { mechanism = "SCRAM-SHA-512", user = "dockline", password = "${KAFKA_PASSWORD}" }
tls = {}                                      # the system's authorities
```

It needs the extra: `pip install 'dockline[kafka]'`; the image has it.

- **A record**, with `format = "json"`, has an entry as ECS JSON for its value, the container's id
  for its key, and the entry's time in milliseconds for its timestamp; its headers are
  `content-type`, `source` (`logs`, `events`, `stats`) and `host`. With `format = "columns"` it has
  what a payload has of one container, source and route, compressed, for a dockline with a `kafka`
  source: at a fraction of the cost for both sides. Its key is the same, its timestamp that of the
  first entry, and its headers are `Dockline-Format`, `-Size`, `-Entries`, `-Container`, `-Host` and
  `-Image`. A
  key always goes to the same partition, by the hash of Kafka's own
  clients, so a container's entries stay in order while the topic's number of partitions stays.
- **Topics** are named by the template `topic`, with the placeholders of the stage `set`. In their
  values, characters other than letters, digits, `_`, `.` and `-` become `_`, and so does an empty
  value. While a topic does not exist, and the brokers do not create it, all entries wait.
- **Delivery** is idempotent, with `acks=all`. An entry counts as delivered when all in-sync
  replicas have it (their least number is the topic's `min.insync.replicas`). A batch whose answer
  was lost is sent again with the same producer id and sequence numbers, also over a new connection:
  a broker that has it does not store it twice. A restarted agent has a new producer id, so after a
  kill, what was in flight is stored twice; `event.sequence` and `@timestamp` identify duplicates.
- **Size**: columns larger than `max_batch`, or than the broker takes, are split between entries;
  what the broker has refused first may be stored behind later entries of its container.
- **Errors**: records that are too large, that have a timestamp which the topic does not take, or
  that it calls invalid, are found by splitting batches in halves, and are refused; they may go to
  `dead_letter`. While a topic calls all records invalid, none is refused: the topic may expect
  another format. All other errors (no leader, too few replicas, authorization, quotas) make entries
  wait, and nothing is lost. The client does not retry by itself: `retry` is all there is.
- **Compression** is of whole batches, outside of the event loop.
- **Access**: `sasl` and `tls`, either or both. PLAIN without TLS shows the password to the network.
  An ACL needs Write and Describe on the topics, and on brokers before 2.8 IdempotentWrite.

Tested with the mock cluster of librdkafka, and with a test server for SASL, TLS and bad answers;
not yet with a broker of Apache Kafka or Redpanda.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import msgspec

from pipeline.buffer.columns import ColumnCodec
from pipeline.encode.kafka import LONGEST_TOPIC, KafkaEncoder
from pipeline.encode.kafka_columns import KafkaColumnsEncoder
from pipeline.encode.plain_name import plain_name
from pipeline.expression import compile_template, has_placeholders
from pipeline.model.address_form import AddressForm
from pipeline.model.batch import Batch
from pipeline.model.component import (
    Duration,
    Payload,
    SharedQueue,
    Sink,
    SinkConfig,
    SinkContext,
    Size,
    TLSConfig,
)
from pipeline.model.container import Container
from pipeline.model.errors import ConfigError, at
from pipeline.model.extras import needed
from pipeline.transport.kafka.access import SaslConfig, cluster

if TYPE_CHECKING:
    from pipeline.transport.kafka.producer import PendingRecords
    from pipeline.transport.kafka.records import Records

_ANY = Batch(Container("", "", ""), [b""], [b"2026-01-31T23:59:59.123456789Z"], b"\1", [0])


class Config(SinkConfig, frozen=True, kw_only=True):
    """The brokers' addresses, and the topic and format of the records."""

    address_forms: ClassVar[tuple[AddressForm, ...]] = (
        AddressForm(
            to="bootstrap_servers",
            many=True,
            path=("topic",),
            login=("sasl.user", "sasl.password"),
            example="kafka://kafka-1:9092,kafka-2:9092/logs",
        ),
        AddressForm(
            schemes={"+tls": ""},
            to="bootstrap_servers",
            many=True,
            path=("topic",),
            login=("sasl.user", "sasl.password"),
            adds={"tls": {}},
            example="kafka+tls://kafka-1:9093/logs",
        ),
    )

    bootstrap_servers: Annotated[
        list[str], msgspec.Meta(min_length=1, examples=[["kafka-1:9092", "kafka-2:9092"]])
    ]
    """`host:port` of one or more brokers; these know the addresses of the others."""
    topic: Annotated[str, msgspec.Meta(min_length=1, examples=["logs.{container.project}"])] = (
        "dockline"
    )
    """Name of the topic; may be a template."""
    format: Literal["json", "columns"] = "json"
    """`columns` is for a dockline with a `kafka` source, `json` for everything else."""
    compression: Literal["none", "gzip", "snappy", "lz4", "zstd"] = "none"
    """Compression of batches. `zstd` and `lz4` are the fastest. Columns are compressed already."""
    max_batch: Annotated[Size, msgspec.Meta(ge=1)] = Size(1_000_000)
    """Largest batch of a partition, before compression; not more than the topic's
    `max.message.bytes`. A batch that is too large for the broker is split in halves."""
    sasl: SaslConfig | None = None
    """User and password for SASL."""
    tls: TLSConfig | None = None
    """Certificates. With this table, even an empty one, connections use TLS. Each broker is
    verified by its own name."""
    timeout: Annotated[Duration, msgspec.Meta(gt=0)] = Duration(30)
    """Time limit for each answer, such as for all replicas to have a batch. A broker that does not
    answer a new connection within five seconds is already considered unavailable then."""

    def publishes(self) -> SharedQueue:
        return SharedQueue(self.topic)


class Kafka(Sink["list[PendingRecords]"]):
    """Produces records. `Payload.data` knows which of them the brokers have not acknowledged: those
    of the payload, and behind them what had to be made smaller."""

    def __init__(self, config: Config, context: SinkContext) -> None:
        _check(config)
        self._constant = [] if has_placeholders(config.topic) else [config.topic]
        with at("topic"):
            topics = compile_template(config.topic, plain_name)
        self._encoder: KafkaEncoder | KafkaColumnsEncoder
        self._smaller: Callable[[Records, int], Records | None] = lambda records, index: None
        if config.format == "columns":
            pack, largest = ColumnCodec().encode, int(config.max_batch)
            columns = KafkaColumnsEncoder(topics, pack, largest=largest, host=context.host)
            self._encoder, self._smaller = columns, columns.smaller
        else:
            self._encoder = KafkaEncoder(topics, host=context.host)
        if config.compression in ("snappy", "lz4", "zstd"):
            needed("cramjam", "kafka", f'compression = "{config.compression}"')
        timeout = float(config.timeout)
        self._cluster = cluster(config.bootstrap_servers, config.tls, config.sasl, timeout=timeout)
        producer: Any = needed("pipeline.transport.kafka.producer", "kafka")
        self._producer = producer.Producer(
            self._cluster,
            codec=producer.CODECS[config.compression],
            largest=int(config.max_batch),
            timeout=timeout * 0.75,  # the broker must give up before the client does
        )
        self._pending = producer.PendingRecords

    async def open(self) -> None:
        await self._cluster.open()
        await self._producer.prepare(self._constant)

    def reached(self) -> str:
        return self._cluster.reached()

    def encode(self, batches: Sequence[Batch]) -> Payload[list[PendingRecords]]:
        records = self._encoder.encode(batches)
        return Payload([self._pending(records)], records.entries, records.size)

    async def send(self, payload: Payload[list[PendingRecords]]) -> None:
        while payload.data:
            pending = payload.data[0]
            await self._producer.send(pending, partial(self._refused, payload, pending.records))
            payload.data.pop(0)

    def _refused(
        self, payload: Payload[list[PendingRecords]], records: Records, index: int, reason: str
    ) -> None:
        """Refuses a record; of several entries in one, those that are to blame."""
        halves = self._smaller(records, index)
        if halves is not None:
            payload.data.append(self._pending(halves))
            return
        for batch, place in records.places(index):
            payload.refuse(batch, place, reason)

    async def close(self) -> None:
        await self._cluster.close()


def _check(config: Config) -> None:
    with at("topic"):
        (around,) = compile_template(config.topic, lambda _: "_")(_ANY)
    if odd := re.search(r"[^A-Za-z0-9_.-]", around):
        message = f'a topic has letters, digits, "_", "." and "-", and no "{odd[0]}"'
        raise ConfigError(message, path="topic")
    if around in (".", "..") or len(around) > LONGEST_TOPIC:
        raise ConfigError(f"a topic has up to {LONGEST_TOPIC} characters", path="topic")
