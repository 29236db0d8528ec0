"""Stopped and started in the middle of a flood, the agent loses nothing and repeats nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.testing.agent_process import AgentProcess
from tests.faults.containers import Containers
from tests.faults.peers import LumberjackPeer, SyslogPeer

pytestmark = pytest.mark.usefixtures("both_ways")

LINES = 400_000
STOPS = 3
CONFIG = """
[logs]
start = "beginning"
containers = 'name == "restart-flood"'
[stats]
every = "off"
[sinks.lumberjack]
type = "logstash"
address = "lumberjack://127.0.0.1:{lumberjack}"
[sinks.syslog]
type = "syslog"
address = "tcp://127.0.0.1:{syslog}"
"""


def test_clean_restarts_under_a_flood_lose_nothing_and_repeat_nothing(
    containers: Containers, tmp_path: Path
) -> None:
    containers.start("restart-flood", f"seq 1 {LINES}; sleep 600")
    with LumberjackPeer() as lumberjack, SyslogPeer() as syslog:
        config = CONFIG.format(lumberjack=lumberjack.port, syslog=syslog.port)
        with AgentProcess(tmp_path, containers.url, config) as agent:
            for _ in range(STOPS):
                seen = len(syslog.messages)
                agent.until(lambda seen=seen: len(syslog.messages) > seen + 10_000)
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
