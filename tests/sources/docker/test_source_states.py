"""What the source tells of containers' states: of those that it saw end, and of those it didn't."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from pipeline.model.container_state import State
from pipeline.testing.fake_engine import FakeEngine, json_answer
from pipeline.testing.following import Following, follow
from pipeline.testing.private_engine import PrivateEngine
from tests.sources.docker.conftest import Start

ONE = "a" * 64
HOUR = 3600.0


def states(following: Following) -> dict[str, State]:
    """Of the containers that are reported, by name."""
    return {container.name: state for container, state in following.source.reported}


async def test_one_that_ended_while_no_agent_looked_is_reported_with_its_end(
    engine: PrivateEngine, start: Start
) -> None:
    ended, other = [await asyncio.to_thread(start, "exit 3") for _ in range(2)]
    await asyncio.to_thread(engine.docker, "wait", ended, other)
    selects = {"selects": lambda one: one.name == ended}
    async with follow(engine.url, keep_ended=HOUR, **selects) as following:
        await following.until(lambda: ended in states(following))
        state = states(following)[ended]
        assert (state.exit_code, state.reason, state.restarts) == (3, "unknown", 0)
        assert abs(time.time() - (state.finished or 0)) < 60
        assert other not in states(following)
        await asyncio.to_thread(engine.docker, "start", ended)
        await following.until(lambda: states(following)[ended].reason == "error")
        await asyncio.to_thread(engine.docker, "rm", ended)
        await following.until(lambda: ended not in states(following))


async def test_how_one_ended_is_known_after_a_restart_of_the_agent(
    engine: PrivateEngine, start: Start, tmp_path: Path
) -> None:
    async with follow(engine.url, keep_ended=HOUR, state=tmp_path) as following:
        await following.connected()
        failed = await asyncio.to_thread(start, "exit 3")
        stopped = await asyncio.to_thread(start, "exec sleep 600")
        removed = await asyncio.to_thread(start, "exit 5")
        again = await asyncio.to_thread(start, "[ -e /one ] || { touch /one; exit 3; }; sleep 600")
        await asyncio.to_thread(engine.docker, "stop", "--time", "0", stopped)
        await asyncio.to_thread(engine.docker, "wait", again)
        await asyncio.to_thread(engine.docker, "start", again)
        await following.until(lambda: states(following)[again].runs)
        await following.until(lambda: states(following)[failed].ended)
        await following.until(lambda: states(following)[removed].ended)
    await asyncio.to_thread(engine.docker, "rm", removed)
    away = await asyncio.to_thread(start, "exit 4")
    await asyncio.to_thread(engine.docker, "wait", away)
    async with follow(engine.url, keep_ended=HOUR, state=tmp_path) as following:
        await following.until(lambda: {failed, stopped, away, again} <= states(following).keys())
        reasons = {name: state.reason for name, state in states(following).items() if state.ended}
        present = {container.id for container, _ in following.source.reported}
        assert following.source._checkpoint.state.ends.keys() <= present
    assert (reasons[failed], reasons[stopped], reasons[away]) == ("error", "stopped", "error")
    assert again not in reasons


async def test_what_an_event_cannot_say_is_asked_for(tmp_path: Path) -> None:
    """An end by SIGKILL may be lack of memory: Podman has no event for that. And a label called
    `exitCode` takes the place of the exit code."""
    async with FakeEngine(tmp_path / "docker.sock") as fake:
        state = {"Status": "exited", "OOMKilled": True, "ExitCode": 137, "Running": False}
        told = {"Id": ONE, "Name": "/web", "State": state, "Config": {"Labels": {}}}
        async with follow(fake.url, keep_ended=HOUR) as following:
            await following.connected()
            fake.emit("create", ONE, name="web")
            fake.emit("start", ONE, name="web")
            await following.until(lambda: "web" in states(following))
            fake.answer(f"/containers/{ONE}/json", [json_answer(told)])
            fake.emit("die", ONE, name="web", exitCode="137")
            await following.until(lambda: states(following)["web"].reason == "oom_killed")
            fake.emit("start", ONE, name="web")
            state |= {"OOMKilled": False, "ExitCode": 5}
            fake.answer(f"/containers/{ONE}/json", [json_answer(told)])
            fake.emit("die", ONE, name="web", exitCode="all is well")
            await following.until(lambda: states(following)["web"].exit_code == 5)
            assert states(following)["web"].reason == "error"


async def test_an_end_whose_event_was_lost_is_found_in_the_list(tmp_path: Path) -> None:
    async with FakeEngine(tmp_path / "docker.sock") as fake:
        fake.containers[ONE] = {"name": "web"}
        async with follow(fake.url, keep_ended=HOUR, reconcile=0.05) as following:
            await following.connected()
            await following.until(lambda: "web" in states(following))
            ended = {
                "Id": ONE, "Name": "/web", "Config": {"Labels": {}},
                "State": {"Status": "exited", "ExitCode": 3, "Running": False,
                          "FinishedAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())},
            }  # fmt: skip
            fake.answer(f"/containers/{ONE}/json", [json_answer(ended)])
            fake.containers[ONE]["running"] = False
            await following.until(lambda: states(following)["web"].exit_code == 3)
            assert states(following)["web"].reason == "unknown"


async def test_a_signal_and_a_stop_make_no_entries(engine: PrivateEngine, start: Start) -> None:
    async with follow(engine.url) as following:
        await following.connected()
        name = await asyncio.to_thread(start, "trap 'exit 7' TERM; while :; do sleep 0.1; done")
        await following.until(lambda: "start" in following.actions(name))
        await asyncio.to_thread(engine.docker, "stop", name)
        await following.until(lambda: "die" in following.actions(name))
        said = [
            batch.lines[0].decode()
            for batch in following.kept.batches
            if batch.source == "events" and batch.container.name == name
        ]
    assert following.actions(name) == ["create", "start", "die"]
    assert said[-1].startswith("stopped: exited with code 7 after ")
