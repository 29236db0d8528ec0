"""A container that is followed, and the tasks that read its log."""

from __future__ import annotations

import asyncio

from pipeline.model.container import Container
from pipeline.sources.docker.discovery.container import FollowedContainer
from pipeline.sources.docker.logs.follower import Follower
from pipeline.sources.docker.logs.log_end import LogEnd


class Followed:
    """A followed container: its facts and lanes, its follower, and what is noted for its end.

    A plain holder of state; `DockerSource` starts and stops the tasks.
    """

    def __init__(self, container: FollowedContainer) -> None:
        self.container = container
        """Facts and lanes of the container."""
        self.follower: Follower | None = None
        """What reads its log; None until the container is first started with a route for its
        log."""
        self.task: asyncio.Task[None] | None = None
        """The task that runs the follower; None until the first start."""
        self.paused = False
        """Whether its log is not being read for now: the container or its log is not selected."""
        self.log_end: LogEnd | None = None
        """Reads the end of its log, where no route takes the log but the last lines are wanted and
        the container is removed as it ends (`docker run --rm`)."""
        self.log_end_task: asyncio.Task[None] | None = None
        """The task that runs `log_end`."""
        self.died = b""
        """Time of its last `die` event, as in `Batch.times`; empty where none was seen."""
        self.out_of_memory = False
        """Whether the Engine has sent an `oom` event since the last start."""
        self._stopping: set[asyncio.Task[None]] = set()
        """Tasks that have read the log and were cancelled, but have not ended yet."""

    @property
    def facts(self) -> Container:
        """The container's facts: id, name, image, labels. A rename or an inspection replaces
        them.
        """
        return self.container.facts

    @property
    def reading(self) -> bool:
        """Whether its log is being read, or was read as far as possible."""
        return self.follower is not None and not self.follower.idle and not self.paused

    def pause(self) -> None:
        """Stops reading its log. Lines that were read already are handed out first.

        Does nothing when the log is not being read.
        """
        if self.follower is None or self.task is None or self.task.done() or self.paused:
            return
        self.paused = True
        self._stopping.add(self.task)
        self.task.add_done_callback(self._stopping.discard)
        self.follower.cancel(self.task)

    async def stopped(self) -> None:
        """Waits until all tasks that `pause` has cancelled have ended."""
        if self._stopping:
            await asyncio.wait(set(self._stopping))

    @property
    def wants_log_end(self) -> bool:
        """Whether its last lines are wanted for its `die` event while no route takes its log."""
        it = self.container
        return bool(it.events and it.last_lines.most and not it.logs)

    def stop_log_end(self) -> None:
        """Cancels the reading of the log's end: it is not wanted any more."""
        if self.log_end_task is not None:
            self.log_end_task.cancel()
            self.log_end = self.log_end_task = None

    def close(self) -> None:
        """Drops the follower and its task, when nothing will be read any more.

        Without this, the container's labels and lanes would wait for the garbage collector.
        """
        self.follower = self.task = None
