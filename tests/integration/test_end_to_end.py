"""The issue's own words: every line, once and in order, while a filtered route goes elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.testing.agent_process import AgentProcess
from pipeline.testing.private_engine import PrivateEngine
from pipeline.testing.receivers import JsonLinesReceiver, SyslogReceiver

COUNT = 20_000
NAMES = ("e2e-one", "e2e-two", "e2e-three")
LINES = (
    'i=0; while [ $i -lt {count} ]; do echo "{{\\"n\\":$i,\\"status\\":$((200 + i % 4 * 100)),'
    '\\"who\\":\\"{name}\\"}}"; i=$((i+1)); done'
)
CONFIG = """
[sinks.strict]
type = "syslog"
address = "tcp://127.0.0.1:{syslog}"
[sinks.elastic]
type = "logstash"
address = "tcp://127.0.0.1:{logstash}"
[routes.everything]
to = ["strict"]
[routes.errors]
containers = 'name.startswith("e2e-") and name != "e2e-three"'
stages = [{{ parse = "json" }}, {{ keep = "status >= 500" }}, {{ set = {{ env = "test" }} }}]
to = ["elastic"]
"""


@pytest.fixture
def clean(engine: PrivateEngine) -> Iterator[None]:
    yield
    engine.docker("rm", "--force", *NAMES)


@pytest.mark.usefixtures("clean")
def test_three_containers_reach_both_receivers_exactly_once_and_in_order(
    engine: PrivateEngine, busybox: str, tmp_path: Path
) -> None:
    with SyslogReceiver() as strict, JsonLinesReceiver() as elastic:
        config = CONFIG.format(syslog=strict.port, logstash=elastic.port)
        with AgentProcess(tmp_path, engine.url, config) as agent:
            agent.connected()
            for name in NAMES:
                script = LINES.format(count=COUNT, name=name)
                engine.docker(
                    "run", "--detach", "--network", "none", "--name", name, busybox,
                    "sh", "-c", script,
                )  # fmt: skip
            agent.until(lambda: len(strict.messages) >= 3 * COUNT, "not every line came")
            agent.until(lambda: len(elastic.entries) >= 2 * COUNT // 4, "not every error came")
            assert agent.stop() == 0
        for name in NAMES:
            numbers = [_number(text) for text in strict.of(name)]
            assert numbers == list(range(COUNT))
        for name in NAMES[:2]:
            ours = [entry for entry in elastic.entries if entry["who"] == name]
            assert [entry["n"] for entry in ours] == list(range(3, COUNT, 4))
            assert {entry["container"]["name"] for entry in ours} == {name}
            assert {entry["env"] for entry in ours} == {"test"}
        assert len(elastic.entries) == 2 * COUNT // 4
        assert strict.errors + elastic.errors == []


def _number(text: str) -> int:
    return int(text.partition('"n":')[2].partition(",")[0])
