"""How a container ended: what its event `die` does not tell, but the log and an inspection do."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from pipeline.model.errors import EngineError
from pipeline.model.timestamps import from_nanoseconds, nanoseconds, split_timestamp
from pipeline.sources.docker.engine.client import Engine
from pipeline.sources.docker.followed import Followed
from pipeline.sources.docker.logs.log_end import LogEnd

WAIT = 0.5
"""Seconds, from the event on, in which its log is to be read to the end, and the Engine to answer.
Events wait in one queue, but for all of a burst this is the same half second."""
EARLY = 10**9
"""Nanoseconds that a line may be older than the start of its run, which the Engine notes when the
container has begun to write (measured: some milliseconds)."""


class Exit:
    """Of one run of a container."""

    def __init__(self, followed: Followed, time: int, engine: Engine) -> None:
        """`time` of the event, in nanoseconds since the epoch."""
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
        """The Engine, whether it was for memory: Podman has no event for that, and the Engine's may
        come late. Never raises. Once, and not awaited by who waits for the rest."""
        with suppress(EngineError, OSError, TimeoutError):
            async with asyncio.timeout_at(self._deadline), asking:
                answer = await self._engine.get(f"/containers/{container_id}/json")
                state = answer.get("State") if isinstance(answer, dict) else None
                if isinstance(state, dict) and isinstance(state.get("OOMKilled"), bool):
                    self._out_of_memory = self._out_of_memory or state["OOMKilled"]
                    self._began = _first_time(state, self._ended)
        self._answered.set()

    async def read_log(self, container_id: str, asking: asyncio.Semaphore) -> None:
        """The last lines, where no tail reads them. Once, as `ask`."""
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
        """As fields: `oom_killed`, `last_lines` (of this run) and `last_lines_complete`, whether
        the log was read to its end. What is not known in time is left out."""
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
            # Nobody has noted where earlier runs of it ended before the agent looked.
            lines = self._log.lines.between(max(self._before, self._began), self._ended)
            complete = self._log.has_ended.is_set()
        else:
            return details
        details["last_lines"] = [line.decode("utf-8", "replace") for line in lines]
        details["last_lines_complete"] = complete
        return details


def _first_time(state: dict[str, Any], ended: bytes) -> bytes:
    """From when on lines are of the run that has ended; empty where the Engine tells of another."""
    started, _ = split_timestamp(str(state.get("StartedAt")).encode())
    if not b"1971" < started <= ended:
        return b""
    return from_nanoseconds(nanoseconds(started) - EARLY)
