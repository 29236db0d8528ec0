"""What a stage promises, and what it tells of itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pipeline.model.batch import Batch
from pipeline.model.container import Container
from pipeline.model.stage_metrics import Derived

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
    removes: bool = False
    """Whether it takes out of entries what is not to go on, for whatever reason."""

    @property
    def guards(self) -> bool:
        """Whether an entry that it fails on must not go on as it was."""
        return self.hides or self.removes or bool(self.condition)


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
