"""The page's API of a real agent on a real Engine."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.testing.agent_process import PATIENCE, AgentProcess
from pipeline.testing.private_engine import PrivateEngine

CONFIG = """
[sinks.out]
type = "console"
[routes.all]
stages = [{{ set = {{ owner = "{owner}" }} }}]
to = ["out"]
[logs]
start = "beginning"
"""


@pytest.fixture
def agent(engine: PrivateEngine, busybox: str, tmp_path: Path) -> Iterator[AgentProcess]:
    engine.docker("run", "-d", "--name", "explained", busybox, "sh", "-c", "echo one; sleep 600")
    with AgentProcess(tmp_path, engine.url, CONFIG.format(owner="${PATH}")) as agent:
        agent.until(lambda: bool(agent.output), "no line came")
        yield agent
    engine.docker("rm", "-f", "explained")


def post(agent: AgentProcess, path: str, body: object) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {agent.token}"}
    url = f"http://{agent.address}{path}"
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.engine
def test_lines_of_a_container_are_explained_and_tried(agent: AgentProcess) -> None:
    lines = [{"text": "two"}]
    status, facts = post(agent, "/api/explain", {"container": "explained", "lines": lines})
    assert (status, facts["container"]["name"], facts["followed"]) == (200, "explained", True)
    [way] = facts["lines"][0]["routes"]
    assert way["entry"]["owner"] == "${PATH}"
    by_id = {"container": facts["container"]["id"][:12], "route": "all", "lines": lines}
    status, tried = post(agent, "/api/try", {**by_id, "stages": 'stages = [{ set = { a = "b" } }]'})
    assert (status, tried["lines"][0]["entry"]["a"]) == (200, "b")
    assert post(agent, "/api/explain", {"container": "nowhere"})[0] == 404


@pytest.mark.engine
def test_a_reload_is_seen(agent: AgentProcess) -> None:
    assert json.loads(agent.get("/api/try?route=all")[1])["stages"] == (
        'stages = [{ set = { owner = "${PATH}" } }]\n'
    )
    agent.reload(CONFIG.format(owner="me"))
    assert "me" in json.loads(agent.get("/api/try?route=all")[1])["stages"]
    _, facts = post(agent, "/api/explain", {"container": "explained", "lines": [{"text": "two"}]})
    assert facts["lines"][0]["routes"][0]["entry"]["owner"] == "me"
