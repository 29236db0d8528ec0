"""How a container ended: what its event `die` does not tell, but the log and an inspection do."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Protocol

from pipeline.batch import Batch
from pipeline.errors import EngineError
from pipeline.sources.docker.engine import Engine
from pipeline.sources.docker.tail import Tail
from pipeline.timestamps import from_nanoseconds

WAIT = 0.5
"""Seconds, from the event on, in which its log is to be read to the end, and the Engine to answer.
Events wait in one queue, but for all of a burst this is the same half second."""
LONGEST = 1024
"""Bytes of a last line that are told."""
WHOLE_SECOND = b".000000000Z"
"""How a time ends that Podman has cut."""


class LastLines:
    """The last lines of one container that were read. Per batch, not per line."""

    __slots__ = ("_rows", "most")

    def __init__(self, most: int) -> None:
        self.most = most
        self._rows: deque[tuple[bytes, bytes]] = deque(maxlen=most)

    def note(self, batch: Batch) -> None:
        if most := self.most:
            self._rows.extend(zip(batch.times[-most:], _cut(batch.lines[-most:]), strict=True))

    def between(self, since: bytes, until: bytes) -> Iterator[bytes]:
        """Those of one run of the container, from the end of the one before it: the Engine tells of
        a start when the first lines may have been written already."""
        for time, line in self._rows:
            if (since[:19] if time.endswith(WHOLE_SECOND) else since) < time <= until:
                yield line


def _cut(lines: list[bytes]) -> list[bytes]:
    return [line if len(line) <= LONGEST else line[:LONGEST] for line in lines]


class Subject(Protocol):
    """The container, as its source knows it."""

    tail: Tail | None
    last_lines: LastLines
    died: bytes
    """When it ended last; empty where nobody saw that."""
    out_of_memory: bool
    """The Engine has said so since it was started last."""


class Ending:
    """Of one run of a container."""

    def __init__(self, subject: Subject, time: int, engine: Engine) -> None:
        """`time` of the event, in nanoseconds since the epoch."""
        self._subject = subject
        self._engine = engine
        self._before, self._ended = subject.died, from_nanoseconds(time)
        subject.died = self._ended
        self._tail, self._lines = subject.tail, subject.last_lines
        self._start = subject.tail.starts if subject.tail is not None else 0
        self._out_of_memory: bool | None = subject.out_of_memory or None
        self._answered = asyncio.Event()
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
        self._answered.set()

    async def details(self) -> dict[str, Any]:
        """As fields: `oom_killed`, `last_lines` (of this run) and `last_lines_complete`, whether
        the log was read to its end. What is not known in time is left out."""
        with suppress(TimeoutError):
            async with asyncio.timeout_at(self._deadline):
                if self._tail is not None:
                    await self._tail.until_end(self._start)
                await self._answered.wait()
        details: dict[str, Any] = {}
        killed = self._subject.out_of_memory or self._out_of_memory
        if killed is not None:
            details["oom_killed"] = killed
        if self._tail is not None and self._lines.most:
            lines = self._lines.between(self._before, self._ended)
            details["last_lines"] = [line.decode("utf-8", "replace") for line in lines]
            details["last_lines_complete"] = self._tail.has_read_to_end(self._start)
        return details
