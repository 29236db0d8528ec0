"""The fleet's files for Kafka as they are shipped, from a log line to the store."""

from __future__ import annotations

import re
import socket
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pipeline.testing.agent_process import AgentProcess
from tests.integration.waiting import eventually
from tests.servers.kafka import KafkaCluster
from tests.servers.ports import free_port
from tests.servers.victoria import VictoriaLogs

pytestmark = pytest.mark.server

FLEET = Path(__file__).parents[2] / "config/fleet"
LINES = 50


def shipped(name: str, servers: list[str], **replaced: str) -> str:
    """A file, but for addresses and the Engine."""
    text = (FLEET / name).read_text()
    text = text.replace('["kafka:9092"]', str(servers).replace("'", '"'))
    for before, after in replaced.items():
        assert before in text
        text = text.replace(before, after)
    return re.sub(r"^\[engine\]\n.*\n", "", text, flags=re.MULTILINE)


@pytest.mark.parametrize("form", ["columns", "json"])
def test_what_an_agent_publishes_the_hubs_have_in_the_store(tmp_path: Path, form: str) -> None:
    port = free_port()
    (tmp_path / "store").mkdir()
    with VictoriaLogs(tmp_path / "store") as store, KafkaCluster() as kafka:
        kafka.rebalance_at_once()
        kafka.create("dockline", 8)
        agent = shipped("agent-kafka.toml", kafka.servers)
        agent = agent.replace('format = "columns"', f'format = "{form}"')
        agent = agent.replace('["logs", "events"]', '["devices"]')
        agent = agent.replace("/var/lib/dockline", str(tmp_path))
        agent += f'\n[sources.devices]\ntype = "syslog"\nlisten = "tcp://127.0.0.1:{port}"\n'
        hub = shipped("hub-kafka.toml", kafka.servers).replace(
            "http://victorialogs:9428", store.url
        )
        with (
            AgentProcess(tmp_path / "agent", "", agent) as one,
            AgentProcess(tmp_path / "hub", "", hub) as other,
        ):
            assert other.address
            one.until(lambda: one.get("/readyz")[0] == 200)
            with socket.create_connection(("127.0.0.1", port), timeout=60) as device:
                for number in range(LINES):
                    for name in ("web", "shop"):
                        text = f'{{"n": {number}, "of": "{name}", "card": "4111 1111 1111 1111"}}'
                        device.sendall(f"<14>1 - {name} app - - - {text}\n".encode())

            def all_of_them() -> list[dict[str, Any]]:
                found = store.query("*")
                return found if len(found) >= 2 * LINES else []

            found = eventually(all_of_them, 120)
            assert Counter((entry["of"], int(entry["n"])) for entry in found) == Counter(
                (name, number) for name in ("web", "shop") for number in range(LINES)
            )
            assert {entry["card"] for entry in found} == {"[redacted]"}
            assert {entry["event.dataset"] for entry in found} == {"syslog.logs"}
            assert one.stop() == 0 and other.stop() == 0
            assert "Traceback" not in one.said + other.said
