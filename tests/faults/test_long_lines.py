"""A line of more than 16 KiB comes in parts, and Docker cuts them wherever it may be."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.testing.agent_process import AgentProcess
from tests.faults.containers import Containers
from tests.faults.peers import LumberjackPeer

pytestmark = pytest.mark.usefixtures("both_ways")

CONFIG = """
[logs]
containers = 'name.startswith("long-")'
[stats]
every = "off"
[sinks.out]
type = "logstash"
address = "lumberjack://127.0.0.1:{port}"
"""


@pytest.mark.fault(6)
def test_a_character_that_docker_has_cut_in_two_is_whole_again(
    containers: Containers, tmp_path: Path
) -> None:
    """The driver `local` keeps the bytes, so that joining the parts gives the character back.
    `json-file` has stored U+FFFD for each half of it: Docker has lost it before anybody reads."""
    line = "x" + "é" * 20_000
    with LumberjackPeer() as receiver:
        config = CONFIG.format(port=receiver.port)
        with AgentProcess(tmp_path, containers.url, config) as agent:
            agent.connected()
            for driver in ("local", "json-file"):
                options = ("--log-driver", driver, "--env", f"LINE={line}")
                containers.start(f"long-{driver}", 'echo "$LINE"; sleep 600', *options)
            agent.until(lambda: receiver.count == 2)
            assert agent.stop() == 0
        assert receiver.texts("long-local") == [line]
        (stored,) = receiver.texts("long-json-file")
        assert stored.replace("\ufffd\ufffd", "é") == line
        assert "\ufffd" in stored
