"""The ledger of a whole agent balances at all times, and outlives containers and restarts."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.testing.agent_process import AgentProcess
from pipeline.testing.private_engine import PrivateEngine
from pipeline.testing.receivers import JsonLinesReceiver, SyslogReceiver

LINES = 100_000
CONFIG = """
[stats]
every = "off"
[logs]
containers = 'name.startswith("ledger-")'
[agent]
shutdown = "2s"
[sinks.still]
type = "syslog"
address = "tcp://127.0.0.1:{still}"
buffer = {{ memory = "1MiB", when_full = "drop_newest" }}
[sinks.spooled]
type = "syslog"
address = "tcp://127.0.0.1:{spooled}"
buffer = {{ memory = "1MiB", disk = "64MiB" }}
[sinks.good]
type = "logstash"
address = "tcp://127.0.0.1:{good}"
[routes.filtered]
stages = [{{ drop = "message.endswith('7')" }}]
to = ["still", "good"]
[routes.all]
to = ["spooled"]
"""


@pytest.fixture
def flood(engine: PrivateEngine, busybox: str) -> Iterator[PrivateEngine]:
    yield engine
    engine.docker("rm", "--force", "ledger-flood")


def start(engine: PrivateEngine) -> None:
    engine.docker(
        "run", "--detach", "--network", "none", "--name", "ledger-flood", "busybox:local",
        "sh", "-c", f"seq 1 {LINES}; sleep 600",
    )  # fmt: skip


def audit(agent: AgentProcess, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pipeline",
            "audit",
            "-c",
            str(agent.config),
            "--url",
            f"http://{agent.address}",
            *options,
        ],
        capture_output=True,
        text=True,
        check=False,
    )


def parts(agent: AgentProcess) -> dict[str, dict[str, Any]]:
    """By sink; fails when the ledger does not balance."""
    report = json.loads(agent.get("/audit")[1])
    assert report["balanced"], report
    routes = [route for one in report["containers"] for route in one["routes"]]
    return {part["sink"]: part for route in routes for part in route["sinks"]}


def on_disk(agent: AgentProcess) -> int:
    """Entries of an earlier run that were not read back yet."""
    found: int = json.loads(agent.get("/audit")[1])["carried"].get("spooled", 0)
    return found


def carried(agent: AgentProcess) -> int:
    """Those that were."""
    found: int = parts(agent).get("spooled", {}).get("carried", 0)
    return found


def at_last(agent: AgentProcess, sink: str, what: str) -> int:
    """What of a sink's part is delivered, or buffered, when its receiver's kernel takes no more."""
    found = -1
    while found != (found := parts(agent)[sink].get(what, 0)):
        time.sleep(0.5)
    return found


def test_it_balances_at_all_times(flood: PrivateEngine, tmp_path: Path) -> None:
    with SyslogReceiver() as still, SyslogReceiver() as spooled, JsonLinesReceiver() as good:
        still.reading.clear()
        spooled.reading.clear()
        config = CONFIG.format(still=still.port, spooled=spooled.port, good=good.port)
        with AgentProcess(tmp_path, flood.url, config) as agent:
            agent.connected()
            start(flood)
            agent.until(lambda: parts(agent).get("good", {}).get("delivered") == LINES * 9 // 10)
            found = parts(agent)
            assert found["still"]["dropped"]["drop_newest"] > 0
            assert found["still"]["buffered"] > 0
            agent.until(lambda: parts(agent)["spooled"]["routed"] == LINES)
            result = audit(agent)
            assert (result.returncode, result.stderr) == (0, "")
            assert "10,000 filtered by drop" in result.stdout
            assert "balanced: 1 container" in result.stdout
            spooled.reading.set()
            agent.until(lambda: parts(agent)["spooled"].get("delivered") == LINES)
            flood.docker("rm", "--force", "ledger-flood")
            still.reading.set()  # a page stays as long as something of it is buffered
            agent.until(lambda: "ledger-flood" not in agent.get("/audit")[1])
            assert parts(agent)["spooled"]["delivered"] == LINES


def test_a_stop_says_how_much_of_removed_containers_is_lost(
    flood: PrivateEngine, tmp_path: Path
) -> None:
    with SyslogReceiver() as still, SyslogReceiver() as spooled, JsonLinesReceiver() as good:
        still.reading.clear()
        config = CONFIG.format(still=still.port, spooled=spooled.port, good=good.port)
        with AgentProcess(tmp_path, flood.url, config) as agent:
            agent.connected()
            start(flood)
            agent.until(lambda: parts(agent).get("good", {}).get("delivered") == LINES * 9 // 10)
            flood.docker("rm", "--force", "ledger-flood")
            agent.until(lambda: agent.metric("dockline_containers") == 0)
            buffered = at_last(agent, "still", "buffered")
            assert agent.stop() == 1
        assert f"sink still: {buffered} of them are lost" in agent.said
        assert f"sink good: {LINES * 9 // 10:,} entries delivered\n" in agent.said


def test_what_an_earlier_run_has_left_on_disk_is_carried_over(
    flood: PrivateEngine, tmp_path: Path
) -> None:
    with SyslogReceiver() as still, SyslogReceiver() as spooled, JsonLinesReceiver() as good:
        spooled.reading.clear()
        config = CONFIG.format(still=still.port, spooled=spooled.port, good=good.port)
        with AgentProcess(tmp_path, flood.url, config) as agent:
            agent.connected()
            start(flood)
            agent.until(lambda: parts(agent).get("spooled", {}).get("routed") == LINES)
            before = at_last(agent, "spooled", "delivered")
            assert agent.stop() == 1
            agent.start()
            left = LINES - before
            agent.until(lambda: 0 < on_disk(agent) == left - carried(agent))
            spooled.reading.set()
            agent.until(
                lambda: parts(agent).get("spooled", {}).get("delivered") == left,
                lambda: (parts(agent), on_disk(agent), left, len(spooled.messages)),
            )
            assert (on_disk(agent), carried(agent)) == (0, left)
