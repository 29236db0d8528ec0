"""One container that is followed, and the tasks that read of it."""

from __future__ import annotations

import asyncio

from pipeline.model.container import Container
from pipeline.sources.docker.discovery.container import FollowedContainer
from pipeline.sources.docker.logs.follower import Follower
from pipeline.sources.docker.logs.log_end import LogEnd


class Followed:
    """A container, who follows its log, and what is noted for when it ends."""

    def __init__(self, container: FollowedContainer) -> None:
        self.container = container
        self.follower: Follower | None = None
        self.task: asyncio.Task[None] | None = None
        """The follower's, from its first start on."""
        self.paused = False
        """Its log is read no further, for now."""
        self.log_end: LogEnd | None = None
        """Of one that is removed as it ends, where nobody follows its log."""
        self.log_end_task: asyncio.Task[None] | None = None
        self.died = b""
        """When it ended last; empty where nobody saw that."""
        self.out_of_memory = False
        """The Engine has said so since it was started last."""
        self._stopping: set[asyncio.Task[None]] = set()
        """Tasks that have read the log, and are to end."""

    @property
    def facts(self) -> Container:
        return self.container.facts

    @property
    def reading(self) -> bool:
        """Whether its log is being read, or was as far as it can be."""
        return self.follower is not None and not self.follower.idle and not self.paused

    @property
    def starts(self) -> int:
        """How often the container was seen to start, by who follows its log."""
        return self.follower.starts if self.follower is not None else 0

    def pause(self) -> None:
        """Its log is read no further; what was read is handed out first."""
        if self.follower is None or self.task is None or self.task.done() or self.paused:
            return
        self.paused = True
        self._stopping.add(self.task)
        self.task.add_done_callback(self._stopping.discard)
        self.follower.cancel(self.task)

    async def stopped(self) -> None:
        """Waits until nobody reads its log who was to stop."""
        if self._stopping:
            await asyncio.wait(set(self._stopping))

    @property
    def wants_log_end(self) -> bool:
        """Whether its last lines are wanted, and nobody reads its log."""
        it = self.container
        return bool(it.events and it.last_lines.most and not it.logs)

    def stop_log_end(self) -> None:
        """The end of its log is not wanted any more."""
        if self.log_end_task is not None:
            self.log_end_task.cancel()
            self.log_end = self.log_end_task = None

    def close(self) -> None:
        """Nothing of it will be read any more. Without this, its labels and all that is bound would
        wait for the garbage collector."""
        self.follower = self.task = None
