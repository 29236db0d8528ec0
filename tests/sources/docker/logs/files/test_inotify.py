"""A log that grows or is renamed is told of, once for many rows."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pipeline.sources.docker.logs.files import inotify as module
from pipeline.sources.docker.logs.files.inotify import (
    LONGEST_REST,
    SMALL,
    SMALL_READS,
    TOGETHER,
    Inotify,
)
from pipeline.support.small_reads import BURST


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


# --------------------------------------------------------------------------------- rests


class Clock:
    """The event loop's clock, which stands still unless it is moved."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: self.now)

    async def move(self, seconds: float) -> None:
        """Moves on, and lets what is due be done."""
        self.now += seconds
        for _ in range(10):
            await asyncio.sleep(0)


def made_busy(notices: Inotify, watches: list[int]) -> None:
    """Reads files, a little at a time and in turn, until each has to rest."""
    for _ in range(BURST):
        for watch in watches:
            notices.was_read(watch, SMALL - 1)


@pytest.mark.usefixtures("unswept")
async def test_where_many_files_grow_a_little_they_are_told_of_together_after_a_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    async with watching(tmp_path / "a", tmp_path / "b") as (notices, logs):
        watches = [notices.watch(log.descriptor, log.tell) for log in logs]
        made_busy(notices, watches)
        for log in logs:
            log.write()
        await clock.move(0.002)
        assert [log.told for log in logs] == [[], []]
        await clock.move(LONGEST_REST)
        assert [log.told for log in logs] == [[False], [False]]


@pytest.mark.usefixtures("unswept")
async def test_a_rested_file_that_has_not_grown_is_read_once_more_and_heard_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    async with watching(tmp_path / "a", tmp_path / "b") as (notices, logs):
        watches = [notices.watch(log.descriptor, log.tell) for log in logs]
        made_busy(notices, watches)
        assert not notices.was_read(watches[0], 0), "it rests"
        await clock.move(LONGEST_REST)
        assert notices.was_read(watches[0], 0)
        assert not notices.was_read(watches[0], 0)
        logs[0].write()
        await clock.move(0.01)
        assert logs[0].told == [False, False]


@pytest.mark.usefixtures("unswept")
async def test_a_file_that_was_silent_is_told_of_at_once_among_busy_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    async with watching(tmp_path / "a", tmp_path / "b", tmp_path / "c") as (notices, logs):
        *watches, quiet = [notices.watch(log.descriptor, log.tell) for log in logs]
        made_busy(notices, watches)
        logs[2].write()
        await clock.move(0.000_1)
        assert logs[2].told == [False]
        notices.was_read(quiet, 100)
        logs[2].write()
        await clock.move(0.002)
        assert logs[2].told == [False, False], "its first line for long is no reason to rest"


@pytest.mark.usefixtures("unswept")
async def test_a_file_that_is_renamed_while_it_rests_is_told_of_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    async with watching(tmp_path / "a", tmp_path / "b") as (notices, logs):
        made_busy(notices, [notices.watch(log.descriptor, log.tell) for log in logs])
        logs[0].write()
        logs[0].path.rename(tmp_path / "a.1")
        await clock.move(0.000_1)
        assert [log.told for log in logs] == [[True], []]


@pytest.mark.usefixtures("unswept")
async def test_a_file_that_grows_alone_never_rests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    async with watching(tmp_path / "a") as (notices, (log,)):
        made_busy(notices, [notices.watch(log.descriptor, log.tell)] * 100)
        log.write()
        await clock.move(0.000_1)
        assert log.told == [False]


@pytest.mark.usefixtures("unswept")
async def test_a_file_is_alone_until_another_was_read_or_rests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Clock(monkeypatch)
    async with watching(tmp_path / "a", tmp_path / "b") as (notices, logs):
        one, other = [notices.watch(log.descriptor, log.tell) for log in logs]
        assert not notices.is_alone(one), "it was not read yet"
        notices.was_read(one, 100)
        assert notices.is_alone(one)
        notices.was_read(other, 100)
        assert not notices.is_alone(one)
        assert notices.is_alone(other)
        made_busy(notices, [one, other])
        assert not notices.is_alone(one), "it rests"
        assert not notices.is_alone(other), "it rests"


@pytest.mark.usefixtures("unswept")
async def test_files_that_grow_fast_do_not_rest_and_what_piled_up_in_a_rest_is_not_fast(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    async with watching(tmp_path / "a", tmp_path / "b") as (notices, logs):
        watches = [notices.watch(log.descriptor, log.tell) for log in logs]
        made_busy(notices, watches)
        await clock.move(1.1 / SMALL_READS)
        assert not notices.was_read(watches[0], SMALL - 1)
        assert notices.was_read(watches[1], SMALL), "it may have grown meanwhile"
        assert not notices.was_read(watches[1], SMALL)
        for log in logs:
            log.told.clear()
            log.write()
        await clock.move(0.000_1)
        assert [log.told for log in logs] == [[], [False]]


@pytest.mark.usefixtures("unswept")
async def test_a_file_that_has_grown_in_the_longest_rest_rests_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    async with watching(*(tmp_path / name for name in "abcd")) as (notices, logs):
        one, *others = [notices.watch(log.descriptor, log.tell) for log in logs]
        made_busy(notices, [one, others[0]])
        await clock.move(LONGEST_REST + 0.01)
        made_busy(notices, others[1:])
        logs[0].told.clear()
        assert not notices.was_read(one, 100), "it rests"
        logs[0].write()
        await clock.move(0.000_1)
        assert logs[0].told == []


@pytest.mark.usefixtures("unswept")
async def test_a_file_that_is_forgotten_while_it_rests_is_not_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    async with watching(tmp_path / "a", tmp_path / "b") as (notices, logs):
        watches = [notices.watch(log.descriptor, log.tell) for log in logs]
        made_busy(notices, watches)
        notices.forget(watches[0], logs[0].tell)
        await clock.move(LONGEST_REST)
        assert [log.told for log in logs] == [[], [False]]


@pytest.mark.usefixtures("unswept")
async def test_not_all_that_have_rested_are_told_of_in_one_turn_of_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    paths = [tmp_path / str(number) for number in range(3 * TOGETHER)]
    async with watching(*paths) as (notices, logs):
        made_busy(notices, [notices.watch(log.descriptor, log.tell) for log in logs])
        clock.now += LONGEST_REST
        told = 0
        while told < len(logs):
            await asyncio.sleep(0)
            before, told = told, sum(len(log.told) for log in logs)
            assert told - before <= TOGETHER
