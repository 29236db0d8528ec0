"""Runs the whole Docker source on a real Engine, with an output that keeps everything."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry

from pipeline.accounting.checkpoint import Checkpoint
from pipeline.accounting.envelope import Envelope
from pipeline.accounting.ledger import Ledger
from pipeline.model.batch import Batch
from pipeline.model.container import EntryKind
from pipeline.model.metrics import Metrics
from pipeline.sources.docker.engine.client import Engine
from pipeline.sources.docker.engine.endpoint import resolve
from pipeline.sources.docker.logs.follower import Follower
from pipeline.sources.docker.source import DockerSource, FollowOptions
from pipeline.testing.ways import chosen
from pipeline.topology import Route, Router

PATIENCE = 120.0
"""Seconds until a wait fails."""


class Kept:
    """An output that keeps all batches. It settles them at once, unless `stuck`, and has room
    unless `has_room` is cleared."""

    def __init__(self) -> None:
        self.name = "kept"
        self.batches: list[Batch] = []
        self.stuck = False
        self.has_room = asyncio.Event()
        self.has_room.set()

    def offer(self, envelope: Envelope) -> bool:
        """Takes a batch, if there is room. Returns whether there is."""
        if not self.has_room.is_set():
            return False
        self.batches.append(envelope.batch)
        if not self.stuck:
            envelope.ack.settle()
        return True

    async def put(self, envelope: Envelope) -> None:
        """Takes a batch once there is room."""
        await self.has_room.wait()
        self.offer(envelope)


class Following:
    """A Docker source that runs, and what it has delivered."""

    def __init__(self, source: DockerSource, kept: Kept, metrics: Metrics) -> None:
        self.source = source
        self.kept = kept
        self.metrics = metrics

    def lines(self, name: str, stream: int | None = None) -> list[str]:
        """What the container with this name has logged. `stream`: 1 for stdout, 2 for stderr, None
        for both."""
        return [
            line.decode(errors="replace")
            for batch in self.kept.batches
            if batch.source == "logs" and batch.container.name == name
            for line, number in zip(batch.lines, batch.streams, strict=True)
            if stream in (None, number)
        ]

    def lines_of(self, container_id: str) -> list[str]:
        """What the container with this id has logged, under any name."""
        return [
            line.decode(errors="replace")
            for batch in self.kept.batches
            if batch.source == "logs" and batch.container.id == container_id
            for line in batch.lines
        ]

    def sequences(self, name: str) -> list[int]:
        """Sequence numbers of the log entries of the container with this name."""
        return [
            number
            for batch in self.kept.batches
            if batch.source == "logs" and batch.container.name == name
            for number in batch.sequences
        ]

    def actions(self, name: str) -> list[str]:
        """Actions of the container's events, in order."""
        return [
            batch.fields[0]["docker"]["event"]["action"]
            for batch in self.kept.batches
            if batch.source == "events" and batch.fields and batch.container.name == name
        ]

    def errors(self, kind: str) -> float:
        """The value of `dockline_source_errors_total` for this kind."""
        labels = {"kind": kind}
        return self.metrics.registry.get_sample_value("dockline_source_errors_total", labels) or 0

    def gaps(self, name: str) -> float:
        """The value of `dockline_log_gaps_total` for this container."""
        labels = {"container": name}
        return self.metrics.registry.get_sample_value("dockline_log_gaps_total", labels) or 0

    async def until(self, holds: Callable[[], object], what: str | Callable[[], str] = "") -> None:
        """Waits until `holds()` is true. Fails after `PATIENCE` seconds with the message `what`, or
        that which it returns then."""
        deadline = time.monotonic() + PATIENCE
        while not holds():
            if time.monotonic() >= deadline:
                said = what if isinstance(what, str) else what()
                raise AssertionError(said or "it did not happen in time")
            await asyncio.sleep(0.02)

    async def until_lines(self, name: str, count: int) -> list[str]:
        """Waits until the container has logged `count` lines, and returns its lines."""
        await self.until(
            lambda: len(self.lines(name)) >= count,
            lambda: f"{name} gave {len(self.lines(name))} lines of {count}",
        )
        return self.lines(name)

    async def until_follower(self, name: str) -> Follower:
        """Waits until the container's log is followed, and returns the follower."""

        def found() -> list[Follower]:
            followers = (one.follower for one in self.source.followed.values())
            return [one for one in followers if one and one.container.name == name]

        await self.until(found, f"{name} is not followed")
        return found()[0]

    async def connected(self) -> None:
        """Waits until the source is connected and has handled all containers that exist. A
        container that is not in a list after that counts as removed."""
        source = self.source
        await self.until(
            lambda: source.watch.problem is None and source._caught_up, "not connected"
        )


@asynccontextmanager
async def follow(
    url: str,
    *,
    state: Path | None = None,
    stuck: bool = False,
    takes: Sequence[EntryKind] = ("logs", "events"),
    keep_ended: float = 0.0,
    **reading: object,
) -> AsyncIterator[Following]:
    """Runs a Docker source against an Engine, with one route that leads to `Kept`.

    `url`: the Engine's. `state`: a folder for the checkpoint; None to keep it in memory. `stuck`:
    nothing is settled. `takes`: the sources of the route. `keep_ended`: as for
    `DockerSource`. `reading`: arguments of `FollowOptions`.
    """
    metrics, kept = Metrics(CollectorRegistry()), Kept()
    kept.stuck = stuck
    route = Route("all", frozenset(takes), lambda one: True, [], [kept])
    checkpoint = Checkpoint(state)
    await asyncio.to_thread(checkpoint.open)
    engine = Engine(resolve(url, None, {}))
    source = DockerSource(
        engine,
        Router([route], metrics, Ledger()),
        checkpoint,
        metrics,
        FollowOptions(**{"way": chosen.way, **reading}),  # type: ignore[arg-type]
        keep_ended=keep_ended,
    )
    running = Following(source, kept, metrics)
    try:
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(source.run())
            yield running
            task.cancel()
    finally:
        await checkpoint.save()
        checkpoint.close()
        await engine.close()
