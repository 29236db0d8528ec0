"""Runs the agent that a distribution has installed, against a real Engine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

from pipeline.testing.docker_client import DockerClient
from tests.integration.waiting import eventually

LINES = 500
CONFIG = """
[logs]
start = "beginning"
containers = 'name == "{name}"'
[http]
listen = "off"
[state]
directory = "{folder}/state"
[sinks.out]
type = "file"
path = "{folder}/out.jsonl"
"""


def run(dockline: Path, engine: DockerClient, folder: Path) -> str:
    """The agent reads a container's lines into a file and ends cleanly. Returns what it said.

    `dockline`: the installed command. `folder`: for its files, made here.
    """
    folder.mkdir()
    name = f"speaks-{os.getpid()}-{folder.name}"
    said = f"i=0; while [ $i -lt {LINES} ]; do i=$((i+1)); echo line $i; done; sleep 600"
    started = ("run", "--detach", "--network", "none", "--name", name, "busybox:local")
    engine.docker(*started, "sh", "-c", said)
    (folder / "dockline.toml").write_text(CONFIG.format(name=name, folder=folder))
    # What the environment holds must be enough, so this tree is not on the path.
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    log = folder / "log"
    with log.open("w") as errors:
        agent = subprocess.Popen(
            [dockline, "run", "-c", folder / "dockline.toml"],
            cwd=folder,
            env={**clean, "DOCKER_HOST": engine.url},
            stderr=errors,
        )
        try:
            eventually(lambda: len(_messages(folder / "out.jsonl")) >= LINES)
            agent.send_signal(signal.SIGTERM)
            assert agent.wait(60) == 0, log.read_text()
        finally:
            agent.kill()
            agent.wait()
            engine.docker("rm", "--force", name)
    assert _messages(folder / "out.jsonl") == [f"line {n}" for n in range(1, LINES + 1)]
    return log.read_text()


def _messages(file: Path) -> list[str]:
    text = file.read_text() if file.exists() else ""
    whole = text[: text.rfind("\n") + 1].splitlines()
    return [json.loads(line)["message"] for line in whole]
