"""What is known about a container's starts and end while its log is read."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import NamedTuple

from pipeline.sources.docker.engine.client import Engine, NotFound


class RunState(NamedTuple):
    """A container's state, from an inspection."""

    ended: bool
    """Whether it has ended, and is not being restarted."""
    steady: bool
    """Whether it runs, and is neither paused nor being stopped."""
    started: str
    """When its current or last run began, as the Engine writes it; empty when it is removed."""


class ContainerState:
    """A container's starts and end, told by the source and waited for by the readers of its log."""

    def __init__(self, engine: Engine, container_id: str) -> None:
        self.starts = 0
        """How many starts were seen."""
        self.opened = 0
        """The value of `starts` when its log was last opened and existed: it gave lines, or the
        container was not being removed. During a removal dockerd may create the log's file again,
        and it is empty."""
        self.gone = False
        """Whether the container is removed."""
        self.doubted = False
        """Whether it may have ended, and has not been inspected since."""
        self._engine = engine
        self._path = f"/containers/{container_id}/json"
        self._news = asyncio.Event()

    def start(self) -> None:
        """Says that the container was started."""
        self.starts += 1
        self._news.set()

    def stop(self) -> None:
        """Says that the container was removed."""
        self.gone = self.doubted = True
        self._news.set()

    def doubt(self) -> None:
        """Says that the container may have ended."""
        self.doubted = True
        self._news.set()

    def tell(self) -> None:
        """Wakes `until_news`."""
        self._news.set()

    def forget_news(self) -> None:
        """Makes `until_news` wait for what is told from now on."""
        self._news.clear()

    async def until_news(self, wait: float | None = None) -> None:
        """Waits until something was told since `forget_news`, or `wait` seconds have passed."""
        if wait is None:
            await self._news.wait()
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await self._news.wait()

    async def ask(self) -> RunState:
        """Inspects the container. Raises `EngineError` when the Engine doesn't answer."""
        self.doubted = False
        try:
            state = (await self._engine.get(self._path)).get("State") or {}
        except NotFound:
            self.gone = True
            return RunState(ended=True, steady=False, started="")
        # Podman says of a container that has some seconds to stop that it doesn't run.
        runs = state.get("Running") or state.get("Restarting") or state.get("Status") == "stopping"
        steady = bool(runs) and state.get("Status") == "running"
        return RunState(not runs, steady, str(state.get("StartedAt", "")))
