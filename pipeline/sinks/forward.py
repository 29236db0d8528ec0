"""The Fluent forward protocol, to Fluentd, Fluent Bit, Vector, or a `forward` source of dockline.

```toml
[sinks.fluentd]
type = "forward"
address = "tls://fluentd.example.com"      # port 24224, for tcp:// too
tag = "docker.{container.name}"
shared_key = "${FLUENTD_KEY}"              # only if the server asks for one
```

- **Chunks** are PackedForward, or CompressedPackedForward with `compression = "gzip"`: one chunk
  per tag and payload. Times are EventTime, to the nanosecond.
- **Records** have the same names as JSON, except `@timestamp`: `message`, `stream`, `container`,
  `host`, `event.sequence` and the parsed fields. Messages keep their bytes.
- **`tag`** is a template over the container and the entry, such as
  `"{container.project}.{container.service}.{stream}"`. Slashes and control characters in the values
  become `_`.
- **Acknowledgements** are always requested. All chunks of a payload are sent, then the sink waits
  for each; after a broken connection only chunks without an acknowledgement are sent again. A
  server that never acknowledges (such as Logstash's `fluent` codec) cannot be used: after
  `ack_timeout` it counts as unavailable.
- **Shared key**: Fluentd's `<security>`. Both ends prove that they know it; `user` and `password`
  are for a server that also asks for users. It does not protect the entries: TLS does. A server
  that closes the connection during the handshake gives no reason (Fluent Bit never does for a wrong
  key); the log says what to check.
- **Delivery**: chunks without an acknowledgement are sent again, so a chunk can be duplicated, and
  none is lost.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Final, Literal

import msgspec

from pipeline.encode.forward import ForwardEncoder, fit
from pipeline.expression import compile_template
from pipeline.forward.chunks import Answers, acknowledged, chunk, chunk_id, shown
from pipeline.forward.framing import ProtocolError
from pipeline.forward.handshake import Client, Hello, is_hello, new_salt, read_hello
from pipeline.model.address_form import AddressForm
from pipeline.model.batch import Batch
from pipeline.model.component import (
    Duration,
    Payload,
    Secret,
    Sink,
    SinkConfig,
    SinkContext,
    TLSConfig,
)
from pipeline.model.errors import ConfigError, Unavailable
from pipeline.transport.net.address import parse
from pipeline.transport.net.stream import Closed, Stream
from pipeline.transport.net.tls import tls_of

PORTS = {"tcp": 24224, "tls": 24224}
NO_TAG = "docker"
"""The tag to use if the template gives an empty one, which Fluentd would not route."""
SILENT = (
    "does not ask for the shared key; check that it has one, or remove shared_key, and check "
    "whether it expects TLS"
)
UNASKED = (
    "closed the connection before it asked for the shared key; check whether it expects TLS, and "
    "whether it allows this host"
)
UNANSWERED = "does not answer to the shared key; check that the port is that of a forward input"
UNWANTED = (
    "closed the connection after it was sent the shared key; check shared_key, user and password, "
    "and whether it allows this host"
)
GREETING = 0.5
"""Seconds that `probe` waits for a server to ask for a shared key."""


class Config(SinkConfig, frozen=True, kw_only=True):
    """The server's address, the tag of entries, and the credentials."""

    address_forms: ClassVar[tuple[AddressForm, ...]] = (
        AddressForm(
            schemes={"": "", "+tcp": "tcp://", "+tls": "tls://"},
            to="address",
            login=("user", "password"),
            example="forward+tls://fluentd.example.com",
        ),
    )

    address: Annotated[str, msgspec.Meta(examples=["tcp://fluentd:24224", "tls://fluentd"])]
    """`host` or `host:port`, optionally after `tcp://` or `tls://`. Without a scheme it is TLS if
    there is a `tls` table, else TCP."""
    tag: Annotated[str, msgspec.Meta(min_length=1)] = "docker.{container.name}"
    """Template of the tag of an entry."""
    compression: Literal["none", "gzip"] = "none"
    """Compression of chunks."""
    shared_key: Annotated[Secret | None, msgspec.Meta(examples=["${FLUENTD_KEY}"])] = None
    """Shared key of the server's `<security>`."""
    user: Annotated[str | None, msgspec.Meta(examples=["dockline"])] = None
    """User, if the server asks for users."""
    password: Annotated[Secret | None, msgspec.Meta(examples=["${FLUENTD_PASSWORD}"])] = None
    """Password of that user."""
    hostname: Annotated[str | None, msgspec.Meta(examples=["web-1"])] = None
    """Host name to send with the shared key, by default that of this host."""
    tls: TLSConfig | None = None
    """Certificates, for TLS."""
    timeout: Duration = Duration(10)
    """Time limit for connecting, again for the TLS handshake, and again for that with the shared
    key."""
    ack_timeout: Annotated[Duration, msgspec.Meta(gt=0)] = Duration(60)
    """Longest silence of the server while waiting for acknowledgements."""


@dataclass(slots=True)
class Chunks:
    """The data of a payload: its chunks, and which of them are acknowledged."""

    unacknowledged: dict[str, bytes] = field(default_factory=dict)
    """Encoded chunks that are still to be acknowledged, by chunk id."""
    acknowledged: set[str] = field(default_factory=set)
    """Ids of the chunks that the server has acknowledged."""


class Forward(Sink[Chunks]):
    """Sends chunks over one connection, which is reopened after any error."""

    def __init__(self, config: Config, context: SinkContext) -> None:
        address = parse(config.address, PORTS, "tls" if config.tls else "tcp")
        tls = tls_of(address, config.tls)
        if config.user is not None and config.shared_key is None:
            raise ConfigError("a user has no meaning without a shared_key", path="user")
        try:
            self._tags = compile_template(config.tag, _part_of_tag)
        except ConfigError as error:
            raise ConfigError(error.message, "tag", error.column) from None
        self._client = None
        if config.shared_key is not None:
            host, key = config.hostname or context.host or os.uname().nodename, config.shared_key
            self._client = Client(host, key, config.user or "", config.password or "")
        self._compressed = config.compression == "gzip"
        self._config = config
        self._host = context.host
        self._encoder = ForwardEncoder(host=context.host)
        self._stream = Stream(address, tls, timeout=config.timeout, resend=False)
        self._answers = Answers()
        self._last: set[str] = set()
        """Ids of the previous payload's chunks, whose acknowledgements may come twice."""

    # -- the connection ------------------------------------------------------------------------

    async def open(self) -> None:
        self._answers = Answers()
        self._last = set()
        await self._stream.open()
        if self._client is not None:
            await self._shake_hands(self._client)

    async def _shake_hands(self, client: Client) -> None:
        hello: Hello | None = None
        try:
            async with asyncio.timeout(self._config.timeout):
                hello, salt = read_hello(await self._answer()), new_salt()
                await self._stream.send(client.ping(hello, salt))
                client.check_pong(await self._answer(), hello, salt)
        except TimeoutError as error:
            raise await self._broken(SILENT if hello is None else UNANSWERED) from error
        except Unavailable as error:  # the server has closed the connection
            raise await self._broken(UNASKED if hello is None else UNWANTED) from error
        except ProtocolError as error:
            raise await self._broken(f"cannot be used with this shared_key: {error}") from error

    async def _answer(self) -> Any:
        """The server's next object. In the handshake, no other can follow it."""
        while not (said := self._answers.feed(await self._stream.receive())):
            pass
        return said[0]

    def reached(self) -> str:
        return self._stream.reached()

    async def probe(self) -> None:
        """Finds out whether the server asks for a shared key, which it would do at once."""
        if self._client is None:
            with suppress(TimeoutError):
                async with asyncio.timeout(GREETING):
                    await self._read(await self._stream.receive())

    async def close(self) -> None:
        await self._stream.close()

    # -- encoding ------------------------------------------------------------------------------

    def encode(self, batches: Sequence[Batch]) -> Payload[Chunks]:
        tagged: dict[str, list[Batch]] = {}
        for batch in filter(len, batches):
            for tag, part in self._parts(batch):
                tagged.setdefault(tag, []).append(part)
        chunks = Chunks()
        for tag, parts in tagged.items():
            identity = chunk_id()
            chunks.unacknowledged[identity] = chunk(
                tag,
                list(map(self._encoder.encode, parts)),
                sum(map(len, parts)),
                identity,
                compressed=self._compressed,
                containers=self._containers(parts),
            )
        size = sum(map(len, chunks.unacknowledged.values()))
        return Payload(chunks, sum(map(len, batches)), size)

    def _containers(self, parts: Sequence[Batch]) -> dict[str, Any]:
        """Name, image, labels and host of each container, by id: for the `forward` source."""
        facts = {}
        for container in dict.fromkeys(one.container for one in parts):
            host = container.host or self._host
            texts = container.name, container.image, dict(container.labels), host
            facts[container.id] = fit(texts)
        return facts

    def _parts(self, batch: Batch) -> Iterator[tuple[str, Batch]]:
        tags = self._tags(batch)
        if tags.count(tags[0]) == len(tags):
            yield _clean(tags[0]), batch
            return
        places: dict[str, list[int]] = {}
        for index, tag in enumerate(tags):
            places.setdefault(_clean(tag), []).append(index)
        for tag, indexes in places.items():
            yield tag, batch.pick(indexes)

    # -- sending -------------------------------------------------------------------------------

    async def send(self, payload: Payload[Chunks]) -> None:
        chunks = payload.data
        if not chunks.unacknowledged:
            return
        await self._ready()
        self._last = chunks.acknowledged | chunks.unacknowledged.keys()
        await self._stream.send(b"".join(chunks.unacknowledged.values()))
        while chunks.unacknowledged:
            for identity in await self._acknowledged():
                if chunks.unacknowledged.pop(identity, None) is not None:
                    chunks.acknowledged.add(identity)
                elif identity not in chunks.acknowledged:
                    raise await self._wrong(identity)

    async def _ready(self) -> None:
        """Reconnects if the server has closed the idle connection, which is not an error."""
        try:
            said = self._stream.pending()
        except Closed:
            await self.open()
            return
        for identity in await self._read(said):
            if identity not in self._last:
                raise await self._wrong(identity)

    async def _acknowledged(self) -> list[str]:
        try:
            async with asyncio.timeout(self._config.ack_timeout):
                return await self._read(await self._stream.receive())
        except TimeoutError as error:
            seconds = f"{float(self._config.ack_timeout):g} s"
            raise await self._broken(f"acknowledged nothing for {seconds}") from error

    async def _read(self, said: bytes) -> list[str]:
        try:
            answers = self._answers.feed(said)
            if self._client is None and any(map(is_hello, answers)):
                raise await self._broken("asks for a shared key; set shared_key")
            return [acknowledged(answer) for answer in answers]
        except ProtocolError as error:
            raise await self._broken(
                f"does not speak the Fluent forward protocol ({error}); check that the port is "
                "that of a forward input"
            ) from error

    async def _wrong(self, identity: str) -> Unavailable:
        return await self._broken(f"acknowledged a chunk {shown(identity)} that was not sent")

    async def _broken(self, what: str) -> Unavailable:
        await self._stream.close()
        return Unavailable(f"{self._stream.address} {what}")


_UNFIT: Final = re.compile(r"[\x00-\x1f\x7f/\\]")


def _part_of_tag(text: str) -> str:
    """The value of a placeholder, safe in a path: some outputs make file names of tags.

    Examples are `out_file` of Fluent Bit and Fluentd.
    """
    if text.isalnum():
        return text
    return "_" if text in (".", "..") else _UNFIT.sub("_", text)


def _clean(tag: str) -> str:
    """The tag as valid UTF-8, and not empty."""
    return tag.encode("utf-8", "replace").decode() or NO_TAG
