"""A route as the configuration has it, and what it leads to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from pipeline.accounting.envelope import Envelope
from pipeline.model.component import Effect, Stage
from pipeline.model.container import Container
from pipeline.support.rate_limit import RateLimit


class Output(Protocol):
    """What a lane puts into: a sink's buffer."""

    name: str
    """The sink's, in the configuration."""

    def offer(self, envelope: Envelope) -> bool:
        """False when the batch has to wait for room; then it was not taken."""

    async def put(self, envelope: Envelope) -> None:
        """Waits for room."""


Put = Callable[[Output, Envelope], None]
"""Called by a lane for each sink that is to have a batch, at once and in order. Never raises."""


@dataclass(frozen=True)
class Route:
    """A way from containers, through stages, to sinks."""

    name: str
    sources: frozenset[str]
    """What it takes: `logs`, `events`, `stats` of all origins, or all of an origin, by its name."""
    takes: Callable[[Container], bool]
    stages: Sequence[tuple[str, Stage]]
    outputs: Sequence[Output]
    feeds: Sequence[str] = ()
    """Names of the routes that it leads to. They have their entries from it and its like alone."""

    bugs: RateLimit = field(default_factory=RateLimit, compare=False)
    """Of what is said of its stages' bugs, whatever the container."""
    losses: RateLimit = field(default_factory=RateLimit, compare=False)
    """Of what is said of entries that are lost to such."""

    @cached_property
    def _effects(self) -> Sequence[Effect]:
        return [stage.effect() for _, stage in self.stages]

    @cached_property
    def withholds(self) -> bool:
        """Whether some stage hides or removes something."""
        return any(it.hides or it.removes for it in self._effects)

    def guards(self, *, later: bool) -> Sequence[bool]:
        """Of each stage, whether entries that it fails on must not go on: it withholds something
        itself, or decides what a later stage has to hide or remove; one of this route, or `later`
        of one that this leads to."""
        guards = []
        for it in reversed(self._effects):
            guards.append(it.guards or (later and it.makes != frozenset()))
            later = later or it.hides or it.removes
        return guards[::-1]

    def is_like(self, other: Route) -> bool:
        """Of one that the configuration says the same of: whether it leads into the same buffers,
        and its stages have read the same."""
        return list(self.outputs) == list(other.outputs) and [
            stage.read for _, stage in self.stages
        ] == [stage.read for _, stage in other.stages]
