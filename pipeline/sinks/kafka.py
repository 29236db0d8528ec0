"""Kafka (or Redpanda, or what else speaks its protocol): a record for each entry.

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

- **A record**: its value is the entry as ECS JSON, its key the container's id, its timestamp the
  entry's time in milliseconds; headers are `content-type`, `source` (`logs`, `events`, `stats`) and
  `host`. A key always goes to the same partition, by the hash of Kafka's own clients, so a
  container's entries stay in order, as long as the topic's number of partitions does.
- **Topics** are named by the template `topic`, whose placeholders are those of the stage `set`.
  What they give is kept to letters, digits, `_`, `.` and `-`, anything else becoming `_`, as does
  nothing at all. A topic that is not there, and that the brokers do not make, makes all wait.
- **Delivery**: `acks=all`, idempotent. An entry counts as delivered when all replicas in sync have
  it (how many these are at least is up to the topic's `min.insync.replicas`). A batch whose answer
  was lost is sent again with the same producer id and sequence numbers, over a new connection, too:
  a broker that has it does not store it twice. An agent that is started again has a new id, so
  after a kill what was in flight comes twice; `event.sequence` and `@timestamp` tell.
- **Errors**: records that are too large, that have a time the topic does not take, or that are
  invalid to it, are found by halving, and refused one by one; they may go to `dead_letter`. While
  a topic calls all records invalid, none is refused: it may want others than these. All
  else (no leader, too few replicas, authorization, quotas) makes wait, and nothing is lost. Nothing
  is tried again behind your back: `retry` decides.
- **Compression** is of whole batches, outside of the event loop.
- **Access**: `sasl` and `tls`, each by itself or both. PLAIN without TLS shows the password to the
  network. An ACL needs Write and Describe on the topics, and on brokers before 2.8 IdempotentWrite.

Tried with the mock cluster of librdkafka, and for SASL, TLS and bad answers with a double; not with
a broker of Apache's, nor with Redpanda, for want of one that could be installed here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from pipeline.encode.kafka import LONGEST_TOPIC, KafkaEncoder
from pipeline.encode.plain_name import plain_name
from pipeline.expression import compile_template, has_placeholders
from pipeline.model.batch import Batch
from pipeline.model.component import (
    Context,
    Duration,
    Payload,
    Secret,
    Sink,
    SinkConfig,
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
    """Who connects."""

    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    """How the password is shown to be known; `PLAIN` sends it."""
    user: Annotated[str, msgspec.Meta(min_length=1, examples=["dockline"])]
    """Name of the user."""
    password: Annotated[Secret, msgspec.Meta(examples=["${KAFKA_PASSWORD}"])]
    """The user's password."""


class Config(SinkConfig, frozen=True, kw_only=True):
    """Where the brokers are, and what their records are like."""

    bootstrap_servers: Annotated[
        list[str], msgspec.Meta(min_length=1, examples=[["kafka-1:9092", "kafka-2:9092"]])
    ]
    """`host:port` of one or more of the brokers, which tell of the others."""
    topic: Annotated[str, msgspec.Meta(min_length=1, examples=["logs.{container.project}"])] = (
        "dockline"
    )
    """Name of the topic; may be a template."""
    compression: Literal["none", "gzip", "snappy", "lz4", "zstd"] = "none"
    """How batches are compressed. `zstd` and `lz4` are the quickest."""
    max_batch: Annotated[Size, msgspec.Meta(ge=1)] = Size(1_000_000)
    """Bytes of one batch of a partition, before compression; no more than the topic's
    `max.message.bytes`. What is too large for the broker is halved."""
    sasl: SaslConfig | None = None
    """User and password."""
    tls: TLSConfig | None = None
    """Certificates; with this table, even an empty one, connections are over TLS. Each broker is
    verified by its own name."""
    timeout: Annotated[Duration, msgspec.Meta(gt=0)] = Duration(30)
    """For each answer, such as that all replicas have a batch. A broker that does not greet a new
    connection within five seconds counts as away, sooner than that."""


class Kafka(Sink["PendingRecords"]):
    """`Payload.data` knows which of its records the brokers have not acknowledged."""

    def __init__(self, config: Config, context: Context) -> None:
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
            timeout=timeout * 0.75,  # so that a broker's answer comes before ours is given up
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
