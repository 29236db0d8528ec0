"""A checkpoint that cannot be used keeps nobody from starting, and is kept to be looked at."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.testing import ways
from pipeline.testing.agent_process import AgentProcess
from tests.faults.containers import Containers
from tests.faults.peers import LumberjackPeer

SCRIPT = "i=1; while true; do echo line $i; i=$((i+1)); sleep 0.02; done"
CONFIG = """
[logs]
start = "beginning"
containers = 'name.startswith("check-")'
[stats]
every = "off"
[events]
enabled = false
[sinks.out]
type = "logstash"
address = "lumberjack://127.0.0.1:{port}"
"""


def empty(file: Path) -> None:
    file.write_bytes(b"")


def truncated(file: Path) -> None:
    raw = file.read_bytes()
    file.write_bytes(raw[: len(raw) // 2])


def zeros(file: Path) -> None:
    file.write_bytes(b"\0" * file.stat().st_size)


def of_a_later_version(file: Path) -> None:
    file.write_text(json.dumps(json.loads(file.read_bytes()) | {"version": 99, "new": [1]}))


def of_another_host(file: Path) -> None:
    file.write_text(json.dumps(json.loads(file.read_bytes()) | {"engine": "another"}))


@pytest.mark.fault(33)
@pytest.mark.parametrize(
    ("spoil", "way"),
    [
        (empty, "api"),
        (truncated, "api"),
        (truncated, "file"),
        (zeros, "file"),
        (of_a_later_version, "api"),
        (of_another_host, "file"),
    ],
    ids=lambda one: one if isinstance(one, str) else one.__name__,
)
def test_the_agent_begins_anew_and_says_so(
    containers: Containers, tmp_path: Path, spoil: Callable[[Path], None], way: str
) -> None:
    """With `start = "beginning"` that repeats what the Engine still has, and loses nothing."""
    containers.start("check-steady", SCRIPT)
    with LumberjackPeer() as receiver, ways.reading(way):
        config = CONFIG.format(port=receiver.port)
        with AgentProcess(tmp_path, containers.url, config) as agent:
            agent.until(lambda: len(receiver.texts("check-steady")) > 30)
            assert agent.stop() == 0
            file = agent.state / "checkpoint.json"
            spoil(file)
            spoilt = file.read_bytes()
            first = receiver.texts("check-steady")
            receiver.windows.clear()
            agent.start()
            agent.until(lambda: len(receiver.texts("check-steady")) > len(first) + 30)
            again = receiver.texts("check-steady")
            assert again == [f"line {number}" for number in range(1, len(again) + 1)]
            agent.until(lambda: "is set aside" in agent.said)
            (aside,) = agent.state.glob("checkpoint.*.aside")
            assert aside.read_bytes() == spoilt
            assert agent.stop() == 0

            # And what it has saved since is good.
            receiver.windows.clear()
            agent.start()
            agent.until(lambda: receiver.texts("check-steady"))
            assert agent.stop() == 0
            then = [int(text.split()[1]) for text in receiver.texts("check-steady")]
            assert then[0] > len(again)
            assert "Traceback" not in agent.said
