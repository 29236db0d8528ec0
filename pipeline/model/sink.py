"""The interface of a sink: `Sink`, and what it is given and returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

from prometheus_client import Metric

from pipeline.model.batch import Batch
from pipeline.model.container import EntryKind
from pipeline.model.errors import one_line

Data = TypeVar("Data")
"""The type of a payload's `data`, which each sink chooses."""


@dataclass(slots=True)
class Payload(Generic[Data]):
    """Encoded entries, ready to be sent as often as needed.

    `encode` makes it. `send` may change it, to remember what the destination has taken.
    """

    data: Data
    """Whatever the sink's `send` needs: bytes, runs of datagrams, an object that remembers how
    much the peer has acknowledged."""
    entries: int
    """The number of entries, without those in `refused`."""
    size: int
    """Bytes on the wire."""
    truncated: int = 0
    """Entries that were cut to the destination's size limit."""
    refused: list[tuple[Batch, int, str]] = field(default_factory=list)
    """Entries that the destination will not take, as (batch, index in the batch, reason). `encode`
    adds those that cannot be encoded, `send` those that the destination has refused."""

    def refuse(self, batch: Batch, index: int, reason: str) -> None:
        """Marks one entry as refused for good. For `send`, which must not send it again with the
        rest.

        `batch`, `index`: the entry. `reason`: a sentence; control characters are removed and long
        ones are cut.
        """
        self.refused.append((batch, index, one_line(reason)))
        self.entries -= 1


@dataclass(frozen=True)
class SinkContext:
    """What a sink may know about the agent."""

    name: str
    """The sink's name in the configuration, for use in messages."""
    host: str = ""
    """Name of this host, for entries whose container has none."""
    alive: Callable[[str], bool] = lambda container_id: True
    """Returns whether a container (by its 64-digit id) still exists."""
    metrics: Callable[[], Iterable[Metric]] = tuple
    """Returns the agent's own metrics with their present values."""


class Sink(ABC, Generic[Data]):
    """A destination. A sink knows how to connect, encode and send, and nothing else.

    The delivery does the rest: buffering, retrying, counting and acknowledging. It calls `open`
    until it succeeds, then `encode` and `send`, and `tend` in between. Calls never overlap. After
    any `Unavailable` it calls `open` again, and at the end it calls `close` once. Every call may be
    cancelled at any await.
    """

    takes: ClassVar[frozenset[EntryKind]] = frozenset(("logs", "events", "stats"))
    """The sources whose entries the sink can use. If no route is configured, logs go to every sink
    that takes logs, and stats to sinks that take only stats."""

    most_values: int | None = None
    """At most how many fields, and values in lists and objects of fields, `encode` gets at once, as
    far as entries can be divided. For encoders that write each value in Python, which would block
    the event loop. None for no limit."""

    most_entries: int | None = None
    """At most how many entries are taken from the buffer at once, as far as batches allow. For
    destinations that take a few at a time, slowly: what was sent of a payload that is not sent to
    its end, such as when the agent ends, is sent again. None for `batch.entries` alone."""

    tends: float | None = None
    """Seconds between two calls of `tend`; None if it is never called."""

    def __init__(self, config: Any, context: SinkContext) -> None: ...

    @abstractmethod
    async def open(self) -> None:
        """Connects, and prepares whatever `send` needs.

        Called again after every failure, so it first closes what was open before. Raises
        `Unavailable` with a sentence that says what is wrong and what to do.
        """

    def reached(self) -> str:
        """Describes what `open` has connected to, for `dockline check --live`: the address and what
        was agreed with the peer. May be empty."""
        return ""

    async def probe(self) -> None:
        """Checks whether the destination would accept what is sent to it, as far as possible
        without sending any entry. Called after `open`, for `dockline check --live`.

        Raises `Unavailable`, as `send` would.
        """

    @abstractmethod
    def encode(self, batches: Sequence[Batch]) -> Payload[Data]:
        """Encodes all entries of `batches`, in order, as one payload.

        Batches may be of different containers and sources, or none at all. It must not await, do
        I/O, change a batch, or raise for any data; an entry that cannot be encoded goes into
        `Payload.refused`.
        """

    def preview(self, batch: Batch) -> str:
        """What would be sent for the entries of `batch`, as text for `dockline explain`. Empty for
        a sink whose form is always the same, or nothing to read."""
        return ""

    @abstractmethod
    async def send(self, payload: Payload[Data]) -> None:
        """Sends a payload. Returns when the destination has taken it, as far as its protocol can
        tell.

        Raises `Unavailable` if it may work later: the same payload is sent again after `open`.
        Raises `Refused` if the destination will never take it. Single entries are refused with
        `Payload.refuse`, once each; then it returns, or raises because of the others. If the peer
        acknowledges parts, the sink remembers them in the payload and sends only the rest.
        """

    def unconfirmed(self) -> int:
        """How many of the last payloads for which `send` returned the destination may not have
        received. `open` sends these again by itself.

        0 for a protocol with acknowledgements, and for one that never sends again. Raises
        `Unavailable` if the connection that they were sent on is gone.
        """
        return 0

    async def tend(self) -> None:
        """Sends what is due without any new entry, such as that a container is gone.

        Called every `tends` seconds while the sink is open, whether entries come or not. Raises
        `Unavailable`: it is called again later, and entries are sent meanwhile.
        """

    def give_up(self) -> None:
        """Forgets the unconfirmed payloads: `unconfirmed` no longer counts them, and `open` doesn't
        send them."""

    @abstractmethod
    async def close(self) -> None:
        """Closes everything. Never raises. May be called without `open`, or while `open` is
        cancelled."""
