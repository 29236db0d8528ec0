"""What `docs/guides/running.md` promises about the requests that the agent sends is true."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from pipeline.testing.private_engine import PrivateEngine
from tests.integration.waiting import eventually

ROOT = Path(__file__).parents[2]


def documented() -> set[str]:
    """The requests in the table of docs/guides/running.md."""
    text = (ROOT / "docs/guides/running.md").read_text()
    return set(re.findall(r"^\| `(GET /\S+)` \|", text, re.MULTILINE))


def asked(log: str) -> set[str]:
    """The requests that dockerd has logged, without versions and ids."""
    calls = re.findall(r'msg="Calling ([A-Z]+) (?:/v[\d.]+)?(/[^"?]*)', log)
    return {f"{method} {re.sub(r'[0-9a-f]{64}', '{id}', path)}" for method, path in calls}


def test_the_agent_asks_for_what_is_documented_and_for_nothing_else(
    fresh_engine: Callable[..., PrivateEngine], tmp_path: Path
) -> None:
    private = fresh_engine("--debug")
    # One ends and begins again by itself, less and less often: a command of ours would be among
    # the agent's requests.
    run = ("run", "-d", "--network", "none")
    private.docker(*run, "--restart", "always", "busybox:local", "sh", "-c", "echo hello; sleep 1")
    private.docker(*run, "busybox:local", "sh", "-c", "echo hello; sleep 600")
    (tmp_path / "dockline.toml").write_text(
        f'[state]\ndirectory = "{tmp_path}"\n'
        '[http]\nlisten = "127.0.0.1:0"\n[stats]\nevery = "1s"\n[logs]\nread = "api"\n'
    )
    begin = private.log_path.stat().st_size

    def seen() -> set[str]:
        return asked(private.log_path.read_text()[begin:])

    agent = subprocess.Popen(
        [sys.executable, "-m", "pipeline", "run", "-c", str(tmp_path / "dockline.toml")],
        env=os.environ | {"DOCKER_HOST": private.url},
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )
    try:
        eventually(lambda: seen() >= documented())
        time.sleep(1)  # for what is asked beyond them
    finally:
        agent.send_signal(signal.SIGTERM)
        assert agent.wait(60) == 0
    assert seen() == documented()
