"""A configured sink behind its real buffer and delivery, and numbered lines for it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from prometheus_client import CollectorRegistry

from pipeline.accounting.acks import AckTracker
from pipeline.accounting.envelope import Envelope
from pipeline.accounting.ledger import Ledger
from pipeline.model import registry
from pipeline.model.component import (
    BatchConfig,
    BufferConfig,
    Duration,
    RetryConfig,
    SinkContext,
    Size,
)
from pipeline.model.metrics import Metrics
from pipeline.testing.builders import batch
from pipeline.topology.output import Output
from tests.servers.daemon import Daemon
from tests.suite.waiting import until

__all__ = ["Sending", "line", "numbers", "sending", "until"]

PAYLOAD = 2**16
"""`batch.bytes` of the sinks here, of which messages are a part."""
LINES_OF_A_BATCH = 100
_FILLING = "x" * 91


def line(number: int) -> str:
    """A hundred bytes."""
    return f"<{number:07}>{_FILLING}"


def numbers(data: bytes) -> list[int]:
    """Of all lines that stand whole in `data`, in whatever encoding."""
    return [int(found) for found in re.findall(rb"<(\d{7})>x{91}", data)]


class Sending:
    """What was put, and what became of it."""

    def __init__(self, kind: str, settings: dict[str, Any]) -> None:
        settings = {
            "buffer": BufferConfig(memory=Size(64 * 2**20)),
            "batch": BatchConfig(bytes=Size(PAYLOAD)),
            "retry": RetryConfig(initial=Duration(0.01), max=Duration(0.05)),
            **settings,
        }
        config = registry.config_type("sinks", kind)(type=kind, **settings)
        self.metrics = Metrics(CollectorRegistry())
        self.output = Output(config, SinkContext("out"), self.metrics, Ledger())
        self.sink: Any = self.output.delivery._sink
        self.put = 0
        self.settled = 0
        """So many of the first lines may be forgotten by their source."""
        self._account: AckTracker[int] = AckTracker(self._settle)
        self._on_settled: Callable[[], None] = lambda: None

    def lines(self, count: int) -> None:
        """Puts so many more."""
        for start in range(self.put, self.put + count, LINES_OF_A_BATCH):
            end = min(start + LINES_OF_A_BATCH, self.put + count)
            ack = self._account.open(end)
            some = batch(*map(line, range(start, end)), start=start)
            assert self.output.offer(Envelope(some, ack=ack))
        self.put += count

    def count(self, name: str, **labels: str) -> int:
        """Of a metric of the sink."""
        found = self.metrics.registry.get_sample_value(
            f"dockline_{name}_total", {"sink": "out", **labels}
        )
        return int(found or 0)

    @property
    def delivered(self) -> int:
        return self.count("delivered_entries")

    async def kill_behind(self, line: int, server: Daemon) -> None:
        """In the very moment in which more than so many lines are settled, and not all: who looks
        now and then comes too late where all are settled in one turn of the loop."""
        process, settled = server.process, 0
        assert process is not None

        def kill() -> None:
            nonlocal settled
            if self.settled > line and not settled:
                settled = self.settled
                process.kill()

        self._on_settled = kill
        await until(lambda: settled)
        assert settled < self.put
        await asyncio.to_thread(server.kill)

    def _settle(self, position: int) -> None:
        self.settled = position
        self._on_settled()


@asynccontextmanager
async def sending(kind: str, **settings: Any) -> AsyncIterator[Sending]:
    """Delivers what is put, until the end of the context; then it is cancelled, as an agent that
    stops with a destination that does not take what it has."""
    one = await asyncio.to_thread(Sending, kind, settings)  # it looks for modules
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(one.output.delivery.run(), name="delivery")
        try:
            yield one
        finally:
            task.cancel()
