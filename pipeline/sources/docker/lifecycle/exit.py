"""Details of a container's end that its `die` event lacks: last lines, and whether memory ran
out.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from pipeline.model.errors import EngineError
from pipeline.model.timestamps import from_nanoseconds, nanoseconds, split_timestamp
from pipeline.sources.docker.engine.client import Engine
from pipeline.sources.docker.lifecycle.followed import Followed
from pipeline.sources.docker.logs.log_end import LogEnd

WAIT = 0.5
"""Seconds after the event in which the log is read to its end and the Engine answers. Events wait
in one queue, but for all events of a burst this is the same half second."""
EARLY = 10**9
"""Nanoseconds by which a line may be older than the start of its run. The Engine notes the start
after the container has begun to write (measured: some milliseconds later)."""


class Exit:
    """The end of one run of a container.

    Made when the `die` event arrives. `ask` and `read_log` each run in a task of their own;
    `details` waits for them, until `WAIT` seconds after the event.
    """

    def __init__(self, followed: Followed, time: int, engine: Engine) -> None:
        """`time` is the event's, in nanoseconds since the epoch."""
        self._followed = followed
        self._engine = engine
        self._before, self._ended = followed.died, from_nanoseconds(time)
        followed.died = self._ended
        self._follower = followed.follower if not followed.paused else None
        self._lines = followed.container.last_lines
        self._log: LogEnd | None = None
        self._began = b""
        self._start = self._follower.starts if self._follower is not None else 0
        self._out_of_memory: bool | None = followed.out_of_memory or None
        self._answered, self._has_read = asyncio.Event(), asyncio.Event()
        self._deadline = asyncio.get_running_loop().time() + WAIT

    async def ask(self, container_id: str, asking: asyncio.Semaphore) -> None:
        """Asks the Engine whether the container was killed for lack of memory. To be called once.

        Podman has no event for that, and Docker's may come late. `asking` bounds requests at once.
        Never raises but when cancelled.
        """
        with suppress(EngineError, OSError, TimeoutError):
            async with asyncio.timeout_at(self._deadline), asking:
                answer = await self._engine.get(f"/containers/{container_id}/json")
                state = answer.get("State") if isinstance(answer, dict) else None
                if isinstance(state, dict) and isinstance(state.get("OOMKilled"), bool):
                    self._out_of_memory = self._out_of_memory or state["OOMKilled"]
                    self._began = _first_time(state, self._ended)
        self._answered.set()

    async def read_log(self, container_id: str, asking: asyncio.Semaphore) -> None:
        """Reads the last lines from the Engine, where no follower reads the log. To be called once.

        `asking` bounds logs being read at once.
        """
        if self._follower is None and self._lines.most:
            self._log = LogEnd(self._engine, container_id, self._lines.most)
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._deadline), asking:
                    await self._log.read(self._ended)
            early = self._followed.log_end
            if early is not None and not self._log.is_readable:
                self._log = early
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(self._deadline):
                        await early.has_ended.wait()
        self._has_read.set()

    async def details(self) -> dict[str, Any]:
        """Returns what was found out in time, as fields of the event.

        `oom_killed` (a bool), `last_lines` (of this run, as text) and `last_lines_complete`, which
        says whether the log was read to its end. What is not known in time is left out.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout_at(self._deadline):
                if self._follower is not None:
                    await self._follower.until_end(self._start)
                else:
                    await self._has_read.wait()
                await self._answered.wait()
        details: dict[str, Any] = {}
        killed = self._followed.out_of_memory or self._out_of_memory
        if killed is not None:
            details["oom_killed"] = killed
        if not self._lines.most:
            return details
        if self._follower is not None:
            lines = self._lines.between(self._before, self._ended)
            complete = self._follower.has_read_to_end(self._start)
        elif self._log is not None and self._log.is_readable:
            # Where earlier runs ended is not known if that was before the agent's start.
            lines = self._log.lines.between(max(self._before, self._began), self._ended)
            complete = self._log.has_ended.is_set()
        else:
            return details
        details["last_lines"] = [line.decode("utf-8", "replace") for line in lines]
        details["last_lines_complete"] = complete
        return details


def _first_time(state: dict[str, Any], ended: bytes) -> bytes:
    """Time of the run's first possible line. Empty when the inspection is of another run
    already.
    """
    started, _ = split_timestamp(str(state.get("StartedAt")).encode())
    if not b"1971" < started <= ended:
        return b""
    return from_nanoseconds(nanoseconds(started) - EARLY)
