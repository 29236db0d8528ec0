"""`docs/reference/api.md` has every route of the page, each with an answered example."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.testing.agent_process import AgentProcess
from pipeline.testing.private_engine import PrivateEngine

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/api.md").read_text()
EXAMPLES = re.findall(r"^\$ (ask /?\"?/.*)$", PAGE, re.MULTILINE)
SETUP = re.findall(r"^\$ (ask\(\).*)$", PAGE, re.MULTILINE)[0]

TALKS = """while :; do echo '{"level":"warning","msg":"timeout"}'; sleep 0.2; done"""

CONFIG = """
[sinks.out]
type = "file"
path = "{folder}/out.log"
[routes.errors]
stages = [{{ parse = "json" }}]
to = ["out"]
"""


def test_every_route_of_the_page_has_a_section_with_an_example() -> None:
    wired = (ROOT / "pipeline/runtime/page.py").read_text()
    routes = set(re.findall(r"\"(/api/\w+)\"", wired))
    assert len(routes) >= 4
    for route in routes:
        assert re.search(rf"^## .*`(GET|POST) {route}`", PAGE, re.MULTILINE), route
        assert any(route in example for example in EXAMPLES), route


@pytest.fixture(scope="module")
def agent(
    engine: PrivateEngine, busybox: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AgentProcess]:
    folder = tmp_path_factory.mktemp("api")
    made = engine.docker(
        "run", "-d", "--network", "none", "--name", "api-1", busybox,
        "sh", "-c", TALKS,
    )  # fmt: skip
    try:
        with AgentProcess(folder / "agent", engine.url, CONFIG.format(folder=folder)) as running:
            running.connected()
            running.until(
                lambda: (
                    (running.metric('dockline_received_entries_total{container="api-1"}') or 0) > 3
                )
            )
            yield running
    finally:
        engine.docker("rm", "-f", made)


@pytest.mark.engine
@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_answered(agent: AgentProcess, example: str) -> None:
    setup = SETUP.replace("/var/lib/dockline", str(agent.state)).replace(
        "127.0.0.1:9114", agent.address
    )
    done = subprocess.run(
        ["bash", "-c", f"{setup}\n{example}"],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": os.environ["PATH"]},
    )
    ended_by_curl = done.returncode == 28  # --max-time, of a stream
    assert done.returncode == 0 or ("--max-time" in example and ended_by_curl), done.stderr
    assert done.stdout.startswith("{")
