"""Boards that were made for cAdvisor, held by their queries: a real Engine, the agent, a real
Prometheus."""

from __future__ import annotations

import asyncio
import math
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.testing.agent_process import AgentProcess
from pipeline.testing.private_engine import PrivateEngine
from tests.servers.prometheus import PrometheusServer

BOARDS = tomllib.loads((Path(__file__).parent / "cadvisor_boards.toml").read_text())["boards"]
VARIABLES = {"$host": ".*", "$container": ".*"}
CONFIG = """
[sinks.out]
type = "console"
[stats]
every = "1s"
disk = "10s"
"""


def filled_in(panel: dict[str, Any]) -> str:
    query: str = panel["query"]
    for name, value in VARIABLES.items():
        query = query.replace(name, value)
    if panel.get("node_exporter"):
        query = query.replace('node_cpu_seconds_total{mode="user"}', "vector(1)")
    return query


def figures(found: list[Any]) -> list[float]:
    """Those of a query's answer: of its series, or the only one of a scalar."""
    if found and not isinstance(found[0], dict):
        return [float(found[1])]
    return [float(one["value"][1]) for one in found]


@pytest.mark.server
async def test_each_panel_has_data_or_is_said_to_be_empty(
    fresh_engine: Callable[..., PrivateEngine], tmp_path: Path
) -> None:
    engine = await asyncio.to_thread(lambda: fresh_engine(isolated=True))

    def start() -> None:
        engine.docker("network", "create", "boards")
        for name, script in (
            ("web", "while :; do echo ok | nc -l -p 80; done"),
            ("client", "echo x > /file; while :; do nc web 80 < /dev/null; sleep 0.1; done"),
            ("done", "exit 0"),
        ):
            engine.docker(
                "run",
                "--detach",
                "--name",
                name,
                "--network",
                "boards",
                "busybox:local",
                "sh",
                "-c",
                script,
            )

    await asyncio.to_thread(start)
    with AgentProcess(tmp_path / "agent", engine.url, CONFIG) as agent:
        await asyncio.to_thread(agent.connected)
        with PrometheusServer(tmp_path, agent.address) as prometheus:
            await prometheus.wait_for("count(container_last_seen) > 1")
            await prometheus.wait_for("count(container_fs_usage_bytes) > 1")
            await prometheus.wait_for('container_running{name="done"} == 0')
            await prometheus.wait_for("count(count_over_time(container_last_seen[1m]) > 8) > 1")
            wrong = []
            for board in BOARDS:
                for panel in board["panels"]:
                    found = figures(await prometheus.query(filled_in(panel)))
                    has_data = bool(found) and all(map(math.isfinite, found))
                    expected = (
                        has_data != ("empty" in panel)
                        and panel.get("value", found[0] if found else None) in (None, *found)
                        and panel.get("series", len(found)) == len(found)
                    )
                    if not expected:
                        wrong.append((board["name"], panel["title"], panel["query"], found))
            assert wrong == []
