"""Measuring the writable layers of containers, without troubling the Engine much."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from pipeline.model.errors import EngineError
from pipeline.model.metrics import Metrics
from pipeline.sources.docker.disk import TIMEOUT, DiskPoller
from pipeline.sources.docker.engine.client import Engine, NotFound
from pipeline.sources.docker.engine.endpoint import resolve
from pipeline.testing.private_engine import PrivateEngine
from tests.sources.docker.conftest import Start
from tests.suite import virtual_time


class Asked:
    """In place of an Engine: answers each request after a while, and notes it."""

    def __init__(self, takes: float, answer: Callable[[str], Any]) -> None:
        self.takes = takes
        self.answer = answer
        self.times: list[tuple[float, str]] = []
        self.at_once = 0

    async def get(self, path: str, **query: str) -> Any:
        assert query == {"size": "1"}
        assert not self.at_once, "asked for two at once"
        self.at_once += 1
        self.times.append((asyncio.get_running_loop().time(), path))
        try:
            await asyncio.sleep(self.takes)
        finally:
            self.at_once -= 1
        answer = self.answer(path)
        if isinstance(answer, Exception):
            raise answer
        return answer


def simulate(
    engine: Asked, ids: list[str], seconds: float, every: float = 60.0
) -> tuple[dict[str, int], dict[str, float]]:
    """Measures for so long, in no time. Returns the sizes, and the errors by kind."""
    metrics, found = Metrics(CollectorRegistry()), dict[str, int]()

    async def main() -> None:
        poller = DiskPoller(cast(Engine, engine), every, lambda: ids, found.__setitem__, metrics)
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(poller.run())
            await asyncio.sleep(seconds)
            task.cancel()

    virtual_time.run(main())
    (family,) = metrics.source_errors.collect()
    errors = {
        sample.labels["kind"]: sample.value
        for sample in family.samples
        if sample.name.endswith("_total")
    }
    return found, errors


def test_containers_are_asked_for_one_after_another_over_the_interval() -> None:
    engine = Asked(0.5, lambda path: {"SizeRw": 7})
    found, errors = simulate(engine, ["a", "b", "c"], 119.0)
    assert found == {"a": 7, "b": 7, "c": 7}
    assert errors == {}
    began = engine.times[0][0]
    assert [round(at - began) for at, _ in engine.times] == [0, 20, 40, 60, 80, 100]


def test_the_engine_has_at_least_as_much_time_for_others() -> None:
    engine = Asked(10.0, lambda path: {"SizeRw": 7})
    simulate(engine, [str(number) for number in range(100)], 1000.0)
    assert len(engine.times) == 50


@pytest.mark.parametrize(
    ("answer", "counted"),
    [
        (NotFound("gone"), {}),
        (EngineError("no"), {"disk_unavailable": 2}),
        ([], {}),
        ({"SizeRw": -1}, {}),
        ({"SizeRw": "x"}, {}),
        ({}, {}),
    ],
    ids=str,
)
def test_trouble_with_one_is_counted_and_disturbs_no_other(
    answer: Any, counted: dict[str, float]
) -> None:
    engine = Asked(0.1, lambda path: answer if "/ill/" in path else {"SizeRw": 7})
    assert simulate(engine, ["ill", "well"], 119.0) == ({"well": 7}, counted)


def test_an_answer_that_does_not_come_is_given_up() -> None:
    engine = Asked(10 * TIMEOUT, lambda path: {"SizeRw": 7})
    found, errors = simulate(engine, ["a"], 2 * TIMEOUT)
    assert (found, errors) == ({}, {"disk_timeout": 1})


def test_without_containers_it_waits_for_some() -> None:
    engine = Asked(0.1, lambda path: {"SizeRw": 7})
    ids: list[str] = []

    async def main() -> None:
        poller = DiskPoller(
            cast(Engine, engine), 60.0, lambda: ids, lambda *_: None, Metrics(CollectorRegistry())
        )
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(poller.run())
            await asyncio.sleep(100)
            assert not engine.times
            ids.append("a")
            await asyncio.sleep(2)
            assert len(engine.times) == 1
            task.cancel()

    virtual_time.run(main())


async def test_the_engine_tells_what_a_container_has_written(
    engine: PrivateEngine, start: Start
) -> None:
    name = await asyncio.to_thread(
        start, "dd if=/dev/zero of=/big bs=1024 count=3000; touch /done; sleep 600"
    )
    until = "until [ -e /done ]; do sleep 0.1; done"
    await asyncio.to_thread(engine.docker, "exec", name, "sh", "-c", until)
    client = Engine(resolve(engine.url, None, {}))
    found: asyncio.Queue[tuple[str, int]] = asyncio.Queue()
    await client.connect()
    poller = DiskPoller(
        client,
        10.0,
        lambda: [name],
        lambda *one: found.put_nowait(one),
        Metrics(CollectorRegistry()),
    )
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(poller.run())
        of, size = await asyncio.wait_for(found.get(), 60)
        task.cancel()
    await client.close()
    assert of == name
    assert 3_072_000 <= size < 3_200_000
