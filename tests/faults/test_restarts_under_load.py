"""Stopped and started in the middle of a flood, the agent loses nothing and repeats nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.testing.agent_process import AgentProcess
from tests.faults.containers import Containers
from tests.faults.peers import LumberjackPeer, SyslogPeer

pytestmark = pytest.mark.usefixtures("both_ways")

STOPS, LINES = 3, 50_000
CONFIG = """
[logs]
start = "beginning"
containers = 'name == "restart-flood"'
[stats]
every = "off"
[agent]
shutdown = "1m"
[sinks.lumberjack]
type = "logstash"
address = "lumberjack://127.0.0.1:{lumberjack}"
buffer = {{ memory = "1MiB" }}
[sinks.syslog]
type = "syslog"
address = "tcp://127.0.0.1:{syslog}"
buffer = {{ memory = "1MiB" }}
"""


@pytest.mark.fault(41)
def test_clean_restarts_under_a_flood_lose_nothing_and_repeat_nothing(
    containers: Containers, tmp_path: Path
) -> None:
    containers.start("restart-flood", f"seq 1 {LINES}; sleep 600")
    with LumberjackPeer() as lumberjack, SyslogPeer() as syslog:
        config = CONFIG.format(lumberjack=lumberjack.port, syslog=syslog.port)
        with AgentProcess(tmp_path, containers.url, config) as agent:
            for _ in range(STOPS):
                wanted = min(len(syslog.messages) + 5_000, LINES)
                agent.until(lambda wanted=wanted: len(syslog.messages) >= wanted)
                agent.connected()  # else it may not listen to signals yet
                assert agent.stop() == 0
                agent.start()
            agent.until(lambda: len(syslog.messages) >= LINES, "not everything came")
            agent.until(lambda: lumberjack.count >= LINES, "not everything came")
            agent.connected()
            assert agent.stop() == 0
        in_order = [str(number) for number in range(1, LINES + 1)]
        assert syslog.texts("restart-flood") == in_order
        assert lumberjack.texts("restart-flood") == in_order
        assert syslog.errors + lumberjack.errors == []
