"""The readings that charts are made of."""

from __future__ import annotations

import asyncio
import time

import pytest
from aiohttp import ClientSession, web

from pipeline.observe.server import Server
from pipeline.page import history as module
from pipeline.page.history import History
from pipeline.page.sampling.rings import FIGURES, OF_HOST
from tests.page.sampling.fakes import FakeAgent


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic time, which the test sets."""
    moment = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: moment[0])
    return moment


def series(history: History, place: int, figure: str) -> list[float | None]:
    ring = history.rings.by_id[f"{place:064x}"]
    return ring.series(history.rings.number, FIGURES.index(figure))


async def test_lines_per_second_are_of_the_time_between_two_readings(clock: list[float]) -> None:
    agent = FakeAgent(2)
    history = History(agent)
    for lines in (0, 200, 100, 0):
        agent.read(0, lines)
        await history.read()
        clock[0] += 20
    assert series(history, 0, "lines") == [None, 10.0, 5.0, 0.0]
    assert series(history, 1, "lines") == [None, 0.0, 0.0, 0.0]
    host = history.rings.host.series(history.rings.number, OF_HOST.index("lines"))
    assert host == [None, 10.0, 5.0, 0.0]


async def test_a_new_account_of_a_container_is_counted_from_zero(clock: list[float]) -> None:
    agent = FakeAgent(1)
    history = History(agent)
    agent.read(0, 1000)
    await history.read()
    key = agent.facts[0].container.id
    del agent.ledger.containers[key]
    agent.ledger.container(key, "c0")
    agent.read(0, 40)
    clock[0] += 20
    await history.read()
    assert series(history, 0, "lines") == [None, 2.0]


async def test_a_container_that_is_gone_has_no_readings(clock: list[float]) -> None:
    agent = FakeAgent(2)
    history = History(agent)
    await history.read()
    agent.facts.pop()
    clock[0] += 20
    await history.read()
    assert list(history.rings.by_id) == [f"{0:064x}"]


async def test_the_agent_goes_on_between_the_readings_of_two_containers() -> None:
    agent = FakeAgent(3)
    history = History(agent)
    await history.read()
    turns = 0

    async def pause() -> None:
        nonlocal turns
        turns += 1

    history.__dict__["_pause"] = pause
    server = Server("127.0.0.1:0", [web.get("/", history.handle)])
    await server.start()
    names = [("container", facts.container.id) for facts in agent.facts]
    try:
        async with (
            ClientSession() as client,
            client.get(f"http://{server.address}/", params=names) as answer,
        ):
            assert len((await answer.json())["containers"]) == 3
    finally:
        await server.close()
    assert turns == 3


async def test_so_many_answers_are_made_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_AT_ONCE", 1)
    agent = FakeAgent(1)
    history = History(agent)
    await history.read()
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def pause() -> None:
        begun.set()
        await go_on.wait()

    history.__dict__["_pause"] = pause
    server = Server("127.0.0.1:0", [web.get("/", history.handle)])
    await server.start()
    address = f"http://{server.address}/?container={agent.facts[0].container.id}"

    async def ask(client: ClientSession) -> int:
        async with client.get(address) as answer:
            return answer.status

    try:
        async with ClientSession() as client, asyncio.TaskGroup() as tasks:
            first = tasks.create_task(ask(client), name="first")
            await begun.wait()
            assert await ask(client) == 503
            go_on.set()
            assert await first == 200
            assert await ask(client) == 200
    finally:
        await server.close()
