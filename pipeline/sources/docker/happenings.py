"""What happens to containers, as entries on their way to the routes that take events."""

from __future__ import annotations

import asyncio

from pipeline.batch import Batch
from pipeline.checkpoint import Checkpoint, Position
from pipeline.metrics import Metrics
from pipeline.route import Lanes
from pipeline.settlement import Account
from pipeline.sources.docker.events import EventCursor, event_batch
from pipeline.sources.docker.followed import Followed
from pipeline.sources.docker.watch import Event

BACKLOG = 4096
"""Events that may wait for a blocked sink before they count as dropped."""


class Happenings:
    """Apart from the watch, which must never wait: a stuck reader slows dockerd down."""

    def __init__(self, checkpoint: Checkpoint, metrics: Metrics) -> None:
        self.cursor = EventCursor(checkpoint.state.events)
        self._errors = metrics.source_errors
        self._account: Account[Position] = Account(checkpoint.move_events)
        self._backlog: asyncio.Queue[tuple[Lanes, Batch]] = asyncio.Queue(BACKLOG)

    def enter(self, event: Event, followed: Followed) -> None:
        """Takes an event, which the cursor has moved over, for the lanes of its container."""
        if not followed.events:
            return
        followed.happened += 1
        batch = event_batch(event, followed.container, followed.happened)
        batch.acknowledgement = self._account.open(self.cursor.position)
        try:
            self._backlog.put_nowait((followed.events, batch))
        except asyncio.QueueFull:
            followed.events.refuse(batch, "backlog")
            batch.acknowledgement.settle()
            self._errors.labels("event_backlog").inc()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            lanes, batch = await self._backlog.get()
            await lanes.distribute(batch)
            batch.acknowledgement.settle()
