"""The agent's HTTP endpoints, and what an agent without them is spared."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys
from pipeline.config.file import parse
from pipeline.runtime.agent import Agent
agent = Agent(parse(sys.argv[1], {}))
print(agent.admin is not None, "aiohttp" in sys.modules)
"""


@pytest.mark.server
@pytest.mark.parametrize(("listen", "has"), [("off", "False False"), ("127.0.0.1:0", "True True")])
def test_aiohttp_is_loaded_only_where_something_is_answered(listen: str, has: str) -> None:
    written = f"""
[http]
listen = "{listen}"
[sinks.out]
type = "syslog"
address = "tcp://127.0.0.1:5140"
[routes.all]
stages = [{{ parse = "json" }}, {{ keep = "status == 200" }}]
to = ["out"]
"""
    command = [sys.executable, "-c", PROGRAM, written]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == has
