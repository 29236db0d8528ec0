"""One container, as the source knows it: its facts, its lanes, and the task that reads its log."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from pipeline.acknowledgement import Acknowledgement
from pipeline.batch import Batch, Container, Source
from pipeline.errors import EngineError
from pipeline.routing import Lanes, Router
from pipeline.settlement import NOTHING, Progress
from pipeline.sources.docker.describe import from_inspect
from pipeline.sources.docker.engine import Engine
from pipeline.sources.docker.last_lines import LastLines, LastLinesOfLog
from pipeline.sources.docker.rotation import Rotation, read_rotation
from pipeline.sources.docker.tail import Tail

log = logging.getLogger(__name__)


class Audience(Protocol):
    """Who is told what a container turns out to be."""

    def inspected(self, container: Container, answer: Mapping[str, Any]) -> None:
        """The answer to an inspection, of a container that has not ended since it was asked."""

    def renamed(self, old: str) -> None:
        """A container has this name no more."""


class Followed:
    """What is known of one container from its first sign to its removal. The subject of a tail."""

    def __init__(
        self,
        container: Container,
        router: Router,
        engine: Engine,
        audience: Audience,
        progress: Progress,
        *,
        last_lines: int = 0,
    ) -> None:
        """`progress`: of the sinks in its log. `last_lines`: how many to keep for when it ends."""
        self.container = container
        self.progress = progress
        self.tail: Tail | None = None
        self.task: asyncio.Task[None] | None = None
        self.happened = 0
        """Number of its events."""
        self.readings = 0
        """Number of readings of its stats."""
        self.ends = 0
        """How often it was seen to end."""
        self.rotation: Rotation | None = None
        self.last_lines = LastLines(last_lines)
        self.log_end: LastLinesOfLog | None = None
        """Of one that is removed as it ends, where no tail reads its log."""
        self.log_end_task: asyncio.Task[None] | None = None
        self.died = b""
        """When it ended last; empty where nobody saw that."""
        self.out_of_memory = False
        """The Engine has said so since it was started last."""
        self._router = router
        self._engine = engine
        self._audience = audience
        self._bound: list[Lanes] = []
        """Lanes of its logs: those there are, and earlier ones with which somebody waits."""
        self._lanes: Mapping[Source, Lanes] = {}
        self.paused = False
        """Its log is read no further, for now."""
        self._distributing = False
        self._stopping: set[asyncio.Task[None]] = set()
        """Tasks that have read the log, and are to end."""
        self.bind()

    def bind(self) -> None:
        """Its lanes from now on: the container is another one than before."""
        for old in self._lanes.values():
            old.end()
        self._lanes = {}
        self.rebind()

    def rebind(self) -> None:
        """Its lanes from now on: some routes are others than before. Lanes of the rest stay."""
        sequence = self.tail.sequence if self.tail is not None else NOTHING
        self._lanes = lanes = self._router.bind(
            self.container, self.progress, sequence, self._lanes
        )
        self.logs, self.events, self.stats = lanes["logs"], lanes["events"], lanes["stats"]
        self._bound = [*(one for one in self._bound if one.busy), self.logs]

    @property
    def reading(self) -> bool:
        """Whether its log is being read, or was as far as it can be."""
        return self.tail is not None and not self.tail.idle and not self.paused

    @property
    def unsettled(self) -> int:
        return self.progress.unsettled

    def rename(self, name: str) -> None:
        self.change(replace(self.container, name=name))

    def change(self, container: Container) -> None:
        """Other facts, such as a new name. Lanes are bound anew where that can matter."""
        old, self.container = self.container, container
        facts = (container.name, container.image, dict(container.labels))
        if facts != (old.name, old.image, dict(old.labels)):
            self.bind()
        if container.name != old.name:
            if self.tail is not None:
                self.tail.count_as(container.name)
            self._audience.renamed(old.name)

    async def learn(self) -> bool | None:
        """Takes over the facts of an inspection; whether they say that the container runs, None
        where it is being removed. Never raises: where there are none, the container keeps those it
        has. What it has become while the Engine was answering counts for more."""
        before, ends = self.container, self.ends
        try:
            answer = await self._engine.get(f"/containers/{before.id}/json")
            container = from_inspect(answer, self._engine.host)
            self.rotation = read_rotation(answer)
        except EngineError:
            return None
        except (LookupError, TypeError, AttributeError) as error:
            log.warning("inspecting %s gives no container: %r", before.name, error)
            return None
        if self.container is not before:
            container = replace(container, name=self.container.name)
        self.change(container)
        if self.ends == ends:
            self._audience.inspected(container, answer)
        state = answer.get("State") or {}
        if state.get("Dead") or state.get("Status") == "removing":
            return None
        return bool(state.get("Running")) and self.ends == ends

    def abandon(self, reason: str) -> None:
        """Gives up what waits for room in a sink's buffer."""
        for lanes in self._bound:
            lanes.abandon(reason)

    async def distribute(self, batch: Batch, ack: Acknowledgement) -> None:
        if self.events:
            self.last_lines.note(batch)
        self._distributing = True
        try:
            await self.logs.distribute(batch, ack)
        finally:
            self._distributing = False
            for task in self._stopping:  # but not before the batch is settled
                asyncio.get_running_loop().call_soon(task.cancel)

    def pause(self) -> None:
        """Its log is read no further; what was read is handed out first."""
        if self.task is None or self.task.done() or self.paused:
            return
        self.paused = True
        self._stopping.add(self.task)
        self.task.add_done_callback(self._stopping.discard)
        if not self._distributing:
            self.task.cancel()

    @property
    def wants_log_end(self) -> bool:
        """Whether its last lines are wanted, and nobody reads its log."""
        return bool(self.events and self.last_lines.most and not self.logs)

    def stop_log_end(self) -> None:
        if self.log_end_task is not None:
            self.log_end_task.cancel()
            self.log_end = self.log_end_task = None

    async def stopped(self) -> None:
        """Waits until nobody reads its log who was to stop."""
        if self._stopping:
            await asyncio.wait(set(self._stopping))

    def ended(self) -> None:
        """What comes next is of another run of the container: nothing is joined to this one's."""
        self.logs.flush(math.inf)

    def close(self) -> None:
        """Nothing of it will be read any more. What has read its log has it for its subject, and
        would otherwise wait for the garbage collector, with its labels and all that is bound."""
        self.tail = self.task = None

    def resumed_inexactly(self, sequence: int) -> None:
        """What sinks are known to have by its number is known no more, from there on."""
        self.progress.doubt(sequence)
