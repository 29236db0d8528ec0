"""One container that a source takes entries from."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from pipeline.accounting.acks import Ack, AckTracker
from pipeline.intake.message import PeerMessage
from pipeline.model.batch import Batch
from pipeline.model.container import Container, EntryKind
from pipeline.support.plural import plural
from pipeline.support.rate_limit import RateLimit
from pipeline.topology import ContainerLanes, Router

log = logging.getLogger(__name__)

_shortages = RateLimit()

_Part = tuple[Batch, PeerMessage, Ack[int]]
"""A batch, its message, and the acknowledgement to settle when it is in the buffers."""


class Feed:
    """A container's lanes for one source, and its messages that aren't settled, in order.

    A message is settled only after those before it. A stage may join entries of several messages,
    and what it makes is acknowledged with the oldest (`pipeline.topology.held_back`).
    """

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
        """`origin`: the source's name in the configuration. `on_bug` is called when a batch is lost
        by a bug."""
        self.container = container
        self.number = 0
        """Sequence number (`event.sequence`) of its last entry."""
        self.used = 0.0
        """When its last entry came, by the loop's clock."""
        self._router = router
        self._origin = origin
        self._on_bug = on_bug
        self._number = 0
        """Number of batches so far."""
        self._tracker: AckTracker[int] = AckTracker(self._moved)
        self._unsettled: deque[tuple[int, PeerMessage]] | None = None
        self._queue: deque[_Part] | None = None
        """While a batch waits for room: it and those behind it. A task for each of the thousands
        that a client may send would be twenty objects for the garbage collector."""
        self._lanes: dict[EntryKind, ContainerLanes] = router.bind(
            container, None, origin=origin, sources=()
        )
        """Lanes by source, bound when its first entry comes: logs, mostly."""

    @property
    def busy(self) -> bool:
        """Whether some entries aren't in the sinks' buffers yet."""
        return self._queue is not None

    def change(self, container: Container) -> None:
        """Uses other container facts from now on, with lanes of the routes that take them."""
        self.container = container
        self._end_lanes()
        self._lanes = self._router.bind(container, None, origin=self._origin, sources=())

    def rebind(self) -> None:
        """Binds its lanes again after the routes have changed."""
        self._lanes = self._router.bind(
            self.container,
            None,
            before=self._lanes,
            origin=self._origin,
            sources=tuple(self._lanes),
        )

    def end(self) -> None:
        """Flushes what its stages hold back and releases the container. Nothing may be taken
        afterwards."""
        self._end_lanes()
        self._router.forget(self.container.id, self._origin)
        del self._tracker  # a reference cycle otherwise, while anything is unsettled

    def _lanes_of(self, source: EntryKind) -> ContainerLanes:
        lanes = self._lanes.get(source)
        if lanes is None:
            lanes = self._router.bind_source(self.container, source, self._origin)
            self._lanes[source] = lanes
        return lanes

    def _end_lanes(self) -> None:
        for lanes in self._lanes.values():
            lanes.end()

    def take(self, batch: Batch, message: PeerMessage) -> Coroutine[Any, Any, None] | None:
        """Takes entries of a message; the batch has at least one.

        If they have to wait for room, returns a coroutine to run in a task: it puts them into the
        buffers, and everything that is taken meanwhile. None if nothing waits.
        """
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
        except Exception:  # a bug; later batches must still be taken
            self._lost(batch)
            rest = None
        if rest is None:
            ack.settle()
            return None
        message.wait()
        self._queue = deque([(batch, message, ack)])
        return self._place(rest, self._queue)

    async def _place(self, rest: Coroutine[Any, Any, None], queue: deque[_Part]) -> None:
        """Puts the queue into the buffers. When cancelled, what is left in it is never settled."""
        try:
            while True:
                batch, message, ack = queue[0]
                try:
                    await rest
                except MemoryError:
                    self._give_up(message)
                except Exception:  # a bug; later batches must still be taken
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
            if self._queue is queue:  # else settling has brought a new queue
                self._queue = None
            for _, message, _ in queue:
                message.place()

    def _give_up(self, message: PeerMessage) -> None:
        """Gives the message up for lack of memory: its peer has to send it again."""
        message.give_up()
        if _shortages():
            log.warning(
                "not enough memory to take a message of %s; it is not acknowledged",
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
                self._unsettled = None  # saves 600 bytes for each of ten thousand quiet containers
            message.settle()
