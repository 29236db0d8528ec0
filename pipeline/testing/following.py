"""The whole source on a real Engine, with a sink that keeps everything."""

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
from pipeline.model.container import Source
from pipeline.model.metrics import Metrics
from pipeline.sources.docker.engine.client import Engine
from pipeline.sources.docker.engine.endpoint import resolve
from pipeline.sources.docker.logs.follower import Follower
from pipeline.sources.docker.source import DockerSource, FollowOptions
from pipeline.testing.ways import chosen
from pipeline.topology import Route, Router

PATIENCE = 120.0
"""Seconds until what a test waits for counts as not happening."""


class Kept:
    """An outlet that keeps and settles everything, or holds it unsettled while `stuck`."""

    def __init__(self) -> None:
        self.name = "kept"
        self.batches: list[Batch] = []
        self.stuck = False

    def offer(self, envelope: Envelope) -> bool:
        self.batches.append(envelope.batch)
        if not self.stuck:
            envelope.ack.settle()
        return True

    async def put(self, envelope: Envelope) -> None:
        raise AssertionError("there is always room")


class Following:
    """A source that runs, and what has come out of it."""

    def __init__(self, source: DockerSource, kept: Kept, metrics: Metrics) -> None:
        self.source = source
        self.kept = kept
        self.metrics = metrics

    def lines(self, name: str, stream: int | None = None) -> list[str]:
        """What the container of that name has logged."""
        return [
            line.decode(errors="replace")
            for batch in self.kept.batches
            if batch.source == "logs" and batch.container.name == name
            for line, number in zip(batch.lines, batch.streams, strict=True)
            if stream in (None, number)
        ]

    def lines_of(self, container_id: str) -> list[str]:
        """What that container has logged, whatever it was called meanwhile."""
        return [
            line.decode(errors="replace")
            for batch in self.kept.batches
            if batch.source == "logs" and batch.container.id == container_id
            for line in batch.lines
        ]

    def sequences(self, name: str) -> list[int]:
        return [
            number
            for batch in self.kept.batches
            if batch.source == "logs" and batch.container.name == name
            for number in batch.sequences
        ]

    def actions(self, name: str) -> list[str]:
        """What has happened to it, by the events that came out as entries."""
        return [
            batch.fields[0]["docker"]["event"]["action"]
            for batch in self.kept.batches
            if batch.source == "events" and batch.fields and batch.container.name == name
        ]

    def errors(self, kind: str) -> float:
        labels = {"kind": kind}
        return self.metrics.registry.get_sample_value("dockline_source_errors_total", labels) or 0

    def gaps(self, name: str) -> float:
        """How often lines of it may have been lost."""
        labels = {"container": name}
        return self.metrics.registry.get_sample_value("dockline_log_gaps_total", labels) or 0

    async def until(self, holds: Callable[[], object], what: str = "") -> None:
        """Waits for something to become true; fails after `PATIENCE`."""
        deadline = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < deadline, what or "it did not happen in time"
            await asyncio.sleep(0.02)

    async def until_lines(self, name: str, count: int) -> list[str]:
        await self.until(
            lambda: len(self.lines(name)) >= count,
            f"{name} gave {len(self.lines(name))} lines of {count}",
        )
        return self.lines(name)

    async def until_follower(self, name: str) -> Follower:
        """What reads the log of that container, once it does."""

        def found() -> list[Follower]:
            followers = (one.follower for one in self.source.followed.values())
            return [one for one in followers if one and one.container.name == name]

        await self.until(found, f"{name} is not followed")
        return found()[0]

    async def connected(self) -> None:
        """And has been through what there is: a container that starts earlier, and is in no list,
        counts as removed."""
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
    takes: Sequence[Source] = ("logs", "events"),
    **reading: object,
) -> AsyncIterator[Following]:
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
