"""The interface of a stage: `Stage`, and what it says about itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from pipeline.model.batch import Batch
from pipeline.model.container import Container
from pipeline.model.stage_metrics import Derived

Python = Literal["allow", "refuse", "ignore"]
"""What to do with stages that are the user's own code. `allow`: run them. `refuse`: the
configuration is an error. `ignore`: they are not even imported, since no entry will reach them."""


@dataclass(frozen=True)
class StageContext:
    """What a stage may know about the agent."""

    derived: Derived = field(default_factory=Derived)
    """Where the stage registers metrics that it makes from entries."""
    python: Python = "allow"
    """Whether the user's own code may run. This is decided when a configuration is read."""
    files: Collection[str] | None = None
    """The files that stages may read; None for any."""
    failed: Callable[[int], object] = lambda count: None
    """Called with the number of entries on which the user's own code failed."""


@dataclass(frozen=True)
class Compared:
    """A value in an expression that a field is compared with."""

    operator: str
    """`==`, `!=`, `in`, `not in`, `<`, `<=`, `>` or `>=`, with the field on the left."""
    value: Any
    """The literal; for `in` and `not in`, one of the list."""
    column: int
    """Index of its first character in the setting."""


@dataclass(frozen=True)
class FieldUse:
    """A place in a stage's configuration where a field of the entries is read."""

    field: str
    """The name of the field: `http` for `http.status`."""
    written: str
    """The name as the expression has it: `http.status`. A field may also have this name."""
    key: str = ""
    """The key in the stage's configuration, such as `rules[1].when`; empty if it is the whole
    configuration."""
    column: int | None = None
    """Index of the character inside that string."""
    compared: tuple[Compared, ...] = ()
    """The values that it is compared with."""
    bare: str = ""
    """What it is compared with by `==` or `!=`, if it is a name on the right that could be a text
    without its quotes, as in `env == prod`."""


@dataclass(frozen=True)
class Effect:
    """What a stage does to entries, for the warnings of `dockline check`.

    What is not stated counts as possible, so that nobody is warned without reason.
    """

    reads: Sequence[FieldUse] = ()
    """The fields that it reads."""
    makes: frozenset[str] | None = None
    """Names of fields that it may add to entries; None for any name."""
    condition: str = ""
    """An expression that is true for the entries that go on. A stage with a condition does nothing
    else: these entries are unchanged."""
    loses: Mapping[str, str] = field(default_factory=dict)
    """Names of fields that no entry has afterwards, each with the new name that it got, if any."""
    words: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    """Fields whose values it replaces by words of its own: for each, a function from a value that
    an entry may have before to what it has afterwards. Of a value that any entry may have
    afterwards, this is the value itself."""
    part: Literal["", "parse", "join"] = ""
    """`parse`: it reads fields out of the message. `join`: it joins messages as they were
    written."""
    spoils: Mapping[str, str] = field(default_factory=dict)
    """What goes wrong, in a sentence, if a stage with that `part` comes after it."""
    renews_message: bool = False
    """Whether the message may be another text afterwards, which was a field before."""
    hides: bool = False
    """Whether it removes from entries what nobody may see, such as secrets."""
    removes: bool = False
    """Whether it removes from entries what must not go on, for any reason."""

    @property
    def guards(self) -> bool:
        """Whether an entry on which the stage fails must not go on unchanged."""
        return self.hides or self.removes or bool(self.condition)


class Stage(ABC):
    """One step of a route. It is synchronous and pure: no I/O, no awaiting, no clock except
    `now`."""

    held: int = 0
    """Entries that came in and have neither gone on nor been filtered out. They count as held back
    until `flush` or a later batch lets them go."""
    oldest_held: int = 0
    """The sequence number of the first held entry, if there is any."""
    read: object = None
    """What the stage was made from in addition to its configuration, such as the digest of a file.
    A reload keeps the stage, with its state, if both are unchanged."""
    stateful: ClassVar[bool] = False
    """Whether earlier entries count: in what becomes of an entry, or in a metric that it makes."""
    own_code: ClassVar[bool] = False
    """Whether it runs the user's own code, about which nothing is known."""

    def __init__(self, config: Any) -> None:  # noqa: B027 - nothing to prepare is common
        """Prepares what is the same for all containers, such as compiled expressions.

        `config`: the stage's own `Config`. Raises `ConfigError`; its `column` is set for a place
        inside an expression.
        """

    @classmethod
    def files(cls, config: Any) -> Mapping[str, str]:
        """The files that a stage with this `Config` reads, each by its key in the configuration."""
        return {}

    def attach(self, context: StageContext) -> None:  # noqa: B027 - few need it
        """Gives the stage what it may need of the agent. Called once before `bind`, when a whole
        configuration is built. A stage also works without it.

        Raises `ConfigError` if it conflicts with other stages.
        """

    def bind(self, container: Container) -> Stage:
        """Returns the stage for one container. A stage with state returns a new object each
        time."""
        return self

    @abstractmethod
    def __call__(self, batch: Batch) -> Batch | None:
        """Processes a batch. Returns what goes on to the next stage; None if nothing does.

        It never raises for bad data: an entry that the stage cannot understand goes on unchanged,
        or is marked in its fields.
        """

    def effect(self) -> Effect:
        """What the stage does, for the warnings of `dockline check`. Called on a stage that is not
        bound."""
        return Effect()

    def flush(self, now: float) -> Batch | None:
        """Returns held entries that must go on now; None if there are none.

        `now`: the event loop's clock, in seconds. Lanes call it about ten times a second while
        something is `held`. With `math.inf` everything must go: the container has ended or the
        agent stops.
        """
        return None
