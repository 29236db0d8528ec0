"""What a source beside Docker promises, and what it is given."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from pipeline.model.batch import Batch
from pipeline.model.container import DOCKER, Container
from pipeline.model.container import Source as Sort
from pipeline.model.records import Fields


class Taken(Protocol):
    """One message that a source has taken: its entries are on their way."""

    @property
    def size(self) -> int:
        """Bytes that it counts for."""

    def done(self) -> bool:
        """Whether `settled` returns at once."""

    async def placed(self) -> None:
        """Waits until all of it has found room in the sinks' buffers, and there is room for more:
        what whoever reads from a peer waits for before he reads on. Who is cancelled here has
        cancelled nothing else."""

    async def settled(self) -> bool:
        """Waits until every sink of every route has settled all of it, and all that came before it
        of the same containers: delivered, dropped and counted, or safe on a disk. Only then may the
        peer be told that it can forget the message. False when that will not come, since the
        process ends: the peer is to send it again."""

    def when_settled(self, call: Callable[[bool], object]) -> None:
        """Calls with what `settled` returns, at once where that is known: for one who has thousands
        of messages on their way, and no task for each."""


class Intake(Protocol):
    """Where a source hands in what it takes. Each has its own."""

    name: str
    """The source's name in the configuration."""

    @property
    def stopping(self) -> bool:
        """Nothing more is to be taken."""

    async def room(self) -> None:
        """Waits until what is taken and not settled is less than `in_flight`. One who takes
        something right then, without another await between, is the only one who does."""

    def taking(self, finish: Callable[[], None] | None = None) -> AbstractAsyncContextManager[None]:
        """For whatever waits for peers or reads from them: when the source is to stop, what is
        inside is cancelled, and the block left as if it had come to its end. `finish` is called
        before that, while something may still be taken: for the rest of a message of which some is
        taken already."""

    def container(
        self,
        container_id: str,
        name: str,
        image: str = "",
        labels: Mapping[str, str] | None = None,
        host: str = "",
        module: str = DOCKER,
    ) -> Container:
        """A container by its facts; the same object while they are the same and it is in use. An
        id that is not 64 hexadecimal digits becomes such as stand for it and this source. What is
        no container has the source's type for its `module`."""

    def batch(
        self,
        container: Container,
        lines: list[bytes],
        times: list[bytes],
        streams: bytes,
        *,
        fields: list[Fields] | None = None,
        truncated: Sequence[int] = (),
        source: Sort = "logs",
    ) -> Batch:
        """Entries that have no numbers of their own: they get the container's next. `truncated`:
        indexes of those that were cut. Columns as in `Batch`; times have their 30 bytes."""

    def take(self, batches: Sequence[Batch], size: int) -> Taken:
        """Takes the entries of one message, which has so many bytes, and never waits. Entries of
        one container go on in the order in which they were taken."""

    def refuse(self, reason: str, why: str = "", count: int = 1) -> None:
        """Counts messages, or connections, that make no sense or are too much. `reason` is one of
        a few words (a metric's label), `why` a sentence for the log, which is said now and then."""

    def trouble(self, problem: str | None) -> None:
        """What is wrong while it goes on, such as a server that is away; None when it is over."""


@dataclass(frozen=True)
class SourceContext:
    """What a source may know of the process it runs in."""

    name: str
    """Its name in the configuration, for messages."""
    host: str = ""
    """Name of this host."""


class Source(ABC):
    """Knows one way in which entries come, and nothing else. Whoever runs it calls `open`, `run`
    and `close`, never concurrently, and again from the beginning, a little later each time, after
    whatever one of them has raised. Each may be cancelled at every await."""

    repeats: ClassVar[bool] = True
    """Whether its peers send again what they were not told is settled. Where they do not, what is
    left at the end is lost, and counted."""

    def __init__(self, config: Any, context: SourceContext) -> None:  # noqa: B027 - as with stages
        """Raises `ConfigError`."""

    @abstractmethod
    async def open(self) -> None:
        """Makes ready: listens, or connects.

        Raises `Unavailable` with a sentence that says what is wrong and what to do."""

    def reached(self) -> str:
        """What `open` has reached, for `dockline check --live`: an address."""
        return ""

    @abstractmethod
    async def run(self, intake: Intake) -> None:
        """Takes entries, and answers its peers when they are settled, until `intake.taking()` ends.
        Then it takes nothing more, answers what is still settled, and returns. Trouble with one
        peer is not raised.

        Raises `Unavailable` where it cannot go on without being opened anew."""

    @abstractmethod
    async def close(self) -> None:
        """Lets go of everything. Never raises, and may be called without or during `open`."""
