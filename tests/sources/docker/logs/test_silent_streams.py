"""Streams that say nothing while their log grows, on a real Engine; and idle ones."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.sources.docker.logs import silent_streams as module
from pipeline.sources.docker.logs.last_line import first_time
from pipeline.testing.fake_engine import FakeEngine, Fault, frame, head
from pipeline.testing.following import Following, follow
from pipeline.testing.private_engine import PrivateEngine

pytestmark = pytest.mark.usefixtures("over_the_api")

COUNTING = "i=0; while true; do echo line $i; i=$((i+1)); sleep 0.05; done"
A_KILOBYTE_FIRST = COUNTING.replace("sleep 0.05", "[ $i -lt 60 ] || sleep 0.05")
"""For the last line of a log that was longer, and is truncated, dockerd looks without an end."""

ONE = "a" * 64
LOGS = f"/containers/{ONE}/logs"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVERY", 0.1)
    monkeypatch.setattr(module, "FIRST", 0.5)
    monkeypatch.setattr(module, "AFTER_TROUBLE", 0.2)
    monkeypatch.setattr(module, "PATIENCE", 60.0)  # an Engine on a busy machine needs time


def numbers(following: Following, name: str) -> list[int]:
    return [int(line.split()[1]) for line in following.lines(name)]


def number_of(file: Path) -> int:
    """Of its inode; 0 while there is no file of that name."""
    try:
        return file.stat().st_ino
    except FileNotFoundError:
        return 0


@pytest.mark.fault(10)
@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("command", [COUNTING, A_KILOBYTE_FIRST], ids=["short", "long"])
async def test_a_log_that_is_truncated_from_outside_is_read_on(
    command: str,
    engine: PrivateEngine,
    start: Callable[..., str],
    log_file: Callable[[str], Path],
    reported: Callable[[str], list[tuple[str, str]]],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 2.0)
    async with follow(engine.url) as following:
        await following.connected()
        name = start(command)
        await following.until_lines(name, 20)
        await asyncio.to_thread(engine.docker, "pause", name)  # what was not read would be lost
        log = log_file(name)
        await following.until(lambda: len(following.lines(name)) == log.read_bytes().count(b"\n"))
        log.write_bytes(b"")
        await asyncio.to_thread(engine.docker, "unpause", name)
        for _ in range(3):
            await following.until_lines(name, len(following.lines(name)) + 20)
        await following.until(lambda: following.errors("silent") >= 3)
        read = numbers(following, name)
        assert read == sorted(set(read))
        assert len(read) + 2 >= read[-1] + 1
        assert len(reported(name)) == 1
        assert caplog.text.count("truncated") == 1


@pytest.mark.usefixtures("quick")
async def test_a_log_that_was_truncated_is_simply_followed_once_the_engine_has_rotated_it(
    engine: PrivateEngine, start: Callable[..., str], log_file: Callable[[str], Path]
) -> None:
    async with follow(engine.url) as following:
        await following.connected()
        name = start(COUNTING, "--log-opt", "max-size=8k", "--log-opt", "max-file=3")
        await following.until_lines(name, 20)
        log = log_file(name)
        log.write_bytes(b"")
        truncated = number_of(log)
        await following.until(lambda: number_of(log) != truncated)  # by now it may be rotated again
        await following.until_lines(name, len(following.lines(name)) + 5)
        noticed = following.errors("silent")
        await following.until_lines(name, len(following.lines(name)) + 40)
        assert following.errors("silent") <= noticed + 1
        assert numbers(following, name) == sorted(set(numbers(following, name)))


async def test_an_idle_log_is_asked_ever_more_seldom_and_never_opened_anew(
    engine: PrivateEngine, start: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bytes | None] = []
    times: list[float] = []
    first_time = module.first_time

    def counted(*arguments: object) -> Callable[[int], object]:
        ask = first_time(*arguments)  # type: ignore[arg-type]

        async def first(lines: int) -> bytes | None:
            times.append(asyncio.get_running_loop().time())
            asked.append(await ask(lines))
            return asked[-1]

        return first

    monkeypatch.setattr(module, "EVERY", 0.02)
    monkeypatch.setattr(module, "FIRST", 0.2)
    monkeypatch.setattr(module, "LONGEST", 1.6)
    monkeypatch.setattr(module, "PATIENCE", 60.0)
    monkeypatch.setattr(module, "first_time", counted)
    async with follow(engine.url) as following:
        await following.connected()
        began = asyncio.get_running_loop().time()
        name = start("echo line 1; sleep 60")
        await following.until_lines(name, 1)
        await following.until(lambda: len(asked) >= 4)
        assert times[3] - began > 2.9  # after 0.2, 0.6, 1.4 and 3 s at the earliest
        assert following.errors("silent") == 0
        assert all(asked)


@pytest.mark.usefixtures("quick")
async def test_a_container_that_waits_in_the_middle_of_a_long_line_is_not_silent(
    engine: PrivateEngine, start: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bytes | None] = []

    def counting(*arguments: object) -> object:
        ask = first_time(*arguments)  # type: ignore[arg-type]

        async def first(lines: int) -> bytes | None:
            asked.append(await ask(lines))
            return asked[-1]

        return first

    monkeypatch.setattr(module, "first_time", counting)
    async with follow(engine.url) as following:
        await following.connected()
        name = start(
            "echo first; sleep 0.5; head -c 20000 /dev/zero | tr '\\0' x; sleep 4; echo; sleep 60"
        )
        await following.until_lines(name, 2)
        assert following.lines(name) == ["first", "x" * 20_000]
        assert asked and all(asked)
        assert following.errors("silent") == 0


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("answers", [True, False])
async def test_a_last_line_that_does_not_come_counts_as_none_if_the_engine_answers_others(
    answers: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.2)
    async with FakeEngine(tmp_path / "docker.sock") as fake, follow(fake.url) as following:
        await following.connected()
        line = frame(b"line\n", at="2026-01-31T23:59:59.000000000Z")
        fake.containers[ONE] = {"name": "web"}
        fake.answer(LOGS, [head(), line, Fault.STALL], [head(), Fault.STALL])
        if not answers:
            fake.answer("/info", [Fault.STALL])

        def others() -> int:
            return sum(one.path == "/info" for one in fake.requests)

        before = others()
        fake.emit("create", ONE, name="web")
        fake.emit("start", ONE, name="web")
        await following.until_lines("web", 1)
        await following.until(lambda: others() > before + 1)
        assert (following.errors("silent") > 0) == answers
