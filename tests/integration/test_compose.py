"""The Compose and Swarm files are what Docker's own tools take them for, and really run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def configured(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """What a tool makes of a file, with the given variables and no other of Docker's."""
    if not shutil.which(command[0]):
        pytest.skip(f"there is no `{command[0]}` command")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("DOCK")} | variables
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def compose(**variables: str) -> subprocess.CompletedProcess[str]:
    return configured("docker-compose", "config", "--format", "json", **variables)


def stack(**variables: str) -> subprocess.CompletedProcess[str]:
    return configured("docker", "stack", "config", "-c", "config/stack.yaml", **variables)


def test_compose_gives_the_agent_the_socket_its_group_and_a_volume_for_its_state() -> None:
    services: dict[str, Any] = json.loads(compose(DOCKER_GID="44").stdout)["services"]
    agent = services["dockline"]
    assert agent["group_add"] == ["44"]
    mounts = {mount["target"]: mount for mount in agent["volumes"]}
    assert mounts["/var/run/docker.sock"]["read_only"]
    assert mounts["/var/lib/dockline"]["type"] == "volume"
    assert "privileged" not in agent


@pytest.mark.parametrize("tool", [compose, stack])
def test_without_the_group_it_says_which_variable_to_set(tool: Any) -> None:
    run = tool()
    assert run.returncode != 0
    assert "DOCKER_GID" in run.stderr
    assert "must be the group of /var/run/docker.sock" in run.stderr


@pytest.mark.parametrize("tool", [compose, stack])
def test_no_port_but_the_metrics_is_published_and_every_bind_exists(tool: Any) -> None:
    run = tool(DOCKER_GID="44")
    assert run.returncode == 0, run.stderr
    files = [line.split()[-1] for line in run.stdout.splitlines() if str(ROOT) in line]
    assert [file for file in files if not Path(file.strip('",')).exists()] == []
