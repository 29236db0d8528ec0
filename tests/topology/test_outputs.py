"""All sinks of an agent: what their beginning, their changes and their end have to do with each
other."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from pipeline.accounting.envelope import Envelope
from pipeline.accounting.ledger import Ledger
from pipeline.model.component import BufferConfig, RetryConfig, SinkConfig, Size
from pipeline.model.metrics import Metrics
from pipeline.sinks.console import Config as Console
from pipeline.sinks.syslog import Config as Syslog
from pipeline.testing.builders import batch
from pipeline.topology.outputs import OutputChange, Outputs
from tests.suite.waiting import until

SPOOLED = BufferConfig(disk=Size(2**20))
DEAD = "tcp://127.0.0.1:1"


@pytest.mark.parametrize("buffer", [BufferConfig(), SPOOLED])
async def test_a_stop_while_a_removed_sink_is_ending_ends_all_of_them(
    tmp_path: Path, buffer: BufferConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    stays = Console(type="console")
    dead = Syslog(type="syslog", address=DEAD, buffer=buffer, retry=RetryConfig())
    metrics = Metrics(CollectorRegistry())
    outputs = Outputs(metrics, Ledger(), tmp_path, "host", lambda container: True)

    async def plan(**sinks: SinkConfig) -> OutputChange:
        return await asyncio.to_thread(outputs.plan, sinks)

    outputs.apply(await plan(stays=stays, dead=dead))
    await outputs.open()
    closing = asyncio.Event()

    async def hang() -> None:
        closing.set()
        await asyncio.sleep(0.5)

    async with asyncio.TaskGroup() as tasks:
        outputs.start(tasks)
        leaving = outputs.named["dead"]
        monkeypatch.setattr(leaving.delivery._sink, "close", hang)
        leaving.offer(Envelope(batch("never delivered")))
        await until(lambda: leaving.delivery.problem)
        change = await plan(stays=stays)
        outputs.apply(change)
        settling = tasks.create_task(outputs.complete_change(change, 0.05), name="reload")
        await closing.wait()
        settling.cancel()
        await asyncio.wait([settling])
        await outputs.drain(2)
        await outputs.finish()
    assert leaving.buffer.entries == 1
    assert leaving.spool is None or leaving.spool.unsaved == 0


class Free(Console, frozen=True, kw_only=True):
    fields: dict[str, Any]


def test_a_value_of_another_type_that_is_equal_to_python_changes_a_sink(tmp_path: Path) -> None:
    outputs = Outputs(Metrics(CollectorRegistry()), Ledger(), tmp_path, "host", lambda _: True)
    outputs.apply(outputs.plan({"a": Free(type="console", fields={"x": [1]})}))
    assert not outputs.plan({"a": Free(type="console", fields={"x": [1]})}).successors
    assert "a" in outputs.plan({"a": Free(type="console", fields={"x": [True]})}).successors
