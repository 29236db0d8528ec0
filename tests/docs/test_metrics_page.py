"""`docs/reference/metrics.md` has every metric of a real agent, with its labels."""

from __future__ import annotations

import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from pipeline.reference import metrics
from pipeline.reference.cadvisor_names import CADVISOR, absent
from pipeline.testing.agent_process import AgentProcess
from pipeline.testing.private_engine import PrivateEngine
from tests.servers.ports import free_port

PAGE = (Path(__file__).parents[2] / "docs/reference/metrics.md").read_text()
ROWS = {
    name: (kind, set(re.findall(r"`([^`]+)`", labels)))
    for name, kind, labels in re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?) \|", PAGE, re.MULTILINE)
}
"""Type and labels of each metric on the page."""

COMMON = {"id", "name", "image"}
"""Labels of every container's metrics."""

EVERYTHING = """
[stats]
every = "1s"
[sources.routers]
type = "syslog"
listen = "udp://127.0.0.1:{port}"
[sinks.out]
type = "file"
path = "{folder}/out.json"
buffer = {{ disk = "16MiB" }}
dead_letter = "rejected"
[sinks.rejected]
type = "file"
path = "{folder}/rejected.json"
[routes.all]
from = ["logs", "events", "stats"]
stages = [{{ join = "java" }}, {{ drop = "message == 'x'" }}]
to = ["out"]
"""


def test_every_label_has_a_meaning() -> None:
    declared = (*metrics.agent(), *metrics.containers(), *metrics.machine())
    assert {label for one in declared for label in one.labels} == set(metrics.LABELS)


def test_every_note_is_about_a_metric_that_there_is() -> None:
    assert set(metrics.WHEN) <= {one.name for one in metrics.containers()}


def test_each_metric_of_cadvisors_is_here_or_has_a_reason() -> None:
    missing = absent({one.name for one in (*metrics.containers(), *metrics.machine())})
    assert [name for name, reason in missing if not reason] == []
    assert len(CADVISOR) == len(set(CADVISOR)) == 100


def test_what_a_real_agent_exports_is_on_the_page(
    engine: PrivateEngine, busybox: str, tmp_path: Path
) -> None:
    config = EVERYTHING.format(folder=tmp_path, port=free_port())
    limits = ("--memory", "64m", "--cpus", "0.5", "--pids-limit", "50")
    run = ("run", "--detach", "--network", "none", "--name", "metrics-page", *limits, busybox)
    engine.docker(*run, "sh", "-c", "while :; do echo hello; sleep 0.2; done")
    try:
        with AgentProcess(tmp_path / "agent", engine.url, config) as agent:
            agent.connected()
            series = 'container_cpu_cfs_periods_total{name="metrics-page"}'
            agent.until(lambda: agent.metric('dockline_delivered_entries_total{sink="out"}'))
            agent.until(lambda: series.partition("{")[0] in agent.get("/metrics")[1])
            _, text = agent.get("/metrics")
    finally:
        engine.docker("rm", "--force", "metrics-page")
    found = list(text_string_to_metric_families(text))
    assert len(found) > 60
    for family in found:
        name = family.name + "_total" * (family.type == "counter")
        if name not in ROWS:
            name = family.name  # a counter of cAdvisor's that does not end in `_total`
        assert name in ROWS, f"{name} is not on the page: see pipeline/reference/metrics.py"
        kind, labels = ROWS[name]
        assert family.type == kind, name
        common = COMMON if name.startswith("container_") else set()
        assert {label for sample in family.samples for label in sample.labels} <= labels | common
