"""The Compose and Swarm files are what Docker's own tools take them for, and really run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from pipeline.testing.docker_client import DockerClient
from tests.integration.deployed import fetch, make_image, program
from tests.integration.waiting import eventually

pytestmark = pytest.mark.server

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
def test_every_bind_exists(tool: Any) -> None:
    run = tool(DOCKER_GID="44")
    assert run.returncode == 0, run.stderr
    files = [line.split()[-1] for line in run.stdout.splitlines() if str(ROOT) in line]
    assert [file for file in files if not Path(file.strip('",')).exists()] == []


# ---------------------------------------------------------------------------------- for real


def test_compose_runs_an_agent_that_its_prometheus_scrapes(host: DockerClient) -> None:
    tag = json.loads(compose(DOCKER_GID="44").stdout)["services"]["prometheus"]["image"]
    make_image(host, tag, program("prometheus"))
    project = ("compose", "--file", str(ROOT / "compose.yaml"))
    host.docker(*project, "up", "--detach")
    query = 'container_memory_working_set_bytes{name="dockline-prometheus-1"}'
    url = f"http://prometheus:9090/api/v1/query?query={quote(query)}"
    try:
        answer = eventually(lambda: _found(fetch(host, "dockline-dockline-1", url)), seconds=90)
        assert float(answer["value"][1]) > 0
    finally:
        host.docker(*project, "down", "--volumes")


def _found(answer: str) -> Any:
    """The first result of a query to Prometheus, if there is one."""
    results = json.loads(answer)["data"]["result"] if answer else []
    return results[0] if results else None


def test_a_stack_runs_an_agent_on_every_node_under_the_nodes_name(host: DockerClient) -> None:
    host.docker("swarm", "init", "--advertise-addr", "127.0.0.1")
    deploy = ("stack", "deploy", "--detach=true", "--resolve-image", "never")
    host.docker(*deploy, "--compose-file", str(ROOT / "config/stack.yaml"), "dockline")
    try:
        running = ("ps", "--quiet", "--filter", "label=com.docker.swarm.service.name")
        agent = eventually(lambda: host.docker(*running))
        ready = eventually(lambda: fetch(host, agent, "http://127.0.0.1:9114/readyz"))
        assert ready == "ok\n"
        # As Prometheus asks; a task has its name once it counts as healthy.
        eventually(lambda: fetch(host, agent, "http://dockline:9114/healthz"), seconds=120)
        node = host.docker("node", "inspect", "--format", "{{.Description.Hostname}}", "self")
        assert host.docker("exec", agent, "cat", "/etc/hostname") == node
        assert "[" in host.docker("exec", agent, "cat", "/etc/dockline/dockline.toml")
    finally:
        host.docker("swarm", "leave", "--force")
