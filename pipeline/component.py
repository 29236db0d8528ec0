"""What a source, a stage and a sink promise, and how they are found.

A component is one module in `pipeline/sources/`, `pipeline/stages/` or `pipeline/sinks/`. The
file's name is its name in the configuration, its docstring is its page in the reference, and it
defines two things:

- `Config`: what the user may write. For a source, a subclass of `SourceConfig`; for a sink, of
  `SinkConfig`; for a stage, any type that msgspec can convert to (`str`, `list[str]`, a frozen
  Struct, a union of those).
- one subclass of `Source`, `Sink` or `Stage`, made with that configuration.

There is no list to edit: the folder is the registry.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from types import ModuleType
from typing import Annotated, Any, ClassVar, Generic, Literal, Protocol, TypeVar

import msgspec
from prometheus_client import Metric

from pipeline.batch import Batch, Container
from pipeline.batch import Source as Sort
from pipeline.derived import Derived
from pipeline.errors import ConfigError
from pipeline.records import Fields

Data = TypeVar("Data")


# ---------------------------------------------------------------------------------- values


class Size(int):
    """A number of bytes, written `512KiB`, `16MiB`, `1GB`, or a plain integer."""

    UNITS: ClassVar[dict[str, int]] = {
        "": 1, "B": 1,
        "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
        "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40,
    }  # fmt: skip

    @classmethod
    def parse(cls, text: str | int) -> Size:
        """Raises `ValueError` with a sentence fit for the user."""
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", str(text).strip())
        unit = found and cls.UNITS.get(found[2].upper())
        if not found or not unit:
            raise ValueError(f'"{text}" is not a size; write it like "16MiB" or "512KiB"')
        return cls(float(found[1]) * unit)


class Duration(float):
    """A time in seconds, written `200ms`, `5s`, `10m`, `2h`, `7d`."""

    UNITS: ClassVar[dict[str, float]] = {
        "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0,
    }  # fmt: skip

    @classmethod
    def parse(cls, text: str) -> Duration:
        """Raises `ValueError` with a sentence fit for the user."""
        if not re.fullmatch(r"(\d+(\.\d+)?(us|ms|s|m|h|d))+", str(text)):
            raise ValueError(f'"{text}" is not a duration; write it like "200ms", "5s" or "10m"')
        parts = re.findall(r"(\d+(?:\.\d+)?)(us|ms|s|m|h|d)", text)
        return cls(sum(float(number) * cls.UNITS[unit] for number, unit in parts))


class Secret(str):
    """A string that is never shown: its `repr` is stars. `str(secret)` is the value."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


# --------------------------------------------------------------------------- configuration


class BufferConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may wait between the routes and this sink, and what happens when that is full."""

    memory: Annotated[Size, msgspec.Meta(ge=2**16)] = Size(16 * 2**20)
    """Bytes of memory, what is being sent included."""
    disk: Size = Size(0)
    """Bytes on disk, under the state directory, after the memory is full; 0 for none."""
    when_full: Literal["block", "drop_newest", "drop_oldest"] = "block"
    """`block` stops reading the containers that feed this sink; the others lose and count."""


class BatchConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many entries are sent at once: as soon as one of the limits is reached."""

    bytes: Annotated[Size, msgspec.Meta(ge=1)] = Size(2**20)
    """Bytes of messages."""
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
    """Bytes of messages that are taken and not settled yet. At that many the source reads no
    further, so that its peers wait; a message that is larger comes alone."""


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


# ----------------------------------------------------------------------------------- stages


Python = Literal["allow", "refuse", "ignore"]
"""What becomes of stages that are the user's own code: they run; the configuration is refused; they
are not even imported, since nothing goes through them."""


@dataclass(frozen=True)
class StageContext:
    """What a stage may know of the agent it runs in."""

    derived: Derived = field(default_factory=Derived)
    """Where it registers the metrics that it makes out of entries."""
    python: Python = "allow"
    """Whether the user's own code may run. Where a configuration is read, that is asked for; where
    one has been read, it was allowed."""
    failed: Callable[[int], object] = lambda count: None
    """Counts entries that the user's own code failed for."""


@dataclass(frozen=True)
class FieldUse:
    """A place in a stage's configuration where a field of the entries is read."""

    field: str
    """The field's own name: `http` of `http.status`."""
    written: str
    """The name as an expression has it, `http.status`, which may be the field's own as well."""
    key: str = ""
    """The key in the stage's configuration, such as `rules[1].when`; empty for the whole of it."""
    column: int | None = None
    """The character inside that string."""


@dataclass(frozen=True)
class Effect:
    """What a stage does, as far as `dockline check` wants to know. What it does not tell counts
    as possible, so that nobody is warned without reason."""

    reads: Sequence[FieldUse] = ()
    makes: frozenset[str] | None = None
    """Names of fields that entries may have after it and had not before; None for any."""
    condition: str = ""
    """An expression that is true of what goes on. The stage does nothing else: entries that do go
    on are as they were."""
    hides: bool = False
    """Whether it takes out of entries what nobody is to see."""


class Stage(ABC):
    """A step of a route: synchronous, pure CPU, no I/O, no awaiting, no clock but `now`."""

    held: int = 0
    """Entries that came and have neither gone on nor been filtered out: nothing forgets them, and
    they count as held back, until `flush` or a later batch has let go of what became of them."""
    oldest_held: int = 0
    """The sequence number of the first of them, where there are any."""
    read: object = None
    """What it was made of beside its configuration, such as a digest of a file. Where both are what
    they were, a reload leaves the stage in its place, with all that it has in mind."""

    def __init__(self, config: Any) -> None:  # noqa: B027 - nothing to prepare is common
        """Prepares what is the same for all containers (compiles expressions, and so on).

        Raises `ConfigError`, its `column` set for a place inside an expression.
        """

    def attach(self, context: StageContext) -> None:  # noqa: B027 - few need it
        """Called once, before `bind`, by whoever builds a whole configuration. A stage that needs
        something of the agent takes it here; without it, it works by itself.

        Raises `ConfigError` for what cannot be with the other stages."""

    def bind(self, container: Container) -> Stage:
        """The stage for one container. One that holds state returns a new object each time."""
        return self

    @abstractmethod
    def __call__(self, batch: Batch) -> Batch | None:
        """What goes on to the next stage; None when nothing does. Never raises for bad data:
        an entry that the stage cannot understand goes on unchanged (or marked in its fields)."""

    def effect(self) -> Effect:
        """For the warnings of `dockline check`. Called on a stage that is not bound."""
        return Effect()

    def flush(self, now: float) -> Batch | None:
        """What the stage held back and should now let go. `now` is the loop's clock. Lanes ask
        about ten times a second while something is `held`, and with `math.inf` when all is to go:
        the container has ended or the agent stops."""
        return None


# ------------------------------------------------------------------------------------ sinks


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
        others. What was refused is not to be sent again with the rest."""
        self.refused.append((batch, index, reason))
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


# ---------------------------------------------------------------------------------- sources


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

    def taking(self) -> AbstractAsyncContextManager[None]:
        """For whatever waits for peers or reads from them: when the source is to stop, what is
        inside is cancelled, and the block left as if it had come to its end."""

    def container(
        self,
        container_id: str,
        name: str,
        image: str = "",
        labels: Mapping[str, str] | None = None,
        host: str = "",
    ) -> Container:
        """A container by its facts; the same object while they are the same and it is in use. An
        id that is not 64 hexadecimal digits becomes such as stand for it and this source."""

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


# --------------------------------------------------------------------------------- registry

Kind = Literal["sources", "stages", "sinks"]
_BASES: dict[Kind, type] = {"sources": Source, "stages": Stage, "sinks": Sink}


def names(kind: Kind) -> list[str]:
    """Every component there is, sorted. What is a package is none: Docker is a source that needs no
    table."""
    package = importlib.import_module(f"pipeline.{kind}")
    found = pkgutil.iter_modules(package.__path__)
    return sorted(info.name for info in found if not info.ispkg)


def module(kind: Kind, name: str) -> ModuleType:
    """The module of a component. Raises `ConfigError` when there is none of that name."""
    if name not in names(kind):
        raise ConfigError(f'there is no {kind[:-1]} "{name}"')
    return importlib.import_module(f"pipeline.{kind}.{name}")


def config_type(kind: Kind, name: str) -> Any:
    """The type of what the user may write for it."""
    return module(kind, name).Config


def implementation(kind: Kind, name: str) -> Any:
    """The class that implements it."""
    found = module(kind, name)
    base = _BASES[kind]
    for value in vars(found).values():
        own = isinstance(value, type) and value.__module__ == found.__name__
        if own and issubclass(value, base):
            return value
    raise TypeError(f"{found.__name__} defines no subclass of {base.__name__}")


def stage(name: str, config: Any, context: StageContext) -> Stage:
    """A stage of a route, ready to be bound. Raises `ConfigError`."""
    made: Stage = implementation("stages", name)(config)
    made.attach(context)
    return made
