"""Where to begin in the log of a container that is seen for the first time."""

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
"""Where to begin in the log of a container that was already running when first seen; a number is
seconds back from now."""


class StartPositions:
    """Says where to begin in a container's log.

    A container that was read before goes on at its checkpoint. A new container is read from its
    first line. Any other begins where `start` says.

    The Engine's times are by its own clock, and the checkpoint's by the agent's.
    """

    def __init__(self, engine: Engine, checkpoint: Checkpoint, start: Start) -> None:
        """`engine` gives the offset of its clock. `checkpoint` is open."""
        self._engine = engine
        self._checkpoint = checkpoint
        self.start = start
        """May be changed at any time."""
        self._began = time.monotonic()
        self._created: set[str] = set()

    @property
    def began(self) -> float:
        """When this agent began, in seconds since the epoch, by what the clock says now: it may
        have been set meanwhile.
        """
        return time.time() - (time.monotonic() - self._began)

    def created(self, container_id: str) -> None:
        """Notes that the container was created just now: nothing of its log can have been
        missed.
        """
        self._created.add(container_id)

    def knows(self, container_id: str) -> bool:
        """Whether `at_start` can tell already where to begin. False when an earlier agent may have
        missed the container's beginning: then the Engine's list has to come first.
        """
        first = not self._checkpoint.last_saved
        return first or container_id in self._created or self._checkpoint[container_id] is not None

    def forget(self, container_id: str) -> None:
        """Forgets a container that was removed."""
        self._created.discard(container_id)

    def at_start(self, event: Event) -> Position:
        """Returns where to begin for a `start` event.

        A container that existed before and was never read begins one second before its start: its
        process runs a little before the Engine reports the start.
        """
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
        """Returns where to begin for an element of `GET /containers/json` that runs."""
        known = self._checkpoint[item["Id"]]
        if known is not None:
            return known
        if self.start == "beginning" or self.is_new(item):
            return Position()
        back = 0.0 if self.start == "now" else float(self.start)
        return Position(since=timestamp(time.time() + self._engine.clock_offset - back).decode())

    def is_new(self, item: Mapping[str, Any]) -> bool:
        """Whether an element of `GET /containers/json` was created since this agent began, or since
        the previous agent last looked.

        In doubt it is new: within the same second, and when the clock was set back behind what the
        previous agent noted.
        """
        created, now = int(item.get("Created") or 0), time.time()
        offset, saved = self._engine.clock_offset, self._checkpoint.last_saved
        if saved:
            return saved > now or created + 1 > saved + offset
        return created > self.began + offset
