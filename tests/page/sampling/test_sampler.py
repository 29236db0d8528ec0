"""One sampler for all viewers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from pipeline.observe.overview import SourceNow
from pipeline.page.sampling import sampler as module
from pipeline.page.sampling.agent_view import RouteShape
from pipeline.page.sampling.sampler import Sampler
from pipeline.topology.output import SinkNow
from tests.page.test_history import Observed


class Everything(Observed):
    """As much of an agent as a sampler asks for."""

    watched = False
    generation = 1
    by_host = False
    fails = 0
    """How many looks fail."""

    @property
    def routes(self) -> dict[str, RouteShape]:
        return {}

    def sinks(self) -> Sequence[SinkNow]:
        if self.fails:
            self.fails -= 1
            raise RuntimeError("a bug")
        return []

    def sources(self) -> Sequence[SourceNow]:
        return []

    def engine_problem(self) -> str:
        return ""

    def is_ready(self) -> bool:
        return True

    async def refresh(self) -> bool:
        return True


@asynccontextmanager
async def running(observed: Any) -> AsyncIterator[Sampler]:
    """A sampler with one viewer."""
    sampler = Sampler(observed)
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(sampler.run(), name="sampler")
        sampler.join()
        yield sampler
        task.cancel()


async def test_a_look_under_way_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, begun = threading.Semaphore(1), threading.Semaphore(0)

    def resident() -> int:
        begun.release()
        go_on.acquire()
        return 1

    monkeypatch.setattr(module, "resident", resident)
    async with running(Everything(2)) as sampler:
        await sampler.after(0)
        seen, json = sampler.version, sampler.json
        await asyncio.to_thread(begun.acquire)
        await asyncio.to_thread(begun.acquire)  # the second look has its rows, and no figures yet
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
    observed = Everything(2)
    async with running(observed) as sampler:
        await sampler.after(0)
        seen = sampler.version
        observed.fails = 1
        await sampler.after(seen)
        assert sampler.table.gone_since(seen) is None
        assert observed.watched


async def test_when_all_have_left_it_ends_and_knows_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LINGER", 0.0)
    monkeypatch.setattr(module, "SOON", 0.01)
    observed = Everything(2)
    async with running(observed) as sampler:
        await sampler.after(0)
        assert observed.watched
        sampler.leave()
        while observed.watched:
            await asyncio.sleep(0.01)
        assert not sampler.table.rows
        sampler.join()
        await sampler.after(0)
        assert len(sampler.table.rows) == 2
