"""Remote write: what was answered is there, what was not comes again; and what a disk keeps."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from pipeline.accounting.envelope import Envelope
from pipeline.accounting.ledger import Ledger
from pipeline.model.batch import Batch
from pipeline.model.component import BufferConfig, Duration, RetryConfig, SinkContext, Size
from pipeline.model.metrics import Metrics
from pipeline.sinks.prometheus_remote_write import Config, SeriesBatchConfig
from pipeline.sources.docker.stats import stats_batch
from pipeline.testing.builders import container
from pipeline.topology.output import Output
from tests.delivery.sending import until
from tests.servers.http_receiver import OK, Request, answer, http_receiver
from tests.servers.remote_write import decoded
from tests.sources.docker import answers

READINGS = 200
NOW = time.time() - READINGS


def readings() -> list[Batch]:
    """One each second, which is told by its usage of memory."""
    found = []
    for number in range(READINGS):
        stats = answers.answer("v1")
        stats["memory_stats"]["usage"] = number
        one = answers.reading(stats, container(), time=NOW + number)
        found.append(stats_batch(one, number))
    return found


def numbers(request: Request) -> list[int]:
    return [
        int(sample.value)
        for series in decoded(request.body)
        if series.name == "container_memory_usage_bytes"
        for sample in series.samples
    ]


async def output(url: str, state: Path = Path(), **settings: Any) -> Output:
    config = Config(
        type="prometheus_remote_write",
        url=url,
        retry=RetryConfig(initial=Duration(0.01), max=Duration(0.05)),
        batch=SeriesBatchConfig(entries=20, linger=Duration(0)),
        **settings,
    )
    metrics = Metrics(CollectorRegistry())
    return await asyncio.to_thread(Output, config, SinkContext("out"), metrics, Ledger(), state)


@pytest.mark.parametrize("trouble", [b"", b"HTTP/1.1 200 OK\r\nContent-Le", answer(503)])
async def test_readings_that_were_not_answered_come_again_and_nothing_else(trouble: bytes) -> None:
    turn = itertools.count(1)
    async with http_receiver(lambda request: trouble if next(turn) == 3 else OK) as to:
        one = await output(to.url)
        for reading in readings():
            assert one.offer(Envelope(reading))
        one.buffer.close()
        await asyncio.wait_for(one.delivery.run(), 60)
    requests = [numbers(request) for request in to.requests]
    assert requests[2] == requests[3]
    del requests[2]
    assert list(itertools.chain(*requests)) == list(range(READINGS))


async def test_what_an_agent_that_ends_has_on_its_disk_comes_with_all_its_figures(
    tmp_path: Path,
) -> None:
    """Readings cannot be read again from the Engine, so without a disk they are gone."""
    disk = {"buffer": BufferConfig(memory=Size(2**19), disk=Size(2**26))}
    refuses = True
    async with http_receiver(lambda request: answer(503) if refuses else OK) as to:
        one = await output(to.url, tmp_path, **disk)
        await _run(one, readings(), lambda: one.delivery.problem)
        to.requests.clear()
        refuses = False
        one = await output(to.url, tmp_path, **disk)
        await _run(one, [], lambda: sum(map(len, map(numbers, to.requests))) == READINGS)
    assert list(itertools.chain(*map(numbers, to.requests))) == list(range(READINGS))
    names = [{series.name for series in decoded(request.body)} for request in to.requests]
    assert all(len(one) > 20 for one in names)


async def _run(one: Output, batches: list[Batch], done: Callable[[], object]) -> None:
    """As an agent that is stopped then."""
    assert one.spool is not None
    await one.spool.open()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(one.spool.run(), name="spool")
        sending = tasks.create_task(one.run(), name="sink")
        for batch in batches:
            await one.put(Envelope(batch))
        await until(done)
        sending.cancel()
        await asyncio.wait([sending])
        one.spool.finish()
