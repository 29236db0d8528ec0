"""What starts while no agent runs, or while one comes or goes, is read from its first line."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.sources.docker.source import DockerSource
from pipeline.testing.agent_process import AgentProcess
from pipeline.testing.following import follow
from pipeline.testing.private_engine import PrivateEngine
from pipeline.testing.receivers import SyslogReceiver

pytestmark = pytest.mark.usefixtures("both_ways")

STEADY = "i=0; while true; do echo line $i; i=$((i+1)); sleep 0.1; done"
SINK = """
[stats]
every = "off"
[agent]
shutdown = "4s"
[sinks.out]
type = "syslog"
address = "tcp://127.0.0.1:{port}"
retry = {{ max = "1s" }}
"""


@pytest.fixture
def make(engine: PrivateEngine, busybox: str) -> Iterator[Callable[..., None]]:
    """Makes a container that runs a script; with `start=False` it is not started."""
    names: list[str] = []

    def run(name: str, script: str, *, start: bool = True) -> None:
        names.append(name)
        command = ["run", "--detach"] if start else ["create"]
        engine.docker(*command, "--network", "none", "--name", name, busybox, "sh", "-c", script)

    yield run
    engine.docker("rm", "--force", *names)


def test_made_before_a_kill_and_started_after_it(
    engine: PrivateEngine, make: Callable[..., None], tmp_path: Path
) -> None:
    with (
        SyslogReceiver() as receiver,
        AgentProcess(tmp_path, engine.url, SINK.format(port=receiver.port)) as agent,
    ):
        agent.connected()
        make("steady", STEADY)
        make("late", "echo hello", start=False)
        agent.until(lambda: len(receiver.of("steady")) > 30)  # the state is saved each second
        agent.stop(signal.SIGKILL)
        engine.docker("start", "--attach", "late")
        agent.start()
        agent.until(lambda: receiver.of("late") == ["hello"])


def test_made_and_ended_while_an_agent_stops(
    engine: PrivateEngine, make: Callable[..., None], tmp_path: Path
) -> None:
    with (
        SyslogReceiver() as receiver,
        SyslogReceiver() as other,
        AgentProcess(tmp_path, engine.url, SINK.format(port=receiver.port)) as agent,
    ):
        agent.connected()
        make("steady", STEADY)
        agent.until(lambda: len(receiver.of("steady")) > 10)
        receiver.vanish()
        agent.until(lambda: "retrying" in agent.said)
        agent.process.terminate()
        agent.until(lambda: "stopping" in agent.said)
        make("late", "sleep 1; echo hello")
        assert agent.process.wait() == 1
        agent.configure(SINK.format(port=other.port))
        agent.start()
        agent.until(lambda: other.of("late") == ["hello"])


async def test_made_while_no_agent_ran_and_started_again_while_one_catches_up(
    engine: PrivateEngine,
    make: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with follow(engine.url, state=tmp_path) as before:
        await before.connected()
        await before.until(lambda: before.source._checkpoint.looked)
    await asyncio.sleep(2.2)  # the Engine tells in whole seconds when a container was made
    await asyncio.to_thread(make, "again", "echo hello; sleep 0.1")
    await asyncio.to_thread(engine.docker, "wait", "again")
    await asyncio.sleep(2)
    list_all = DockerSource._list_all

    async def slowly(self: DockerSource, **filters: str) -> object:
        listed = await list_all(self, **filters)
        if not self._caught_up:
            await asyncio.to_thread(engine.docker, "start", "again")
            await asyncio.sleep(0.3)
        return listed

    monkeypatch.setattr(DockerSource, "_list_all", slowly)
    async with follow(engine.url, state=tmp_path) as after:
        await after.until_lines("again", 2)
