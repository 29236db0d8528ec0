"""Blocking calls run in order, and hold nothing up."""

import asyncio
import threading

import pytest

from pipeline.support.blocking import BlockingThread


async def test_a_call_gives_its_result_or_its_exception() -> None:
    thread = BlockingThread("test")
    assert await thread.run(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await thread.run(divmod, 7, 0)
    thread.stop()


async def test_where_no_thread_can_be_started_a_later_call_may_find_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def cannot(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    thread = BlockingThread("test")
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", cannot)
        with pytest.raises(OSError, match="can't start new thread"):
            await thread.run(divmod, 7, 2)
    async with asyncio.timeout(60):
        assert await thread.run(divmod, 7, 2) == (3, 1)
    thread.stop()


async def test_a_call_that_hangs_does_not_stop_the_loop_and_the_next_waits_for_it() -> None:
    thread, release, done = BlockingThread("test"), threading.Event(), list[str]()
    async with asyncio.TaskGroup() as group:
        group.create_task(thread.run(lambda: (release.wait(60), done.append("first"))))
        group.create_task(thread.run(done.append, "second"))
        await asyncio.sleep(0.02)
        assert done == []
        release.set()
    assert done == ["first", "second"]
    thread.stop()


async def test_a_cancelled_call_that_has_begun_goes_on_and_one_that_has_not_is_never_made() -> None:
    thread, begun, release = BlockingThread("test"), threading.Event(), threading.Event()
    done: list[str] = []

    def first() -> None:
        begun.set()
        release.wait(60)
        done.append("first")

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(thread.run(first))]
        tasks.append(group.create_task(thread.run(done.append, "second")))
        while not begun.is_set():
            await asyncio.sleep(0.001)
        for task in tasks:
            task.cancel()
    release.set()
    await thread.run(done.append, "third")
    assert done == ["first", "third"]
    thread.stop()


async def test_stop_ends_the_thread_after_a_last_call_and_run_starts_another() -> None:
    thread, done = BlockingThread("to be stopped"), list[str]()
    await thread.run(done.append, "one")
    thread.stop(last=lambda: done.append("last"))
    for running in threading.enumerate():
        if running.name == "to be stopped":
            await asyncio.to_thread(running.join, 60)
    assert done == ["one", "last"]
    await thread.run(done.append, "two")
    assert done == ["one", "last", "two"]
    thread.stop()


def test_stopping_what_never_ran_is_fine() -> None:
    BlockingThread("test").stop()
