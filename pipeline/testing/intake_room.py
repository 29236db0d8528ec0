"""Runs a source without an agent: with its intake, one route, and sinks that a test controls."""

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
    """An output that takes batches if it has room, and settles them when the test says so."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.batches: list[Batch] = []
        """All batches that it took."""
        self.settles = True
        """Whether it settles batches at once."""
        self._open = asyncio.Event()
        self._open.set()
        self._owed: list[Envelope] = []

    @property
    def lines(self) -> list[bytes]:
        """The lines of all batches that it took."""
        return [line for batch in self.batches for line in batch.lines]

    def shut(self) -> None:
        """Takes nothing more until `settle` is called."""
        self._open.clear()

    def settle(self) -> None:
        """Settles all batches, and takes more from now on."""
        self._open.set()
        owed, self._owed = self._owed, []
        for envelope in owed:
            envelope.account.delivered += len(envelope)
            envelope.ack.settle()

    def settle_one(self, index: int = 0) -> Batch:
        """Settles one batch, by default the oldest that is not settled, and returns it."""
        one = self._owed.pop(index)
        one.account.delivered += len(one)
        one.ack.settle()
        return one.batch

    def offer(self, envelope: Envelope) -> bool:
        """Takes a batch. Returns False if there is no room."""
        if not self._open.is_set():
            return False
        self.batches.append(envelope.batch)
        self._owed.append(envelope)
        if self.settles:
            self.settle()
        return True

    async def put(self, envelope: Envelope) -> None:
        """Waits for room, and takes a batch."""
        while not self.offer(envelope):
            await self._open.wait()

    @property
    def held(self) -> int:
        """Entries that are not settled."""
        return sum(map(len, self._owed))


class Room:
    """A running source, and what it is connected to."""

    def __init__(self, source: Source, intake: Intake, sinks: Sequence[Sink], router: Router):
        self.source = source
        self.intake = intake
        self.sinks = sinks
        self.router = router
        self.running: asyncio.Task[None]

    async def stop(self) -> None:
        """Stops the source as an agent does."""
        self.intake.stop()
        await self.intake.placed()
        await self.router.flusher.finish()
        self.intake.give_up()
        async with asyncio.timeout(60):
            await self.running


async def until(holds: Callable[[], Any], within: float = 60.0) -> None:
    """Waits until `holds()` is true; it may be a coroutine function. Raises `TimeoutError` after
    `within` seconds."""
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
    """Opens and runs a source. At the end it is cancelled and closed, whatever its state.

    `sinks`: how many. `limit`: the intake's `in_flight`, in bytes. `stages`: of the route, with
    names. `name`: the source's.
    """
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
