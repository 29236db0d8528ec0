"""The interface of a configured source (one other than Docker): `Source`, and what it is given."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import msgspec

from pipeline.model.batch import Batch
from pipeline.model.container import DOCKER, Container, EntryKind
from pipeline.model.records import Fields


class Taken(Protocol):
    """A message that a source has handed to its intake. Its entries are on their way to the
    sinks."""

    @property
    def size(self) -> int:
        """Bytes that the message counts as in `in_flight`."""

    def done(self) -> bool:
        """Whether `settled` would return without waiting."""

    async def placed(self) -> None:
        """Waits until all entries are in the sinks' buffers and there is room for more.

        A source waits for it before it reads on from a peer. Cancelling the wait doesn't cancel the
        message.
        """

    async def settled(self) -> bool:
        """Waits until every sink of every route has settled this message and all earlier ones of
        the same containers: delivered, dropped and counted, or safe on disk.

        Only if it returns True may the peer be told to forget the message. It returns False if the
        process ends before: the peer has to send it again.
        """

    def when_settled(self, call: Callable[[bool], object]) -> None:
        """Calls `call` with what `settled` would return, now if that is known, or later. For
        sources with thousands of messages in flight, which shouldn't have a task for each."""


class Intake(Protocol):
    """Where a source hands in its messages. Each source has its own."""

    name: str
    """The source's name in the configuration."""

    @property
    def stopping(self) -> bool:
        """Whether the source must take nothing more."""

    async def room(self) -> None:
        """Waits until less than `in_flight` bytes are taken and not settled.

        If the caller takes a message without another await in between, no other task takes one
        before it.
        """

    def taking(self, finish: Callable[[], None] | None = None) -> AbstractAsyncContextManager[None]:
        """A context for code that waits for peers or reads from them.

        When the source is to stop, the code inside is cancelled, and the block ends as if it had
        finished. `finish` is called just before, while messages can still be taken: for the rest of
        a message that is partly taken.
        """

    def container(
        self,
        container_id: str,
        name: str,
        image: str = "",
        labels: Mapping[str, str] | None = None,
        host: str = "",
        module: str = DOCKER,
    ) -> Container:
        """The container with these facts. It is the same object as long as the facts are the same
        and it is in use.

        An id that is not 64 hexadecimal digits is replaced by 64 digits that are the same for this
        source and id. `module`: the source's type if the entries are not of a container.
        """

    def batch(
        self,
        container: Container,
        lines: list[bytes],
        times: list[bytes],
        streams: bytes,
        *,
        fields: list[Fields] | None = None,
        truncated: Sequence[int] = (),
        source: EntryKind = "logs",
    ) -> Batch:
        """Makes a batch of entries, and gives them the container's next sequence numbers.

        `lines`, `times`, `streams` and `fields` are as in `Batch`; each time has 30 bytes.
        `truncated`: the indexes of entries that were cut.
        """

    def take(self, batches: Sequence[Batch], size: int) -> Taken:
        """Takes the entries of one message. `size`: its bytes of memory.

        It never waits. Entries of one container stay in the order in which they were taken.
        """

    def refuse(self, reason: str, why: str = "", count: int = 1) -> None:
        """Counts messages or connections that are invalid or too many.

        `reason`: one of a few words, used as a metric's label. `why`: a sentence for the log, where
        it is rate-limited.
        """

    def trouble(self, problem: str | None) -> None:
        """Reports a problem that lasts, such as a server that is down; None when it is over."""


@dataclass(frozen=True)
class SourceContext:
    """What a source may know about the process."""

    name: str
    """The source's name in the configuration, for use in messages."""
    host: str = ""
    """Name of this host."""


class Share(msgspec.Struct, frozen=True, omit_defaults=True):
    """One partition of a stream that several processes read together."""

    partition: int
    """Its number, from 0."""
    reader: str | None
    """The host name of the process that reads it. None if nobody reads it, or if that isn't known.
    """
    here: bool
    """Whether this process reads it."""
    pending: int | None
    """Messages that are not delivered to anybody yet, when the last message came. None if this
    process doesn't read it."""
    topic: str = ""
    """Whose partition it is, where a source may read several topics."""


class SharedStream(msgspec.Struct, frozen=True):
    """A stream that several processes read together."""

    stream: str
    """Its name."""
    address: str
    """Where it is, as configured."""
    ordered: bool
    """Whether a partition is read by one process at a time. If not, others may read any of them,
    too."""
    hubs: Sequence[str]
    """Host names of all processes that share it, as far as they are known, this one first."""
    shares: Sequence[Share]
    """One for each partition, in order."""


class Source(ABC):
    """One way in which entries come in, such as a protocol to listen for. A source knows nothing
    else.

    Its runner calls `open`, `run` and `close`; calls never overlap. When any of them raises, the
    runner starts again with `open`, after a delay that grows. Every call may be cancelled at any
    await.
    """

    repeats: ClassVar[bool] = True
    """Whether peers send again what was not confirmed as settled. If not, what is left at the end
    is lost, and counted."""

    def __init__(self, config: Any, context: SourceContext) -> None:  # noqa: B027 - as with stages
        """`config`: the source's own `Config`. Raises `ConfigError`."""

    @abstractmethod
    async def open(self) -> None:
        """Listens or connects.

        Raises `Unavailable` with a sentence that says what is wrong and what to do.
        """

    def reached(self) -> str:
        """Describes what `open` has reached, for `dockline check --live`: an address. May be
        empty."""
        return ""

    def shared(self) -> SharedStream | None:
        """What this process shares with others, and who reads which part of it: as it is known now,
        without asking anybody. None for a source that shares nothing.

        May be called at any time, from the event loop.
        """
        return None

    @abstractmethod
    async def run(self, intake: Intake) -> None:
        """Takes entries, and answers its peers when these are settled, until `intake.taking()`
        ends.

        Then it takes nothing more, still answers what is settled, and returns. An error of one peer
        is not raised. Raises `Unavailable` if it cannot go on without being opened again.
        """

    @abstractmethod
    async def close(self) -> None:
        """Closes everything. Never raises. May be called without `open`, or while `open` is
        cancelled."""
