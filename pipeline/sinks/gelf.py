"""GELF 1.1 to Graylog, or to Logstash's `gelf` input, over UDP, TCP or TLS.

```toml
[sinks.graylog]
type = "gelf"
address = "tcp://graylog.example.com"      # port 12201, for udp:// and tls:// too
```

- **Fields** are `host`, `short_message` (never empty; the first line, if `full_message` has
  several), `timestamp` to the nanosecond, and `level` as a number. Everything else that JSON sinks
  write, parsed fields too, becomes additional fields: `_container_name`, `_event_sequence`,
  `_status`. Objects are flattened, characters that a name may not have become `_`, and `_id`, which
  is forbidden, becomes `_id_`.
- **UDP**: a message is a datagram, by default compressed with gzip: what all entries of a container
  share once, and an entry's own text only if the message would not fit into a datagram. A message
  longer than `chunk` is sent in chunks, at most 128; an entry that would need more is refused, and
  may go to the `dead_letter` sink. Graylog drops a message if a chunk is missing for five seconds.
- **TCP and TLS**: each message ends with NUL. GELF has no compression here.
- **Delivery**: GELF has no acknowledgements. Over TCP and TLS, what Graylog's kernel had not
  confirmed when a connection broke is sent again. UDP guarantees nothing: a backlog is sent as
  fast as this host can, and what does not fit into the receiver's buffer is lost.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

import msgspec

from pipeline.encode.gelf import GelfEncoder
from pipeline.model.address_form import AddressForm
from pipeline.model.batch import Batch
from pipeline.model.component import Duration, Payload, SinkConfig, SinkContext, Size, TLSConfig
from pipeline.model.datagrams import Ended, Run, longest, one_by_one, size_of
from pipeline.model.errors import ConfigError
from pipeline.transport.net.address import parse
from pipeline.transport.net.datagrams import LARGEST, Datagrams
from pipeline.transport.net.sink import OverSocket

PORTS = {"udp": 12201, "tcp": 12201, "tls": 12201}

MAGIC = b"\x1e\x0f"
"""The first bytes of a chunk."""
CHUNK_HEAD = 12
"""Bytes of a chunk's header: `MAGIC`, the message's id, the chunk's number, and their count."""
MOST_CHUNKS = 128
"""Chunks of a message at most, by GELF's specification."""


class Config(SinkConfig, frozen=True, kw_only=True):
    """The address of Graylog, and the compression of messages."""

    address_forms: ClassVar[tuple[AddressForm, ...]] = (
        AddressForm(
            schemes={"": "", "+tcp": "tcp://", "+tls": "tls://", "+udp": "udp://"},
            to="address",
            example="gelf+udp://graylog.example.com",
        ),
    )

    address: Annotated[
        str, msgspec.Meta(examples=["tcp://graylog:12201", "udp://graylog", "tls://graylog:12202"])
    ]
    """`host` or `host:port`, optionally after `tcp://`, `tls://` or `udp://`. Without a scheme it
    is TLS if there is a `tls` table, else TCP."""
    compression: Annotated[
        Literal["gzip", "zlib", "none"] | None, msgspec.Meta(examples=["zlib"])
    ] = None
    """Compression of messages over UDP, by default `gzip`; TCP and TLS have none."""
    chunk: Annotated[Size, msgspec.Meta(ge=512, le=LARGEST)] = Size(1420)
    """Largest datagram; the default fits into a packet on most networks. On a local network, 8192
    costs less."""
    tls: TLSConfig | None = None
    """Certificates, for TLS."""
    timeout: Duration = Duration(10)
    """Time limit for connecting, and again for the TLS handshake."""


class Gelf(OverSocket):
    """Sends datagrams over UDP, one per message or chunk, or messages ended by NUL over TCP."""

    most_values = 50_000  # some 50 ms

    def __init__(self, config: Config, context: SinkContext) -> None:
        address = parse(config.address, PORTS, "tls" if config.tls else "tcp")
        super().__init__(address, config.tls, config.timeout)
        if config.compression not in (None, "none") and address.scheme != "udp":
            message = f"GELF has no compression over {address.scheme.upper()}"
            raise ConfigError(message, path="compression")
        packing = config.compression or "gzip"
        self._encoder = GelfEncoder(
            host=context.host, packing=None if packing == "none" else packing
        )
        self._packed = packing != "none"
        self._chunk = int(config.chunk)

    def encode(self, batches: Sequence[Batch]) -> Payload[Any]:
        if isinstance(self._connection, Datagrams):
            return self._datagrams(batches)
        data = b"".join([self._encoder.joined(batch, b"\0") for batch in batches])
        return Payload(data, sum(map(len, batches)), len(data))

    def _datagrams(self, batches: Sequence[Batch]) -> Payload[Any]:
        runs: list[Run] = []
        refused: list[tuple[Batch, int, str]] = []
        size = 0
        for batch in filter(len, batches):
            run = self._run(batch)
            if longest(run) > self._chunk:
                run = self._in_chunks(batch, one_by_one(run), refused)
            runs.append(run)
            size += size_of(run, len(batch))
        return Payload(runs, sum(map(len, batches)) - len(refused), size, refused=refused)

    def _run(self, batch: Batch) -> Run:
        if self._packed:
            return self._encoder.packed(batch, self._chunk)
        return Ended(self._encoder.joined(batch, b"\0"))

    def _in_chunks(
        self, batch: Batch, messages: list[bytes], refused: list[tuple[Batch, int, str]]
    ) -> list[bytes]:
        most = MOST_CHUNKS * (self._chunk - CHUNK_HEAD)
        datagrams: list[bytes] = []
        for index, message in enumerate(messages):
            if len(message) <= self._chunk:
                datagrams.append(message)
            elif len(message) <= most:
                datagrams += chunks(message, self._chunk)
            else:
                reason = f"it has {len(message)} bytes, and {most} fit into {MOST_CHUNKS} chunks"
                refused.append((batch, index, reason))
        return datagrams


def chunks(message: bytes, longest: int) -> list[bytes]:
    """The chunks of a packed message, as datagrams of at most `longest` bytes.

    The message must need no more than `MOST_CHUNKS` chunks. See
    https://go2docs.graylog.org/current/getting_in_log_data/gelf.html
    """
    step = longest - CHUNK_HEAD
    count = -(-len(message) // step)
    head = MAGIC + os.urandom(8)
    return [
        head + bytes((number, count)) + message[number * step : (number + 1) * step]
        for number in range(count)
    ]
