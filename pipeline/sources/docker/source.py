"""The Engine as a source: one `Followed` for each container, kept in step with the Engine."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from pipeline.batch import Batch, Container
from pipeline.checkpoint import Checkpoint, Position
from pipeline.errors import EngineError
from pipeline.ledger import Account
from pipeline.metrics import Metrics
from pipeline.route import Lane, Router, distribute
from pipeline.sources.docker.describe import from_event, from_list
from pipeline.sources.docker.engine import Engine
from pipeline.sources.docker.events import EventCursor, action_of, event_batch, event_time
from pipeline.sources.docker.followed import Followed
from pipeline.sources.docker.tail import Tail
from pipeline.sources.docker.watch import Event, Watch
from pipeline.timestamps import timestamp

log = logging.getLogger(__name__)

OPENING = 32
"""Log streams being opened at once: with `since`, each makes dockerd scan a log."""
EVENT_BACKLOG = 4096
"""Events that may wait for a blocked sink before they count as dropped."""
CHECKED_AT_ONCE = 100
"""Ended containers that are asked for at each reconciliation, in turn: are they still there?"""


class StatsReader(Protocol):
    """What reads the stats of the containers it is told of."""

    def add(self, container: Container, inspect: Mapping[str, Any]) -> None: ...

    def remove(self, container_id: str) -> None: ...

    def observe(self, event: Event) -> None: ...


@dataclass(frozen=True)
class Reading:
    """How logs are read."""

    start: Literal["now", "beginning"] | float = "now"
    """For containers first seen already running; a number is seconds back from now."""
    max_line: int = 1 << 20
    reconcile: float = 30.0
    selects: Callable[[Container], bool] = lambda container: True
    events: bool = True


class DockerSource:
    """Follows the containers of one Engine until it is cancelled."""

    def __init__(
        self,
        engine: Engine,
        router: Router,
        checkpoint: Checkpoint,
        metrics: Metrics,
        reading: Reading,
        *,
        stats: StatsReader | None = None,
        myself: str | None = None,
        connected: Callable[[], None] = lambda: None,
    ) -> None:
        """`myself`: id of the container that the agent runs in, which it never follows.
        `connected` is called whenever the Engine is reached, its facts known by then."""
        self.followed: dict[str, Followed] = {}
        self._engine = engine
        self._router = router
        self._checkpoint = checkpoint
        self._metrics = metrics
        self._reading = reading
        self._stats = stats
        self._on_connected = connected
        self._myself = myself
        self._created: set[str] = set()
        self._opening = asyncio.Semaphore(OPENING)
        self._began = time.time()
        self._caught_up = False
        self._cursor = EventCursor(checkpoint.state.events)
        self._event_account: Account[Position] = Account(checkpoint.move_events)
        self._backlog: asyncio.Queue[tuple[list[Lane], Batch]] = asyncio.Queue(EVENT_BACKLOG)
        self._tasks: asyncio.TaskGroup
        self._to_check = 0
        self.watch = Watch(engine, self, metrics, every=reading.reconcile, since=self._cursor.since)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            tasks.create_task(self.watch.run(), name="docker watch")
            tasks.create_task(self._pump_events(), name="docker events")

    # ------------------------------------------------------------ what the watch tells us

    def connected(self) -> None:
        self._checkpoint.belongs_to(self._engine.id)
        self._cursor.reconnected()
        self._on_connected()

    def disconnected(self) -> None:
        pass

    def event(self, event: Event) -> None:
        if not self._cursor.is_new(event):
            return
        container_id, action = event["Actor"]["ID"], action_of(event)
        followed = self.followed.get(container_id)
        if followed is None:
            followed = self._meet(from_event(event, self._engine.host))
        if action == "create":
            self._created.add(container_id)
        elif followed and action == "start":
            self._start(followed, self._position_at_start(container_id, event))
        elif followed and action == "rename":
            self._rename(followed, event)
        elif self._stats and action == "die":
            self._stats.remove(container_id)
        if self._stats:
            self._stats.observe(event)
        if followed and self._reading.events:
            self._enter(event, followed)
        if action == "destroy":
            self._created.discard(container_id)
            self._let_go(container_id)

    async def listed(self, containers: Sequence[Mapping[str, Any]]) -> None:
        if not self._caught_up:
            await self._catch_up()
            self._caught_up = True
        running = set()
        for item in containers:
            running.add(item["Id"])
            followed = self._known_or_met(item)
            if followed is not None and not followed.reading:
                self._start(followed, self._position_when_found(item))
        await self._check_ended([key for key in self.followed if key not in running])

    # --------------------------------------------------------------- meeting and parting

    def _meet(self, container: Container) -> Followed | None:
        """A container that was not known; None when it is not to be followed."""
        if container.id == self._myself or not self._reading.selects(container):
            return None
        followed = Followed(container, self._router, self._engine, self._inspected)
        self.followed[container.id] = followed
        self._metrics.containers.set(len(self.followed))
        return followed

    def _known_or_met(self, item: Mapping[str, Any]) -> Followed | None:
        """The container of an element of a list."""
        return self.followed.get(item["Id"]) or self._meet(from_list(item, self._engine.host))

    def _start(self, followed: Followed, position: Position) -> None:
        """The container runs: reads its log, from `position` where it was not read before."""
        key = followed.container.id
        if not followed.logs:
            self._tasks.create_task(followed.learn(), name=f"inspect {followed.container.name}")
            return
        if followed.tail is None:
            self._checkpoint.move(key, position)
            followed.tail = Tail(
                self._engine,
                followed,
                position,
                Account(lambda moved: self._moved(key, moved)),
                self._metrics,
                max_line=self._reading.max_line,
                opening=self._opening,
                available=self.watch.available,
            )
            followed.task = self._tasks.create_task(
                self._read(followed, followed.tail), name=f"logs {followed.container.name}"
            )
        followed.tail.start()

    async def _read(self, followed: Followed, tail: Tail) -> None:
        """One container's trouble is nobody else's."""
        while True:
            try:
                await tail.run()
                return
            except Exception:
                log.exception("reading the log of %s failed", followed.container.name)
                self._metrics.source_errors.labels("bug").inc()
                await asyncio.sleep(1)

    def _moved(self, container_id: str, position: Position) -> None:
        if container_id in self.followed:  # one that is removed has nothing to resume
            self._checkpoint.move(container_id, position)

    def _rename(self, followed: Followed, event: Event) -> None:
        old = followed.container
        name = event["Actor"]["Attributes"].get("name", old.name)
        followed.change(replace(old, name=name))
        self._forget_series(old.name)

    def _inspected(self, container: Container, answer: Mapping[str, Any]) -> None:
        if self._stats is not None and (answer.get("State") or {}).get("Running"):
            self._stats.add(container, answer)

    def _let_go(self, container_id: str) -> None:
        """The container is removed. Its tail reads what it still can, and ends."""
        if self._stats is not None:
            self._stats.remove(container_id)
        followed = self.followed.pop(container_id, None)
        self._metrics.containers.set(len(self.followed))
        if followed is None:
            self._checkpoint.forget(container_id)
            return
        if followed.tail is not None:
            followed.tail.stop()
        if followed.task is not None:
            followed.task.add_done_callback(lambda task: self._forget(followed))
        else:
            self._forget(followed)

    def _forget(self, followed: Followed) -> None:
        self._checkpoint.forget(followed.container.id)
        self._forget_series(followed.container.name)

    def _forget_series(self, name: str) -> None:
        """Unless another container has the name by now, as when Compose makes one anew."""
        if all(followed.container.name != name for followed in self.followed.values()):
            self._metrics.forget_container(name)

    # -------------------------------------------------------------------- where to begin

    def _now(self) -> float:
        """By the Engine's clock."""
        return time.time() + self._engine.clock_offset

    def _position_at_start(self, container_id: str, event: Event) -> Position:
        """For a `start` seen as it happens: a new container from its first line; one that is
        started again, and was never read before, from a second before its start (its process
        runs a little before the Engine says so)."""
        known = self._checkpoint[container_id]
        if known is not None:
            return known
        if container_id in self._created or self._reading.start == "beginning":
            self._created.discard(container_id)
            return Position()
        return Position(since=timestamp(event_time(event) / 1e9 - 1).decode())

    def _position_when_found(self, item: Mapping[str, Any]) -> Position:
        """For a container found running in a list."""
        known = self._checkpoint[item["Id"]]
        if known is not None:
            return known
        start = self._reading.start
        if start == "beginning" or self._is_new(item):
            return Position()
        back = 0.0 if start == "now" else float(start)
        return Position(since=timestamp(self._now() - back).decode())

    def _is_new(self, item: Mapping[str, Any]) -> bool:
        """Made since this agent began, or since the one before it last looked; in doubt, within
        the same second, what another agent may have missed is new."""
        created = int(item.get("Created") or 0)
        if self._checkpoint.last_saved:
            return created >= int(self._checkpoint.last_saved)
        return created > self._began

    # -------------------------------------------------------- what happened while away

    async def _catch_up(self) -> None:
        """Containers that ended while no agent was looking, read to their end."""
        if not self._checkpoint.last_saved:
            return
        present = await self._engine.get("/containers/json", all="1")
        for item in present:
            if item.get("State") not in ("exited", "dead"):
                continue
            position = self._checkpoint[item["Id"]]
            unread = position is not None or self._is_new(item)
            if unread and not await self._was_read_to_end(item["Id"], position):
                followed = self._known_or_met(item)
                if followed is not None and followed.tail is None:
                    self._start(followed, position or Position())
        for container_id in self._checkpoint.known() - {item["Id"] for item in present}:
            self._checkpoint.forget(container_id)

    async def _was_read_to_end(self, container_id: str, position: Position | None) -> bool:
        if position is None or not position.ended:
            return False
        try:
            answer = await self._engine.get(f"/containers/{container_id}/json")
        except EngineError:
            return True  # gone in the meantime
        return bool(answer["State"].get("StartedAt") == position.ended)

    async def _check_ended(self, ended: list[str]) -> None:
        """Lets go of those whose removal nobody told us of."""
        if not ended:
            return
        at = self._to_check % len(ended)
        some = ended[at : at + CHECKED_AT_ONCE]
        self._to_check = at + len(some)
        filters = json.dumps({"id": some})
        present = await self._engine.get("/containers/json", all="1", filters=filters)
        for container_id in set(some) - {item["Id"] for item in present}:
            self._let_go(container_id)

    # ------------------------------------------------------------------ events as entries

    def _enter(self, event: Event, followed: Followed) -> None:
        if not followed.events:
            return
        followed.happened += 1
        receipt = self._event_account.open(self._cursor.position)
        batch = event_batch(event, followed.container, followed.happened, receipt)
        try:
            self._backlog.put_nowait((followed.events, batch))
        except asyncio.QueueFull:
            receipt.settle()
            self._metrics.source_errors.labels("event_backlog").inc()

    async def _pump_events(self) -> None:
        """Apart from the watch, which must never wait: a stuck reader slows dockerd down."""
        while True:
            lanes, batch = await self._backlog.get()
            await distribute(lanes, batch)
            batch.acknowledgement.settle()
