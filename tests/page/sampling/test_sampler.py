"""One sampler for all viewers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from pipeline.page.sampling import sampler as module
from pipeline.page.sampling.sampler import Sampler
from tests.page.sampling.fakes import FakeAgent


@asynccontextmanager
async def running(agent: FakeAgent) -> AsyncIterator[Sampler]:
    """A sampler with one viewer."""
    sampler = Sampler(agent)
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(sampler.run(), name="sampler")
        sampler.join()
        yield sampler
        task.cancel()


async def test_a_sample_that_is_not_complete_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, begun = threading.Semaphore(1), threading.Semaphore(0)

    def resident() -> int:
        begun.release()
        go_on.acquire()
        return 1

    monkeypatch.setattr(module, "resident", resident)
    async with running(FakeAgent(2)) as sampler:
        await sampler.after(0)
        seen, json = sampler.version, sampler.json
        await asyncio.to_thread(begun.acquire)
        await asyncio.to_thread(begun.acquire)  # the second sample has its rows, and no figures yet
        try:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(sampler.after(seen), 0.1)
            assert sampler.json == json
            assert sampler.version == seen < sampler.table.version
        finally:
            go_on.release()
        await sampler.after(seen)
        assert sampler.version == seen + 1
        go_on.release()


async def test_after_a_bug_it_begins_again_and_tells_the_whole_table(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "AGAIN", 0.0)
    agent = FakeAgent(2)
    async with running(agent) as sampler:
        await sampler.after(0)
        seen = sampler.version
        agent.fails = 1
        await sampler.after(seen)
        assert sampler.table.gone_since(seen) is None
        assert agent.watched


async def test_when_all_have_left_it_ends_and_knows_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LINGER", 0.0)
    monkeypatch.setattr(module, "SOON", 0.01)
    agent = FakeAgent(2)
    async with running(agent) as sampler:
        await sampler.after(0)
        assert agent.watched
        sampler.leave()
        while agent.watched:
            await asyncio.sleep(0.01)
        assert not sampler.table.rows
        sampler.join()
        await sampler.after(0)
        assert len(sampler.table.rows) == 2
