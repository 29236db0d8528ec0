"""What the tables of all sinks and sources have."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from pipeline.model.values import Duration, Size


class BufferConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may wait between the routes and this sink, and what happens when that is full."""

    memory: Annotated[Size, msgspec.Meta(ge=2**16)] = Size(16 * 2**20)
    """Bytes of memory, what is being sent included. Labels of a container beyond 4 KiB, and tags
    that it asks for, count with each of its entries, since most destinations get them with each."""
    disk: Size = Size(0)
    """Bytes on disk, under the state directory, after the memory is full, or the destination has
    taken nothing for ten seconds; 0 for none."""
    when_full: Literal["block", "drop_newest", "drop_oldest"] = "block"
    """`block` stops reading the containers that feed this sink; the others lose and count."""


class BatchConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many entries are sent at once: as soon as one of the limits is reached."""

    bytes: Annotated[Size, msgspec.Meta(ge=1)] = Size(2**20)
    """Bytes of messages. With labels and tags, which most destinations get with each entry, there
    are no more at once than 8 MiB of them, or this, if it is more."""
    entries: Annotated[int, msgspec.Meta(ge=1)] = 10_000
    """Number of entries."""
    linger: Duration = Duration(0)
    """How long to wait for more. 0 sends what there is as soon as the sink is free, which under
    load gathers by itself and costs no latency."""


class RetryConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a payload that could not be sent is tried again: exponential, with full jitter."""

    initial: Annotated[Duration, msgspec.Meta(gt=0)] = Duration(0.5)
    """Wait after the first failure; it doubles with each further one."""
    max: Annotated[Duration, msgspec.Meta(gt=0)] = Duration(30)
    """Longest wait."""
    give_up_after: Annotated[Duration | None, msgspec.Meta(examples=["1h"])] = None
    """Time after which a payload counts as refused; without it, it is tried for ever."""


class SinkConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every sink's table may hold, beside what the sink's own `Config` adds."""

    type: str
    """Which sink this is."""
    buffer: BufferConfig = BufferConfig()
    """What may wait for this sink."""
    batch: BatchConfig = BatchConfig()
    """How much is sent at once."""
    retry: RetryConfig = RetryConfig()
    """How sending is tried again."""
    dead_letter: Annotated[str | None, msgspec.Meta(examples=["rejected"])] = None
    """Name of another sink, for entries that this destination refuses for good."""


class SourceConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every source's table may hold, beside what the source's own `Config` adds."""

    type: str
    """Which source this is."""
    in_flight: Annotated[Size, msgspec.Meta(ge=2**16)] = Size(32 * 2**20)
    """Bytes of memory that messages take which are taken and not settled yet. At that many the
    source reads no further, so that its peers wait; a message that is larger comes alone."""


class TLSConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """TLS of a connection. The peer's certificate and name are always verified."""

    ca: Annotated[str | None, msgspec.Meta(examples=["/certs/ca.pem"])] = None
    """PEM file of the authorities to trust instead of the system's."""
    cert: Annotated[str | None, msgspec.Meta(examples=["/certs/cert.pem"])] = None
    """PEM file of the client's certificate, with its chain."""
    key: Annotated[str | None, msgspec.Meta(examples=["/certs/key.pem"])] = None
    """PEM file of the client certificate's key."""
    server_name: Annotated[str | None, msgspec.Meta(examples=["logs.example.com"])] = None
    """Name to verify, where it is not the address's host."""


def same(old: Any, new: Any) -> bool:
    """Whether two parts of configurations say the same. To Python `1`, `1.0` and `true` are equal,
    to a stage that sets a field they are not; and secrets that differ look the same."""
    return bool(old == new) and repr(old) == repr(new)
