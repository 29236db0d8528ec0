"""Where to begin in the log of a container that is met."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Literal

from pipeline.accounting.checkpoint import Checkpoint, Position
from pipeline.model.timestamps import timestamp
from pipeline.sources.docker.discovery.events import event_time
from pipeline.sources.docker.discovery.watch import Event
from pipeline.sources.docker.engine.client import Engine

Start = Literal["now", "beginning"] | float
"""Of containers first seen already running; a number is seconds back from now."""


class StartPositions:
    """Where the checkpoint is, for a container that was read before; else as `start` says, but a
    new container always from its first line.

    The Engine's times are by its own clock, and the checkpoint's by ours.
    """

    def __init__(self, engine: Engine, checkpoint: Checkpoint, start: Start) -> None:
        self._engine = engine
        self._checkpoint = checkpoint
        self.start = start
        """May be changed."""
        self._began = time.monotonic()
        self._created: set[str] = set()

    @property
    def began(self) -> float:
        """When this agent did, by what our clock is now: it may have been set since."""
        return time.time() - (time.monotonic() - self._began)

    def created(self, container_id: str) -> None:
        """The container was seen to be made: its log has not begun."""
        self._created.add(container_id)

    def knows(self, container_id: str) -> bool:
        """Whether it is known where to begin with a container that starts."""
        first = not self._checkpoint.last_saved
        return first or container_id in self._created or self._checkpoint[container_id] is not None

    def forget(self, container_id: str) -> None:
        """The container is removed."""
        self._created.discard(container_id)

    def at_start(self, event: Event) -> Position:
        """For a `start` seen as it happens: a container that is started again, and was never read
        before, from a second before its start (its process runs a little before the Engine says
        so)."""
        container_id = event["Actor"]["ID"]
        new = container_id in self._created
        self._created.discard(container_id)
        known = self._checkpoint[container_id]
        if known is not None:
            return known
        if new or self.start == "beginning":
            return Position()
        return Position(since=timestamp(event_time(event) / 1e9 - 1).decode())

    def when_found(self, item: Mapping[str, Any]) -> Position:
        """For a container found running in a list."""
        known = self._checkpoint[item["Id"]]
        if known is not None:
            return known
        if self.start == "beginning" or self.is_new(item):
            return Position()
        back = 0.0 if self.start == "now" else float(self.start)
        return Position(since=timestamp(time.time() + self._engine.clock_offset - back).decode())

    def is_new(self, item: Mapping[str, Any]) -> bool:
        """Made since this agent began, or since the one before it last looked; in doubt, what
        another agent may have missed is new: within the same second, and after our clock was set
        back behind what that agent noted."""
        created, now = int(item.get("Created") or 0), time.time()
        offset, saved = self._engine.clock_offset, self._checkpoint.last_saved
        if saved:
            return saved > now or created + 1 > saved + offset
        return created > self.began + offset
