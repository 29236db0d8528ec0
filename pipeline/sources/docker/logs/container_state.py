"""What is known of one container's life while its log is read."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import NamedTuple

from pipeline.sources.docker.engine.client import Engine, NotFound


class RunState(NamedTuple):
    """As an inspection gave it."""

    ended: bool
    started: str
    """When this run of it began, as the Engine writes it; empty where it is removed."""


class ContainerState:
    """Of one container: told of by its source, and waited for by what reads its log."""

    def __init__(self, engine: Engine, container_id: str) -> None:
        self.starts = 0
        self.opened = 0
        """How many starts there were when its log was opened last, and was there: it gave lines, or
        the container was not being removed yet. While it is, dockerd may make the log's file anew,
        and give nothing."""
        self.gone = False
        """The container is removed."""
        self.doubted = False
        """Somebody has reason to think that it has ended, and nobody has looked since."""
        self._engine = engine
        self._path = f"/containers/{container_id}/json"
        self._news = asyncio.Event()

    def start(self) -> None:
        self.starts += 1
        self._news.set()

    def stop(self) -> None:
        self.gone = self.doubted = True
        self._news.set()

    def doubt(self) -> None:
        self.doubted = True
        self._news.set()

    def tell(self) -> None:
        """There is something new."""
        self._news.set()

    def forget_news(self) -> None:
        self._news.clear()

    async def until_news(self, wait: float | None = None) -> None:
        """Until there is something new since it was forgotten, or `wait` seconds have passed."""
        if wait is None:
            await self._news.wait()
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await self._news.wait()

    async def ask(self) -> RunState:
        """The Engine. Raises `EngineError` where it does not answer."""
        self.doubted = False
        try:
            state = (await self._engine.get(self._path)).get("State") or {}
        except NotFound:
            self.gone = True
            return RunState(ended=True, started="")
        runs = state.get("Running") or state.get("Restarting")
        return RunState(not runs, str(state.get("StartedAt", "")))
