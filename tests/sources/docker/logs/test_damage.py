"""Logs with a damaged place, on a real Engine: what is behind it is read, once and in order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path

import pytest

from pipeline.accounting.checkpoint import Position
from pipeline.sources.docker.logs import follower as follower_module
from pipeline.sources.docker.logs.damage import Around, way_around
from pipeline.testing.following import Following, follow
from pipeline.testing.private_engine import PrivateEngine

pytestmark = pytest.mark.usefixtures("over_the_api")

COUNTING = "i=0; while true; do echo line $i; i=$((i+1)); sleep 0.02; done"
LogFile = Callable[[str], Path]
Reported = Callable[[str], list[tuple[str, str]]]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower_module, "FIRST_WAIT", 0.02)


def append(file: Path, garbage: bytes) -> None:
    with file.open("ab") as log:
        log.write(garbage)


def numbers(following: Following, name: str) -> list[int]:
    return [int(line.split()[1]) for line in following.lines(name)]


def gaps(following: Following, name: str) -> float:
    value = following.metrics.registry.get_sample_value
    return value("dockline_log_gaps_total", {"container": name}) or 0


def damage(file: Path, line: str) -> None:
    """Writes over a line of the log, which keeps its size."""
    whole = file.read_bytes()
    place = whole.index(b'"%s\\n"' % line.encode())
    with file.open("r+b") as log:
        log.seek(place)
        log.write(b"\xff{")


@pytest.mark.fault(10)
async def test_a_container_that_goes_on_writing_is_read_on_behind_the_damage(
    engine: PrivateEngine,
    start: Callable[..., str],
    log_file: LogFile,
    reported: Reported,
    tmp_path: Path,
) -> None:
    """Which was done while no agent was looking."""
    async with follow(engine.url, state=tmp_path) as following:
        await following.connected()
        name = start(COUNTING)
        await following.until_lines(name, 20)
    before = following  # it takes what comes until it has ended
    first, sequences = numbers(before, name), before.sequences(name)
    await until_written(log_file(name), f"line {first[-1] + 30}")
    damaged = first[-1] + 10
    damage(log_file(name), f"line {damaged}")
    engine.docker("pause", name)  # else the log grows while the way around is looked for
    written = log_file(name).read_text(errors="replace")
    last = int(written.rpartition('"line ')[2].partition("\\n")[0])
    async with follow(engine.url, state=tmp_path) as following:
        await following.until(lambda: last in numbers(following, name))
        await asyncio.to_thread(engine.docker, "unpause", name)
        await following.until_lines(name, len(following.lines(name)) + 20)
        read = first + numbers(following, name)
        (skip,) = [(a, b) for a, b in pairwise(read) if b != a + 1]
        assert skip[0] < damaged < skip[1]
        assert len(reported(name)) == gaps(following, name) == 1
        where = following if skip[0] > first[-1] else before
        assert reported(name) == [(time_of(where, skip[0]), time_of(following, skip[1]))]
        sequences += following.sequences(name)
        assert sequences[-1] - sequences[0] == len(sequences)  # one number is missing


def time_of(following: Following, number: int) -> str:
    """When it was written; the log's beginning stands before line 0."""
    if number < 0:
        return "its beginning"
    return next(
        time.decode()
        for batch in following.kept.batches
        if batch.source == "logs"
        for line, time in zip(batch.lines, batch.times, strict=True)
        if line == b"line %d" % number
    )


async def until_written(file: Path, line: str) -> None:
    while f'"{line}\\n"' not in await asyncio.to_thread(file.read_text):
        await asyncio.sleep(0.05)


async def test_between_two_damaged_places_no_line_is_missing_outside_of_a_range(
    engine: PrivateEngine, start: Callable[..., str], log_file: LogFile, reported: Reported
) -> None:
    """dockerd's error overtakes the lines before the place: not every one of them can be had."""
    name = start("for i in $(seq 0 299); do echo line $i; done; sleep 60")
    await until_written(log_file(name), "line 299")
    for number in (100, 200, 201):
        damage(log_file(name), f"line {number}")
    async with follow(engine.url, start="beginning") as following:
        await following.until(lambda: 299 in numbers(following, name))
        read, sequences = numbers(following, name), following.sequences(name)
        assert read[-98:] == list(range(202, 300))
        skips = [(a, b) for (a, b) in pairwise([-1, *read]) if b != a + 1]
        ranges = [(time_of(following, a), time_of(following, b)) for a, b in skips]
        assert reported(name) == ranges
        assert sequences[-1] == len(sequences) + len(ranges)


async def test_a_damage_at_the_very_beginning_hides_nothing_behind_it(
    engine: PrivateEngine, start: Callable[..., str], log_file: LogFile, reported: Reported
) -> None:
    name = start("for i in $(seq 0 9); do echo line $i; done; sleep 60")
    await until_written(log_file(name), "line 9")
    damage(log_file(name), "line 0")
    async with follow(engine.url, start="beginning") as following:
        await following.until_lines(name, 9)
        assert numbers(following, name) == list(range(1, 10))
        assert reported(name) == [("its beginning", time_of(following, 1))]


async def test_opened_again_behind_the_damage_it_repeats_nothing_and_reports_no_more(
    engine: PrivateEngine, start: Callable[..., str], log_file: LogFile, reported: Reported
) -> None:
    """As after a proxy has cut the stream: `since` would make dockerd pass the place again. It asks
    for 64 lines more than it needs, and no more than those may be written meanwhile."""
    async with follow(engine.url) as following:
        await following.connected()
        name = start(COUNTING.replace("sleep 0.02", "[ $i -lt 90 ] || sleep 0.1"))
        await following.until_lines(name, 100)
        damage(log_file(name), "line 10")
        for _ in range(3):
            got = len(following.lines(name))
            await following.until_lines(name, got + 5)
            (followed,) = following.source.followed.values()
            assert followed.follower is not None
            followed.follower.reopen()
        await following.until_lines(name, len(following.lines(name)) + 20)
        assert numbers(following, name) == list(range(len(following.lines(name))))
        assert reported(name) == []
        assert following.errors("daemon")


async def test_what_others_append_to_the_log_is_one_gap_and_no_more(
    engine: PrivateEngine, start: Callable[..., str], log_file: LogFile, reported: Reported
) -> None:
    """dockerd's own count of the file's bytes is wrong from then on, and each follow ends where it
    goes from what was there to what is new."""
    async with follow(engine.url) as following:
        await following.connected()
        name = start(COUNTING)
        await following.until_lines(name, 20)
        append(log_file(name), b"no JSON\n")
        await following.until(lambda: gaps(following, name))
        seen = len(following.lines(name))
        await following.until(lambda: following.errors("daemon") >= 8)
        await following.until_lines(name, seen + 30)
        read = numbers(following, name)
        assert read == sorted(set(read))
        # What is written between a search for the way around and its use may be in the gap, or in
        # another: but there is none for each follow that ends.
        found = reported(name)
        assert len([a for a, b in pairwise(read) if b != a + 1]) <= len(found)
        assert len(found) == gaps(following, name) <= following.errors("daemon") / 2


@pytest.mark.fault(10)
async def test_the_log_of_a_container_that_has_ended_is_read_to_its_end(
    engine: PrivateEngine,
    start: Callable[..., str],
    log_file: LogFile,
    reported: Reported,
    tmp_path: Path,
) -> None:
    async with follow(engine.url, state=tmp_path) as following:
        await following.connected()
        name = start(
            "echo line 0; while [ ! -e /go ]; do sleep 0.05; done; "
            "for i in $(seq 1 9); do echo line $i; done"
        )
        await following.until_lines(name, 1)
    engine.docker("exec", "--detach", name, "touch", "/go")
    engine.docker("wait", name)
    damage(log_file(name), "line 5")
    async with follow(engine.url, state=tmp_path) as following:
        await following.until_lines(name, 4)
        await following.until(lambda: ended(following))
        read = numbers(following, name)
        assert (read[-4:], read[:-4]) == ([6, 7, 8, 9], list(range(1, len(read) - 3)))
        assert len(reported(name)) == gaps(following, name) == 1
    async with follow(engine.url, state=tmp_path) as following:
        await following.connected()
        assert len(reported(name)) == 1


async def test_where_nothing_is_behind_the_damage_the_gap_reaches_to_the_end(
    engine: PrivateEngine,
    start: Callable[..., str],
    log_file: LogFile,
    reported: Reported,
    tmp_path: Path,
) -> None:
    async with follow(engine.url, state=tmp_path) as following:
        await following.connected()
        name = start("echo line 0; while [ ! -e /go ]; do sleep 0.05; done; echo line 1")
        await following.until_lines(name, 1)
        first = time_of(following, 0)
    engine.docker("exec", "--detach", name, "touch", "/go")
    engine.docker("wait", name)
    damage(log_file(name), "line 1")
    async with follow(engine.url, state=tmp_path) as following:
        await following.until(lambda: gaps(following, name))
        await following.until(lambda: ended(following))
        assert numbers(following, name) == []
        assert reported(name) == [(first, "its end")]


def ended(following: Following) -> bool:
    (followed,) = following.source.followed.values()
    return followed.follower is not None and followed.follower.idle


async def test_a_terminals_log_has_no_line_that_the_daemon_says_of_itself(
    engine: PrivateEngine, start: Callable[..., str], log_file: LogFile, reported: Reported
) -> None:
    name = start("for i in $(seq 0 99); do echo line $i; done; sleep 60", "--tty")
    while '"line 99\\r\\n"' not in log_file(name).read_text():
        await asyncio.sleep(0.05)
    damage(log_file(name), "line 30\\r")
    async with follow(engine.url, start="beginning") as following:
        await following.until(lambda: "line 99" in following.lines(name))
        read = numbers(following, name)
        ((before, behind),) = [(a, b) for a, b in pairwise([-1, *read]) if b != a + 1]
        assert before < 30 < behind
        assert reported(name) == [(time_of(following, before), time_of(following, behind))]


# ---------------------------------------------------------------------------- the search


def log_of(times: list[bytes | None]) -> tuple[Callable[[int], Awaitable[bytes | None]], list[int]]:
    """A log whose lines have these times, None where it is damaged; and what was asked."""
    asked: list[int] = []

    async def first(lines: int) -> bytes | None:
        asked.append(lines)
        return times[-lines:][0] if times else b""

    return first, asked


def at(number: int) -> bytes:
    return b"%07d" % number


@pytest.mark.parametrize("behind", [0, 1, 2, 3, 7, 8, 9, 1000, 99_999])
async def test_the_search_finds_the_first_line_behind_the_damage(behind: int) -> None:
    times: list[bytes | None] = [at(n) for n in range(200_000)]
    times[-behind - 1] = None
    newest = at(200_000 - behind - 2)
    first, asked = log_of(times)
    position = Position(since=newest.decode(), skip=1)
    assert await way_around(position, newest, first, margin=64, exact=False) == Around(
        behind, exact=False
    )
    assert len(asked) <= 40


async def test_a_damage_before_the_position_is_passed_over_exactly() -> None:
    times: list[bytes | None] = [at(n) for n in range(1000)]
    times[500] = None
    first, _ = log_of(times)
    way = await way_around(Position(since="0000900", skip=7), at(906), first, margin=64, exact=True)
    assert way.exact
    assert 107 < way.lines < 499


async def test_lines_behind_a_damage_that_is_behind_the_position_begin_a_gap() -> None:
    times: list[bytes | None] = [at(n) for n in range(1000)]
    times[907] = None
    first, _ = log_of(times)
    way = await way_around(
        Position(since="0000900", skip=7), at(906), first, margin=64, exact=False
    )
    assert way == Around(92, exact=False)


async def test_the_line_right_behind_a_damage_is_a_position_to_resume_from() -> None:
    times: list[bytes | None] = [at(n) for n in range(1000)]
    times[899] = None
    first, _ = log_of(times)
    way = await way_around(Position(since="0000900", skip=1), at(900), first, margin=1, exact=False)
    assert way == Around(100, exact=True)


async def test_lines_that_follow_the_one_read_last_begin_no_gap() -> None:
    times: list[bytes | None] = [at(n) for n in range(1000)]
    times[500] = None
    first, _ = log_of(times)
    way = await way_around(
        Position(since="0000900", skip=7), at(906), first, margin=64, exact=False
    )
    assert way.exact


@pytest.mark.parametrize("more", [1, 3, 100], ids="{} lines a look".format)
async def test_the_search_ends_in_a_log_that_grows_faster_than_it_is_looked_at(more: int) -> None:
    times: list[bytes | None] = [at(n) for n in range(1000)]
    times[907] = None
    first, asked = log_of(times)

    async def grown(lines: int) -> bytes | None:
        assert len(asked) < 100, "it does not end"
        times.extend([at(len(times) + n) for n in range(more)])
        return await first(lines)

    position = Position(since="0000900", skip=7)
    way = await way_around(position, at(906), grown, margin=64, exact=False)
    assert not way.exact
    assert (len(times) - 908) / 2 < way.lines < len(times) - 907


@pytest.mark.parametrize("times", [[], [None], [at(1)], [at(9)], [at(9)] * 5])
async def test_the_search_ends_in_any_log(times: list[bytes | None]) -> None:
    first, asked = log_of(times)
    for exact in (True, False):
        await way_around(Position(since="0000005", skip=3), at(5), first, margin=64, exact=exact)
    assert len(asked) < 40
