"""The agent as a whole, in this process, on an Engine that does what a test wants of it."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pipeline.accounting.checkpoint import Checkpoint
from pipeline.config.file import parse
from pipeline.runtime import agent as module
from pipeline.runtime.agent import Agent
from pipeline.sources.docker.source import FollowOptions
from pipeline.sources.docker.stats import REQUESTS
from pipeline.testing.fake_engine import FakeEngine, Fault, frame, head, json_answer

ONE = "a" * 64
EVENTS = """
[stats]
every = "off"
[sinks.out]
type = "file"
path = "{folder}/out"
[routes.events]
from = ["events"]
to = ["out"]
"""


class Running:
    """An agent that runs, and what it has written to its one file."""

    def __init__(self, agent: Agent, folder: Path) -> None:
        self.agent = agent
        self._out = folder / "out"

    @property
    def entries(self) -> list[dict[str, Any]]:
        lines = self._out.read_text().splitlines() if self._out.exists() else []
        return [json.loads(line) for line in lines]

    @property
    def actions(self) -> list[str]:
        return [entry["docker"]["event"]["action"] for entry in self.entries]

    async def until(self, holds: Callable[[], object]) -> None:
        async with asyncio.timeout(60):
            while not holds():
                await asyncio.sleep(0.01)


@asynccontextmanager
async def running(
    fake: FakeEngine, folder: Path, config: str, *, clean: bool = True
) -> AsyncIterator[Running]:
    """`clean`: whether it is expected to deliver all that it has read."""
    text = (
        f'[engine]\nurl = "{fake.url}"\n[state]\ndirectory = "{folder}/state"\n'
        f'[http]\nlisten = "off"\n{config.format(folder=folder)}'
    )
    agent = await asyncio.to_thread(lambda: Agent(parse(text, {}), {}))
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(agent.run(stop), name="agent")
        yield Running(agent, folder)
        stop.set()
        assert await asyncio.wait_for(task, 60) == clean


async def test_an_agent_that_starts_again_tells_of_the_events_of_the_time_between(
    tmp_path: Path,
) -> None:
    async with FakeEngine(tmp_path / "docker.sock") as fake:
        async with running(fake, tmp_path, EVENTS) as first:
            await first.until(lambda: fake.listeners)
            fake.emit("create", ONE, name="web")
            await first.until(lambda: first.actions == ["create"])
        fake.emit("oom", ONE, name="web")
        async with running(fake, tmp_path, EVENTS) as second:
            await second.until(lambda: len(second.actions) > 1)
            fake.emit("destroy", ONE, name="web")
            await second.until(lambda: "destroy" in second.actions)
        assert second.actions == ["create", "oom", "destroy"]


async def test_figures_of_a_removed_container_are_forgotten_though_nobody_asks_for_them(
    tmp_path: Path,
) -> None:
    async with FakeEngine(tmp_path / "docker.sock") as fake:
        stats = {"read": "2026-01-31T23:59:59Z", "cpu_stats": {"cpu_usage": {"total_usage": 1}}}
        fake.answer(f"/containers/{ONE}/stats", [json_answer(stats)])
        fake.answer(f"/containers/{ONE}/logs", [head(), Fault.STALL])
        async with running(fake, tmp_path, '[stats]\nevery = "50ms"') as one:
            series = one.agent.exposition._series
            await one.until(lambda: fake.listeners)
            fake.containers[ONE] = {"name": "web"}
            fake.emit("start", ONE, name="web")
            await one.until(lambda: ONE in series)
            fake.emit("destroy", ONE, name="web")
            await one.until(lambda: ONE not in series)


async def test_stats_are_asked_for_by_as_many_at_once_as_suits_the_engine(tmp_path: Path) -> None:
    async with FakeEngine(tmp_path / "docker.sock") as fake, running(fake, tmp_path, "") as one:
        await one.until(lambda: fake.listeners and one.agent.source.watch.problem is None)
        await one.until(pollers)
        assert pollers() == REQUESTS


def pollers() -> int:
    return sum(task.get_name().startswith("stats ") for task in asyncio.all_tasks())


ONE_DEAD = """
[agent]
shutdown = "200ms"
[stats]
every = "off"
[sinks.out]
type = "file"
path = "{folder}/out"
[sinks.dead]
type = "syslog"
address = "tcp://127.0.0.1:1"
"""


async def test_only_the_sinks_that_could_not_deliver_in_time_are_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with FakeEngine(tmp_path / "docker.sock") as fake:
        fake.answer(f"/containers/{ONE}/logs", [head(), frame(b"one\n"), Fault.STALL])
        fake.containers[ONE] = {"name": "web"}
        with caplog.at_level(logging.WARNING):
            async with running(fake, tmp_path, ONE_DEAD, clean=False) as one:
                fake.emit("start", ONE, name="web")
                out = one.agent.outputs.named["out"]
                await one.until(lambda: one.entries and not out.buffer.entries)
        told = [r.message for r in caplog.records if "in time" in r.message]
        assert [message.partition(" could")[0] for message in told] == ["sink dead: 1 entry"]


async def test_what_is_delivered_while_the_agent_stops_is_noted_meanwhile(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was noted at the end only: if the host crashed before, all of it came again."""
    monkeypatch.setattr(module, "SAVE_EVERY", 0.02)
    saves, save = [], Checkpoint.save

    async def noted(checkpoint: Checkpoint) -> None:
        saves.append("stopping: delivering what has been read" in caplog.messages)
        await save(checkpoint)

    monkeypatch.setattr(Checkpoint, "save", noted)
    async with FakeEngine(tmp_path / "docker.sock") as fake:
        fake.answer(f"/containers/{ONE}/logs", [head(), frame(b"one\n"), Fault.STALL])
        fake.containers[ONE] = {"name": "web"}
        with caplog.at_level(logging.INFO):
            async with running(fake, tmp_path, ONE_DEAD, clean=False) as one:
                fake.emit("start", ONE, name="web")
                await one.until(lambda: one.entries)
    assert saves.count(True) > 2


STAYS = """
[sinks.out]
type = "file"
path = "{folder}/out"
[sinks.more]
type = "file"
path = "{folder}/more"
[routes.stays]
containers = 'name != "db"'
stages = [{{ set = {{ turn = 1 }} }}, {{ sample = 2 }}]
to = ["out", "route:fed"]
[routes.fed]
stages = [{{ lookup = {{ file = "{folder}/t.csv", key = "k", on = "{{k}}" }} }}]
to = ["more"]
"""


@pytest.mark.parametrize(
    ("old", "new", "stay"),
    [
        ("", "", {"stays", "fed"}),
        ("/out", "/elsewhere", {"stays", "fed"}),
        ("turn = 1", "turn = 2", {"fed"}),
        ("turn = 1", "turn = true", {"fed"}),
        ("turn = 1", "turn = 1.0", {"fed"}),
        ('!= "db"', '!= "dc"', {"fed"}),
        ("sample = 2", "sample = 3", {"fed"}),
        ('"out", "route:fed"', '"out"', {"fed"}),
        ('["more"]', '["out"]', {"stays"}),
        ("[sinks.out]", "[labels]\nhonour = ['tag']\n[sinks.out]", set()),
        ("[sinks.out]", "[logs]\ncontainers = 'name != \"x\"'\n[sinks.out]", {"stays", "fed"}),
        ("[sinks.out]", "[routes.new]\nlabels = true\nto = ['out']\n[sinks.out]", {"stays", "fed"}),
        ("t.csv", "u.csv", {"stays"}),
        ("table", "k,v\na,1.0\n", {"stays"}),
        ("table", "k,v\na,1\n", {"stays", "fed"}),
    ],
)
def test_a_route_is_the_same_while_nothing_that_it_depends_on_has_changed(
    old: str, new: str, stay: set[str], tmp_path: Path
) -> None:
    for name in ("t.csv", "u.csv"):
        (tmp_path / name).write_text("k,v\na,1\n")
    text = STAYS.format(folder=tmp_path) + f'[state]\ndirectory = "{tmp_path}/state"\n'
    agent = Agent(parse(text, {}), {})
    there = set(map(id, agent._router.routes.values()))
    if old == "table":
        (tmp_path / "t.csv").write_text(new)
    changed = text.replace(old, new) if old else text
    assert old in ("", "table") or changed != text
    config = parse(changed, {}).config
    _, _, routes = agent._plan(config, agent.metrics.derived.draft())
    assert {route.name for route in routes if id(route) in there} == stay


@pytest.mark.server
def test_an_agent_without_the_page_imports_none_of_it(tmp_path: Path) -> None:
    text = f'[state]\ndirectory = "{tmp_path}"\n[http]\npage = false\n'
    script = f"""
import sys
from pipeline.accounting.checkpoint import Checkpoint
from pipeline.config.file import parse
from pipeline.runtime import agent as module
from pipeline.runtime.agent import Agent
Agent(parse({text!r}, {{}}))
print([name for name in sys.modules if name.startswith(("pipeline.page", "pipeline.explain"))])
"""
    done = subprocess.check_output([sys.executable, "-c", script], text=True)
    assert done == "[]\n"


async def test_an_agent_whose_reload_fails_halfway_still_delivers_and_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(reading: FollowOptions) -> None:
        raise RuntimeError("a bug")

    more = '[sinks.more]\ntype = "file"\npath = "{folder}/more"\n'
    engine = FakeEngine(tmp_path / "docker.sock")
    async with engine as fake, running(fake, tmp_path, EVENTS) as one:
        await one.until(lambda: fake.listeners)
        monkeypatch.setattr(one.agent.source, "change", fail)
        text = (EVENTS + more).replace('["out"]', '["out", "more"]')
        text += f'[state]\ndirectory = "{tmp_path}/state"\n'
        parsed = await asyncio.to_thread(parse, text.format(folder=tmp_path), {})
        with pytest.raises(RuntimeError, match="a bug"):
            await one.agent.reload(parsed)
        fake.emit("create", ONE, name="web")
        await one.until(lambda: one.actions == ["create"])
