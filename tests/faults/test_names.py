"""A name is only what a container is called: it may move on while lines are on their way."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.testing.agent_process import AgentProcess
from tests.faults.containers import Containers
from tests.faults.peers import LumberjackPeer, Manners

pytestmark = [pytest.mark.usefixtures("both_ways"), pytest.mark.fault(14)]

NAME = "names-web"
SCRIPT = "i=1; while [ $i -le {count} ]; do echo {word} $i; i=$((i+1)); done; {then}"
CONFIG = """
[logs]
containers = 'name.startswith("names-")'
[stats]
every = "off"
[sinks.out]
type = "logstash"
address = "lumberjack://127.0.0.1:{port}"
buffer = {{ memory = "256KiB" }}
ack_timeout = "10m"
"""
RECEIVED = f'dockline_received_entries_total{{container="{NAME}"}}'


def lines_of(receiver: LumberjackPeer, container_id: str) -> list[str]:
    """`name message` of each entry of one container."""
    entries = [entry for window in list(receiver.windows) for entry in window]
    ours = [entry for entry in entries if entry["container"]["id"] == container_id]
    return [f"{entry['container']['name']} {entry['message']}" for entry in ours]


def test_a_name_reused_while_lines_of_the_one_before_are_on_their_way(
    containers: Containers, tmp_path: Path
) -> None:
    """As when Compose makes a container anew: the old one is removed, and what it has logged
    waits for a destination that stands still, some of it for room in the buffer."""
    old, new = 5000, 3000
    with LumberjackPeer(Manners.SILENT) as receiver:
        config = CONFIG.format(port=receiver.port)
        with AgentProcess(tmp_path, containers.url, config) as agent:
            agent.connected()
            first = containers.start(NAME, SCRIPT.format(count=old, word="old", then="sleep 600"))
            agent.until(lambda: agent.metric('dockline_blocked_entries{sink="out"}'))
            logs = ("logs", "--tail", "1", first)
            agent.until(lambda: containers.engine.docker(*logs) == f"old {old}")
            containers.engine.docker("rm", "--force", first)
            second = containers.start(NAME, SCRIPT.format(count=new, word="new", then="sleep 600"))
            assert receiver.windows == []
            receiver.manners = Manners.GOOD
            agent.until(lambda: len(lines_of(receiver, second)) >= new)
            # The old one's end took nothing away from the one that has its name.
            agent.until(lambda: len(lines_of(receiver, first)) >= old)
            assert (agent.metric(RECEIVED) or 0) >= new
            assert agent.stop() == 0
        assert lines_of(receiver, first) == [f"{NAME} old {n}" for n in range(1, old + 1)]
        assert lines_of(receiver, second) == [f"{NAME} new {n}" for n in range(1, new + 1)]


def test_renamed_while_its_lines_are_on_their_way_each_keeps_the_name_it_was_read_under(
    containers: Containers, tmp_path: Path
) -> None:
    with LumberjackPeer(Manners.SILENT) as receiver:
        config = CONFIG.format(port=receiver.port)
        with AgentProcess(tmp_path, containers.url, config) as agent:
            agent.connected()
            key = containers.start(
                NAME, "echo before; until [ -e /go ]; do sleep 0.05; done; echo after; sleep 600"
            )
            agent.until(lambda: agent.metric(RECEIVED) == 1)
            containers.engine.docker("rename", NAME, "names-other")
            other = RECEIVED.replace(NAME, "names-other")
            agent.until(lambda: agent.metric(other) == 0)  # it knows of it
            containers.engine.docker("exec", "--detach", key, "touch", "/go")
            agent.until(lambda: agent.metric(other) == 1)
            receiver.manners = Manners.GOOD
            agent.until(lambda: len(lines_of(receiver, key)) == 2)
            assert agent.stop() == 0
        assert lines_of(receiver, key) == [f"{NAME} before", "names-other after"]
