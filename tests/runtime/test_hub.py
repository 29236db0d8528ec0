"""An agent without Docker: what other sources bring goes through the same routes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pipeline.accounting.audit import ContainerPart
from pipeline.config import ConfigErrors, ConfigFile
from pipeline.config.file import parse
from pipeline.model import registry
from pipeline.runtime.agent import Agent
from pipeline.testing.intake_room import until
from tests.intake import lines
from tests.intake.lines import Lines, Peer

HUB = """
[engine]
enabled = false
[sources.hub]
type = "lines"
[sinks.out]
type = "file"
path = "{folder}/out"
[routes.all]
from = ["hub"]
stages = [{{ drop = "message == 'noise'" }}]
to = ["out"]
"""


@pytest.fixture(autouse=True)
def a_source_of_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """The source of the tests is one of the product's."""
    names, module = registry.names, registry.module
    monkeypatch.setattr(
        registry, "names", lambda kind: names(kind) if kind != "sources" else ["lines"]
    )
    monkeypatch.setattr(
        registry, "module", lambda kind, name: lines if kind == "sources" else module(kind, name)
    )


def read(text: str, folder: Path) -> ConfigFile:
    state = f'[state]\ndirectory = "{folder}/state"\n[http]\nlisten = "127.0.0.1:0"\n'
    return parse(state + text.format(folder=folder), {})


class Running:
    def __init__(self, agent: Agent, folder: Path) -> None:
        self.agent = agent
        self._out = folder / "out"

    @property
    def entries(self) -> list[dict[str, Any]]:
        text = self._out.read_text() if self._out.exists() else ""
        return [json.loads(line) for line in text.splitlines()]

    async def connect(self, name: str = "hub") -> Peer:
        runner = self.agent.runners.named[name]
        await until(lambda: runner.is_open)
        assert isinstance(runner.source, Lines)
        return await Peer(runner.source).connect()


@asynccontextmanager
async def running(folder: Path, text: str = HUB) -> AsyncIterator[Running]:
    agent = await asyncio.to_thread(lambda: Agent(read(text, folder), {}))
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(agent.run(stop), name="agent")
        yield Running(agent, folder)
        stop.set()
        assert await asyncio.wait_for(task, 60)


async def test_a_hub_delivers_what_it_takes_and_answers_and_its_account_balances(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as hub:
        peer = await hub.connect()
        await peer.send(b"one", b"noise", b"two")
        await peer.send(b"noise")
        await until(lambda: len(hub.entries) == 2)
        assert [entry["message"] for entry in hub.entries] == ["one", "two"]
        assert [entry["event"]["sequence"] for entry in hub.entries] == [1, 3]

        async def answered() -> bool:
            return await peer.answered() == 2

        await until(answered)
        assert hub.agent.not_ready() == []
        value = hub.agent.metrics.registry.get_sample_value
        assert value("dockline_engine_up") is None, "nobody is to be woken for it"
        assert value("dockline_source_up", {"source": "hub"}) == 1
        parts: list[ContainerPart] = []
        report = await hub.agent.audit(lambda place, part: parts.append(part))
        assert report.balanced and parts[0].read == {"logs": 4}
        (part,) = report.sources
        assert (part.source, part.taken, part.settled) == ("hub", 2, 2)
        overview = await hub.agent.overview()
        assert overview.problem == "" and [one.name for one in overview.sources] == ["hub"]
        await peer.close()


async def test_what_a_stopping_hub_still_delivers_is_answered(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        peer = await hub.connect()
        await until(lambda: hub.agent.runners.named["hub"].is_open)
        for number in range(100):
            await peer.send(b"%d" % number)
        await until(lambda: hub.agent.runners.named["hub"].intake.taken == 100)
    assert len(hub.entries) == 100
    assert await peer.answered() == 100
    await peer.close()


async def test_what_a_setting_hides_stays_hidden_until_the_restart_that_it_waits_for(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, 'hosts = ["${{NAME:-hidden.example}}"]\n' + HUB) as hub:
        agent = hub.agent
        await until(lambda: agent.runners.named["hub"].is_open)
        difference = await agent.reload(await asyncio.to_thread(read, HUB, tmp_path))
        await agent.finish_reload()
        assert difference.fixed == ["http.hosts"]
        assert agent.config.http.hosts == ["hidden.example"]
        assert agent.conceal("to hidden.example") == "to ${NAME:-…}"


async def test_a_reload_changes_sources_and_routes(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        peer = await hub.connect()
        await peer.send(b"noise")
        await until(lambda: hub.agent.runners.named["hub"].intake.settled == 1)
        other = HUB.replace("[sinks", '[sources.other]\ntype = "lines"\n[sinks').replace(
            'from = ["hub"]', 'from = ["hub", "other"]'
        )
        config = await asyncio.to_thread(read, other.replace("'noise'", "'other'"), tmp_path)
        difference = await hub.agent.reload(config)
        await hub.agent.finish_reload()
        assert (difference.sources, difference.routes) == (["other"], ["all"])
        assert str(difference) == "routes changed: all; sources changed: other"
        new = await hub.connect("other")
        await peer.send(b"noise")
        await new.send(b"new")
        await until(lambda: {entry["message"] for entry in hub.entries} == {"noise", "new"})
        assert (await hub.agent.audit(lambda place, part: None)).balanced
        await peer.close()
        await new.close()


async def test_an_agent_without_an_engine_says_when_a_source_is_not_ready(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        runner = hub.agent.runners.named["hub"]
        await until(lambda: runner.is_open)
        runner.intake.trouble("the server is away")
        assert hub.agent.not_ready() == ["source hub: the server is away"]
        runner.intake.trouble(None)
        assert hub.agent.not_ready() == []


# ------------------------------------------------------------------------- configuration


def complaints(text: str) -> list[str]:
    with pytest.raises(ConfigErrors) as raised:
        parse(text, {})
    return [problem.lines("f")[0] for problem in raised.value.problems]


def test_slips_are_named_with_the_nearest_spelling() -> None:
    (kind,) = complaints('[sources.a]\ntype = "linse"\n')
    assert 'there is no source type "linse"' in kind and 'did you mean "lines"' in kind
    (key,) = complaints('[sources.a]\ntype = "lines"\nprot = 1\n')
    assert 'unknown key "prot"' in key and 'did you mean "port"' in key
    (missing,) = complaints("[sources.lines]\n")
    assert '"type" is missing' in missing and 'type = "lines"' in missing
    (origin,) = complaints(
        '[sources.hub]\ntype = "lines"\n[sinks.c]\ntype = "console"\n'
        '[routes.r]\nfrom = ["hbu"]\nto = ["c"]\n'
    )
    assert 'there is no source "hbu"' in origin and 'did you mean "hub"' in origin


@pytest.mark.parametrize("name", ["logs", "events", "stats", "docker"])
def test_a_source_has_no_name_that_means_something_else(name: str) -> None:
    (problem,) = complaints(f'[sources.{name}]\ntype = "lines"\n')
    assert "cannot be the name of a source" in problem


def test_nothing_to_read_is_worth_a_warning() -> None:
    reading = parse("[engine]\nenabled = false\n", {})
    (warning,) = reading.warnings
    assert "nothing is read" in warning.message


def test_fields_that_a_source_may_bring_are_not_missed() -> None:
    route = '[routes.r]\nstages = [{ keep = "status > 1" }]\nto = ["console"]\n'
    sink = '[sinks.console]\ntype = "console"\n'
    assert parse(sink + route, {}).warnings
    assert not parse('[sources.a]\ntype = "lines"\n' + sink + route, {}).warnings
