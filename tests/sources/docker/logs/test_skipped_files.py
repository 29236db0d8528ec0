"""Logs that the Engine rotates faster than they are read: what is lost is said, and where."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise

import pytest

from pipeline.model.timestamps import from_nanoseconds, to_seconds
from pipeline.sources.docker.decode.decoded import DecodedLines
from pipeline.sources.docker.discovery.rotation import Rotation
from pipeline.sources.docker.engine import stream as stream_module
from pipeline.sources.docker.logs import skipped_files as leaps_module
from pipeline.sources.docker.logs.skipped_files import LONGER, SHARE, SkippedFiles
from pipeline.testing.following import Following, follow
from pipeline.testing.private_engine import PrivateEngine
from tests.sources.docker.repeats import lines_once

pytestmark = pytest.mark.usefixtures("over_the_api")

LINES = 200_000
LINES_OF_A_FILE = 11_000
"""Rows of some 90 bytes in a megabyte."""
FLOOD = "awk 'BEGIN{{for(i=0;i<{lines};i++)print \"line \" i}}'; echo end; sleep 60"


@contextmanager
def flooding(engine: PrivateEngine, image: str, *options: str) -> Iterator[str]:
    name = f"flood-{secrets.token_hex(4)}"
    engine.docker(
        "run", "--detach", "--network", "none", "--name", name, *options, image,
        "sh", "-c", "sleep 1; " + FLOOD.format(lines=LINES),
    )  # fmt: skip
    try:
        yield name
    finally:
        engine.docker("rm", "--force", name)


def ranges(caplog: pytest.LogCaptureFixture, name: str) -> list[tuple[str, str]]:
    """What was reported: from when to when lines of the container may be missing."""
    said = (re.search(r"logs of (\S+): lines between (\S+) and (\S+) may", r.getMessage())
            for r in caplog.records)  # fmt: skip
    return [(found[2], found[3]) for found in said if found and found[1] == name]


def entries(following: Following, name: str) -> list[tuple[int, str, int]]:
    """Number, time and sequence of each line that came out, in the order in which they did."""
    return [
        (int(line.split()[1]), time, sequence)
        for line, time, sequence in lines_once(following, name)
        if line.startswith("line ")
    ]


def seconds_between(earlier: str, later: str) -> float:
    return to_seconds(later.encode()) - to_seconds(earlier.encode())


def shortest_noticed(waits: Sequence[float]) -> float:
    """Seconds that a jump must last to be noticed (docs/decisions/0004). `waits`: seconds between
    each line and the next one before it, where none was missing."""
    file_before = sum(list(waits)[-LINES_OF_A_FILE:])
    return max(file_before / SHARE, LONGER * max(waits, default=0.0))


@pytest.fixture
def slow_reads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that has other things to do between two reads."""
    seconds: float = request.param
    read = stream_module.ByteStream.read

    async def later(stream: stream_module.ByteStream) -> bytes:
        await asyncio.sleep(seconds)
        return await read(stream)

    if seconds:
        monkeypatch.setattr(stream_module.ByteStream, "read", later)


@pytest.mark.fault(10)
@pytest.mark.parametrize("slow_reads", [0, 0.003, 0.3], indirect=True)
@pytest.mark.parametrize("driver", ["json-file", "local"])
async def test_every_line_that_is_missing_is_in_a_range_that_was_reported(
    engine: PrivateEngine,
    busybox: str,
    caplog: pytest.LogCaptureFixture,
    driver: str,
    slow_reads: None,
) -> None:
    """But for jumps that are too short for a file by the pace of the log (docs/decisions/0004): on
    a busy machine a writer that had to wait fills a file in a moment."""
    options = ["--log-driver", driver, "--log-opt", "max-size=1m", "--log-opt", "max-file=3"]
    async with follow(engine.url) as following:
        await following.connected()
        with flooding(engine, busybox, *options) as name:
            await following.until(lambda: "end" in following.lines(name)[-1:], "no end")
            said, got = ranges(caplog, name), entries(following, name)
            missing = 0
            waits: deque[float] = deque(maxlen=3 * LINES_OF_A_FILE)
            for (number, time, sequence), (later, until, then) in pairwise(got):
                assert later > number, f"{later} after {number}"
                assert (then == sequence + 1) == ((time, until) not in said)
                jump = seconds_between(time, until)
                if later == number + 1:
                    waits.append(jump)
                else:
                    missing += later - number - 1
                    assert (time, until) in said or jump < shortest_noticed(waits)
            counted = following.metrics.registry.get_sample_value
            assert (counted("dockline_log_gaps_total", {"container": name}) or 0) == len(said)
            assert missing  # or it was no flood


# ---------------------------------------------------------------- what is looked at, and what not


class Reader:
    """Reads lines of 100 bytes that were written at some seconds, when the clock says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, opened: float = 1000.0) -> None:
        self.now = opened
        monkeypatch.setattr(leaps_module.time, "time", lambda: self.now)
        self.leaps = SkippedFiles(Rotation(1_000_000, 3))
        self.leaps.opened(stamp(opened), 0.0)

    def read(self, *seconds: float, lag: float = 0.0, again: bytes = b"") -> int | None:
        self.now = seconds[-1] + lag
        times, count = [stamp(one) for one in seconds], len(seconds)
        columns = DecodedLines([b"x" * 100] * count, times, bytearray(count))
        return self.leaps.find(columns, 139 * count, again)

    def flood(self, start: float, lag: float, lines: int = 4000) -> float:
        """At 10,000 lines in a second, a file in some 0.6 s. When the last was written."""
        for first in range(0, lines, 100):
            assert self.read(*(start + (first + n) / 10_000 for n in range(100)), lag=lag) is None
        return start + (lines - 1) / 10_000


def stamp(seconds: float) -> bytes:
    return from_nanoseconds(round(seconds * 1e9))


def test_a_leap_that_could_hide_a_file_is_looked_at_when_lines_come_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reader = Reader(monkeypatch)
    last = reader.flood(1001, lag=1.0)
    assert reader.read(last + 0.0001, last + 0.6, last + 0.6001, lag=0.5) == 1


def test_a_pause_of_a_log_that_is_followed_is_not_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reader = Reader(monkeypatch)
    last = reader.flood(1001, lag=0.001)
    assert reader.read(last + 0.6, lag=0.001) is None
    assert reader.read(last + 3600, lag=0.001) is None


def test_a_leap_too_short_for_a_file_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(monkeypatch)
    last = reader.flood(1001, lag=1.0)
    assert reader.read(last + 0.1, lag=1.0) is None


def test_what_was_written_before_the_stream_was_opened_is_not_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reader = Reader(monkeypatch, opened=5000.0)
    last = reader.flood(1001, lag=4000.0)
    assert reader.read(last + 600, lag=3000.0) is None


def test_after_a_look_that_found_nothing_only_a_leap_twice_as_long_is_looked_at_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reader = Reader(monkeypatch)
    last = reader.flood(1001, lag=5.0)
    assert reader.read(last + 1, lag=5.0) == 0
    reader.leaps.resumed(stamp(last + 1))
    assert reader.read(last + 2.5, lag=5.0) is None
    assert reader.read(last + 5, lag=5.0) == 0
    reader.leaps.resumed(stamp(last + 5))
    last = reader.flood(last + 6, lag=5.0)
    last = reader.flood(last + 0.0001, lag=5.0)  # more than a quarter of three files
    assert reader.read(last + 1, lag=5.0) == 0


def test_after_a_look_that_found_lines_the_next_leap_is_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reader = Reader(monkeypatch)
    last = reader.flood(1001, lag=5.0)
    assert reader.read(last + 1, lag=5.0) == 0
    reader.leaps.resumed(stamp(last + 0.0001))
    assert reader.read(last + 2, lag=5.0) == 0


def test_a_leap_is_looked_at_once_though_the_clock_of_the_engine_is_ahead_of_what_we_know(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It was looked at again in each stream that was opened to look at it, without end."""
    reader = Reader(monkeypatch)
    last = reader.flood(1001, lag=1.0)
    assert reader.read(last + 0.6, lag=0.5) == 0
    reader.leaps.opened(stamp(last), 0.0)
    assert reader.read(last, last + 0.6, lag=0.5) is None
    reader.leaps.resumed(stamp(last + 0.6))
    assert reader.read(last + 2.6, lag=0.5) == 0


def test_leaps_between_lines_that_come_again_are_not_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where a clock was set back by an hour, they look newer than the stream. Two were looked at in
    turn, each in a stream in which the other was met again, without end."""
    reader = Reader(monkeypatch)
    last = reader.flood(1001, lag=1.0)
    assert reader.read(last + 0.6, lag=0.5) == 0
    reader.leaps.opened(stamp(last - 3600), 0.0)
    again = stamp(last + 1.2)
    assert reader.read(last, lag=-3600, again=again) is None
    for seconds in (last + 0.6, last + 1.2):
        assert reader.read(seconds, lag=-3599, again=again) is None
    assert reader.read(last + 1.8, lag=-3599, again=again) == 0
