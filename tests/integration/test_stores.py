"""The whole agent, real containers, and a real store that is restarted in the middle of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.testing.agent_process import AgentProcess
from pipeline.testing.private_engine import PrivateEngine
from tests.servers.daemon import eventually
from tests.servers.victoria import VictoriaLogs, victorialogs

__all__ = ["victorialogs"]

CONTAINERS = ["stores-a", "stores-b", "stores-c"]
COUNT = 6000
"""Lines of each."""
SCRIPT = f"""
i=0
while [ $i -lt {COUNT} ]; do
    echo '{{"level":"info","n":'$i'}}'
    i=$((i+1))
    [ $((i % 300)) = 0 ] && sleep 0.2
    [ $i = {COUNT // 2} ] && while [ ! -e /go ]; do sleep 0.1; done
done
sleep 600
"""
CONFIG = """
[logs]
start = "beginning"
containers = 'name.startswith("stores-")'
[stats]
every = "off"
[events]
enabled = false
[sinks.loki]
type = "loki"
url = "{url}/insert"
labels = {{ container_name = "{{container.name}}", through = "loki" }}
metadata = {{ n = "{{n}}" }}
retry = {{ max = "500ms" }}
[sinks.elasticsearch]
type = "elasticsearch"
urls = ["{url}/insert/elasticsearch"]
parameters = {{ _time_field = "@timestamp", _msg_field = "message" }}
retry = {{ max = "500ms" }}
[routes.all]
stages = [{{ parse = "json" }}]
to = ["loki", "elasticsearch"]
"""


@pytest.fixture
def talking(engine: PrivateEngine, busybox: str) -> Iterator[PrivateEngine]:
    for name in CONTAINERS:
        engine.docker(
            "run", "--detach", "--network", "none", "--name", name, busybox, "sh", "-c", SCRIPT
        )
    yield engine
    engine.docker("rm", "--force", *CONTAINERS)


def delivered(agent: AgentProcess, sink: str) -> float:
    return agent.metric(f'dockline_delivered_entries_total{{sink="{sink}"}}') or 0


def retried(agent: AgentProcess, sink: str) -> float:
    return agent.metric(f'dockline_retried_payloads_total{{sink="{sink}"}}') or 0


def numbers(store: VictoriaLogs, query: str, container: str, number: str) -> dict[str, set[int]]:
    """By container, the lines that are found."""
    found: dict[str, set[int]] = {name: set() for name in CONTAINERS}
    for entry in store.query(query):
        found[entry[container]].add(int(entry[number]))
    return found


def test_a_store_that_is_restarted_has_every_line_of_every_container(
    talking: PrivateEngine, victorialogs: VictoriaLogs, tmp_path: Path
) -> None:
    sinks, total = ("loki", "elasticsearch"), COUNT * len(CONTAINERS)
    with AgentProcess(
        tmp_path / "agent", talking.url, CONFIG.format(url=victorialogs.url)
    ) as agent:
        agent.until(lambda: all(delivered(agent, sink) > 1000 for sink in sinks))
        victorialogs.stop()
        for name in CONTAINERS:
            talking.docker("exec", name, "touch", "/go")
        agent.until(lambda: all(retried(agent, sink) for sink in sinks), "it was not missed")
        victorialogs.start()
        agent.until(lambda: all(delivered(agent, sink) == total for sink in sinks))
        assert agent.stop() == 0
    every = {name: set(range(COUNT)) for name in CONTAINERS}

    def loki() -> dict[str, set[int]]:
        return numbers(victorialogs, "_stream:{through=loki}", "container_name", "n")

    def elasticsearch() -> dict[str, set[int]]:
        return numbers(victorialogs, "container.name:*", "container.name", "n")

    eventually("every line came through Loki's door", lambda: loki() == every)
    eventually("every line came through Elasticsearch's", lambda: elasticsearch() == every)
