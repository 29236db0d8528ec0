"""A log that grows or is renamed is told of, once for many rows."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pipeline.sources.docker.logs.files import inotify as module
from pipeline.sources.docker.logs.files.inotify import Inotify


@pytest.fixture
def unswept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is told of just because time has passed."""
    monkeypatch.setattr(module, "SWEEP", 3600.0)


class Log:
    """An open file, and what was told of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()
        self.descriptor = os.open(path, os.O_RDONLY)
        self.told: list[bool] = []

    def tell(self, renamed: bool) -> None:
        self.told.append(renamed)

    def write(self) -> None:
        with self.path.open("ab") as log:
            log.write(b"x")

    async def until(self, told: bool) -> None:
        async with asyncio.timeout(60):
            while told not in self.told:
                await asyncio.sleep(0.001)


@asynccontextmanager
async def watching(*paths: Path) -> AsyncIterator[tuple[Inotify, list[Log]]]:
    notices, logs = Inotify(), [Log(path) for path in paths]
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(notices.run())
        await asyncio.sleep(0)
        yield notices, logs
        task.cancel()
    for log in logs:
        os.close(log.descriptor)


@pytest.mark.usefixtures("unswept")
async def test_a_log_is_told_of_when_it_grows_and_no_other_is(tmp_path: Path) -> None:
    async with watching(tmp_path / "a", tmp_path / "b") as (notices, (one, other)):
        for log in (one, other):
            notices.watch(log.descriptor, log.tell)
        one.write()
        await one.until(told=False)
        assert not other.told


async def test_a_log_that_is_renamed_is_told_of_as_that(tmp_path: Path) -> None:
    async with watching(tmp_path / "a") as (notices, (log,)):
        notices.watch(log.descriptor, log.tell)
        log.path.rename(tmp_path / "b")
        await log.until(told=True)


@pytest.mark.usefixtures("unswept")
async def test_many_rows_are_told_of_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHORTEST", 0.05)
    async with watching(tmp_path / "a") as (notices, (log,)):
        notices.watch(log.descriptor, log.tell)
        log.write()
        await log.until(told=False)
        for _ in range(100):
            log.write()
        await asyncio.sleep(0.2)
        assert log.told == [False, False]


async def test_one_that_is_forgotten_is_not_told_of(tmp_path: Path) -> None:
    async with watching(tmp_path / "a") as (notices, (log,)):
        watch = notices.watch(log.descriptor, log.tell)
        log.write()
        notices.forget(watch, log.tell)
        await asyncio.sleep(0.02)
        log.write()
        await asyncio.sleep(0.02)
        assert not log.told


async def test_where_the_kernel_gives_no_watch_files_are_looked_at_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "UNWATCHED", 0.01)
    monkeypatch.setattr(module, "SWEEP", 0.01)
    async with watching(tmp_path / "a") as (notices, (log,)):
        os.close(log.descriptor)  # there is nothing to be watched
        for _ in range(2):
            notices.watch(log.descriptor, log.tell)
        await log.until(told=True)
        assert caplog.text.count("max_user_watches") == 1
        log.descriptor = os.open(log.path, os.O_RDONLY)


async def test_all_are_told_of_now_and_then_whatever_was_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SWEEP", 0.01)
    async with watching(tmp_path / "a") as (notices, (log,)):
        notices.watch(log.descriptor, log.tell)
        await log.until(told=True)


async def test_when_the_kernel_had_too_many_events_all_are_told_of(
    tmp_path: Path,
) -> None:
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    async with watching(tmp_path / "a", tmp_path / "b", tmp_path / "c") as (notices, logs):
        for log in logs:
            notices.watch(log.descriptor, log.tell)
        with (
            logs[0].path.open("ab", buffering=0) as one,
            logs[1].path.open("ab", buffering=0) as two,
        ):
            for _ in range(limit // 2 + 10):  # the same event twice in a row is one
                one.write(b"x")
                two.write(b"x")
        logs[2].write()
        await logs[2].until(told=True)
