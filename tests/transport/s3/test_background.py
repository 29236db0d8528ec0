"""Coroutines that run in a thread of their own, and leave nothing behind."""

from __future__ import annotations

import asyncio
import threading

import pytest

from pipeline.transport.s3.background import Background


async def until_ended(name: str) -> None:
    async with asyncio.timeout(60):
        while name in {thread.name for thread in threading.enumerate()}:
            await asyncio.sleep(0.005)


async def test_what_blocks_there_holds_nobody_up_here() -> None:
    background = Background("b-1")
    begun, go_on = threading.Event(), threading.Event()

    async def blocks() -> str:
        begun.set()
        assert go_on.wait(60)
        return threading.current_thread().name

    async with asyncio.TaskGroup() as tasks:
        blocked = tasks.create_task(background.run(blocks), name="blocked")
        while not begun.is_set():
            await asyncio.sleep(0.001)
        go_on.set()
    assert blocked.result() == "b-1"
    background.stop()
    await until_ended("b-1")


async def test_exceptions_come_back() -> None:
    background = Background("b-2")

    async def fails() -> None:
        raise LookupError("of its own")

    with pytest.raises(LookupError, match="of its own"):
        await background.run(fails)
    background.stop()
    await until_ended("b-2")


@pytest.mark.parametrize("how", ["cancelled", "stopped"])
async def test_what_is_cancelled_here_or_stopped_is_cancelled_there(how: str) -> None:
    background = Background("b-3")
    begun, ended = threading.Event(), threading.Event()

    async def waits() -> None:
        try:
            begun.set()
            await asyncio.sleep(60)
        finally:
            ended.set()

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(background.run(waits), name="waits")
        while not begun.is_set():
            await asyncio.sleep(0.001)
        if how == "cancelled":
            task.cancel()
        else:
            background.stop()
            with pytest.raises(asyncio.CancelledError):
                await task
    assert await asyncio.to_thread(ended.wait, 60)
    background.stop()
    await until_ended("b-3")


async def test_it_may_be_stopped_without_having_run_and_begin_again() -> None:
    background = Background("b-4")
    background.stop()
    for _ in range(2):
        assert await background.run(asyncio.sleep, 0, "done") == "done"
        background.stop()
        background.stop()
    await until_ended("b-4")


async def test_what_is_run_next_waits_for_the_end_of_what_was_cancelled() -> None:
    background = Background("b-5")
    happened: list[str] = []
    begun = threading.Event()

    async def slow_to_end() -> None:
        try:
            begun.set()
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.1)
            happened.append("ended")

    async def following() -> None:
        happened.append("followed")

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(background.run(slow_to_end), name="slow")
        while not begun.is_set():
            await asyncio.sleep(0.001)
        task.cancel()
    await background.run(following)
    assert happened == ["ended", "followed"]
    background.stop()
    await until_ended("b-5")
