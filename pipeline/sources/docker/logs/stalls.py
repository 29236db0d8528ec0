"""Notices that a stream is silent while its log grows.

A log that is truncated from outside (`copytruncate`) makes every follow silent: dockerd goes on
looking behind the place where it last wrote, and by its own count of the file's bytes the file ends
there. A fresh reading gives what the file holds, and is then as silent as the one before. From a
log like that, `tail=1` gives nothing at all, or, of one that was longer than a kilobyte, is looked
for as long as somebody waits, on a core of its own (measured, Engine 26.1): that is how it is told
from one that is idle.

So a log that was silent for a while is asked for its last line, which costs dockerd a look at the
file's end. If it has none, or a newer one than was read, or an Engine that answers other questions
does not find it, the stream is given up for another. While that brings lines, the log is seldom
asked again. The Engine goes on as before when it next rotates the log, or is started again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable

from pipeline.model.errors import EngineError
from pipeline.model.metrics import Metrics
from pipeline.sources.docker.decode.frames import FrameError
from pipeline.sources.docker.engine.client import Engine
from pipeline.sources.docker.logs.follower import Follower
from pipeline.sources.docker.logs.last_line import first_time

log = logging.getLogger(__name__)

EVERY = 5.0
"""Seconds between two looks at all streams; a last line that came in between explains itself."""
FIRST, LONGEST = 30.0, 300.0
"""Seconds of silence before a log is asked; doubled each time that there was no reason to."""
AFTER_TROUBLE = 10.0
"""The same, while what the log holds has to be asked for."""
TALKATIVE = 12
"""Looks in a row with less silence than `FIRST`, after which its next silence is a new one. A
container that says something now and then shows by itself that its stream is alive."""
UNASKED = 10
"""Times that a stream is given up for another between two questions: each may cost dockerd a core
for `PATIENCE`."""
PATIENCE = 5.0
"""Seconds for an answer, which takes dockerd milliseconds."""


class WatchedStream:
    """One stream that is being watched."""

    def __init__(self) -> None:
        self.patience = FIRST
        self.asked = 0.0
        self.talking = 0
        self.suspected: float | None = None
        """What had been silent since this moment has a log that says otherwise."""
        self.newest = b""
        """The newest line read when it was last opened again."""
        self.said = False
        self.unasked = 0
        """How many more times it is opened again without being asked."""


class StallWatch:
    """Watches the streams of all containers, and asks for one log at a time."""

    def __init__(
        self, engine: Engine, followers: Callable[[], Iterable[Follower]], metrics: Metrics
    ) -> None:
        self._engine = engine
        self._followers = followers
        self._errors = metrics.source_errors
        self._watched_streams: dict[Follower, WatchedStream] = {}

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            followers = list(self._followers())
            self._watched_streams = {
                one: self._watched_streams.get(one) or WatchedStream() for one in followers
            }
            for follower, watched in self._watched_streams.items():
                await self._look(follower, watched)

    async def _look(self, follower: Follower, watched: WatchedStream) -> None:
        now, since = time.monotonic(), follower.listening
        if since is None or now - since < FIRST:
            watched.talking += 1
            if watched.talking == TALKATIVE:
                watched.patience = min(watched.patience, FIRST)
        else:
            watched.talking = 0
        if since is None:
            return
        if watched.suspected == since:
            self._reopen(follower, watched)
        elif now - max(since, watched.asked) >= watched.patience:
            watched.asked = now
            if watched.unasked:
                watched.unasked -= 1
                watched.suspected = since
            elif await self._is_behind(follower):
                watched.unasked = UNASKED
                watched.suspected = since
            else:
                watched.patience = min(max(watched.patience, FIRST / 2) * 2, LONGEST)
                watched.said = False

    async def _is_behind(self, follower: Follower) -> bool:
        """Whether the log says that there is something to read."""
        try:
            async with asyncio.timeout(PATIENCE):
                last = await first_time(self._engine, follower.container.id)(1)
        except TimeoutError:
            return follower.has_read and await self._answers()
        except (EngineError, OSError, FrameError):
            return False
        return last > follower.newest if last else last == b"" and follower.has_read

    async def _answers(self) -> bool:
        """Whether the Engine answers other questions."""
        try:
            async with asyncio.timeout(PATIENCE):
                await self._engine.get("/info")
        except (EngineError, OSError):
            return False
        return True

    def _reopen(self, follower: Follower, watched: WatchedStream) -> None:
        watched.suspected = None
        useful = follower.newest != watched.newest
        watched.newest = follower.newest
        watched.patience = AFTER_TROUBLE if useful else min(watched.patience * 2, LONGEST)
        if not useful:
            watched.unasked = 0
        self._errors.labels("silent").inc()
        if not watched.said:
            watched.said = True
            log.warning(
                "logs of %s: the stream is silent and the log is not as it should be, as after "
                "being truncated by something other than the Engine; it is read anew every %g s "
                "or more seldom until the Engine rotates it or is started again",
                follower.container.name,
                AFTER_TROUBLE,
            )
        follower.reopen()
