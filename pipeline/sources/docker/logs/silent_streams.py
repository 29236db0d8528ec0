"""Notices that a log was truncated from outside (copytruncate): its stream is silent.

When a log is truncated from outside (`copytruncate`), all follows become silent: dockerd goes on
looking after the place where it last wrote, and by its own count the file ends there. A new reading
gives what the file holds, and is then silent, too. On such a log `tail=1` returns nothing, or, if
the log was longer than a kilobyte, dockerd searches for as long as the client waits, on a whole
core (measured, Engine 26.1). That distinguishes it from an idle log.

So a log that has been silent for a while is asked for its last line, which makes dockerd look at
the file's end. If there is none, or a newer one than was read, or the Engine doesn't find it while
it answers other requests, the stream is closed and opened again. While that brings lines, the log
is seldom asked again. The Engine recovers when it next rotates the log or is restarted.
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
"""Seconds between two looks at all streams."""
FIRST, LONGEST = 30.0, 300.0
"""Seconds of silence before a log is asked for its last line: at first, and at most. Doubled each
time that all was well."""
AFTER_TROUBLE = 10.0
"""Seconds of silence before that, while the stream has to be opened again for new lines."""
TALKATIVE = 12
"""Looks in a row with less silence than `FIRST`, after which the wait is `FIRST` again. A container
that writes now and then shows by itself that its stream works."""
UNASKED = 10
"""How many times a stream is opened again between two requests for the last line. Each may cost
dockerd a core for `PATIENCE`."""
PATIENCE = 5.0
"""Seconds to wait for an answer, which takes dockerd milliseconds."""


class WatchedStream:
    """What is known about a stream that is being watched."""

    def __init__(self) -> None:
        self.patience = FIRST
        """Seconds of silence before the log is asked for its last line."""
        self.asked = 0.0
        """When that was done last, by `time.monotonic`."""
        self.talking = 0
        """Looks in a row with little silence."""
        self.suspected: float | None = None
        """Start of the silence during which the log was found to have more. None without a
        suspicion."""
        self.newest = b""
        """Newest time read when the stream was last opened again."""
        self.said = False
        """Whether the warning was logged."""
        self.unasked = 0
        """How many more times the stream is opened again without asking."""


class SilentStreams:
    """Watches the streams of all containers. Asks for the last line of one log at a time."""

    def __init__(
        self, engine: Engine, followers: Callable[[], Iterable[Follower]], metrics: Metrics
    ) -> None:
        """`followers` returns the followers of all containers that are followed by now."""
        self._engine = engine
        self._followers = followers
        self._errors = metrics.source_errors
        self._watched_streams: dict[Follower, WatchedStream] = {}

    async def run(self) -> None:
        """Watches until it is cancelled."""
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
        """Whether the log has lines that its stream doesn't give."""
        try:
            async with asyncio.timeout(PATIENCE):
                last = await first_time(self._engine, follower.container.id)(1)
        except TimeoutError:
            return follower.has_read and await self._answers()
        except (EngineError, OSError, FrameError):
            return False
        return last > follower.newest if last else last == b"" and follower.has_read

    async def _answers(self) -> bool:
        """Whether the Engine answers other requests."""
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
                "logs of %s: the stream is silent although the log has changed, as after being "
                "truncated by something other than the Engine; it is opened again every %g s "
                "or less often, until the Engine rotates the log or is restarted",
                follower.container.name,
                AFTER_TROUBLE,
            )
        follower.reopen()
