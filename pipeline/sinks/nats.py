"""NATS JetStream, acknowledged: a queue between agents and a hub, or any other consumer.

```toml
[sinks.queue]
type = "nats"
urls = ["nats://nats-1:4222", "nats://nats-2:4222", "nats://nats-3:4222"]
auth = { user = "agent", password = "${NATS_PASSWORD}" }
stream = { replicas = 3, max_bytes = "50GiB" }
```

- **The stream** is created if it does not exist. An existing one is never changed: differences from
  the configuration are logged. By default it is a work queue that refuses messages while it is
  full: they wait in this sink's `buffer`, and nothing is lost. With `retention = "limits"` the
  stream keeps messages after they were read; then set `max_age` or `max_bytes` and
  `discard = "old"`, which also removes messages that nobody has read yet.
- **Messages**: with `format = "columns"`, the entries of one container, route and source in a
  payload are one compressed message. A dockline with a `nats` source reads everything from it: the
  container, times, streams, sequence numbers, parts, parsed fields and samples of stats. With
  `format = "json"` each entry is a message, an ECS document for any other consumer, at many times
  the cost for both sides.
- **Subjects** are made from `subject`. Its placeholders are `{container.id}`, `{container.name}`,
  `{container.image}`, `{container.project}`, `{container.service}`, `{container.host}`,
  `{container.labels["…"]}`, `{source}` (`logs`, `events`, `stats`), `{route}`, and `{partition}`, a
  number below `partitions` that is always the same for a container: readers that share the
  partitions get each container's entries in order. In values, anything but ASCII letters, digits,
  `-` and `_` becomes `_`.
- **Delivery**: an entry counts as delivered when the stream has acknowledged it. Many messages are
  in flight at once. If a payload is interrupted, only messages without an acknowledgement are sent
  again, with the same `Nats-Msg-Id`, so that the stream drops duplicates within its
  `duplicate_window`, which takes half a kilobyte of the servers' memory for each message.
- **Size**: a message larger than the server's `max_payload`, or than the 32 MiB that hubs take
  before compression, is split between entries; a single entry that is larger is refused, and may go
  to the `dead_letter` sink.
- **Order**: a container's messages are published in order on one connection. If the stream does not
  take one of them, those in flight behind it may be stored before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import msgspec

from pipeline.buffer.columns import ColumnCodec
from pipeline.encode.columns import LARGEST
from pipeline.encode.nats.documents import Documents
from pipeline.encode.nats.messages import ColumnsMessages, JsonMessages, Published
from pipeline.encode.nats.subject import Subjects
from pipeline.model.address_form import AUTH, AddressForm
from pipeline.model.batch import Batch
from pipeline.model.component import (
    Duration,
    Payload,
    SharedQueue,
    Sink,
    SinkConfig,
    SinkContext,
    TLSConfig,
)
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
from pipeline.transport.nats.jetstream import JetStream, Span
from pipeline.transport.nats.streams import StreamConfig, Streams


class Config(SinkConfig, frozen=True, kw_only=True):
    """The servers, the stream, and the subject and format of the messages."""

    address_forms: ClassVar[tuple[AddressForm, ...]] = (
        AddressForm(
            schemes={"": "nats://", "+tls": "tls://"},
            to="urls",
            many=True,
            path=("stream.name",),
            login=AUTH,
            example="nats://nats-1:4222,nats-2:4222",
        ),
    )

    urls: Annotated[
        list[str], msgspec.Meta(min_length=1, examples=[["nats://nats-1:4222", "tls://nats-2"]])
    ]
    """`nats://host:4222` or `tls://host:4222`; of several, any that is available."""
    subject: str = "dockline.{partition}.{source}.{container.id}"
    """Subject of the messages; a hub's `nats` source expects the default."""
    partitions: Annotated[int, msgspec.Meta(ge=1, le=4096)] = 16
    """Number of partitions; must be the same for readers."""
    format: Literal["columns", "json"] = "columns"
    """`columns` is for a dockline with a `nats` source, `json` for everything else."""
    stream: StreamConfig = StreamConfig()
    """The stream that keeps the messages."""
    auth: NatsAuth | None = None
    """Credentials for the servers."""
    tls: TLSConfig | None = None
    """Certificates, for TLS."""
    domain: Annotated[str | None, msgspec.Meta(examples=["hub"], pattern=r"^[A-Za-z0-9_-]+$")] = (
        None
    )
    """JetStream domain, for a stream beyond a leaf node."""
    in_flight: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 500
    """Messages that are published before waiting for acknowledgements."""
    timeout: Duration = Duration(10)
    """Time limit for connecting to each server, with the login."""
    ack_timeout: Duration = Duration(10)
    """Longest silence of the server while waiting for acknowledgements."""

    def publishes(self) -> SharedQueue:
        partitions = Subjects(self.subject, partitions=self.partitions).partitions
        return SharedQueue(self.stream.name, partitions)


_Messages = Published | Documents


class NatsSink(Sink[list[_Messages]]):
    """Publishes to a JetStream stream. `Payload.data` has the messages still to be stored."""

    def __init__(self, config: Config, context: SinkContext) -> None:
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

    def encode(self, batches: Sequence[Batch]) -> Payload[list[_Messages]]:
        messages: list[_Messages] = [*self._messages.of(batches)]
        size = sum([some.size(0, len(some)) for some in messages])
        return Payload(messages, sum(map(len, batches)), size)

    async def send(self, payload: Payload[list[_Messages]]) -> None:
        while left := self._left(payload):
            for messages, index, problem in await self._jetstream.publish(
                left, _settle, self._stream
            ):
                if problem.err_code != MESSAGE_TOO_LARGE:
                    raise self._unavailable(messages, problem)
                reason = f"the stream refuses it: {problem}"
                replaced = self._smaller(payload, messages, index, reason)
                place = payload.data.index(messages)
                payload.data[place + 1 : place + 1] = replaced

    async def close(self) -> None:
        await self._jetstream.close()

    def _left(self, payload: Payload[list[_Messages]]) -> list[Span[_Messages]]:
        """The messages still to be published, split so that the server and hubs take them."""
        most = self._jetstream.max_payload
        todo, kept = payload.data[::-1], []
        spans: list[Span[_Messages]] = []
        while todo:
            messages = todo.pop()
            if not messages.left():
                continue
            smaller: list[_Messages] = []
            for index, reason in _oversized(messages, most):
                smaller += self._smaller(payload, messages, index, reason)
            todo += reversed(smaller)
            if left := messages.left():
                kept.append(messages)
                spans += [(messages, start, stop) for start, stop in left]
        payload.data = kept
        return spans

    def _smaller(
        self, payload: Payload[list[_Messages]], messages: _Messages, index: int, reason: str
    ) -> Sequence[_Messages]:
        """What is to be published instead of a message: its halves; nothing if it has only one
        entry, which is refused."""
        halves: Sequence[_Messages] = ()
        if isinstance(messages, Published) and isinstance(self._messages, ColumnsMessages):
            halves = self._messages.halves(messages)
        if not halves:
            payload.refuse(*messages.entry(index), reason)
        messages.settle(index, index + 1)
        return halves

    def _unavailable(self, message: _Messages, problem: ApiProblem) -> Unavailable:
        stream, address = self._stream, self._nats.address
        if problem is NO_RESPONDERS:
            return Unavailable(
                f"no stream at {address} takes the subject {message.subject}: stream {stream} was "
                "removed, or JetStream is not available"
            )
        if problem is NO_ACKNOWLEDGEMENT:
            return Unavailable(f"{address} answers a message with no valid acknowledgement")
        if problem.err_code == STREAM_FULL:
            return Unavailable(
                f"stream {stream} is full ({problem}): its readers are behind, or its limits are "
                "too small"
            )
        if problem.err_code == STREAM_NOT_MATCH:
            return Unavailable(
                f"the subject {message.subject} belongs to another stream than {stream}; set "
                "stream.name or subject"
            )
        return Unavailable(f"stream {stream} does not take messages: {problem}")


def _oversized(messages: _Messages, most: int) -> list[tuple[int, str]]:
    """The messages that are too large, and why. `most`: the server's limit."""
    if isinstance(messages, Published) and messages.plain > LARGEST:
        return [(0, f"before compression it is longer than the {LARGEST} bytes that hubs take")]
    reason = f"with its headers it is longer than the server's max_payload, {most} bytes"
    return [(index, reason) for index in messages.oversized(most)]


def _settle(messages: _Messages, start: int, stop: int) -> None:
    messages.settle(start, stop)
