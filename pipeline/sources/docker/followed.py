"""One container, as the source knows it: its facts, its lanes, and the task that reads its log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from pipeline.batch import Batch, Container
from pipeline.errors import EngineError
from pipeline.route import Lane, Router, distribute
from pipeline.sources.docker.describe import from_inspect
from pipeline.sources.docker.engine import Engine
from pipeline.sources.docker.tail import Tail

Inspected = Callable[[Container, Mapping[str, Any]], None]


class Followed:
    """What is known of one container from its first sign to its removal. The subject of a tail."""

    def __init__(
        self, container: Container, router: Router, engine: Engine, inspected: Inspected
    ) -> None:
        """`inspected` is told the answer to each inspection of the container."""
        self.container = container
        self.tail: Tail | None = None
        self.task: asyncio.Task[None] | None = None
        self.happened = 0
        """Number of its events."""
        self.readings = 0
        """Number of readings of its stats."""
        self._router = router
        self._engine = engine
        self._inspected = inspected
        self._bind()

    def _bind(self) -> None:
        container, lanes = self.container, self._router.lanes
        self.logs: list[Lane] = lanes(container, "logs")
        self.events: list[Lane] = lanes(container, "events")
        self.stats: list[Lane] = lanes(container, "stats")

    @property
    def reading(self) -> bool:
        """Whether its log is being read, or was as far as it can be."""
        return self.tail is not None and not self.tail.idle

    def change(self, container: Container) -> None:
        """Other facts, such as a new name. Lanes are bound anew where that can matter."""
        old, self.container = self.container, container
        facts = (container.name, container.image, dict(container.labels))
        if facts != (old.name, old.image, dict(old.labels)):
            self._bind()
        if self.tail is not None and container.name != old.name:
            self.tail.count_as(container.name)

    async def learn(self) -> None:
        """Takes over the facts of an inspection; a container that is gone keeps those it has."""
        try:
            answer = await self._engine.get(f"/containers/{self.container.id}/json")
        except EngineError:
            return
        self.change(from_inspect(answer, self._engine.host))
        self._inspected(self.container, answer)

    async def distribute(self, batch: Batch) -> None:
        await distribute(self.logs, batch)
