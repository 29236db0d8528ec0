"""Real logs of a real Engine, from their files: what comes is what the API would give, and where a
log cannot be read so, it is read over the API."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.sources.docker.logs.files import inotify
from pipeline.sources.docker.logs.files.available import Way
from pipeline.sources.docker.logs.files.log_files import PAGE
from pipeline.support import small_reads
from pipeline.testing.following import Following, follow
from pipeline.testing.private_engine import PrivateEngine
from tests.sources.docker.conftest import Start

LogFile = Callable[[str], Path]
COUNT = "i=0; until [ -e /stop ]; do echo $i; i=$((i+1)); sleep 0.002; done; echo end; sleep 600"
SMALL = ("--log-opt", "max-size=20k", "--log-opt", "max-file=3")


def ended(following: Following, name: str) -> bool:
    return following.lines(name)[-1:] == ["end"]


async def stop(engine: PrivateEngine, name: str) -> None:
    """Detached, since a container that ends at once takes the command with it."""
    await asyncio.to_thread(engine.docker, "exec", "--detach", name, "touch", "/stop")


async def test_a_log_is_read_now_in_one_way_and_now_in_the_other(
    engine: PrivateEngine, start: Start, tmp_path: Path
) -> None:
    """Each goes on where the one before it was, with the same numbers."""
    ways: list[Way] = ["file", "api", "file", "file", "api", "file"]
    lines: list[str] = []
    sequences: list[int] = []
    name = start(COUNT)
    for number, way in enumerate(ways, 1):
        async with follow(engine.url, way=way, state=tmp_path, start="beginning") as following:
            await following.until_lines(name, 20)
            if number == len(ways):
                await stop(engine, name)
                await following.until(lambda f=following: ended(f, name))
        lines += following.lines(name)
        sequences += following.sequences(name)
    assert lines[-1] == "end"
    assert lines[:-1] == [str(number) for number in range(len(lines) - 1)]
    assert sequences == list(range(1, len(lines) + 1))


@pytest.mark.fault(10)
@pytest.mark.parametrize("compress", ["true", "false"])
async def test_a_log_that_rotates_is_followed_without_losing_a_line(
    engine: PrivateEngine, start: Start, compress: str
) -> None:
    options = ("--log-opt", "max-size=20k", "--log-opt", "max-file=12")  # for some seconds
    name = start(COUNT, *options, "--log-opt", f"compress={compress}")
    async with follow(engine.url, way="file", start="beginning") as following:
        await following.until_lines(name, 3500)
        await stop(engine, name)
        await following.until(lambda: ended(following, name))
        lines = following.lines(name)
        assert lines[:-1] == [str(number) for number in range(len(lines) - 1)]
        assert following.gaps(name) == 0


@pytest.fixture
def hesitant(monkeypatch: pytest.MonkeyPatch) -> None:
    """A read that must not wait never gets beyond a page: on a host that writes much to its disk,
    it would have to wait for the next one."""
    read = os.preadv

    def preadv(file: int, buffers: list[bytearray | memoryview], offset: int, flags: int) -> int:
        known, block = buffers
        page = PAGE - (offset + len(known)) % PAGE
        return read(file, [known, memoryview(block)[:page]], offset, flags)

    monkeypatch.setattr(os, "preadv", preadv)


@pytest.mark.usefixtures("hesitant")
async def test_a_read_that_stops_early_is_not_taken_for_the_end_of_the_log(
    engine: PrivateEngine, start: Start
) -> None:
    other, name = start(COUNT), start("sleep 1; seq 1 5000; echo end")
    async with follow(engine.url, way="file", start="beginning") as following:
        await following.until_lines(other, 20)  # so that none is read again and again by itself
        await following.until(lambda: ended(following, name))
        assert following.lines(name) == [*map(str, range(1, 5001)), "end"]
        assert following.gaps(name) == 0


@pytest.fixture
def resting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files rest as long as they may, from the second read on."""
    monkeypatch.setattr(small_reads, "BURST", 0)
    monkeypatch.setattr(inotify, "SMALL_READS", 1)


@pytest.mark.usefixtures("resting")
async def test_logs_that_rest_while_they_rotate_and_end_lose_no_line(
    engine: PrivateEngine, start: Start
) -> None:
    options = ("--log-opt", "max-size=20k", "--log-opt", "max-file=12")
    brief = COUNT.replace("sleep 600", "sleep 2")
    names = [start(brief, *options) for _ in range(3)]
    async with follow(engine.url, way="file", start="beginning") as following:
        for name in names:
            await following.until_lines(name, 1000)
        for name in names:
            await stop(engine, name)
        for name in names:
            await following.until(lambda name=name: ended(following, name))  # type: ignore[misc]
            lines = following.lines(name)
            assert lines[:-1] == [str(number) for number in range(len(lines) - 1)]
            assert following.gaps(name) == 0


@pytest.mark.fault(10)
async def test_what_was_rotated_and_compressed_while_no_agent_ran_is_read(
    engine: PrivateEngine, start: Start, tmp_path: Path, log_file: LogFile
) -> None:
    options = (
        "--log-opt",
        "max-size=20k",
        "--log-opt",
        "max-file=50",
        "--log-opt",
        "compress=true",
    )
    name = start(COUNT, *options)
    async with follow(engine.url, way="file", state=tmp_path, start="beginning") as following:
        await following.until_lines(name, 100)
    before = following.lines(name)  # it takes what comes until it has ended
    compressed = Path(f"{await asyncio.to_thread(log_file, name)}.3.gz")
    async with asyncio.timeout(60):
        while not compressed.exists():
            await asyncio.sleep(0.05)
    await stop(engine, name)
    async with follow(engine.url, way="file", state=tmp_path) as following:
        await following.until(lambda: ended(following, name))
        lines = before + following.lines(name)
        assert lines[:-1] == [str(number) for number in range(len(lines) - 1)]
        assert following.gaps(name) == 0


@pytest.mark.fault(10)
async def test_what_was_rotated_away_before_a_log_was_first_read_is_told(
    engine: PrivateEngine, start: Start, log_file: LogFile
) -> None:
    """As many files as the rotation keeps, and there may have been more before."""
    name = start("echo 0; until [ -e /stop ]; do sleep 0.05; done; seq 1 699; sleep 600", *SMALL)
    oldest = Path(f"{await asyncio.to_thread(log_file, name)}.2")
    async with follow(engine.url, way="file", start="beginning") as following:
        await following.until_lines(name, 1)
        assert not oldest.exists()
        await stop(engine, name)
        assert len(await following.until_lines(name, 700)) == 700
        assert following.gaps(name) == 0
        assert oldest.exists()
    async with follow(engine.url, way="file", start="beginning") as following:
        await following.until_lines(name, 1)
        assert following.gaps(name) == 1
        assert following.sequences(name)[0] == 2


ALL_SORTS = r"""
    echo plain; echo error >&2; printf 'no newline' >&2; echo; echo; printf 'a\\000b\\r\\n'
    printf 'bad \\377 bytes\\n'; echo 'quotes " and \\'; printf '\\303\\274\\360\\237\\220\\263\\n'
    for i in $(seq 1 3000); do printf 0123456789; done; echo .
    for i in $(seq 1 1639); do printf 0123456789 >&2; done; echo other; echo . >&2
    until [ -e /stop ]; do sleep 0.05; done; printf last
"""


@pytest.mark.parametrize("options", [[], ["--tty"]], ids=["streams", "terminal"])
async def test_both_ways_give_the_same_of_any_log(
    engine: PrivateEngine, start: Start, options: list[str]
) -> None:
    name = start(ALL_SORTS, *options)
    over_api = follow(engine.url, way="api", start="beginning")
    from_file = follow(engine.url, way="file", start="beginning")
    async with over_api as one, from_file as other:
        followers = [await each.until_follower(name) for each in (one, other)]
        await stop(engine, name)
        await one.until(lambda: all(each.idle for each in followers))
        assert entries(one, name)[-1][0] == b"last"
        assert entries(one, name) == entries(other, name)


def entries(following: Following, name: str) -> list[tuple[bytes, bytes, int]]:
    return [
        entry
        for one in following.kept.batches
        if one.source == "logs" and one.container.name == name
        for entry in zip(one.lines, one.times, one.streams, strict=True)
    ]


async def test_from_now_on_means_the_lines_that_come(engine: PrivateEngine, start: Start) -> None:
    name = start("seq 1 40000; until [ -e /stop ]; do sleep 0.05; done; echo end; sleep 600")
    while await asyncio.to_thread(engine.docker, "logs", "--tail", "1", name) != "40000":
        await asyncio.sleep(0.05)
    await asyncio.sleep(1.1)  # what a container has logged within the second may count as now
    async with follow(engine.url, way="file") as following:
        await following.connected()
        await following.until_follower(name)
        await stop(engine, name)
        assert await following.until_lines(name, 1) == ["end"]


@pytest.mark.fault(10)
async def test_a_log_that_is_truncated_is_read_on_at_once_and_the_gap_is_told(
    engine: PrivateEngine, start: Start, log_file: LogFile, reported: Callable[[str], list[object]]
) -> None:
    name = start(COUNT)
    async with follow(engine.url, way="file", start="beginning") as following:
        await following.until_lines(name, 200)
        os.truncate(await asyncio.to_thread(log_file, name), 0)
        read = len(following.lines(name))
        await following.until_lines(name, read + 100)
        assert following.gaps(name) == len(reported(name)) == 1
        await stop(engine, name)
        await following.until(lambda: ended(following, name))
        numbers = [int(line) for line in following.lines(name)[:-1]]
        assert numbers == sorted(set(numbers))


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--log-driver", "local"), "is missing or cannot be read"),
        (("--log-opt", "max-size=10m", "--log-opt", "max-file=1"), "max-file=1"),
    ],
)
async def test_a_log_that_has_no_file_to_be_read_is_read_over_the_api_and_that_is_said(
    engine: PrivateEngine,
    start: Start,
    caplog: pytest.LogCaptureFixture,
    options: tuple[str, ...],
    why: str,
) -> None:
    name = start("echo one; sleep 600", *options)
    async with follow(engine.url, way="file", start="beginning") as following:
        assert await following.until_lines(name, 1) == ["one"]
    said = [one for one in caplog.records if name in one.getMessage() and why in one.getMessage()]
    assert [one.levelno for one in said] == [logging.WARNING]


async def test_where_no_file_can_be_read_it_is_said_once_for_all(
    engine: PrivateEngine,
    start: Start,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As in a container that has the Engine's socket and not its folder."""
    names = [start("echo one; sleep 600") for _ in range(3)]
    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    caplog.set_level(logging.INFO)
    async with follow(engine.url, way="auto", start="beginning") as following:
        for name in names:
            assert await following.until_lines(name, 1) == ["one"]
    assert caplog.text.count("logs are read over the API and not from files") == 1


async def test_an_agent_that_knows_nothing_of_places_reads_on(
    engine: PrivateEngine, start: Start, tmp_path: Path
) -> None:
    """And one that finds another file's place there, or rubbish."""
    name = start(COUNT)
    async with follow(engine.url, way="file", state=tmp_path, start="beginning") as following:
        await following.until_lines(name, 100)
    before = following.lines(name)  # it takes what comes until it has ended
    file = tmp_path / "checkpoint.json"
    state = json.loads(file.read_bytes())
    (position,) = (one for one in state["containers"].values() if one.get("place"))
    position["place"][1] += 7
    file.write_text(json.dumps(state))
    for journal in tmp_path.glob("journal*"):
        journal.unlink()
    await stop(engine, name)
    async with follow(engine.url, way="file", state=tmp_path) as following:
        await following.until(lambda: ended(following, name))
        lines = before + following.lines(name)
        assert lines[:-1] == [str(number) for number in range(len(lines) - 1)]
