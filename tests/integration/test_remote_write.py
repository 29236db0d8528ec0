"""Figures of real containers at a real Prometheus, which end when a container is removed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.testing.agent_process import AgentProcess
from pipeline.testing.private_engine import PrivateEngine
from tests.servers.ports import free_port
from tests.servers.prometheus import PrometheusServer

NAMES = ("written-1", "written-2")
CONFIG = """
[stats]
every = "500ms"
[sinks.metrics]
type = "prometheus_remote_write"
url = "http://127.0.0.1:{port}/api/v1/write"
external_labels = {{ cluster = "here" }}
agent_metrics = "500ms"
batch = {{ linger = "0s" }}
[routes.metrics]
from = ["stats"]
containers = 'name.startswith("written-")'
to = ["metrics"]
"""


@pytest.fixture
def written(engine: PrivateEngine, busybox: str) -> Iterator[PrivateEngine]:
    for name in NAMES:
        run = ("run", "--detach", "--network", "none", "--name", name, busybox)
        engine.docker(*run, "sleep", "600")
    yield engine
    engine.docker("rm", "--force", *NAMES)


@pytest.mark.server
def test_a_containers_series_are_there_and_gone_with_it(
    written: PrivateEngine, tmp_path: Path
) -> None:
    """The last one, too, after which nothing is sent any more but that."""
    options = ["--web.enable-remote-write-receiver"]
    with PrometheusServer(tmp_path, f"127.0.0.1:{free_port()}", options=options) as prometheus:

        def found(query: str) -> list[dict[str, Any]]:
            return asyncio.run(prometheus.query(query))

        def shown() -> set[str]:
            usage = found('container_memory_usage_bytes{cluster="here"}')
            return {series["metric"]["name"] for series in usage}

        config = CONFIG.format(port=prometheus.ports[0])
        with AgentProcess(tmp_path / "agent", written.url, config) as agent:
            agent.until(lambda: shown() == set(NAMES), "the containers do not show")
            agent.until(lambda: found('dockline_engine_up{job="dockline"} == 1'))
            agent.until(lambda: found("machine_memory_bytes > 0"))
            written.docker("rm", "--force", NAMES[0])
            agent.until(lambda: shown() == {NAMES[1]}, "one that is gone still shows")
            written.docker("rm", "--force", NAMES[1])
            agent.until(lambda: not shown(), "the last one still shows")
            assert found("dockline_engine_up")
            dropped = agent.metric(
                'dockline_dropped_entries_total{sink="metrics",reason="refused"}'
            )
            assert not dropped
            assert agent.stop() == 0
