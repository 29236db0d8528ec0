"""A route into two sinks with its whole way, and the reports of its ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry

from pipeline.accounting.audit import AuditReport, ContainerPart, LedgerMetrics, SinkPart
from pipeline.accounting.auditor import Auditor, BufferSnapshot, Chosen, everything
from pipeline.accounting.ledger import Ledger
from pipeline.accounting.offsets import Offsets
from pipeline.model.component import BatchConfig, SinkContext, Stage
from pipeline.model.metrics import Metrics
from pipeline.sinks import file
from pipeline.testing.builders import batch, container
from pipeline.topology import Route, Router
from pipeline.topology.output import Output


async def report(auditor: Auditor, chosen: Chosen = everything) -> AuditReport:
    """A report with its containers, each of which is there once."""
    parts: dict[int, ContainerPart] = {}

    def take(place: int, part: ContainerPart) -> None:
        assert place not in parts
        parts[place] = part

    one = await auditor.audit(take, chosen)
    return msgspec.structs.replace(one, containers=[parts[place] for place in sorted(parts)])


class World:
    """A route into a `file` sink, with its whole way, and nobody who reads containers."""

    def __init__(self, folder: Path, stages: Sequence[tuple[str, Stage]] = ()) -> None:
        self.metrics, self.ledger = Metrics(CollectorRegistry()), Ledger()
        config: dict[str, Any] = {"type": "file", "batch": BatchConfig(entries=10)}
        self.outputs = [
            self._output(file.Config(path=str(folder / "out"), **config), "out"),
            self._output(file.Config(path=str(folder / "rejected"), **config), "rejected"),
        ]
        self.out, self.rejected = self.outputs
        self.out.dead_letter = self.rejected
        route = Route("r", frozenset(["logs"]), lambda one: True, stages, [self.out])
        self.lanes = Router([route], self.metrics, self.ledger).bind(container(), Offsets({}))[
            "logs"
        ]
        self.metrics.registry.register(LedgerMetrics(self.ledger, self._entries))
        self.reports: list[AuditReport] = []
        self.sent = 0

    def _output(self, config: file.Config, name: str) -> Output:
        return Output(config, SinkContext(name), self.metrics, self.ledger)

    def _entries(self) -> dict[str, int]:
        return {one.name: one.buffer.entries for one in self.outputs}

    def snapshot(self) -> BufferSnapshot:
        spools = [one.spool for one in self.outputs if one.spool is not None]
        return BufferSnapshot(
            [envelope for one in self.outputs for envelope in one.buffer.envelopes()],
            [spool.disk.accounts for spool in spools],
        )

    async def report(self) -> AuditReport:
        return await report(Auditor(self.ledger, self.snapshot))

    async def of(self, sink: str) -> SinkPart:
        (part,) = (
            part
            for one in (await self.report()).containers
            for route in one.routes
            for part in route.sinks
            if part.sink == sink
        )
        return part

    def unaccounted(self, sink: str) -> float | None:
        labels = {"sink": sink}
        return self.metrics.registry.get_sample_value("dockline_unaccounted_entries", labels)

    async def run(self, batches: int = 20, lines: Sequence[str] = "abcde") -> None:
        """Sends batches through, and makes a report at every turn of the event loop."""
        async with asyncio.TaskGroup() as tasks:
            delivering = [
                tasks.create_task(one.delivery.run(), name=one.name) for one in self.outputs
            ]
            for _ in range(batches):
                await self.lanes.distribute(batch(*lines, start=self.sent + 1))
                self.sent += len(lines)
                self.reports.append(await self.report())
            for output, task in zip(self.outputs, delivering, strict=True):
                output.buffer.close()
                while not task.done():
                    self.reports.append(await self.report())
                    await asyncio.sleep(0)
