"""One container whose entries a source takes."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from pipeline.accounting.acks import Ack, AckTracker
from pipeline.intake.message import PeerMessage
from pipeline.model.batch import Batch
from pipeline.model.container import Container, Source
from pipeline.support.plural import plural
from pipeline.support.rate_limit import RateLimit
from pipeline.topology import ContainerLanes, Router

log = logging.getLogger(__name__)

_shortages = RateLimit()

_Part = tuple[Batch, PeerMessage, Ack[int]]
"""A batch, the message that it is a part of, and what is settled when it has found room."""


class Feed:
    """Its lanes, and the messages that have something of it and are not settled, in order.

    A message is settled here when all before it are: what a stage has joined out of several of
    them is acknowledged with the oldest (see `routing.holding`)."""

    __slots__ = (
        "_lanes",
        "_number",
        "_on_bug",
        "_origin",
        "_queue",
        "_router",
        "_tracker",
        "_unsettled",
        "container",
        "number",
        "used",
    )  # fmt: skip

    def __init__(
        self, container: Container, router: Router, origin: str, on_bug: Callable[[], object]
    ) -> None:
        self.container = container
        self.number = 0
        """`event.sequence` of its last entry."""
        self.used = 0.0
        """When something of it came last, by the loop's clock."""
        self._router = router
        self._origin = origin
        self._on_bug = on_bug
        self._number = 0
        """Of the batches."""
        self._tracker: AckTracker[int] = AckTracker(self._moved)
        self._unsettled: deque[tuple[int, PeerMessage]] | None = None
        self._queue: deque[_Part] | None = None
        """Batches behind one that waits for room, while one does: a client may send thousands, and
        a task for each would be twenty objects for the garbage collector."""
        self._lanes: dict[Source, ContainerLanes] = router.bind(
            container, None, origin=origin, sources=()
        )
        """Of those sources of which something came: logs, mostly."""

    @property
    def busy(self) -> bool:
        """Something is not in the sinks' buffers yet."""
        return self._queue is not None

    def change(self, container: Container) -> None:
        """Other facts: other routes may take it."""
        self.container = container
        self._end_lanes()
        self._lanes = self._router.bind(container, None, origin=self._origin, sources=())

    def rebind(self) -> None:
        """Some routes are others than before."""
        self._lanes = self._router.bind(
            self.container,
            None,
            before=self._lanes,
            origin=self._origin,
            sources=tuple(self._lanes),
        )

    def end(self) -> None:
        """Lets go of all that its stages hold. It is not used any more."""
        self._end_lanes()
        self._router.forget(self.container.id, self._origin)
        del self._tracker  # which has it in turn, for as long as something is not settled

    def _lanes_of(self, source: Source) -> ContainerLanes:
        lanes = self._lanes.get(source)
        if lanes is None:
            lanes = self._router.bind_source(self.container, source, self._origin)
            self._lanes[source] = lanes
        return lanes

    def _end_lanes(self) -> None:
        for lanes in self._lanes.values():
            lanes.end()

    def take(self, batch: Batch, message: PeerMessage) -> Coroutine[Any, Any, None] | None:
        """Takes some entries of a message, one or more. Where they have to wait: what is to be run,
        in a task, to place them and all that comes behind them meanwhile."""
        self._number += 1
        self.number = max(self.number, batch.sequences[-1])
        ack = self._tracker.open(self._number)
        if self._unsettled is None:
            self._unsettled = deque()
        self._unsettled.append((self._number, message))
        message.hold()
        batch = batch.replace(container=self.container)
        if self._queue is not None:
            message.wait()
            self._queue.append((batch, message, ack))
            return None
        try:
            rest = self._lanes_of(batch.source).start(batch, ack)
        except MemoryError:
            self._give_up(message)
            rest = None
        except Exception:  # a bug; what comes after must not suffer for it
            self._lost(batch)
            rest = None
        if rest is None:
            ack.settle()
            return None
        message.wait()
        self._queue = deque([(batch, message, ack)])
        return self._place(rest, self._queue)

    async def _place(self, rest: Coroutine[Any, Any, None], queue: deque[_Part]) -> None:
        """Where this is cancelled, none that is in the queue is settled, and their messages never
        are."""
        try:
            while True:
                batch, message, ack = queue[0]
                try:
                    await rest
                except MemoryError:
                    self._give_up(message)
                except Exception:  # a bug, as above
                    self._lost(batch)
                queue.popleft()
                if not queue:
                    self._queue = None
                message.place()
                ack.settle()
                if not queue:
                    return
                batch, _, ack = queue[0]
                rest = self._lanes_of(batch.source).distribute(batch, ack)
        finally:
            if self._queue is queue:  # else what was settled has brought something new
                self._queue = None
            for _, message, _ in queue:
                message.place()

    def _give_up(self, message: PeerMessage) -> None:
        """There is not enough memory: its peer has to send it again."""
        message.give_up()
        if _shortages():
            log.warning(
                "not enough memory for what %s has sent; it is not acknowledged",
                self.container.name,
            )

    def _lost(self, batch: Batch) -> None:
        self._on_bug()
        count = len(batch)
        log.exception("lost %d %s of %s", count, plural(count, "entry"), self.container.name)

    def _moved(self, number: int) -> None:
        while (unsettled := self._unsettled) and unsettled[0][0] <= number:
            _, message = unsettled.popleft()
            if not unsettled:
                self._unsettled = None  # 600 bytes, of each of ten thousand that are quiet
            message.settle()
