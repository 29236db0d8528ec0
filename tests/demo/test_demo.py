"""`make demo` shows logs and metrics of real containers, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import pytest

from demo.agent import Agent
from pipeline.testing.private_engine import PrivateEngine, why_not

pytestmark = pytest.mark.server

ROOT = Path(__file__).parents[2]


def demo(**variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "demo"],
        cwd=ROOT,
        env=os.environ | {"DEMO_SECONDS": "15"} | variables,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def messages(output: str) -> dict[str, list[str]]:
    """What the agent wrote for each sample container; to no terminal, so as JSON lines."""
    found: dict[str, list[str]] = defaultdict(list)
    for line in output.splitlines():
        if line.startswith("{"):
            entry = json.loads(line)
            found[entry["container"]["name"].removeprefix("dockline-demo-")].append(
                entry["message"]
            )
    return found


def test_shows_logs_and_metrics_of_its_samples_on_the_users_engine(
    engine: PrivateEngine,
) -> None:
    run = demo(DOCKER_HOST=engine.url)
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"at {engine.url}" in run.stdout
    assert "WARNING" not in run.stdout + run.stderr
    assert re.search(r"open +http://127\.0\.0\.1:\d+/#token=[\w-]{43}\n", run.stdout)
    logs = messages(run.stdout)
    assert {"level", "msg", "status"} <= json.loads(logs["web"][0]).keys()
    assert any("started" in line for line in logs["worker"])
    assert "DEBUG upstream 10.0.0.1 is healthy, weight 100, 0 failures" in logs["noisy"]
    figures = run.stdout[run.stdout.index("container  ") :].split("\n\n")[0].splitlines()[1:]
    assert {line.split()[0] for line in figures} >= {
        f"dockline-demo-{name}" for name in ("noisy", "web", "worker")
    }
    assert "MiB" in figures[0]
    assert engine.docker("ps", "--all", "--quiet", "--filter", "label=dockline-demo") == ""
    assert engine.docker("images", "--quiet", "dockline-demo") == ""


def test_the_address_that_it_prints_has_the_token_of_its_agent(
    engine: PrivateEngine, tmp_path: Path
) -> None:
    with Agent({**os.environ, "DOCKER_HOST": engine.url}, tmp_path) as agent:
        url, _, token = agent.page.partition("#token=")
        asked = Request(f"{url}top", headers={"Authorization": f"Bearer {token}"})
        deadline = time.monotonic() + 60
        while True:
            try:
                with urlopen(asked, timeout=10) as answer:
                    assert answer.status == 200
                break
            except URLError as error:
                assert not isinstance(error, HTTPError), error
                assert time.monotonic() < deadline, error
                time.sleep(0.1)


def test_starts_a_private_engine_where_there_is_none(tmp_path: Path) -> None:
    if reason := why_not():
        pytest.skip(reason)
    run = demo(DOCKER_HOST=f"unix://{tmp_path}/none.sock")
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"(none answers at unix://{tmp_path}/none.sock)" in run.stdout
    assert messages(run.stdout).keys() == {"noisy", "web", "worker"}
    directory = run.stdout.split("a private Docker Engine at unix://")[1].split("/docker.sock")[0]
    assert not Path(directory).exists()


def test_without_an_engine_and_without_dockerd_it_says_what_to_install(tmp_path: Path) -> None:
    run = demo(DOCKER_HOST=f"unix://{tmp_path}/none.sock", PATH=str(tmp_path))
    assert run.returncode == 1
    assert "no Docker Engine to show anything with" in run.stdout
    assert "install docker.io" in run.stdout or "needs root" in run.stdout
    assert "Traceback" not in run.stderr
