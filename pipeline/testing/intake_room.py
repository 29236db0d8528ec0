"""A source that runs without an agent: its intake, one route, and sinks that a test holds shut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from prometheus_client import CollectorRegistry

from pipeline.accounting.envelope import Envelope
from pipeline.accounting.ledger import Ledger
from pipeline.intake import Intake
from pipeline.model.batch import Batch
from pipeline.model.component import Source, Stage
from pipeline.model.metrics import Metrics
from pipeline.topology import Route, Router


class Sink:
    """An outlet: takes what it has room for, and settles it when it is told to."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.batches: list[Batch] = []
        """All that it took."""
        self.settles = True
        """At once."""
        self._open = asyncio.Event()
        self._open.set()
        self._owed: list[Envelope] = []

    @property
    def lines(self) -> list[bytes]:
        return [line for batch in self.batches for line in batch.lines]

    def shut(self) -> None:
        """There is no room, until `settle`."""
        self._open.clear()

    def settle(self) -> None:
        """All that it has, and there is room again."""
        self._open.set()
        owed, self._owed = self._owed, []
        for envelope in owed:
            envelope.account.delivered += len(envelope)
            envelope.ack.settle()

    def settle_one(self, index: int = 0) -> Batch:
        """Settles one of those that are not settled, the oldest by default, and returns it."""
        one = self._owed.pop(index)
        one.account.delivered += len(one)
        one.ack.settle()
        return one.batch

    def offer(self, envelope: Envelope) -> bool:
        if not self._open.is_set():
            return False
        self.batches.append(envelope.batch)
        self._owed.append(envelope)
        if self.settles:
            self.settle()
        return True

    async def put(self, envelope: Envelope) -> None:
        while not self.offer(envelope):
            await self._open.wait()

    @property
    def held(self) -> int:
        """Entries that are not settled."""
        return sum(map(len, self._owed))


class Room:
    """What runs, and what is to be seen of it."""

    def __init__(self, source: Source, intake: Intake, sinks: Sequence[Sink], router: Router):
        self.source = source
        self.intake = intake
        self.sinks = sinks
        self.router = router
        self.running: asyncio.Task[None]

    async def stop(self) -> None:
        """As an agent does."""
        self.intake.stop()
        await self.intake.placed()
        await self.router.flusher.finish()
        self.intake.give_up()
        async with asyncio.timeout(60):
            await self.running


async def until(holds: Callable[[], Any], within: float = 60.0) -> None:
    """Waits for a condition; `holds` may be a coroutine function."""
    async with asyncio.timeout(within):
        while True:
            result = holds()
            if asyncio.iscoroutine(result):
                result = await result
            if result:
                return
            await asyncio.sleep(0.01)


@asynccontextmanager
async def room(
    source: Source,
    *,
    sinks: int = 1,
    limit: int = 1 << 20,
    stages: Sequence[tuple[str, Stage]] = (),
    name: str = "in",
) -> AsyncIterator[Room]:
    """Open, and running; ended afterwards, in whatever state it is."""
    metrics = Metrics(CollectorRegistry())
    outputs = [Sink(f"sink {number}") for number in range(sinks)]
    route = Route("all", frozenset(("logs",)), lambda container: True, stages, outputs)
    router = Router([route], metrics, Ledger())
    intake = Intake(name, limit, router, metrics)
    it = Room(source, intake, outputs, router)
    async with asyncio.TaskGroup() as tasks:
        intake.tasks = tasks
        flushing = tasks.create_task(router.flusher.run(), name="flusher")
        try:
            await source.open()
            it.running = tasks.create_task(source.run(intake), name="source")
            try:
                yield it
            finally:
                intake.stop()
                intake.give_up()
                it.running.cancel()
                await asyncio.wait([it.running])
        finally:
            await source.close()
            flushing.cancel()
