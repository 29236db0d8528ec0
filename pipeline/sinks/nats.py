"""NATS JetStream, acknowledged: a queue between agents and a hub, or any other consumer.

```toml
[sinks.queue]
type = "nats"
urls = ["nats://nats-1:4222", "nats://nats-2:4222", "nats://nats-3:4222"]
auth = { user = "agent", password = "${NATS_PASSWORD}" }
stream = { replicas = 3, max_bytes = "50GiB" }
```

- **The stream** is made where there is none. One that exists is never changed: what it has
  otherwise than configured is said in the log. By default it is a work queue that refuses messages
  while it is full: they wait in this sink's `buffer`, and nothing is lost. With
  `retention = "limits"` it keeps what was read for others to read again; set `max_age` or
  `max_bytes` and `discard = "old"`, and know that it then removes what nobody has read yet.
- **Messages**: with `format = "columns"`, what a payload has of one container, route and source is
  one message, compressed; a dockline with a `nats` source reads from it all that was there: the
  container, times, streams, sequence numbers, parts, parsed fields and readings of stats. With
  `format = "json"` each entry is a message of its own, an ECS document for any other consumer, at
  many times the cost for both sides.
- **Subjects** are made of `subject`. Its placeholders are `{container.id}`, `{container.name}`,
  `{container.image}`, `{container.project}`, `{container.service}`, `{container.host}`,
  `{container.labels["…"]}`, `{source}` (`logs`, `events`, `stats`), `{route}`, and `{partition}`, a
  number below `partitions` that is always the same for a container: readers that each take some of
  the partitions have every container's entries in order. What is not an ASCII letter, a digit, `-`
  or `_` in a value becomes `_`.
- **Delivery**: an entry counts as delivered when the stream has acknowledged it. Many messages are
  on their way at once; of a payload that was cut short only what was not acknowledged is sent
  again, under the same `Nats-Msg-Id`, by which the stream knows what it has: within
  `duplicate_window`, which the servers keep in memory (half a kilobyte for each message).
- **Size**: a message larger than the server's `max_payload`, or than the 32 MiB that hubs take
  before compression, is split between entries; one entry that is larger by itself is refused, and
  may go to the `dead_letter` sink.
- **Order**: a container's messages are published in order on one connection. After a message that
  the stream did not take, those that were on their way behind it may be before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec

from pipeline.buffer.columns import ColumnCodec
from pipeline.encode.nats.messages import LARGEST, ColumnsMessages, JsonMessages, Published
from pipeline.encode.nats.subject import Subjects
from pipeline.model.batch import Batch
from pipeline.model.component import Context, Duration, Payload, Sink, SinkConfig, TLSConfig
from pipeline.model.errors import Unavailable
from pipeline.transport.nats.auth import NatsAuth
from pipeline.transport.nats.connection import NatsConnection
from pipeline.transport.nats.errors import (
    MESSAGE_TOO_LARGE,
    NO_ACKNOWLEDGEMENT,
    NO_RESPONDERS,
    STREAM_FULL,
    STREAM_NOT_MATCH,
    ApiProblem,
)
from pipeline.transport.nats.jetstream import JetStream
from pipeline.transport.nats.streams import StreamConfig, Streams


class Config(SinkConfig, frozen=True, kw_only=True):
    """Which servers, which stream, and what the messages are."""

    urls: Annotated[
        list[str], msgspec.Meta(min_length=1, examples=[["nats://nats-1:4222", "tls://nats-2"]])
    ]
    """`nats://host:4222` or `tls://host:4222`; of several, any that can be used."""
    subject: str = "dockline.{partition}.{source}.{container.id}"
    """Of each message; a hub's `nats` source wants the default."""
    partitions: Annotated[int, msgspec.Meta(ge=1, le=4096)] = 16
    """How many there are; readers have to know the same number."""
    format: Literal["columns", "json"] = "columns"
    """`columns` for a dockline with a `nats` source, `json` for all else."""
    stream: StreamConfig = StreamConfig()
    """Where the messages are kept."""
    auth: NatsAuth | None = None
    """Who we are."""
    tls: TLSConfig | None = None
    """Certificates, for TLS."""
    domain: Annotated[str | None, msgspec.Meta(examples=["hub"], pattern=r"^[A-Za-z0-9_-]+$")] = (
        None
    )
    """JetStream domain, for a stream beyond a leaf node."""
    in_flight: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 500
    """Messages that are published before an acknowledgement is waited for."""
    timeout: Duration = Duration(10)
    """For connecting, the login included, to each server."""
    ack_timeout: Duration = Duration(10)
    """Longest silence while acknowledgements are waited for."""


class NatsSink(Sink[list[Published]]):
    """`Payload.data` are the messages, those that are stored marked so."""

    def __init__(self, config: Config, context: Context) -> None:
        subjects = Subjects(config.subject, partitions=config.partitions, host=context.host)
        takes = config.stream.subjects or [subjects.takes]
        self._stream = config.stream.name
        self._streams = Streams(config.stream, takes, subjects.partitions)
        self._nats = NatsConnection(
            config.urls,
            auth=config.auth,
            tls=config.tls,
            timeout=config.timeout,
            name=f"dockline {context.host} {context.name}",
        )
        self._jetstream = JetStream(
            self._nats,
            timeout=config.ack_timeout,
            in_flight=config.in_flight,
            domain=config.domain,
        )
        common = {"Nats-Expected-Stream": self._stream}
        self._messages: ColumnsMessages | JsonMessages
        if config.format == "columns":
            pack = ColumnCodec().encode
            self._messages = ColumnsMessages(pack, subjects.of, common, host=context.host)
        else:
            self._messages = JsonMessages(subjects.of, common, host=context.host)

    async def open(self) -> None:
        await self._jetstream.open()
        await self._streams.ensure(self._jetstream)

    def reached(self) -> str:
        return f"{self._nats.reached()}, stream {self._stream}"

    def encode(self, batches: Sequence[Batch]) -> Payload[list[Published]]:
        messages = self._messages.of(batches)
        size = sum(len(message.body) for message in messages)
        return Payload(messages, sum(map(len, batches)), size)

    async def send(self, payload: Payload[list[Published]]) -> None:
        while left := self._left(payload):
            problems = await self._jetstream.publish(left, _mark, self._stream)
            for message, problem in problems:
                if problem.err_code != MESSAGE_TOO_LARGE:
                    raise self._unavailable(message, problem)
                replaced = self._smaller(payload, message, f"as the stream says: {problem}")
                place = payload.data.index(message)
                payload.data[place : place + 1] = replaced

    async def close(self) -> None:
        await self._jetstream.close()

    def _left(self, payload: Payload[list[Published]]) -> list[Published]:
        """What is still to be published, none larger than the server takes, and hubs."""
        most = self._jetstream.max_payload
        left: list[Published] = []
        todo = [message for message in reversed(payload.data) if not message.stored]
        while todo:
            message = todo.pop()
            if message.plain > LARGEST:
                reason = f"before compression it is longer than hubs take, {LARGEST} bytes"
                todo += reversed(self._smaller(payload, message, reason))
            elif message.size <= most:
                left.append(message)
            else:
                reason = (
                    f"with its headers it is longer than the server's max_payload, {most} bytes"
                )
                todo += reversed(self._smaller(payload, message, reason))
        payload.data = left
        return left

    def _smaller(
        self, payload: Payload[list[Published]], message: Published, reason: str
    ) -> list[Published]:
        """The two halves of a message; none where it is of one entry, which is refused."""
        halves = self._messages.halves(message)
        if not halves:
            batch, index, _ = message.pieces[0]
            payload.refuse(batch, index, reason)
        return halves

    def _unavailable(self, message: Published, problem: ApiProblem) -> Unavailable:
        stream, address = self._stream, self._nats.address
        if problem is NO_RESPONDERS:
            return Unavailable(
                f"no stream at {address} takes the subject {message.subject}: stream {stream} is "
                "gone, or JetStream is"
            )
        if problem is NO_ACKNOWLEDGEMENT:
            return Unavailable(f"{address} answers a message with what is no acknowledgement")
        if problem.err_code == STREAM_FULL:
            return Unavailable(
                f"stream {stream} is full ({problem}): who reads it is behind, or its limits are "
                "too small"
            )
        if problem.err_code == STREAM_NOT_MATCH:
            return Unavailable(
                f"the subject {message.subject} belongs to another stream than {stream}; set "
                "stream.name or subject"
            )
        return Unavailable(f"stream {stream} does not take messages: {problem}")


def _mark(message: Published) -> None:
    message.stored = True
