"""What happens to containers, as entries on their way to the routes that take events."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import NamedTuple

from pipeline.accounting.acks import AckTracker
from pipeline.accounting.checkpoint import Checkpoint, Position
from pipeline.model.acknowledgement import Acknowledgement
from pipeline.model.batch import Batch
from pipeline.model.metrics import Metrics
from pipeline.sources.docker.discovery.container import FollowedContainer
from pipeline.sources.docker.discovery.events import EventCursor, event_batch, with_details
from pipeline.sources.docker.discovery.watch import Event
from pipeline.sources.docker.exit import Exit
from pipeline.topology import ContainerLanes

log = logging.getLogger(__name__)

BACKLOG = 4096
"""Events that may wait for a blocked sink before they count as dropped."""


class _Waiting(NamedTuple):
    """An event in the backlog."""

    lanes: ContainerLanes
    batch: Batch
    ack: Acknowledgement
    ending: Exit | None


class EventQueue:
    """Apart from the watch, which must never wait: a stuck reader slows dockerd down."""

    def __init__(self, checkpoint: Checkpoint, metrics: Metrics) -> None:
        self.cursor = EventCursor(checkpoint.state.events)
        self._errors = metrics.source_errors
        self._tracker: AckTracker[Position] = AckTracker(checkpoint.move_events)
        self._backlog: asyncio.Queue[_Waiting] = asyncio.Queue(BACKLOG)

        self._afterwards: dict[str, Callable[[], None]] = {}
        self._busy = False
        """One was taken from the backlog, and is not on its way yet."""

    def enter(self, event: Event, container: FollowedContainer, ending: Exit | None = None) -> None:
        """Takes an event, which the cursor has moved over, for the lanes of its container.
        `ending`: what goes with it, and is not known yet."""
        if not container.events:
            return
        container.happened += 1
        batch = event_batch(event, container.facts, container.happened)
        ack = self._tracker.open(self.cursor.position)
        try:
            self._backlog.put_nowait(_Waiting(container.events, batch, ack, ending))
        except asyncio.QueueFull:
            container.events.refuse(batch, ack, "backlog")
            ack.settle()
            self._errors.labels("event_backlog").inc()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            self._busy = False
            lanes, batch, ack, ending = await self._backlog.get()
            self._busy = True
            try:
                if ending is not None:
                    batch = with_details(batch, await ending.details())
                await lanes.distribute(batch, ack)
            except Exception:  # a bug; what happens next must not suffer for it
                self._errors.labels("bug").inc()
                log.exception("an event of %s is lost", batch.container.name)
            ack.settle()
            if self._backlog.empty():
                self._call_afterwards()

    def afterwards(self, key: str, call: Callable[[], None]) -> None:
        """Calls when all that has been entered is on its way. Of one key, the last call. Beyond
        `BACKLOG` of them, the oldest does not wait: a sink that blocks may do so for days."""
        self._afterwards[key] = call
        if len(self._afterwards) > BACKLOG:
            self._afterwards.pop(next(iter(self._afterwards)))()
        if not self._busy and self._backlog.empty():
            self._call_afterwards()

    def _call_afterwards(self) -> None:
        calls, self._afterwards = self._afterwards, {}
        for call in calls.values():
            call()
