"""The Engine stops or is killed, and nothing that it kept is lost or repeated."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

import pytest

from pipeline.testing.following import follow
from pipeline.testing.private_engine import PrivateEngine

FOREVER = "i=0; while true; do echo line $i; i=$((i+1)); sleep 0.05; done"
FreshEngine = Callable[..., PrivateEngine]


def run(engine: PrivateEngine, name: str, *options: str) -> None:
    engine.docker(
        "run", "--detach", "--network", "none", "--name", name, *options,
        "busybox:local", "sh", "-c", FOREVER,
    )  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
async def test_live_restore_keeps_every_line(fresh_engine: FreshEngine, number: int) -> None:
    engine = await asyncio.to_thread(fresh_engine, "--live-restore")
    async with follow(engine.url) as following:
        await following.connected()
        await asyncio.to_thread(run, engine, "steady")
        await following.until_lines("steady", 20)
        await asyncio.to_thread(engine.stop, number)
        await following.until(lambda: following.source.watch.problem is not None)
        await asyncio.sleep(1)
        await asyncio.to_thread(engine.start)
        before = len(following.lines("steady"))
        lines = await following.until_lines("steady", before + 40)
        assert lines == [f"line {n}" for n in range(len(lines))]


async def test_containers_that_the_engine_starts_again_go_on(fresh_engine: FreshEngine) -> None:
    engine = await asyncio.to_thread(fresh_engine)
    async with follow(engine.url) as following:
        await following.connected()
        await asyncio.to_thread(run, engine, "steady", "--restart", "always")
        await following.until_lines("steady", 20)
        await asyncio.to_thread(engine.restart)
        await following.until(lambda: following.lines("steady").count("line 5") == 2)
        lines = following.lines("steady")
        again = lines.index("line 0", 1)
        assert lines[:again] == [f"line {n}" for n in range(again)]
        assert lines[again:] == [f"line {n}" for n in range(len(lines) - again)]


async def test_an_agent_started_before_the_engine_waits_for_it(fresh_engine: FreshEngine) -> None:
    engine = await asyncio.to_thread(fresh_engine)
    await asyncio.to_thread(engine.stop)
    async with follow(engine.url) as following:
        await following.until(lambda: "Docker" in (following.source.watch.problem or ""))
        await asyncio.to_thread(engine.start)
        await following.connected()
        await asyncio.to_thread(run, engine, "steady")
        await following.until_lines("steady", 3)
