"""The fleet's Compose and Swarm files, deployed: a container's lines and metrics are stored."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import pytest

from pipeline.model.errors import EngineError
from pipeline.testing.docker_client import BUSYBOX, DockerClient
from tests.integration.deployed import FETCH, fetch, make_image, program
from tests.integration.waiting import eventually
from tests.servers.nats import current
from tests.servers.victoria import victoria_logs

ROOT = Path(__file__).parents[2]
FLEET = ROOT / "config/fleet"
IMAGES = {
    "nats:2.12-alpine": "nats-server",
    "victoriametrics/victoria-logs:v1.28.0": "victoria-logs",
    "victoriametrics/victoria-metrics:v1.122.0": "victoria-metrics",
    "prom/prometheus:v3.5.0": "prometheus",
}
REACHED = """
services:
  nats: { deploy: { endpoint_mode: dnsrr } }
  victorialogs: { deploy: { endpoint_mode: dnsrr } }
  victoriametrics: { deploy: { endpoint_mode: dnsrr } }
"""
"""So that it works where the kernel has no IPVS, too."""
LINES = 'i=0; while [ $i -lt 100 ]; do echo "line $i"; i=$((i+1)); done; sleep 600'


@pytest.fixture(scope="module")
def fleet(host: DockerClient) -> DockerClient:
    """With the images that the fleet's files name, and passwords."""
    host.import_busybox()
    for tag, name in IMAGES.items():
        found = {"victoria-logs": victoria_logs, "nats-server": current}.get(name)
        make_image(host, tag, str(found()) if found is not None else program(name))
    passwords = {"NATS_AGENT_PASSWORD": "one", "NATS_HUB_PASSWORD": "two"}
    return DockerClient(host.url, host.environment | passwords)


def container_of(host: DockerClient, service: str) -> str:
    """One that runs."""
    listed = ("ps", "--quiet", "--filter", f"name={service}")
    return eventually(lambda: host.docker(*listed), seconds=120).split()[0]


def ready_agent(host: DockerClient, service: str) -> str:
    """Its container, once containers that start are new to it."""
    agent = container_of(host, service)
    eventually(lambda: fetch(host, agent, "http://127.0.0.1:9114/readyz") == "ok\n", seconds=120)
    return agent


def arrives(host: DockerClient, agent: str, name: str) -> None:
    """Lines of a container are in VictoriaLogs, and its memory is in VictoriaMetrics."""
    query = quote(f'container.name:="{name}" line | stats count_uniq(_msg) n')
    url = f"http://victorialogs:9428/select/logsql/query?query={query}"

    def lines() -> bool:
        found = fetch(host, agent, url)
        return bool(found) and json.loads(found.splitlines()[0])["n"] == "100"

    eventually(lines, seconds=120)
    query = quote(f'container_memory_working_set_bytes{{name="{name}"}}')
    url = f"http://victoriametrics:8428/api/v1/query?query={query}"
    answer = eventually(
        lambda: json.loads(fetch(host, agent, url) or '{"data":{}}')["data"].get("result"),
        seconds=120,
    )
    assert float(answer[0]["value"][1]) > 0


def address_on_node(host: DockerClient, container: str) -> str:
    """Of a container of a stack, as docs/guides/fleet.md has it."""
    inspect = ("network", "inspect", "docker_gwbridge", "--format", "{{json .Containers}}")
    full = host.docker("inspect", "--format", "{{.Id}}", container)
    address: str = json.loads(host.docker(*inspect))[full]["IPv4Address"]
    return address.partition("/")[0]


def from_node(host: DockerClient, address: str) -> str:
    """What VictoriaLogs answers to a program of the node there; empty where it does not."""
    python = ("--network", "host", "--entrypoint", "/opt/dockline/bin/python", "dockline", "-c")
    try:
        return host.docker("run", "--rm", *python, FETCH, f"http://{address}:9428/")
    except EngineError:
        return ""


def test_a_fleet_by_compose_keeps_lines_and_metrics(fleet: DockerClient) -> None:
    project = ("compose", "--file", str(FLEET / "compose.yaml"))
    fleet.docker(*project, "up", "--detach")
    try:
        agent = ready_agent(fleet, "dockline-fleet-agent")
        fleet.docker("run", "--detach", "--name", "talker", BUSYBOX, "sh", "-c", LINES)
        arrives(fleet, agent, "talker")
        fleet.docker(*project, "up", "--detach", "--scale", "hub=3")
        fleet.docker("run", "--detach", "--name", "later", BUSYBOX, "sh", "-c", LINES)
        arrives(fleet, agent, "later")
        said = fleet.docker(*project, "logs", "hub", "agent")
        for trouble in ("cannot be used", "does not permit", "by other users", "no token"):
            assert trouble not in said
    finally:
        fleet.docker(*project, "down", "--volumes")


def test_a_fleet_as_a_stack_keeps_lines_and_metrics(fleet: DockerClient, tmp_path: Path) -> None:
    (tmp_path / "reached.yaml").write_text(REACHED)
    fleet.docker("swarm", "init", "--advertise-addr", "127.0.0.1")
    try:
        here = ("--label-add", "dockline.queue=true", "--label-add", "dockline.store=true")
        fleet.docker("node", "update", *here, fleet.docker("node", "ls", "--quiet"))
        files = [str(FLEET / "stack.yaml"), str(tmp_path / "reached.yaml")]
        named = [part for file in files for part in ("--compose-file", file)]
        deploy = ("stack", "deploy", "--detach=true", "--resolve-image", "never")
        fleet.docker(*deploy, *named, "dockline")
        agent = ready_agent(fleet, "dockline_agent")
        fleet.docker("run", "--detach", "--name", "of-stack", BUSYBOX, "sh", "-c", LINES)
        arrives(fleet, agent, "of-stack")
        store = container_of(fleet, "dockline_victorialogs")
        assert from_node(fleet, "127.0.0.1") == "", "no port is published"
        assert "VictoriaLogs" in from_node(fleet, address_on_node(fleet, store))
        for service in ("dockline_hub", "dockline_agent"):
            said = fleet.docker("logs", container_of(fleet, service))
            assert "cannot be used" not in said and "does not permit" not in said
    finally:
        fleet.docker("swarm", "leave", "--force")
