"""Logs that the Engine rotates faster than they are read: what is lost is said, and where."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import pytest

from pipeline.sources.docker import stream as stream_module
from pipeline.testing.following import Following, follow
from pipeline.testing.private_engine import PrivateEngine

LINES = 200_000
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
        (int(line.split()[1]), time.decode(), sequence)
        for batch in following.kept.batches
        if batch.source == "logs" and batch.container.name == name
        for line, time, sequence in zip(batch.lines, batch.times, batch.sequences, strict=True)
        if line.startswith(b"line ")
    ]


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


@pytest.mark.parametrize("slow_reads", [0, 0.003, 0.3], indirect=True)
@pytest.mark.parametrize("driver", ["json-file", "local"])
async def test_every_line_that_is_missing_is_in_a_range_that_was_reported(
    engine: PrivateEngine,
    busybox: str,
    caplog: pytest.LogCaptureFixture,
    driver: str,
    slow_reads: None,
) -> None:
    options = ["--log-driver", driver, "--log-opt", "max-size=1m", "--log-opt", "max-file=3"]
    async with follow(engine.url) as following:
        await following.connected()
        with flooding(engine, busybox, *options) as name:
            await following.until(lambda: "end" in following.lines(name)[-1:], "no end")
            said, got = ranges(caplog, name), entries(following, name)
            missing = 0
            for (number, time, sequence), (later, until, then) in pairwise(got):
                assert later > number, f"{later} after {number}"
                assert (then == sequence + 1) == ((time, until) not in said)
                if later != number + 1:
                    missing += later - number - 1
                    assert (time, until) in said
            counted = following.metrics.registry.get_sample_value
            assert (counted("dockline_log_gaps_total", {"container": name}) or 0) == len(said)
            print(driver, "read", len(got), "missing", missing, "ranges", len(said))
