"""Metrics out of the logs of real containers, as a scrape finds them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.testing.agent_process import AgentProcess
from pipeline.testing.private_engine import PrivateEngine
from tests.servers.prometheus import promtool

NAME = "metered"
SCRIPT = (
    'i=0; while [ $i -lt 400 ]; do echo "{\\"status\\":$((200 + i % 4 * 100)),\\"ms\\":$i}"; '
    "i=$((i+1)); done; sleep 600"
)
CONFIG = """
[sinks.out]
type = "console"
[routes.all]
stages = [
  { parse = "json" },
  { count = { name = "http_requests", labels = { status = "{status}" }, help = "Requests." } },
  { count = { name = "lines", labels = { of = "{container.name}" }, when = "ms >= 100" } },
  { observe = { name = "http_seconds", value = "ms / 1000", help = "Times.", buckets = [0.1, 1] } },
]
to = ["out"]
"""


@pytest.fixture
def clean(engine: PrivateEngine) -> Iterator[None]:
    yield
    engine.docker("rm", "--force", NAME)


@pytest.mark.usefixtures("clean")
def test_entries_are_counted_on_the_page_until_their_container_goes(
    engine: PrivateEngine, busybox: str, tmp_path: Path
) -> None:
    with AgentProcess(tmp_path, engine.url, CONFIG) as agent:
        own, shared = f'lines_total{{of="{NAME}"}}', 'http_requests_total{status="500"}'
        agent.connected()
        run = ("run", "--detach", "--network", "none", "--name", NAME, busybox)
        engine.docker(*run, "sh", "-c", SCRIPT)
        agent.until(lambda: agent.metric(own) == 300, "not every line was counted")
        assert agent.metric(shared) == 100
        done = promtool("check", "metrics", stdin=agent.get("/metrics")[1].encode())
        assert b"http_" not in done.stdout + done.stderr
        assert agent.metric('http_seconds_bucket{le="0.1"}') == 101
        assert agent.metric("http_seconds_count") == 400
        engine.docker("rm", "--force", NAME)
        agent.until(lambda: agent.metric(own) is None, "the container's own series did not go")
        assert agent.metric(shared) == 100
        assert agent.stop() == 0
