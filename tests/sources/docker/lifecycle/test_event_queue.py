"""Events that wait for a blocked sink, and what waits with them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from pipeline.accounting.checkpoint import Checkpoint
from pipeline.accounting.envelope import Envelope
from pipeline.accounting.ledger import Ledger
from pipeline.accounting.offsets import Offsets
from pipeline.model.acknowledgement import UNTRACKED
from pipeline.model.metrics import Metrics
from pipeline.sources.docker.lifecycle import event_queue
from pipeline.sources.docker.lifecycle.event_queue import EventQueue, _Waiting
from pipeline.testing.builders import batch, container
from pipeline.topology import Route, Router


class Full:
    """An outlet that never has room."""

    name = "full"

    def offer(self, envelope: Envelope) -> bool:
        return False

    async def put(self, envelope: Envelope) -> None:
        await asyncio.Event().wait()


async def test_what_is_to_be_forgotten_after_the_events_does_not_pile_up_behind_a_blocked_sink(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_queue, "BACKLOG", 3)
    metrics = Metrics(CollectorRegistry())
    route = Route("r", frozenset({"events"}), lambda one: True, (), (Full(),))
    lanes = Router([route], metrics, Ledger()).bind(container(), Offsets({}))["events"]
    waiting = EventQueue(Checkpoint(tmp_path), metrics)
    forgotten: list[int] = []
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(waiting.run(), name="events")
        waiting._backlog.put_nowait(_Waiting(lanes, batch("a"), UNTRACKED, None))
        await asyncio.sleep(0)
        for number in range(10):
            waiting.afterwards(str(number), lambda number=number: forgotten.append(number))  # type: ignore[misc]
        running.cancel()
    assert forgotten == list(range(7))
