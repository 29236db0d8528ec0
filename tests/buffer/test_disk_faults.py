"""A disk that is full, read-only, failing or hanging: nothing is lost, and it heals by itself."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from pipeline.buffer import disk_fault, spooled
from pipeline.buffer.columns import ColumnCodec
from pipeline.buffer.segment import Segment
from tests.buffer.spooled import Made, Policy, running, until
from tests.buffer.spools import numbered, opened, read, reopened, segments, used, write
from tests.suite.open_files import open_files

ONE = numbered(0, size=1000).size


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failing disk is tried again soon."""
    monkeypatch.setattr(spooled, "RETRY", 0.02)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with room for 512 KiB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a file system needs root")
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "dockline-test", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def remount(folder: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", folder], check=True)


def fill_up(folder: Path) -> Path:
    """Takes all the room there is, but for some 20 KB."""
    free = os.statvfs(folder)
    ballast = folder / "ballast"
    ballast.write_bytes(b"\0" * (free.f_bavail * free.f_frsize - 20_000))
    return ballast


# ------------------------------------------------------------------------------- no room left


@pytest.mark.fault(31)
@pytest.mark.server
@pytest.mark.parametrize("policy", ["block", "drop_newest", "drop_oldest"])
async def test_on_a_full_disk_entries_wait_and_go_on_when_there_is_room(
    small_disk: Path, policy: Policy
) -> None:
    ballast = fill_up(small_disk)
    async with running(small_disk / "spool", policy=policy) as made:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(made.fill(300))
            await until(lambda: made.buffer.problem)
            await until(lambda: made.buffer.full)
            assert made.buffer.problem == (
                f"the spool {small_disk / 'spool'} cannot be written (No space left on device): "
                "until then, entries stay in memory"
            )
            put = made.put
            await asyncio.sleep(0.1)
            assert made.put == put < 300
            assert len(made.settled) < put
            await asyncio.to_thread(ballast.unlink)
        await until(lambda: made.buffer.problem is None and not made.buffer.unsaved)
        assert not made.buffer.full
        assert await made.drain() == list(range(300))
        assert (made.dropped, made.lost) == ([], [])


@pytest.mark.server
async def test_a_full_disk_is_emptied_by_what_is_delivered(small_disk: Path) -> None:
    fill_up(small_disk)
    async with running(small_disk / "spool") as made, asyncio.TaskGroup() as tasks:
        tasks.create_task(made.fill(300))
        await until(lambda: made.buffer.full)
        while len(made.released) < 300:
            made.deliver(await made.take(5 * ONE))
        assert made.released == list(range(300))


@pytest.mark.server
async def test_what_was_written_in_part_is_taken_back(small_disk: Path) -> None:
    fill_up(small_disk)
    async with running(small_disk / "spool", memory=2**18, disk=2**24) as made:
        async with asyncio.TaskGroup() as tasks:
            filling = tasks.create_task(made.fill(1000))
            await until(lambda: made.buffer.full)
            filling.cancel()
        made.take_back()
        assert made.buffer.disk.bytes == used(small_disk / "spool")
        assert await made.drain() == list(range(made.put))


@pytest.mark.server
def test_after_an_append_that_found_no_space_the_folder_is_as_it_was(small_disk: Path) -> None:
    folder = small_disk / "spool"
    write(folder, numbered(0))
    ballast = fill_up(small_disk)
    before = {file.name for file in folder.iterdir()}
    with opened(folder, 2**24) as spool:
        for _ in range(3):
            with pytest.raises(OSError, match="No space left"):
                spool.append([numbered(1, size=50_000)], 0)
            assert spool.end == 1
            assert spool.bytes == used(folder)
            assert {file.name for file in folder.iterdir()} == before
        ballast.unlink()
        spool.append([numbered(1, size=50_000)], 0)
        assert read(spool) == ([0, 1], 0)
    assert reopened(folder) == ([0, 1], 0)


@pytest.mark.server
def test_what_an_append_has_made_safe_before_there_was_no_space_stays(small_disk: Path) -> None:
    folder = small_disk / "spool"
    with opened(folder, 2**24) as spool:
        spool.segment_size = 30_000
        with pytest.raises(OSError, match="No space left"):
            spool.append([numbered(number, size=300_000) for number in range(5)], 0)
        assert spool.end == 1
        assert read(spool) == ([0], 0)
        assert spool.bytes == used(folder)
    assert reopened(folder) == ([0], 0)


# --------------------------------------------------------------------------------- read-only


@pytest.mark.server
async def test_a_folder_that_is_read_only_at_the_start_is_used_when_it_no_longer_is(
    small_disk: Path,
) -> None:
    await asyncio.to_thread(write, small_disk / "spool", numbered(0, 10))
    await asyncio.to_thread(remount, small_disk, "ro")
    async with running(small_disk / "spool") as made:
        assert "Read-only file system" in str(made.buffer.problem)
        made.put = 10
        await made.fill(5)
        made.deliver(await made.take())
        assert made.released == list(range(10, 15))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(made.fill(100))
            await until(lambda: made.buffer.full)
            await asyncio.to_thread(remount, small_disk, "rw")
        assert (await made.drain())[:10] == list(range(10))
    assert sorted(made.released) == list(range(115))


@pytest.mark.fault(31)
@pytest.mark.server
async def test_a_folder_that_becomes_read_only_makes_wait_until_it_no_longer_is(
    small_disk: Path,
) -> None:
    async with running(small_disk / "spool") as made:
        await made.fill(100)
        await made.drain()
        await until(lambda: not segments(small_disk / "spool"))
        await asyncio.to_thread(remount, small_disk, "ro")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(made.fill(100))
            await until(lambda: made.buffer.full)
            assert "Read-only file system" in str(made.buffer.problem)
            made.deliver(await made.take(10 * ONE))
            await until(lambda: made.buffer.full)
            await asyncio.to_thread(remount, small_disk, "rw")
        await until(lambda: made.buffer.problem is None)
        await made.drain()
        assert made.released == list(range(200))


async def test_a_folder_that_cannot_be_made_is_reported_and_the_memory_goes_on(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").write_text("in the way")
    async with running(tmp_path / "file" / "spool", memory=10 * ONE) as made:
        assert "Not a directory" in str(made.buffer.problem)
        for _ in range(20):
            await made.fill(5)
            await made.drain()
        assert made.released == list(range(100))
        assert not made.buffer.full


# ------------------------------------------------------------------------------------- errors


class Failing:
    """Makes a call of `os` fail, as long as it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str, number: int = errno.EIO) -> None:
        self.on = True
        self.calls = 0
        call: Callable[..., Any] = getattr(os, name)

        def failing(*arguments: Any, **others: Any) -> Any:
            self.calls += 1
            if self.on:
                raise OSError(number, os.strerror(number))
            return call(*arguments, **others)

        monkeypatch.setattr(os, name, failing)


async def overflow_into(made: Made, failing: Failing) -> None:
    """Fills the buffer until it waits for the failing disk, which then works again."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(made.fill(200))
        await until(lambda: made.buffer.full)
        assert "Input/output error" in str(made.buffer.problem)
        calls = failing.calls
        await until(lambda: failing.calls > calls + 2)
        assert made.settled == []
        failing.on = False


@pytest.mark.parametrize("call", ["pwrite", "fdatasync", "fsync"])
async def test_what_cannot_be_written_is_not_settled_and_written_once_when_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    async with running(tmp_path, memory=2**16) as made:
        await overflow_into(made, Failing(monkeypatch, call))
        await until(lambda: made.buffer.problem is None and not made.buffer.unsaved)
        assert made.buffer.disk.bytes == used(tmp_path)
        assert await made.drain() == list(range(200))
        assert made.settled == list(range(200))


def test_a_file_that_fsync_has_failed_on_is_not_written_to_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel reports what it could not write once, and then forgets it."""
    with opened(tmp_path) as spool:
        spool.append([numbered(0)], 0)
        (first,) = segments(tmp_path)
        size = first.stat().st_size
        failing = Failing(monkeypatch, "fdatasync")
        with pytest.raises(OSError, match="Input/output"):
            spool.append([numbered(1)], 0)
        assert first.stat().st_size == size
        failing.on = False
        spool.append([numbered(1)], 0)
        assert first.stat().st_size == size
        assert len(segments(tmp_path)) == 2
    assert reopened(tmp_path) == ([0, 1], 0)


def test_what_can_neither_be_written_nor_taken_back_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its numbers are given to other entries, where it was delivered meanwhile."""
    with opened(tmp_path) as spool:
        spool.append([numbered(0)], 0)
        sync, cut = Failing(monkeypatch, "fdatasync"), Failing(monkeypatch, "truncate")
        with pytest.raises(OSError, match="Input/output"):
            spool.append([numbered(1)], 0)
        sync.on = cut.on = False
        spool.append([numbered(7), numbered(8)], 0)
        assert read(spool) == ([0, 7, 8], 0)
        assert spool.bytes == used(tmp_path)
    assert reopened(tmp_path) == ([0, 7, 8], 0)


def test_a_record_of_which_only_a_part_was_written_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pwrite = os.pwrite

    def half(descriptor: int, data: memoryview, offset: int) -> int:
        if offset > 100:
            raise OSError(errno.EIO, "Input/output error")
        return pwrite(descriptor, data[: len(data) // 2], offset)

    with opened(tmp_path) as spool:
        monkeypatch.setattr(os, "pwrite", half)
        with pytest.raises(OSError, match="Input/output"):
            spool.append([numbered(0, size=1000)], 0)
        assert segments(tmp_path) == []
        monkeypatch.undo()
        spool.append([numbered(0, size=1000)], 0)
        assert read(spool) == ([0], 0)


async def test_what_is_delivered_while_the_cursor_cannot_be_written_is_not_repeated_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path) as made:
        await made.fill(200)
        await until(lambda: not made.buffer.unsaved)
        failing = Failing(monkeypatch, "pwrite")
        for _ in range(5):
            made.deliver(await made.take(3 * ONE))
        await until(lambda: made.buffer.problem)
        failing.on = False
        await until(lambda: made.buffer.problem is None)
        delivered = len(made.released)
    left = await asyncio.to_thread(reopened, tmp_path)
    assert left == (list(range(delivered, 200)), 0)


def test_a_spool_that_cannot_be_opened_keeps_no_file_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried again every few seconds: each time left the files open that it had found."""
    with opened(tmp_path) as spool:
        spool.append([numbered(0)], 0)
    failing = Failing(monkeypatch, "pwrite", errno.ENOSPC)
    with pytest.raises(OSError, match="No space"), opened(tmp_path):
        pass
    assert open_files(tmp_path) == []
    failing.on = False
    assert reopened(tmp_path) == ([0], 0)


def test_a_segment_that_cannot_be_removed_is_removed_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(tmp_path) as spool:
        spool.append([numbered(0)], 0)
        failing = Failing(monkeypatch, "unlink", errno.EROFS)
        with pytest.raises(OSError, match="Read-only"):
            spool.settle(1)
        failing.on = False
        spool.settle(1)
        assert segments(tmp_path) == []


@pytest.mark.parametrize("failure", ["store", "remove"])
def test_where_nothing_can_be_dropped_nothing_counts_as_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: str
) -> None:
    with opened(tmp_path, 64 * 1024, drop_oldest=True) as spool:
        number = 0
        while spool.bytes + 4000 < spool.limit:
            spool.append([numbered(number, size=3000)], 0)
            number += 1
        failing = Failing(monkeypatch, "fdatasync" if failure == "store" else "unlink")
        with pytest.raises(OSError, match="Input/output"):
            spool.append([numbered(number, size=9000)], 0)
        assert not spool.lost
        assert spool.given_up == ()
        assert read(spool) == (list(range(number)), 0)
        failing.on = False
    assert reopened(tmp_path) == (list(range(number)), 0)


async def test_a_segment_that_cannot_be_read_is_set_aside_and_its_entries_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path) as made:
        await made.fill(400)
        await until(lambda: not made.buffer.unsaved)
        bad = segments(tmp_path)[2]
        first, after = (int(file.name.split("-")[0]) for file in segments(tmp_path)[2:4])
        read = Segment.read

        def failing(segment: Segment, offset: int, length: int) -> bytes:
            if segment.path == bad:
                raise OSError(errno.EIO, "Input/output error")
            return read(segment, offset, length)

        monkeypatch.setattr(Segment, "read", failing)
        assert await made.drain() == [*range(first), *range(after, 400)]
        assert made.lost == [(after - first, "spool_damaged")]
        assert not bad.exists()
        assert bad.with_name(bad.name + ".aside").exists()
        await until(lambda: not segments(tmp_path))


@pytest.mark.fault(31)
async def test_a_disk_that_cannot_be_read_at_all_is_waited_for_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path) as made:
        await made.fill(400)
        await until(lambda: not made.buffer.unsaved)
        made.deliver(await made.take(5 * ONE))
        read, rename = Failing(monkeypatch, "pread"), Path.rename
        monkeypatch.setattr(Path, "rename", lambda *_: os.pread(0, 0, 0))
        async with asyncio.TaskGroup() as tasks:
            draining = tasks.create_task(made.drain())
            await until(lambda: read.calls > 5)
            assert "cannot be read (Input/output error)" in str(made.buffer.problem)
            monkeypatch.setattr(Path, "rename", rename)
            read.on = False
        assert draining.result()[-1] == 399
        assert made.released == list(range(400))
        assert made.buffer.problem is None


# ------------------------------------------------------------------------------ slow and dead


async def test_a_disk_that_hangs_holds_nothing_up_but_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging, released = threading.Event(), threading.Event()
    sync = Segment.sync

    def hang(segment: Segment, end: int) -> None:
        hanging.set()
        released.wait()
        sync(segment, end)

    monkeypatch.setattr(Segment, "sync", hang)
    async with running(tmp_path, memory=20 * ONE) as made, asyncio.TaskGroup() as tasks:
        tasks.create_task(made.fill(100))
        await until(hanging.is_set)
        for _ in range(5):
            made.deliver(await made.take(2 * ONE))
        assert made.released == list(range(10))
        released.set()
        while len(made.released) < 100:
            made.deliver(await made.take())
        assert made.released == list(range(100))


async def test_a_disk_that_hangs_for_ever_does_not_keep_from_being_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging, released = threading.Event(), threading.Event()
    monkeypatch.setattr(Segment, "sync", lambda *_: (hanging.set(), released.wait()))
    made = Made(tmp_path, memory=20 * ONE)
    await made.buffer.open()
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        keeping = tasks.create_task(made.buffer.run())
        filling = tasks.create_task(made.fill(100))
        await until(hanging.is_set)
        keeping.cancel()
        filling.cancel()
    assert made.settled == []
    released.set()


async def test_at_the_end_a_failing_disk_is_tried_once_more_and_then_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = Failing(monkeypatch, "pwrite")
    async with running(tmp_path, memory=100 * ONE) as made:
        await made.fill(50)
        failing.calls = 0
    assert failing.calls
    assert made.settled == []
    assert made.buffer.unsaved == made.buffer.entries == 50
    assert made.buffer.problem


async def test_a_problem_is_said_once_and_so_is_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with running(tmp_path) as made:
        await overflow_into(made, Failing(monkeypatch, "fdatasync"))
        await until(lambda: made.buffer.problem is None)
        await made.drain()
    said = [entry.getMessage() for entry in caplog.records if entry.name == disk_fault.__name__]
    assert len(said) == 2
    assert "cannot be written (Input/output error)" in said[0]
    assert re.search(r"can be written again, after \d+\.\d s$", said[1])


async def test_a_folder_that_another_agent_has_when_it_can_be_used_at_last_is_waited_for(
    tmp_path: Path,
) -> None:
    way, link = tmp_path / "way", tmp_path / "link"
    way.write_text("in the way")
    link.symlink_to("real")
    with ExitStack() as others:
        await asyncio.to_thread(others.enter_context, opened(tmp_path / "real" / "spool"))
        async with running(way / "spool", memory=10 * ONE) as made:
            link.replace(way)
            await until(lambda: "in use by another dockline" in str(made.buffer.problem))
            await asyncio.to_thread(others.close)
            await made.fill(50)
            await made.drain()
            assert made.released == list(range(50))


# --------------------------------------------------------------------- when memory is short


async def test_what_there_is_no_memory_to_write_waits_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = failing(monkeypatch, "encode", 3)
    async with running(tmp_path, memory=6 * ONE) as made:
        await made.fill(12)
        assert not failures
        assert await made.drain() == list(range(12))
        assert not made.lost


@pytest.mark.fault(129)
async def test_what_there_is_no_memory_to_read_is_not_lost_and_comes_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path, memory=6 * ONE) as made:
        await made.fill(12)
        await until(lambda: made.buffer.disk.entries)
        failures = failing(monkeypatch, "decode", 3)
        assert await made.drain() == list(range(12))
        assert not failures
        assert not made.lost
    assert "cannot be read (not enough memory)" in caplog.text


def failing(monkeypatch: pytest.MonkeyPatch, name: str, count: int) -> list[MemoryError]:
    """What a spool's columns raise at first; empty in the end."""
    usual = getattr(ColumnCodec, name)
    left = [MemoryError()] * count

    def do(self: ColumnCodec, *arguments: Any) -> Any:
        if left:
            raise left.pop()
        return usual(self, *arguments)

    monkeypatch.setattr(ColumnCodec, name, do)
    return left
