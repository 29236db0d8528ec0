"""Configuration tables that all sinks or all sources have.

The docstrings of the tables and of their keys are the text of the reference and of the JSON Schema.
A table with `SHORT` may also be written as the value of that key alone: `buffer = "64MiB"`.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import msgspec

from pipeline.model.address_form import AddressForm
from pipeline.model.values import Duration, FileToRead, Size


class BufferConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may wait for this sink, and what happens when its buffer is full."""

    SHORT: ClassVar[str] = "memory"

    memory: Annotated[Size, msgspec.Meta(ge=2**16)] = Size(16 * 2**20)
    """Bytes of memory, including what is being sent. A container's labels beyond 4 KiB, and its
    tags, count with each of its entries, since most destinations get them with each."""
    disk: Size = Size(0)
    """Bytes on disk, in the state directory; 0 for none. Used when the memory is full, or when the
    destination has taken nothing for ten seconds."""
    when_full: Literal["block", "drop_newest", "drop_oldest"] = "block"
    """`block` stops reading the containers that feed this sink. The others drop entries and count
    them."""


class BatchConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many entries are sent at once: until one of these limits is reached."""

    bytes: Annotated[Size, msgspec.Meta(ge=1)] = Size(2**20)
    """Bytes of messages. Together with labels and tags, which most destinations get with each
    entry, at most 8 MiB are sent at once, or this if it is more."""
    entries: Annotated[int, msgspec.Meta(ge=1)] = 10_000
    """Number of entries."""
    linger: Duration = Duration(0)
    """How long to wait for more entries. With 0, what there is is sent as soon as the sink is free.
    Under load this forms batches by itself, without latency."""


class RetryConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a payload that could not be sent is sent again: after exponential delays with full
    jitter."""

    initial: Annotated[Duration, msgspec.Meta(gt=0)] = Duration(0.5)
    """Delay after the first failure. It doubles with each further one."""
    max: Annotated[Duration, msgspec.Meta(gt=0)] = Duration(30)
    """Longest delay."""
    give_up_after: Annotated[Duration | None, msgspec.Meta(examples=["1h"])] = None
    """Time after which a payload counts as refused. By default it is tried for ever."""


class SharedQueue(NamedTuple):
    """What a sink publishes to for others to read."""

    stream: str
    """Its name as configured; may be a template."""
    partitions: int | None = None
    """How many partitions readers share, if this sink decides it."""


class SinkConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keys that every sink's table may have. A sink's own `Config` adds more."""

    address_forms: ClassVar[tuple[AddressForm, ...]] = ()
    """How the sink is written in one line, as `dockline run` takes it."""

    type: str
    """Which sink this is."""
    buffer: Annotated[BufferConfig, msgspec.Meta(examples=["64MiB"])] = BufferConfig()
    """What may wait for this sink. A size by itself is that of the memory."""
    batch: BatchConfig = BatchConfig()
    """How much is sent at once."""
    retry: RetryConfig = RetryConfig()
    """How a payload that could not be sent is sent again."""
    dead_letter: Annotated[str | None, msgspec.Meta(examples=["rejected"])] = None
    """Name of another sink, which gets entries that this destination refuses for good."""

    def publishes(self) -> SharedQueue | None:
        """The queue that the sink fills and others read, such as a stream or a topic. None for any
        other destination."""
        return None


class SourceConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keys that every configured source's table may have. A source's own `Config` adds more."""

    type: str
    """Which source this is."""
    in_flight: Annotated[Size, msgspec.Meta(ge=2**16)] = Size(32 * 2**20)
    """Bytes of memory for messages that are taken and not settled yet. At this limit the source
    stops reading, so its peers wait. A larger message is taken alone."""


class TLSConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """TLS of a connection. The peer's certificate and name are always verified."""

    ca: Annotated[FileToRead | None, msgspec.Meta(examples=["/certs/ca.pem"])] = None
    """PEM file of the authorities to trust, instead of the system's."""
    cert: Annotated[FileToRead | None, msgspec.Meta(examples=["/certs/cert.pem"])] = None
    """PEM file of the client's certificate, with its chain."""
    key: Annotated[FileToRead | None, msgspec.Meta(examples=["/certs/key.pem"])] = None
    """PEM file of the client certificate's key."""
    server_name: Annotated[str | None, msgspec.Meta(examples=["logs.example.com"])] = None
    """Name to verify, if it is not the address's host."""


def same(old: Any, new: Any) -> bool:
    """Whether two parts of configurations are the same.

    They are compared by value and by `repr`. `1`, `1.0` and `true` are equal in Python, but not to
    a stage that sets a field; and secrets that differ have the same `repr`.
    """
    return bool(old == new) and repr(old) == repr(new)
