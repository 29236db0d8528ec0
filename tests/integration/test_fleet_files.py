"""The fleet as it is shipped: Docker's tools take its files, NATS its permissions, and it works."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pipeline.config.file import read
from pipeline.model import registry
from pipeline.model.batch import Batch
from pipeline.model.component import Secret, SinkContext
from pipeline.model.errors import Unavailable
from pipeline.testing.agent_process import AgentProcess
from pipeline.testing.builders import batch
from pipeline.transport.nats.auth import NatsAuth
from pipeline.transport.nats.connection import NatsConnection
from pipeline.transport.nats.consumers import Wanted, ensure, remove, unpin
from pipeline.transport.nats.jetstream import JetStream
from pipeline.transport.nats.members import Members
from tests.integration.test_compose import configured
from tests.integration.waiting import eventually
from tests.servers.nats import NatsServer, current
from tests.servers.victoria import VictoriaLogs

pytestmark = pytest.mark.server

ROOT = Path(__file__).parents[2]
FLEET = ROOT / "config/fleet"
NEEDED = {"DOCKER_GID": "44", "NATS_AGENT_PASSWORD": "one", "NATS_HUB_PASSWORD": "two"}


def compose(**variables: str) -> subprocess.CompletedProcess[str]:
    file = str(FLEET / "compose.yaml")
    return configured("docker-compose", "-f", file, "config", "--format", "json", **variables)


def stack(**variables: str) -> subprocess.CompletedProcess[str]:
    return configured("docker", "stack", "config", "-c", str(FLEET / "stack.yaml"), **variables)


@pytest.mark.parametrize("tool", [compose, stack])
@pytest.mark.parametrize("name", NEEDED)
def test_what_has_to_be_chosen_is_asked_for(tool: Any, name: str) -> None:
    run = tool(**{key: value for key, value in NEEDED.items() if key != name})
    assert run.returncode != 0 and name in run.stderr


@pytest.mark.parametrize("tool", [compose, stack])
def test_every_file_that_is_named_is_there(tool: Any) -> None:
    run = tool(**NEEDED)
    assert run.returncode == 0, run.stderr
    files = [line.split()[-1].strip('",') for line in run.stdout.splitlines() if str(ROOT) in line]
    assert len(files) >= 5
    assert [file for file in files if not Path(file).exists()] == []


def test_compose_has_two_hubs_and_only_the_agent_has_the_socket() -> None:
    services: dict[str, Any] = json.loads(compose(**NEEDED).stdout)["services"]
    assert set(services) == {
        "agent", "hub", "nats", "victorialogs", "victoriametrics", "prometheus",
    }  # fmt: skip
    assert services["hub"]["deploy"]["replicas"] == 2
    with_socket = [
        name
        for name, service in services.items()
        if any(mount["target"] == "/var/run/docker.sock" for mount in service["volumes"])
    ]
    assert with_socket == ["agent"]
    published = [port for one in services.values() for port in one.get("ports", [])]
    assert all(port["host_ip"] == "127.0.0.1" for port in published)


def test_a_stack_has_an_agent_on_every_node_and_names_that_prometheus_finds() -> None:
    said = stack(**NEEDED).stdout
    services = re.split(r"^  (\w+):$", said[said.index("services:") :], flags=re.MULTILINE)
    agent, hub = (services[services.index(name) + 1] for name in ("agent", "hub"))
    assert "mode: global" in agent and "/var/run/docker.sock" in agent
    assert "replicas: 2" in hub and "/var/run/docker.sock" not in hub
    assert "endpoint_mode: dnsrr" in agent and "endpoint_mode: dnsrr" in hub


def test_prometheus_takes_its_file(tmp_path: Path) -> None:
    if not shutil.which("promtool"):
        pytest.skip("there is no `promtool` command: install prometheus")
    rules = ROOT / "config/prometheus/rules.yml"
    text = (FLEET / "prometheus.yml").read_text()
    (tmp_path / "prometheus.yml").write_text(text.replace("/etc/prometheus/rules.yml", str(rules)))
    command = ["promtool", "check", "config", str(tmp_path / "prometheus.yml")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


# ------------------------------------------------------------------------------ NATS's file


class ShippedNats(NatsServer):
    """With config/fleet/nats.conf, its folder and addresses aside."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        text = (FLEET / "nats.conf").read_text()
        for shipped, here in {
            '"0.0.0.0:8222"': f'"127.0.0.1:{self.monitoring}"',
            '"/data"': f'"{directory}/jetstream"',
            "30GB": "4GB",
        }.items():
            assert shipped in text
            text = text.replace(shipped, here)
        (directory / "nats.conf").write_text(f'listen: "127.0.0.1:{self.port}"\n{text}')
        self.env = {"NATS_AGENT_PASSWORD": "one", "NATS_HUB_PASSWORD": "two", "PATH": "/usr/sbin"}
        self.command = [current(), *self.command[1:]]


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[ShippedNats]:
    with ShippedNats(tmp_path) as server:
        yield server


def queue(server: NatsServer) -> Any:
    """The agent's sink as it is shipped, but with this server, and room that is there."""
    config = read(FLEET / "agent.toml", NEEDED).config.sinks["queue"]
    stream = msgspec.structs.replace(config.stream, max_bytes=10**8)
    config = msgspec.structs.replace(config, urls=[server.url], stream=stream)
    return registry.implementation("sinks", "nats")(config, SinkContext("queue", host="here"))


async def test_the_agents_user_may_publish_and_make_the_stream(nats: ShippedNats) -> None:
    sink = await asyncio.to_thread(queue, nats)
    some: list[Batch] = [batch("one"), batch("two", source="events")]
    await sink.open()
    await sink.send(sink.encode(some))
    await sink.close()
    found = nats.stream("DOCKLINE")
    assert found is not None and found["state"]["messages"] == 2


@pytest.mark.parametrize(
    ("user", "password", "subject"),
    [
        ("agent", "one", "$JS.API.CONSUMER.CREATE.DOCKLINE"),
        ("agent", "one", "$JS.API.STREAM.DELETE.DOCKLINE"),
        ("agent", "one", "$JS.API.STREAM.MSG.GET.DOCKLINE"),
        ("hub", "two", "dockline.1.logs.x"),
        ("hub", "two", "$JS.API.STREAM.PURGE.DOCKLINE"),
        ("hub", "two", "$JS.API.STREAM.MSG.DELETE.DOCKLINE"),
        ("hub", "two", "$JS.API.STREAM.DELETE.DOCKLINE"),
    ],
)
async def test_nobody_may_do_more_than_he_has_to(
    nats: ShippedNats, user: str, password: str, subject: str
) -> None:
    one = NatsConnection([nats.url], auth=NatsAuth(user=user, password=Secret(password)))
    told = asyncio.Event()
    one.on_trouble = told.set
    client = await one.open()
    await client.publish(subject, b"")
    await asyncio.wait_for(told.wait(), 60)
    with pytest.raises(Unavailable, match="does not permit it"):
        _ = one.client
    await one.close()


async def test_hubs_may_give_partitions_to_others_and_make_a_consumer_anew(
    nats: ShippedNats,
) -> None:
    sink = await asyncio.to_thread(queue, nats)
    await sink.open()
    await sink.close()
    hub = NatsConnection([nats.url], auth=NatsAuth(user="hub", password=Secret("two")))
    jetstream = JetStream(hub, timeout=60)
    await jetstream.open()
    members = Members(hub, "dockline-hubs.DOCKLINE.hub", "here", 16, set)
    await members.open()
    await members.say()
    wanted = Wanted("DOCKLINE", "hub-0", "dockline.0.>", True, 10, 10)
    await ensure(jetstream, wanted)
    await unpin(jetstream, wanted)
    await remove(jetstream, wanted)
    found = await ensure(jetstream, wanted)
    assert found.made
    assert hub.trouble is None
    await hub.close()


async def test_what_the_agents_publish_the_hubs_have_in_the_store(
    nats: ShippedNats, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All files as they are shipped, but for addresses."""
    monkeypatch.setenv("NATS_HUB_PASSWORD", "two")
    (tmp_path / "store").mkdir()
    with VictoriaLogs(tmp_path / "store") as store, ExitStack() as stack:
        sink = await asyncio.to_thread(queue, nats)
        await sink.open()
        text = (FLEET / "hub.toml").read_text()
        text = text.replace("nats://nats:4222", nats.url)
        text = text.replace("http://victorialogs:9428", store.url)
        text = re.sub(r"^\[engine\]\n.*\n", "", text, flags=re.MULTILINE)
        hubs = [AgentProcess(tmp_path / f"hub{number}", "", text) for number in (1, 2)]
        for hub in hubs:
            await asyncio.to_thread(stack.enter_context, hub)
        await sink.send(sink.encode([batch('{"status": 500}', "card 4111 1111 1111 1111")]))
        await sink.close()

        def both() -> list[dict[str, Any]]:
            found = store.query("*")
            # one that a hub has not acknowledged in time comes twice
            return found if len({one["_msg"] for one in found}) == 2 else []

        found = await asyncio.to_thread(eventually, both, 120)  # hubs share out partitions first
        assert {one["_msg"] for one in found} >= {"card [redacted]"}
        assert {one["status"] for one in found if "status" in one} == {"500"}
        assert {one["container.name"] for one in found} == {"api-1"}
        assert [await asyncio.to_thread(hub.stop) for hub in hubs] == [0, 0]
        assert all("does not permit" not in hub.said for hub in hubs)


async def test_a_stranger_is_not_let_in(nats: ShippedNats) -> None:
    with pytest.raises(Unavailable, match="does not know us"):
        await NatsConnection([nats.url]).open()
