"""Kafka, Redpanda and others with Kafka's protocol: one record per entry.

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

- **A record** has the entry as ECS JSON for its value, the container's id for its key, and the
  entry's time in milliseconds for its timestamp; its headers are `content-type`, `source` (`logs`,
  `events`, `stats`) and `host`. A key always goes to the same partition, by the hash of Kafka's own
  clients, so a container's entries stay in order while the topic's number of partitions stays.
- **Topics** are named by the template `topic`, with the placeholders of the stage `set`. In their
  values, characters other than letters, digits, `_`, `.` and `-` become `_`, and so does an empty
  value. While a topic does not exist, and the brokers do not create it, all entries wait.
- **Delivery** is idempotent, with `acks=all`. An entry counts as delivered when all in-sync
  replicas have it (their least number is the topic's `min.insync.replicas`). A batch whose answer
  was lost is sent again with the same producer id and sequence numbers, also over a new connection:
  a broker that has it does not store it twice. A restarted agent has a new producer id, so after a
  kill, what was in flight is stored twice; `event.sequence` and `@timestamp` identify duplicates.
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
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import msgspec

from pipeline.encode.kafka import LONGEST_TOPIC, KafkaEncoder
from pipeline.encode.plain_name import plain_name
from pipeline.expression import compile_template, has_placeholders
from pipeline.model.address_form import AddressForm
from pipeline.model.batch import Batch
from pipeline.model.component import (
    Duration,
    Payload,
    Secret,
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
from pipeline.transport.net.address import Address, parse
from pipeline.transport.net.tls import check_key

if TYPE_CHECKING:
    from pipeline.transport.kafka.producer import PendingRecords

_ANY = Batch(Container("", "", ""), [b""], [b"2026-01-31T23:59:59.123456789Z"], b"\1", [0])


class SaslConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """User and password for SASL."""

    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    """How to prove knowledge of the password; `PLAIN` sends it."""
    user: Annotated[str, msgspec.Meta(min_length=1, examples=["dockline"])]
    """Name of the user."""
    password: Annotated[Secret, msgspec.Meta(examples=["${KAFKA_PASSWORD}"])]
    """The user's password."""


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
    compression: Literal["none", "gzip", "snappy", "lz4", "zstd"] = "none"
    """Compression of batches. `zstd` and `lz4` are the fastest."""
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


class Kafka(Sink["PendingRecords"]):
    """Produces records. `Payload.data` knows which of them the brokers have not acknowledged."""

    def __init__(self, config: Config, context: SinkContext) -> None:
        servers = [_server(text) for text in config.bootstrap_servers]
        _check(config)
        self._constant = [] if has_placeholders(config.topic) else [config.topic]
        with at("topic"):
            topics = compile_template(config.topic, plain_name)
        self._encoder = KafkaEncoder(topics, host=context.host)
        if config.compression in ("snappy", "lz4", "zstd"):
            needed("cramjam", "kafka", f'compression = "{config.compression}"')
        kafka: Any = needed("pipeline.transport.kafka.cluster", "kafka")
        producer: Any = needed("pipeline.transport.kafka.producer", "kafka")
        sasl, timeout = config.sasl, float(config.timeout)
        self._cluster = kafka.Cluster(
            servers,
            config.tls,
            kafka.Sasl(sasl.mechanism, sasl.user, sasl.password) if sasl else None,
            timeout=timeout,
        )
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
        return str(self._cluster.reached())

    def encode(self, batches: Sequence[Batch]) -> Payload[PendingRecords]:
        records = self._encoder.encode(batches)
        return Payload(self._pending(records), len(records.values), records.size)

    async def send(self, payload: Payload[PendingRecords]) -> None:
        place = payload.data.records.place
        await self._producer.send(
            payload.data, lambda index, reason: payload.refuse(*place(index), reason)
        )

    async def close(self) -> None:
        await self._cluster.close()


def _server(text: str) -> Address:
    try:
        return parse(text, {"kafka": 9092}, "kafka")
    except ConfigError as error:
        raise ConfigError(error.message, path="bootstrap_servers") from None


def _check(config: Config) -> None:
    tls = config.tls
    check_key(tls)
    if tls is not None and tls.server_name:
        raise ConfigError("each broker is verified by its own name", path="tls.server_name")
    with at("topic"):
        (around,) = compile_template(config.topic, lambda _: "_")(_ANY)
    if odd := re.search(r"[^A-Za-z0-9_.-]", around):
        message = f'a topic has letters, digits, "_", "." and "-", and no "{odd[0]}"'
        raise ConfigError(message, path="topic")
    if around in (".", "..") or len(around) > LONGEST_TOPIC:
        raise ConfigError(f"a topic has up to {LONGEST_TOPIC} characters", path="topic")
