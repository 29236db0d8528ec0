"""Sends the Engine's events to the routes that take events, as entries."""

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
from pipeline.sources.docker.lifecycle.exit import Exit
from pipeline.sources.docker.lifecycle.words import out_of_memory
from pipeline.topology import ContainerLanes

log = logging.getLogger(__name__)

BACKLOG = 4096
"""Most events that wait for a sink that blocks. More are dropped and counted."""


class _Waiting(NamedTuple):
    """An event in the backlog."""

    lanes: ContainerLanes
    batch: Batch
    ack: Acknowledgement
    ending: Exit | None
    """More details of a `die` event, which are still being read."""


class EventQueue:
    """Queues events between the watch, which must never wait, and the lanes, which may.

    If the watch waited for a sink, dockerd would drop events that it could not send in time.
    """

    def __init__(self, checkpoint: Checkpoint, metrics: Metrics) -> None:
        """`checkpoint` gives the position of the events, and is moved as they are delivered."""
        self.cursor = EventCursor(checkpoint.state.events)
        """Position up to which events were taken. The caller asks `cursor.is_new` before
        `enter`."""
        self._errors = metrics.source_errors
        self._tracker: AckTracker[Position] = AckTracker(checkpoint.move_events)
        self._backlog: asyncio.Queue[_Waiting] = asyncio.Queue(BACKLOG)

        self._afterwards: dict[str, Callable[[], None]] = {}
        self._busy = False
        """Whether an event was taken from the backlog and is still being distributed."""

    def enter(
        self, event: Event, words: str, container: FollowedContainer, ending: Exit | None = None
    ) -> None:
        """Queues an event for the lanes of its container. Does nothing when no route takes its
        events.

        `words` become the entry's message. The cursor has moved over the event already. `ending`
        gives more details of a `die` event, which may take a moment to read. When the queue is
        full, the event is counted as dropped (`event_backlog` in `dockline_source_errors_total`).
        """
        if not container.events:
            return
        container.happened += 1
        batch = event_batch(event, words, container.facts, container.happened)
        ack = self._tracker.open(self.cursor.position)
        try:
            self._backlog.put_nowait(_Waiting(container.events, batch, ack, ending))
        except asyncio.QueueFull:
            container.events.refuse(batch, ack, "backlog")
            ack.settle()
            self._errors.labels("event_backlog").inc()

    async def run(self) -> None:
        """Distributes queued events, one after another, until it is cancelled."""
        while True:
            self._busy = False
            lanes, batch, ack, ending = await self._backlog.get()
            self._busy = True
            try:
                if ending is not None:
                    words, details = batch.lines[0].decode(), await ending.details()
                    if details.get("oom_killed"):
                        words = out_of_memory(words)
                    batch = with_details(batch, words, details)
                await lanes.distribute(batch, ack)
            except Exception:  # a bug; the next events are distributed all the same
                self._errors.labels("bug").inc()
                log.exception("lost an event of %s", batch.container.name)
            ack.settle()
            if self._backlog.empty():
                self._call_afterwards()

    def afterwards(self, key: str, call: Callable[[], None]) -> None:
        """Calls `call` once all events that are queued now have been distributed.

        A second call with the same `key` replaces the first. More than `BACKLOG` calls do not wait:
        then the oldest is made at once, because a sink may block for days.
        """
        self._afterwards[key] = call
        if len(self._afterwards) > BACKLOG:
            self._afterwards.pop(next(iter(self._afterwards)))()
        if not self._busy and self._backlog.empty():
            self._call_afterwards()

    def _call_afterwards(self) -> None:
        calls, self._afterwards = self._afterwards, {}
        for call in calls.values():
            call()
