"""`dockline explain` foretells what the agent does with a real container."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import main
from pipeline.testing.agent_process import AgentProcess, whole_lines
from pipeline.testing.private_engine import PrivateEngine

LINES = [
    '{"level":"error","msg":"boom","http":{"status":503},"host":"db"}',
    '{"level":"info","msg":"all is well"}',
    "level=fatal msg='no JSON'",
    "Traceback (most recent call last):",
    '  File "x.py", line 1, in <module>',
    "ValueError: no",
    "last",
]
CONFIG = """
[stats]
every = "off"
[sinks.errors]
type = "file"
path = "{folder}/errors"
[sinks.all]
type = "file"
path = "{folder}/all"
[routes.errors]
containers = 'project == "shop"'
stages = [
  {{ join = {{ like = "python", timeout = "60s" }} }},
  {{ parse = "auto" }},
  {{ drop = "level == 'info' or message == 'last'" }},
  {{ set = {{ env = "prod", who = "{{container.name}}/{{stream}}" }} }},
  {{ remove = ["http.status"] }},
]
to = ["errors"]
[routes.nobody]
containers = 'project == "blog" or name == "x"'
to = ["errors"]
[routes.all]
to = ["all"]
[logs]
start = "beginning"
"""
NAME = "explained-one"


@pytest.fixture
def running(engine: PrivateEngine, busybox: str) -> Iterator[None]:
    """A container that has written all lines."""
    labels = ["--label=com.docker.compose.project=shop", "--label=dockline.tag.team=core"]
    script = "; ".join(f"echo {shlex.quote(line)}" for line in LINES) + "; sleep 600"
    run = ("run", "--detach", "--network", "none", "--name", NAME, *labels)
    engine.docker(*run, busybox, "sh", "-c", script)
    yield
    engine.docker("rm", "--force", NAME)


def came(agent: AgentProcess, sink: str) -> list[dict[str, Any]]:
    entries = [json.loads(line) for line in whole_lines(agent.folder / sink)]
    return [entry for entry in entries if entry["container"]["name"] == NAME]


def without_times(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in entry.items() if name != "@timestamp"} for entry in entries
    ]


@pytest.mark.usefixtures("running")
def test_what_is_explained_is_what_the_agent_does(
    engine: PrivateEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with AgentProcess(tmp_path, engine.url, CONFIG.format(folder=tmp_path)) as agent:
        agent.until(lambda: len(came(agent, "all")) == len(LINES), "not all lines came")
        assert agent.stop() == 0
    lines = [word for line in LINES for word in ("--line", line)]
    assert main(["explain", "-c", str(agent.config), NAME, "--json", *lines]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert {route["name"]: route["takes"] for route in facts["routes"]} == {
        "errors": True,
        "nobody": False,
        "all": True,
    }
    for name in ("errors", "all"):
        ways = [way for line in facts["lines"] for way in line["routes"] if way["route"] == name]
        told = [way["entry"] for way in ways if way["entry"] is not None]
        assert without_times(told) == without_times(came(agent, name)), name
    assert len(came(agent, "errors")) == 3
