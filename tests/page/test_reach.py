"""`/api/reach`: how far each sink is, of a real agent on a real Engine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.testing.agent_process import AgentProcess
from pipeline.testing.private_engine import PrivateEngine
from pipeline.testing.receivers import JsonLinesReceiver

pytestmark = pytest.mark.engine

NAME = "reach-1"
LINES = 3000
CONFIG = """
[stats]
every = "off"
[logs]
start = "beginning"
containers = 'name.startswith("reach-")'
[sinks.file]
type = "file"
path = "{folder}/out.log"
[sinks.down]
type = "logstash"
address = "tcp://127.0.0.1:{port}"
buffer = {{ memory = "64MiB" }}
[sinks.spooled]
type = "logstash"
address = "tcp://127.0.0.1:{port}"
buffer = {{ memory = "128KiB", disk = "64MiB" }}
[routes.all]
to = ["file", "down", "spooled", "route:few"]
[routes.few]
stages = [{{ keep = "message.endswith('000')" }}]
to = ["file"]
"""
LATER = """
[sinks.late]
type = "file"
path = "{folder}/late.log"
[routes.late]
to = ["late"]
"""


@pytest.fixture
def container(engine: PrivateEngine, busybox: str) -> Iterator[str]:
    script = f"seq -w 1 {LINES}; while [ ! -e /more ]; do usleep 50000; done; echo more; sleep 1000"
    identifier = engine.docker(
        "run", "--detach", "--network", "none", "--name", NAME, busybox, "sh", "-c", script
    )
    yield identifier
    engine.docker("rm", "--force", identifier)


def asked(agent: AgentProcess, container: str, sequence: int) -> dict[str, Any]:
    status, body = agent.get(f"/api/reach?container={container}&sequence={sequence}")
    assert status == 200, body
    found: dict[str, Any] = json.loads(body)
    return found


def listed(agent: AgentProcess) -> None:
    """Waits until the agent has listed the Engine's containers, which it does once it is
    connected."""
    agent.connected()
    agent.until(lambda: agent.get(f"/api/reach?container={NAME}&sequence=1")[0] == 200, "unlisted")


def places(agent: AgentProcess, container: str, sequence: int) -> dict[str, str]:
    found = asked(agent, container, sequence)
    return {f"{one['way']} {one['sink']}": one["state"] for one in found["sinks"]}


EVERYWHERE = {
    "all file": "settled",
    "all down": "settled",
    "all spooled": "settled",
    "all>few file": "settled",
}


def test_of_each_sink_it_is_told_whether_it_is_done_with_the_entry(
    container: str, engine: PrivateEngine, tmp_path: Path
) -> None:
    receiver = JsonLinesReceiver()
    with receiver:
        port = receiver.port  # nobody listens there from now on
    config = CONFIG.format(folder=tmp_path, port=port)
    with AgentProcess(tmp_path / "agent", engine.url, config) as agent:
        listed(agent)
        waits = EVERYWHERE | {"all down": "waiting", "all spooled": "on disk"}
        agent.until(
            lambda: places(agent, NAME, LINES) == waits, "they are not where they should be"
        )
        found = asked(agent, container[:12], 1)
        assert [one["route"] for one in found["sinks"]] == ["all", "all", "all", "few"]
        assert (found["container"], found["sequence"], found["read"]) == (container, 1, LINES)
        sinks = {one["sink"]: one for one in found["sinks"] if one["route"] == "all"}
        assert sinks["down"]["waiting"] == sinks["spooled"]["waiting"] == LINES
        assert sinks["down"]["settled"] < 1
        assert "refused" in sinks["down"]["problem"]
        assert sinks["down"]["lag"] > 0
        assert (sinks["file"]["waiting"], sinks["file"]["problem"]) == (0, "")
        assert places(agent, NAME, 1)["all spooled"] == "on disk"
        assert set(places(agent, NAME, LINES + 1).values()) == {"unread"}

        agent.reload(config + LATER.format(folder=tmp_path))
        late = places(agent, NAME, LINES)["late late"]
        engine.docker("exec", NAME, "touch", "/more")
        agent.until(lambda: places(agent, NAME, LINES + 1)["late late"] == "settled", "not read")
        assert late == "before"
        assert places(agent, NAME, LINES)["late late"] == "before"

        receiver.port = port
        with receiver:
            agent.until(
                lambda: places(agent, NAME, LINES + 1) == EVERYWHERE | {"late late": "settled"}
            )
            assert places(agent, NAME, 5) == EVERYWHERE | {"late late": "before"}
            assert asked(agent, NAME, 5)["sinks"][1]["waiting"] == 0
            assert agent.stop() == 0
        agent.start()
        listed(agent)
        agent.until(lambda: set(places(agent, NAME, LINES + 1).values()) == {"before"})


def test_what_a_policy_dropped_does_not_wait_with_what_is_before_it(
    container: str, engine: PrivateEngine, tmp_path: Path
) -> None:
    full = 'buffer = {{ memory = "64KiB", when_full = "drop_newest" }}'
    config = CONFIG.replace('buffer = {{ memory = "64MiB" }}', full)
    config = config.format(folder=tmp_path, port=1)
    with AgentProcess(tmp_path / "agent", engine.url, config) as agent:
        listed(agent)
        agent.until(lambda: places(agent, NAME, LINES)["all file"] == "settled")
        assert places(agent, NAME, 1)["all down"] == "waiting"
        assert places(agent, NAME, LINES)["all down"] == "ahead"
        down = next(one for one in asked(agent, NAME, LINES)["sinks"] if one["sink"] == "down")
        assert down["dropped"]["drop_newest"] > 0
        dropped = agent.metric('dockline_dropped_entries_total{sink="down",reason="drop_newest"}')
        assert dropped


def test_what_cannot_be_told_is_said(
    container: str, engine: PrivateEngine, busybox: str, tmp_path: Path
) -> None:
    config = CONFIG.format(folder=tmp_path, port=1)
    other = engine.docker("run", "-d", "--network", "none", "--name", "other", busybox, "true")
    try:
        with AgentProcess(tmp_path / "agent", engine.url, config) as agent:
            listed(agent)
            for query, status, words in (
                (f"container={NAME}", 400, "sequence= is the number"),
                (f"container={NAME}&sequence=-1", 400, "sequence= is the number"),
                (f"container={NAME}&sequence={2**63}", 400, "sequence= is the number"),
                (f"container={NAME}&sequence={'9' * 500}", 400, "sequence= is the number"),
                (f"container={NAME}&sequence=1&x=1", 400, 'there is no parameter "x"'),
                ("container=nobody&sequence=1", 404, 'there is no container "nobody"'),
                ("container=&sequence=1", 404, 'there is no container ""'),
                ("container=abcdef&sequence=1", 404, 'there is no container "abcdef"'),
            ):
                assert agent.get(f"/api/reach?{query}")[0] == status
                assert words in agent.get(f"/api/reach?{query}")[1]
            agent.until(lambda: agent.get("/api/lines?container=other&after=x")[0] == 400)
            status, body = agent.get("/api/lines?container=other&before=2100-01-01T00:00:00Z")
            assert status == 404
            assert "other" in body
            status, body = agent.get(f"/api/lines?container={NAME}&before=2100-01-01T00:00:00Z")
            assert status == 200
            assert len(json.loads(body)["lines"]) == 200
    finally:
        engine.docker("rm", "--force", other)
