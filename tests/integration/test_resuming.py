"""After a restart each sink goes on where it was: nothing is lost, and a sink that was away does
not make the others get anything twice."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.testing.agent_process import AgentProcess
from pipeline.testing.private_engine import PrivateEngine
from pipeline.testing.receivers import SyslogReceiver
from tests.integration.waiting import noted
from tests.servers.ports import free_port

LINES = 20_000
CONFIG = """
[stats]
every = "off"
[logs]
start = "beginning"
containers = 'name == "resumed"'
[agent]
shutdown = "{shutdown}"
[sinks.away]
type = "syslog"
address = "tcp://127.0.0.1:{away}"
retry = {{ max = "1s" }}
[sinks.there]
type = "syslog"
address = "tcp://127.0.0.1:{there}"
"""


@pytest.fixture
def talking(engine: PrivateEngine, busybox: str) -> Iterator[PrivateEngine]:
    """A container that logs numbers: many at once, then fifty a second."""
    engine.docker(
        "run", "--detach", "--network", "none", "--name", "resumed", busybox, "sh", "-c",
        f"seq 0 {LINES - 1}; i={LINES}; while true; do echo $i; i=$((i+1)); sleep 0.02; done",
    )  # fmt: skip
    yield engine
    engine.docker("rm", "--force", "resumed")


def numbers(receiver: SyslogReceiver) -> list[int]:
    return [int(text) for text in receiver.of("resumed")]


def write(agent: AgentProcess, away: int, there: int) -> None:
    head = agent.config.read_text().partition("[stats]")[0]
    agent.config.write_text(head + CONFIG.format(away=away, there=there, shutdown="60s"))


@pytest.mark.fault(32)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_a_sink_that_was_away_has_everything_and_the_other_nothing_twice(
    talking: PrivateEngine, tmp_path: Path, number: int
) -> None:
    with SyslogReceiver() as there, SyslogReceiver() as away:
        config = CONFIG.format(away=free_port(), there=there.port, shutdown="2s")
        with AgentProcess(tmp_path, talking.url, config) as agent:
            delivered = 'dockline_delivered_entries_total{sink="there"}'
            agent.until(lambda: (agent.metric(delivered) or 0) > LINES + 100)
            settled = agent.metric(delivered) or 0
            noted(agent)
            status = agent.stop(number)
            there.hear_out()
            had = len(numbers(there))
            assert status == (1 if number == signal.SIGTERM else -signal.SIGKILL)
            write(agent, away.port, there.port)
            agent.start()
            agent.until(lambda: min(len(away.messages), len(there.messages)) > had + 100)
            assert agent.stop() == 0
        found = numbers(away)
        assert found == list(range(len(found)))
        after = numbers(there)[had:]
        assert after == list(range(after[0], after[0] + len(after)))
        if number == signal.SIGTERM:
            assert after[0] == had
        else:  # what was in flight
            assert settled <= after[0] <= had


def test_killed_while_a_receiver_stands_still_nothing_is_lost_that_it_had_not_got(
    talking: PrivateEngine, tmp_path: Path
) -> None:
    with SyslogReceiver() as still, SyslogReceiver() as there, SyslogReceiver() as other:
        still.reading.clear()
        config = CONFIG.format(away=still.port, there=there.port, shutdown="2s")
        with AgentProcess(tmp_path, talking.url, config) as agent:
            agent.until(lambda: len(there.messages) > LINES + 100)
            agent.stop(signal.SIGKILL)
            still.reset()  # and what its kernel had is gone with it
            write(agent, other.port, there.port)
            agent.start()
            agent.until(lambda: other.messages and numbers(other)[-1] > LINES)
            assert agent.stop() == 0
        first, *rest = numbers(other)
        assert [first, *rest] == list(range(first, first + 1 + len(rest)))
        # The receiver's kernel had some 100 KB; this host's had all the rest, up to 4 MB.
        assert first < LINES // 4
