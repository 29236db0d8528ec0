"""An agent that forwards to a second dockline: as processes, which are stopped and killed."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.testing.agent_process import AgentProcess, whole_entries
from pipeline.testing.private_engine import PrivateEngine
from tests.servers.ports import free_port

LINES = 6000
SCRIPT = (
    f"n=1; while [ $n -le {LINES} ]; do echo line $n; n=$((n+1)); "
    "[ $((n%20)) = 0 ] && sleep 0.02; done"
)
NAME = "dk-forwarded"
AGENT = f"""
[logs]
start = "beginning"
containers = 'name == "{NAME}"'
[sinks.hub]
type = "forward"
address = "tcp://127.0.0.1:{{port}}"
shared_key = "between us"
compression = "gzip"
retry = {{{{ initial = "100ms", max = "200ms" }}}}
[sinks.file]
type = "file"
path = "{{folder}}/lines"
[routes.all]
stages = [{{{{ set = {{{{ shop = "north" }}}} }}}}]
to = ["hub", "file"]
"""
HUB = """
[logs]
containers = 'name == "none"'
[sources.agents]
type = "forward"
listen = "127.0.0.1:{port}"
shared_key = "between us"
[sinks.file]
type = "file"
path = "{folder}/lines"
[routes.all]
from = ["agents"]
containers = 'project == "shop" and labels["with.dots"] == "kept"'
to = ["file"]
"""


class Pair:
    def __init__(self, agent: AgentProcess, hub: AgentProcess) -> None:
        self.agent = agent
        self.hub = hub

    def both_have_all(self) -> None:
        """The agent's own file is written apart from what it forwards."""
        self.has(LINES)
        self.agent.until(
            lambda: (
                {one["event"]["sequence"] for one in self.lines(self.agent)}
                == set(range(1, LINES + 1))
            )
        )

    def lines(self, of: AgentProcess) -> list[dict[str, Any]]:
        return whole_entries(of.folder / "lines")

    def numbers(self) -> list[int]:
        """Of the lines that the hub has."""
        return [int(str(one["message"]).removeprefix("line ")) for one in self.lines(self.hub)]

    def has(self, count: int) -> None:
        deadline = time.monotonic() + 240  # a busy machine takes its time
        while len(set(self.numbers())) < min(count, LINES):
            assert time.monotonic() < deadline, f"{count} lines did not come"
            time.sleep(0.2)  # what it looks at is large


@pytest.fixture
def pair(engine: PrivateEngine, busybox: str, tmp_path: Path) -> Iterator[Pair]:
    port = free_port()
    hub_config = HUB.format(port=port, folder=tmp_path / "hub")
    agent_config = AGENT.format(port=port, folder=tmp_path / "agent")
    labels = ("--label", "com.docker.compose.project=shop", "--label", "with.dots=kept")
    run = ("run", "--detach", "--network", "none", "--name", NAME, *labels, busybox)
    engine.docker(*run, "sh", "-c", SCRIPT)
    try:
        with (
            AgentProcess(tmp_path / "hub", engine.url, hub_config) as hub,
            AgentProcess(tmp_path / "agent", engine.url, agent_config) as agent,
        ):
            yield Pair(agent, hub)
    finally:
        engine.docker("rm", "--force", NAME)


def test_clean_restarts_of_either_neither_lose_nor_repeat_anything(pair: Pair) -> None:
    pair.has(200)
    assert pair.hub.stop() == 0
    pair.hub.start()
    pair.hub.connected()  # from then on it listens to signals, even where all lines are there
    pair.has(len(set(pair.numbers())) + 200)
    assert pair.agent.stop() == 0
    pair.agent.start()
    pair.has(len(set(pair.numbers())) + 200)
    assert pair.hub.stop() == 0
    pair.hub.start()
    pair.both_have_all()
    assert pair.numbers() == list(range(1, LINES + 1))
    there = pair.lines(pair.agent)
    assert [one["message"] for one in there] == [f"line {n}" for n in range(1, LINES + 1)]
    assert pair.lines(pair.hub) == there, "container, time, sequence and fields are as they were"


@pytest.mark.parametrize("killed", ["hub", "agent"])
def test_whichever_is_killed_nothing_is_lost_and_repeats_are_in_order(
    pair: Pair, killed: str
) -> None:
    pair.has(200)
    process = getattr(pair, killed)
    process.stop(signal.SIGKILL)
    process.start()
    pair.both_have_all()
    numbers = pair.numbers()
    assert list(dict.fromkeys(numbers)) == list(range(1, LINES + 1))
    assert len(numbers) - LINES <= 5000, "what was not acknowledged"
    by_number = {one["event"]["sequence"]: one for one in pair.lines(pair.hub)}
    assert by_number == {one["event"]["sequence"]: one for one in pair.lines(pair.agent)}
