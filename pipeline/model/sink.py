"""What a sink promises, and what it is given."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

from prometheus_client import Metric

from pipeline.model.batch import Batch
from pipeline.model.container import Source as Sort
from pipeline.model.errors import one_line

Data = TypeVar("Data")


@dataclass(slots=True)
class Payload(Generic[Data]):
    """Encoded entries, ready to be sent as often as needed."""

    data: Data
    """Whatever the sink's `send` wants: bytes, a list of datagrams, an object that remembers
    how much of it the peer has acknowledged."""
    entries: int
    size: int
    """Bytes on the wire."""
    truncated: int = 0
    """Entries cut to the destination's size limit."""
    refused: list[tuple[Batch, int, str]] = field(default_factory=list)
    """Entries that this destination will not take: batch, index in it, reason. `encode` puts those
    here that cannot be encoded, `send` those that the destination has refused one by one."""

    def refuse(self, batch: Batch, index: int, reason: str) -> None:
        """For `send`: the destination has refused this entry for good, whatever becomes of the
        others. What was refused is not to be sent again with the rest. `reason` is kept on one
        line, and not endless."""
        self.refused.append((batch, index, one_line(reason)))
        self.entries -= 1


@dataclass(frozen=True)
class Context:
    """What a sink may know of the agent it runs in."""

    name: str
    """The sink's name in the configuration, for messages."""
    host: str = ""
    """Name of the host, for entries whose container does not tell."""
    alive: Callable[[str], bool] = lambda container_id: True
    """Whether a container (by its 64-digit id) still exists."""
    metrics: Callable[[], Iterable[Metric]] = tuple
    """The agent's own metrics, as they are now."""


class Sink(ABC, Generic[Data]):
    """Knows one destination and nothing else. `Delivery` does all the rest: it calls `open` until
    it succeeds, then `encode` and `send`, and `tend` between them, one at a time and never
    concurrently, `open` again after any `Unavailable`, and `close` once at the end. Each may be
    cancelled at every await."""

    takes: ClassVar[frozenset[Sort]] = frozenset(("logs", "events", "stats"))
    """The sources whose entries it can use. Without a configured route, logs lead to every sink
    that takes logs, and stats to one that takes nothing else."""

    most_values: ClassVar[int | None] = None
    """Fields, and values in lists and objects of them, that `encode` is given at once, as far as
    entries can be divided: for an encoder that writes each by itself, which would hold up the event
    loop. None for one that leaves that to a library."""

    tends: float | None = None
    """Seconds between two calls of `tend`; None for a sink that has nothing to send of its own
    accord."""

    def __init__(self, config: Any, context: Context) -> None: ...

    @abstractmethod
    async def open(self) -> None:
        """Makes ready to send; called again after every failure, so it drops what was open before.

        Raises `Unavailable` with a sentence that says what is wrong and what to do."""

    def reached(self) -> str:
        """What `open` has reached, for `dockline check --live`: the address, and what was agreed
        with the peer. Empty where there is nothing to say."""
        return ""

    async def probe(self) -> None:
        """For `dockline check --live`, once opened: finds out whether the destination would take
        what is sent there, as far as can be told without sending any entry.

        Raises `Unavailable`, as `send` would."""

    @abstractmethod
    def encode(self, batches: Sequence[Batch]) -> Payload[Data]:
        """All entries of `batches`, in order, as one payload. Synchronous and pure; must not raise
        for any data. Batches may come from many containers and from any source."""

    @abstractmethod
    async def send(self, payload: Payload[Data]) -> None:
        """Returns when the destination has taken the payload, as far as its protocol can tell.

        Raises `Unavailable` (the same payload will be sent again after `open`) or `Refused`: all of
        it. Single entries are refused with `Payload.refuse`, once each, and then it may return, or
        raise because of the others. A sink whose peer acknowledges parts remembers them in the
        payload, and sends the rest."""

    def unconfirmed(self) -> int:
        """How many of the payloads that `send` has returned for, the last ones, the destination
        may not have yet: `open` sends those again by itself, without their being asked for.

        Raises `Unavailable` where the connection that they were sent on is no more. For a protocol
        that acknowledges, and for one that never repeats, there are none."""
        return 0

    async def tend(self) -> None:
        """Sends what is to be sent though nobody has put it, such as that a container is gone.
        Called when it is time, once opened, whether entries come or not.

        Raises `Unavailable`: then it is called again later, and entries go on meanwhile."""

    def give_up(self) -> None:
        """Forgets those payloads: they will not be asked for any more, and `open` sends none."""

    @abstractmethod
    async def close(self) -> None:
        """Lets go of everything. Never raises, and may be called without or during `open`."""
