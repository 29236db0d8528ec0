"""Keeps track of the Engine's containers: subscribes to its events, then lists them again and
again.

Events are subscribed to before the first list, and from a moment before it, so that nothing is
missed in between: Docker and Podman send the head of the answer first and begin to listen only
then. The list is asked for again every so often because events can be lost: the Engine keeps 256 of
them, and drops those that a slow client does not take in time.

https://docs.docker.com/reference/api/engine/#tag/System/operation/SystemEvents
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

from pipeline.model.errors import EngineError
from pipeline.model.metrics import Metrics
from pipeline.sources.docker.engine.client import Engine
from pipeline.support.elapsed import elapsed

log = logging.getLogger(__name__)

ACTIONS = (
    "create", "start", "die", "destroy", "remove", "rename", "pause", "unpause", "oom",
    "health_status", "kill", "stop",
)  # fmt: skip
"""Actions to subscribe to. All others are filtered out by the Engine: the `exec_*` events of health
checks alone would push the rest out of its buffer of 256."""
RUNS = ("running", "paused", "stopping")
"""States of Podman in which a container runs. Its list of the running ones has only the first."""
FIRST_WAIT, LONGEST_WAIT = 0.2, 15.0
"""Seconds between attempts to reach the Engine: at first, and at most."""

Event = Mapping[str, Any]
"""An event of a container, as the Engine sends it. Its `Actor` has an `ID` and `Attributes`."""


class WatchHandler(Protocol):
    """What a `Watch` calls. Calls come in order, from one task, and must return quickly."""

    def connected(self) -> None:
        """Called when events are subscribed to: `Engine.host`, `id` and `info` are known.

        The events of the last known moment come again. Also called after a break too short for
        `disconnected`.
        """

    def disconnected(self) -> None:
        """Called when the Engine is gone. Streams that end now say nothing about their
        containers.
        """

    def event(self, event: Event) -> None:
        """Called with each event of a container, as the Engine sent it."""

    async def listed(self, containers: Sequence[Mapping[str, Any]]) -> None:
        """Called with all containers that are running now (`GET /containers/json`)."""


class Watch:
    """Follows the events and the list of one Engine, and connects again after errors."""

    def __init__(
        self, engine: Engine, handler: WatchHandler, metrics: Metrics, *, every: float, since: str
    ) -> None:
        """`handler` is called with what the Engine tells. `every` is in seconds, between two
        lists, and may be changed later. `since` is the time of the first events wanted, as the
        Engine takes it (seconds with a fraction, as text); empty for those after the first
        connection.
        """
        self.problem: str | None = "not connected yet"
        """Why the Engine is not reached, as a sentence; None while it is."""
        self.asked = 0.0
        """When the list that was last passed on had been asked for, in seconds since the epoch by
        the agent's clock."""
        self._engine = engine
        self._handler = handler
        self._metrics = metrics
        self.every = every
        self._hurry = asyncio.Event()
        self._newest = _nanoseconds(since) if since else 0
        self._up = asyncio.Event()
        self._gone = 0.0
        """Since when the Engine that had been reached is not, by the monotonic clock; 0 at the
        start."""

    def hurry(self) -> None:
        """Asks for the list at once instead of at the next interval."""
        self._hurry.set()

    async def available(self) -> None:
        """Waits until the Engine answers."""
        await self._up.wait()

    async def run(self) -> None:
        """Watches until it is cancelled. Errors of the Engine are logged, and it tries again."""
        loop = asyncio.get_running_loop()
        wait = FIRST_WAIT
        while True:
            began = loop.time()
            try:
                await self._engine.connect()
                await self._follow()
                problem = ""  # a proxy has closed an idle stream, or the Engine stops
            except EngineError as error:
                problem = str(error)
            held = loop.time() - began > wait
            wait = FIRST_WAIT if held else wait
            if problem or not held:  # else the next connection shows which
                self._down(problem or "the Engine ends the event stream at once")
            await asyncio.sleep(random.uniform(wait / 2, wait))
            wait = min(wait * 2, LONGEST_WAIT)

    async def _follow(self) -> None:
        """Follows events and lists until the event stream ends. Raises `EngineError`."""
        try:
            async with asyncio.TaskGroup() as tasks:
                subscribed = asyncio.Event()
                lists = tasks.create_task(self._list(subscribed), name="docker list")
                await self._listen(subscribed)
                lists.cancel()
        except* EngineError as group:
            raise group.exceptions[0] from None

    async def _listen(self, subscribed: asyncio.Event) -> None:
        filters = json.dumps({"type": ["container"], "event": list(ACTIONS)})
        self._newest = self._newest or self._engine.answered
        since = {"since": _since(self._newest)} if self._newest else {}
        now = time.time() + self._engine.clock_offset
        async with self._engine.streamed("/events", filters=filters, **since) as lines:
            self._newest = self._newest or int(now * 10**9)
            self._handler.connected()
            subscribed.set()
            try:
                async for line in lines:
                    self._take(line)
            except EngineError as error:
                log.debug("%s", error)  # an ordinary end: this is how a proxy closes it

    def _take(self, line: bytes) -> None:
        try:
            event = json.loads(line)
            time_of = _time_of(event)
        except (ValueError, KeyError, TypeError, ArithmeticError, RecursionError):
            self._metrics.source_errors.labels("event").inc()
            log.warning("ignored an event that cannot be parsed: %.200r", line)
            return
        self._newest = max(self._newest, time_of)
        try:
            self._handler.event(event)
        except Exception:  # a bug; later events are handled all the same
            self._metrics.source_errors.labels("bug").inc()
            log.exception("handling an event failed: %.500r", line)

    async def _list(self, subscribed: asyncio.Event) -> None:
        await subscribed.wait()
        while True:
            asked = time.time()
            running = await self._running()
            if not self._up.is_set():
                self._came_up()
            self.asked = asked
            await self._handler.listed(running)
            with suppress(TimeoutError):
                async with asyncio.timeout(self.every):
                    await self._hurry.wait()
            self._hurry.clear()

    async def _running(self) -> list[Any]:
        """Asks for the containers that run. Podman's list of those lacks some that do."""
        podman = self._engine.podman
        listed = await self._engine.get("/containers/json", **({"all": "1"} if podman else {}))
        if not isinstance(listed, list):
            raise EngineError(f"{self._engine.endpoint.url} gives no list of containers")
        if not podman:
            return listed
        return [one for one in listed if isinstance(one, dict) and one.get("State") in RUNS]

    def _came_up(self) -> None:
        self.problem = None
        self._metrics.engine_up.set(1)
        self._up.set()
        away = f" again, after {elapsed(time.monotonic() - self._gone)}" if self._gone else ""
        log.info(
            "connected to %s (%s), API %d.%d%s",
            self._engine.endpoint.url, self._engine.host, *self._engine.api, away,
        )  # fmt: skip

    def _down(self, problem: str) -> None:
        if self.problem != problem:
            log.warning("%s; retrying", problem)
        self.problem = problem
        self._metrics.engine_up.set(0)
        if self._up.is_set():
            self._up.clear()
            self._gone = time.monotonic()
            self._handler.disconnected()


def _time_of(event: Any) -> int:
    """Returns nanoseconds since the epoch. Raises some exception when the event lacks what every
    event has.
    """
    actor = event["Actor"]
    if not (isinstance(actor["ID"], str) and isinstance(actor["Attributes"], dict)):
        raise TypeError("an actor without an id or attributes")
    nanoseconds = int(event.get("timeNano") or int(event["time"]) * 10**9)
    if not 0 < nanoseconds < 2**63:
        raise ValueError("an invalid time")
    return nanoseconds


def _since(nanoseconds: int) -> str:
    """A time in nanoseconds as the Engine takes it."""
    return f"{nanoseconds // 10**9}.{nanoseconds % 10**9:09d}"


def _nanoseconds(since: str) -> int:
    seconds, _, fraction = since.partition(".")
    return int(seconds) * 10**9 + int(fraction.ljust(9, "0")[:9])
