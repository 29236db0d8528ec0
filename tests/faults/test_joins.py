"""What a stage holds back is in the hands of nobody but the agent, and survives its death."""

from __future__ import annotations

import json
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pipeline.testing.agent_process import AgentProcess
from tests.faults.containers import Containers

pytestmark = pytest.mark.usefixtures("both_ways")

TRACE = """\
Traceback (most recent call last):
  File "/app/shop.py", line 12, in charge
    return rates[currency] / total
ZeroDivisionError: division by zero

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/app/shop.py", line 31, in <module>
    main()
shop.errors.PaymentFailed: card"""
PARTS = [
    "".join(f"{line}\n" for line in TRACE.split("\n")[part])
    for part in (slice(4), slice(4, 8), slice(8, None))
]
WAIT = "until [ -e /go{} ]; do sleep 0.05; done\n"
SLOWLY = (
    "echo before\n"
    + "".join(
        f"cat <<'END'\n{part}END\n" + (WAIT.format(number) if number < 3 else "")
        for number, part in enumerate(PARTS, 1)
    )
    + "echo after; sleep 1000"
)
"""Prints the trace in three parts, and goes on when it is told to."""
CONFIG = """
[logs]
start = "beginning"
containers = 'name == "join-slowly"'
[stats]
every = "off"
[events]
enabled = false
[sinks.out]
type = "console"
format = "json"
[sinks.kept]
type = "file"
path = "{folder}/kept"
[routes.all]
stages = [{{ join = {join} }}]
to = ["out", "route:traces"]
[routes.traces]
stages = [{{ keep = "message.startswith('Traceback')" }}]
to = ["kept"]
"""


def messages(agent: AgentProcess) -> Counter[object]:
    return Counter(entry["message"] for entry in agent.entries)


def audit(agent: AgentProcess) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(agent.get("/audit")[1])
    return report


def start(containers: Containers, folder: Path, script: str, join: str) -> tuple[str, AgentProcess]:
    container_id = containers.start("join-slowly", script)
    config = CONFIG.format(folder=folder, join=join)
    return container_id, AgentProcess(folder, containers.url, config)


@pytest.mark.fault(32)
def test_a_trace_in_the_middle_of_which_the_agent_is_killed_arrives_whole_and_once(
    containers: Containers, tmp_path: Path
) -> None:
    join = '{ like = "python", timeout = "1h" }'
    container_id, agent = start(containers, tmp_path, SLOWLY, join)
    with agent:
        agent.until(lambda: messages(agent)["before"], "nothing came")
        for number, lines in ((1, 4), (2, 8)):
            agent.until(lambda at_least=lines: held(agent) >= at_least, "nothing is held back")
            agent.until((agent.state / "checkpoint.json").exists, "no checkpoint")
            assert audit(agent)["balanced"]
            agent.process.kill()
            agent.process.wait()
            containers.engine.docker("exec", container_id, "touch", f"/go{number}")
            agent.start()
        agent.until(lambda: messages(agent)["after"], "the end did not come")
        report = audit(agent)
        assert report["balanced"]
        assert agent.stop() == 0
        came = messages(agent)
        assert came.keys() == {"before", TRACE, "after"}
        assert came[TRACE] == came["after"] == 1  # the other may have been in flight at a kill
        kept = [
            json.loads(line)["message"] for line in (tmp_path / "kept").read_text().splitlines()
        ]
        assert kept == [TRACE]


@pytest.mark.fault(5)
def test_a_join_ends_with_its_container_and_with_the_agent(
    containers: Containers, tmp_path: Path
) -> None:
    join = '{ like = "indent", timeout = "1h" }'
    lines = "echo one; echo ' two'\n"
    first, agent = start(containers, tmp_path, lines + WAIT.format(""), join)
    with agent:
        agent.until(lambda: held(agent) == 2, "nothing is held back")
        containers.engine.docker("exec", "--detach", first, "touch", "/go")
        agent.until(lambda: messages(agent)["one\n two"], "nothing came at the container's end")
        containers.engine.docker("rm", "--force", first)
        second = containers.start("join-slowly", lines + "sleep 1000")
        agent.until(lambda: held(agent) == 2, "nothing is held back")
        containers.engine.docker("rm", "--force", second)
        agent.until(lambda: messages(agent)["one\n two"] == 2, "nothing came at its removal")
        containers.start("join-slowly", lines + "sleep 1000")
        agent.until(lambda: held(agent) == 2, "nothing is held back")
        assert audit(agent)["balanced"]
        assert agent.stop(signal.SIGTERM) == 0
        assert messages(agent) == {"one\n two": 3}


def held(agent: AgentProcess) -> int:
    routes = [route for one in audit(agent)["containers"] for route in one["routes"]]
    return sum(route.get("held", 0) for route in routes)
