"""A route as the configuration describes it, and the outputs it leads to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from pipeline.accounting.envelope import Envelope
from pipeline.model.component import Effect, Stage
from pipeline.model.container import Container
from pipeline.support.rate_limit import RateLimit


class TakesBatches(Protocol):
    """Where a lane puts batches: a sink's buffer (`pipeline.topology.output.Output`)."""

    name: str
    """The sink's name in the configuration."""

    def offer(self, envelope: Envelope) -> bool:
        """Puts the batch into the buffer without waiting.

        False when the batch has to wait for room; then the buffer hasn't taken it. Raises
        `MemoryError` where there isn't enough memory to take it.
        """

    async def put(self, envelope: Envelope) -> None:
        """Puts the batch into the buffer, and waits for room if it has to."""


Put = Callable[[TakesBatches, Envelope], None]
"""A lane calls this for each sink that gets a batch, without awaiting and in order. Never
raises."""


@dataclass(frozen=True)
class Route:
    """A route of the configuration: takes containers' entries through stages to sinks."""

    name: str
    sources: frozenset[str]
    """What the route takes: `logs`, `events` or `stats` of every origin, or everything of one
    origin by its name in the configuration."""
    takes: Callable[[Container], bool]
    stages: Sequence[tuple[str, Stage]]
    outputs: Sequence[TakesBatches]
    feeds: Sequence[str] = ()
    """Names of the routes that get what this one's stages leave. They take entries from such routes
    only."""

    bugs: RateLimit = field(default_factory=RateLimit, compare=False)
    """Limits log messages about bugs in its stages, over all containers."""
    losses: RateLimit = field(default_factory=RateLimit, compare=False)
    """Limits log messages about entries that such bugs lose, over all containers."""

    @cached_property
    def _effects(self) -> Sequence[Effect]:
        return [stage.effect() for _, stage in self.stages]

    @cached_property
    def withholds(self) -> bool:
        """Whether some stage hides or removes something, such as `redact`."""
        return any(it.hides or it.removes for it in self._effects)

    def guards(self, *, later: bool) -> Sequence[bool]:
        """For each stage, whether entries that it fails on must not go on.

        That is so for a stage that hides or removes something itself, and for one whose result a
        later stage depends on to hide or remove something. `later`: whether a route that this one
        feeds does so.
        """
        guards = []
        for it in reversed(self._effects):
            guards.append(it.guards or (later and it.makes != frozenset()))
            later = later or it.hides or it.removes
        return guards[::-1]

    def is_like(self, other: Route) -> bool:
        """Whether a lane of this route may continue as one of `other`, given the same configuration
        text.

        True if both lead to the same buffers and their stages have read the same files.
        """
        return list(self.outputs) == list(other.outputs) and [
            stage.read for _, stage in self.stages
        ] == [stage.read for _, stage in other.stages]
