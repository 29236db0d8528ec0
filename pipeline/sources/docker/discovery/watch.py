"""Which containers there are: the Engine's events first, then its list, then both over and over.

Subscribing before listing leaves no moment unseen, and subscribing from a moment before it: Docker
and Podman send the head of the answer first, and listen to what happens only then. Listing again
every so often mends what the event stream loses: it keeps 256 events, and drops what a slow reader
does not take in time.

Reference: https://docs.docker.com/reference/api/engine/#tag/System/operation/SystemEvents
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

log = logging.getLogger(__name__)

ACTIONS = (
    "create", "start", "die", "destroy", "remove", "rename", "pause", "unpause", "oom",
    "health_status",
)  # fmt: skip
"""Asked for by name: the `exec_*` events of health checks alone would flush the Engine's ring."""
FIRST_WAIT, LONGEST_WAIT = 0.2, 15.0
"""Seconds between attempts to reach the Engine."""

Event = Mapping[str, Any]
"""Of a container; its `Actor` has an `ID` and `Attributes`."""


class Audience(Protocol):
    """Who is told. Called in order, from one task; must not take long."""

    def connected(self) -> None:
        """Subscribed: `Engine.host` and the rest are known, and events follow, those of the last
        known moment once more. Also after a break too short to be called one."""

    def disconnected(self) -> None:
        """The Engine is gone. What ends now says nothing about containers."""

    def event(self, event: Event) -> None:
        """Something happened to a container; the Engine's own event."""

    async def listed(self, containers: Sequence[Mapping[str, Any]]) -> None:
        """All containers that are running now."""


class Watch:
    """Keeps in touch with one Engine. `problem` says why it is not, while it is not."""

    def __init__(
        self, engine: Engine, audience: Audience, metrics: Metrics, *, every: float, since: str
    ) -> None:
        """`every`: seconds between two lists, which may be changed. `since`: the first moment whose
        events are wanted, as the Engine takes it; empty for what happens once it is reached."""
        self.problem: str | None = "not connected yet"
        self.asked = 0.0
        """When the list was asked for that was given last, by our clock."""
        self._engine = engine
        self._audience = audience
        self._metrics = metrics
        self.every = every
        self._hurry = asyncio.Event()
        self._newest = _nanoseconds(since) if since else 0
        self._up = asyncio.Event()

    def hurry(self) -> None:
        """The next list is wanted now."""
        self._hurry.set()

    async def available(self) -> None:
        """Waits until the Engine answers."""
        await self._up.wait()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        wait = FIRST_WAIT
        while True:
            began = loop.time()
            try:
                await self._engine.connect()
                await self._stay()
                problem = ""  # a proxy has cut it for its silence, or the Engine stops
            except EngineError as error:
                problem = str(error)
            held = loop.time() - began > wait
            wait = FIRST_WAIT if held else wait
            if problem or not held:  # else connecting again will tell which
                self._down(problem or "the Engine ends the event stream at once")
            await asyncio.sleep(random.uniform(wait / 2, wait))
            wait = min(wait * 2, LONGEST_WAIT)

    async def _stay(self) -> None:
        """Until the event stream ends or anything fails."""
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
            self._audience.connected()
            subscribed.set()
            try:
                async for line in lines:
                    self._take(line)
            except EngineError as error:
                log.debug("%s", error)  # an end like any other: a proxy ends it so

    def _take(self, line: bytes) -> None:
        try:
            event = json.loads(line)
            time_of = _time_of(event)
        except (ValueError, KeyError, TypeError, ArithmeticError, RecursionError):
            self._metrics.source_errors.labels("event").inc()
            log.warning("an event that cannot be understood: %.200r", line)
            return
        self._newest = max(self._newest, time_of)
        try:
            self._audience.event(event)
        except Exception:  # a bug; what comes after must not suffer from it
            self._metrics.source_errors.labels("bug").inc()
            log.exception("an event could not be used: %.500r", line)

    async def _list(self, subscribed: asyncio.Event) -> None:
        await subscribed.wait()
        while True:
            asked = time.time()
            running = await self._engine.get("/containers/json")
            if not isinstance(running, list):
                raise EngineError(f"{self._engine.endpoint.url} lists no containers")
            if not self._up.is_set():
                self._came_up()
            self.asked = asked
            await self._audience.listed(running)
            with suppress(TimeoutError):
                async with asyncio.timeout(self.every):
                    await self._hurry.wait()
            self._hurry.clear()

    def _came_up(self) -> None:
        self.problem = None
        self._metrics.engine_up.set(1)
        self._up.set()
        log.info(
            "connected to %s (%s), API %d.%d",
            self._engine.endpoint.url, self._engine.host, *self._engine.api,
        )  # fmt: skip

    def _down(self, problem: str) -> None:
        if self.problem != problem:
            log.warning("%s; retrying", problem)
        self.problem = problem
        self._metrics.engine_up.set(0)
        if self._up.is_set():
            self._up.clear()
            self._audience.disconnected()


def _time_of(event: Any) -> int:
    """Nanoseconds since the epoch. Raises some error or other when the event lacks what every
    event has."""
    actor = event["Actor"]
    if not (isinstance(actor["ID"], str) and isinstance(actor["Attributes"], dict)):
        raise TypeError("an actor without an id or attributes")
    nanoseconds = int(event.get("timeNano") or int(event["time"]) * 10**9)
    if not 0 < nanoseconds < 2**63:
        raise ValueError("a time that is none")
    return nanoseconds


def _since(nanoseconds: int) -> str:
    """A moment as the Engine takes it."""
    return f"{nanoseconds // 10**9}.{nanoseconds % 10**9:09d}"


def _nanoseconds(since: str) -> int:
    seconds, _, fraction = since.partition(".")
    return int(seconds) * 10**9 + int(fraction.ljust(9, "0")[:9])
