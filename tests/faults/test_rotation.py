"""Logs that Docker rotates, somebody truncates, or a disk damages: what is still there comes once
and in order, and reading goes on."""

from __future__ import annotations

import asyncio
import os
from itertools import pairwise
from pathlib import Path

import pytest

from pipeline.model.errors import EngineError
from pipeline.testing.following import PATIENCE, follow
from tests.faults.containers import Containers
from tests.sources.docker.repeats import lines_once

pytestmark = [pytest.mark.usefixtures("both_ways"), pytest.mark.fault(10)]

COUNT = "i=0; while true; do echo line $i; i=$((i+1)); sleep 0.05; done"
SMALL = ("--log-opt", "max-size=100k", "--log-opt", "max-file=2")


async def test_rotation_that_is_faster_than_reading_loses_lines_and_nothing_else(
    containers: Containers, both_ways: str
) -> None:
    """What comes is in order and comes once (but for what the Engine itself gives twice), and the
    end is there. What is missing shows in the sequence numbers."""
    async with follow(containers.url) as following:
        await following.connected()
        key = containers.start(
            "rotated",
            "echo 0; until [ -e /go ]; do sleep 0.05; done; seq 1 50000; sleep 1; echo 50001;"
            " sleep 600",
            *SMALL,
        )
        assert await following.until_lines("rotated", 1) == ["0"]
        await asyncio.to_thread(containers.engine.docker, "exec", "--detach", key, "touch", "/go")
        await following.until(lambda: "50001" in following.lines("rotated"), "it does not go on")
        lines = lines_once(following, "rotated")
        assert len(lines) == len(following.lines("rotated")) or both_ways == "api"
        numbers, sequences = [int(text) for text, _, _ in lines], [number for _, _, number in lines]
        assert numbers == sorted(set(numbers))
        assert numbers[-2:] == [50_000, 50_001]
        holes = sum(after != before + 1 for before, after in pairwise(sequences))
        assert sequences == sorted(set(sequences))
        assert holes == following.gaps("rotated")
        assert (len(numbers) == 50_002) == (holes == 0)


async def test_what_was_rotated_away_while_no_agent_ran_is_told(
    containers: Containers, tmp_path: Path
) -> None:
    async with follow(containers.url, state=tmp_path) as following:
        await following.connected()
        key = containers.start(
            "away", "echo 0; until [ -e /go ]; do sleep 0.05; done; seq 1 50000; sleep 600", *SMALL
        )
        assert await following.until_lines("away", 1) == ["0"]
    containers.engine.docker("exec", "--detach", key, "touch", "/go")
    async with asyncio.timeout(PATIENCE):
        while not await asyncio.to_thread(_ends_with, containers, key, "50000"):
            await asyncio.sleep(0.05)
    kept = (await asyncio.to_thread(containers.engine.docker, "logs", key)).splitlines()
    async with follow(containers.url, state=tmp_path) as following:
        assert await following.until_lines("away", len(kept)) == kept
        assert following.gaps("away") == 1


def _ends_with(containers: Containers, key: str, line: str) -> bool:
    """Whether that is the newest line of a log, which the Engine cannot always tell while it
    rotates it."""
    try:
        return containers.engine.docker("logs", "--tail", "1", key) == line
    except EngineError:
        return False


async def test_a_log_that_was_truncated_from_outside_goes_on_with_the_next_run_of_its_container(
    containers: Containers,
) -> None:
    """As logrotate does with `copytruncate`: a stream that is open goes silent without a word
    (moby#45728), and so does one that is opened then, after the lines that it finds. When the
    container starts again, all that was written since comes."""
    async with follow(containers.url) as following:
        await following.connected()
        key = containers.start("truncated", COUNT)
        await following.until_lines("truncated", 20)
        log = log_of(containers, key)
        os.truncate(log, 0)
        read = len(following.lines("truncated"))
        async with asyncio.timeout(PATIENCE):
            while log.read_bytes().count(b"\n") < 2 * read:
                await asyncio.sleep(0.05)
        await asyncio.to_thread(containers.engine.docker, "restart", "--time", "0", key)
        await following.until(lambda: following.lines("truncated").count("line 5") == 2)
        numbers = [int(line.split()[1]) for line in following.lines("truncated")]
        again = numbers.index(0, 1)
        assert again > 2 * read
        assert numbers[:again] == sorted(set(numbers[:again]))
        assert numbers[again:] == list(range(len(numbers) - again))


async def test_a_damaged_log_is_said_once_and_disturbs_no_other(
    containers: Containers, caplog: pytest.LogCaptureFixture, both_ways: str
) -> None:
    """The Engine reads a json file up to the damage, and no further, unless it is asked for the
    log's end alone. It is tried again, more and more seldom; what was read before does not come
    again. From the file, the rows behind the damage are read at once."""
    async with follow(containers.url) as following:
        await following.connected()
        key = containers.start("damaged", COUNT)
        containers.start("sound", COUNT)
        await following.until_lines("damaged", 20)
        with log_of(containers, key).open("ab") as log:
            log.write(b'\0\xff{"log":"half')
        noticed = {
            "api": lambda: following.errors("daemon") >= 3,
            "file": lambda: following.gaps("damaged") == 1,
        }
        await following.until(noticed[both_ways])
        seen = len(following.lines("sound"))
        sound = await following.until_lines("sound", seen + 20)
        assert sound == [f"line {number}" for number in range(len(sound))]
        numbers = [int(line.split()[1]) for line in following.lines("damaged")]
        assert numbers == sorted(set(numbers))
        assert len(numbers) == numbers[-1] + 1 or following.gaps("damaged") == 1
        messages = [record.getMessage() for record in caplog.records]
        said = [text for text in messages if text.startswith("logs of damaged: ")]
        assert said
        assert all(text != before for before, text in pairwise(said))


def log_of(containers: Containers, container_id: str) -> Path:
    """The file in which the Engine keeps the log."""
    return Path(containers.engine.docker("inspect", "--format", "{{.LogPath}}", container_id))
