"""A buffer with a disk behind its memory, in the whole agent: dead sinks, kills and restarts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.testing.agent_process import AgentProcess
from pipeline.testing.private_engine import PrivateEngine
from pipeline.testing.receivers import SyslogReceiver
from tests.servers.ports import free_port

COUNT = 30_000
"""Lines; more than ten times what the buffer has, and what the kernel takes for a receiver."""
SCRIPT = f"seq 0 {COUNT - 1} | sed 's/.*/line & {'x' * 200}/'; sleep 600"
SINK = """
[stats]
every = "off"
[agent]
shutdown = "{shutdown}"
[sinks.out]
type = "syslog"
address = "tcp://127.0.0.1:{port}"
buffer = {{ memory = "1MiB", disk = "256MiB" }}
retry = {{ max = "1s" }}
"""


@pytest.fixture
def flooding(engine: PrivateEngine, busybox: str) -> Iterator[PrivateEngine]:
    yield engine
    engine.docker("rm", "--force", "spool-flood")


def flood(engine: PrivateEngine) -> None:
    engine.docker(
        "run", "--detach", "--network", "none", "--name", "spool-flood", "busybox:local",
        "sh", "-c", SCRIPT,
    )  # fmt: skip


def sink(port: int, shutdown: str = "2s") -> str:
    return SINK.format(port=port, shutdown=shutdown)


def received(agent: AgentProcess) -> float:
    return agent.metric('dockline_received_entries_total{container="spool-flood"}') or 0


def buffered(agent: AgentProcess) -> float:
    """Entries that are in the sink's buffer."""
    lines = agent.get("/metrics")[1].splitlines()
    ours = [line for line in lines if line.startswith('dockline_buffer_entries{sink="out"')]
    return sum(float(line.rpartition(" ")[2]) for line in ours)


def numbers(receiver: SyslogReceiver) -> list[int]:
    return [int(text.split()[1]) for text in receiver.of("spool-flood")]


def test_a_dead_sink_fills_the_disk_and_not_the_memory_and_gets_everything_in_order(
    flooding: PrivateEngine, tmp_path: Path
) -> None:
    with SyslogReceiver() as receiver:
        receiver.reading.clear()
        config = sink(receiver.port, "60s")
        with AgentProcess(tmp_path, flooding.url, config) as agent:
            agent.connected()
            flood(flooding)
            agent.until(lambda: received(agent) >= COUNT, "reading stood still")
            assert (agent.metric('dockline_buffer_bytes{sink="out",kind="disk"}') or 0) > 0
            assert (agent.metric('dockline_buffer_bytes{sink="out",kind="memory"}') or 0) < 2 << 20
            assert agent.get("/readyz")[0] == 200
            receiver.reading.set()
            agent.until(lambda: len(receiver.messages) >= COUNT, "not everything came")
            assert agent.stop() == 0
        assert numbers(receiver) == list(range(COUNT))
        assert receiver.errors == []


@pytest.mark.fault(34)
def test_stopped_with_a_dead_sink_the_rest_is_in_the_spool_and_sent_after_the_next_start(
    flooding: PrivateEngine, tmp_path: Path
) -> None:
    with AgentProcess(tmp_path, flooding.url, sink(free_port())) as agent:
        agent.connected()
        flood(flooding)
        agent.until(lambda: buffered(agent) == COUNT, "reading stood still")
        assert agent.stop() == 1
        assert "sent from its spool" in agent.said
        flooding.docker("rm", "--force", "spool-flood")  # nothing can be read again
        with SyslogReceiver() as receiver:
            agent.configure(sink(receiver.port, "60s"))
            agent.start()
            agent.until(lambda: len(receiver.messages) >= COUNT, "not everything came")
            assert agent.stop() == 0
            assert numbers(receiver) == list(range(COUNT))


@pytest.mark.fault(32)
def test_killed_with_a_dead_sink_nothing_is_lost(flooding: PrivateEngine, tmp_path: Path) -> None:
    with AgentProcess(tmp_path, flooding.url, sink(free_port())) as agent:
        agent.connected()
        flood(flooding)
        agent.until(lambda: received(agent) >= COUNT // 3, "reading stood still")
        agent.process.kill()
        agent.process.wait()
        with SyslogReceiver() as receiver:
            agent.configure(sink(receiver.port, "60s"))
            agent.start()
            agent.until(lambda: set(numbers(receiver)) >= set(range(COUNT)), "lines are missing")
            assert agent.stop() == 0


def test_the_spool_of_a_sink_that_is_no_more_is_kept_and_said(
    flooding: PrivateEngine, tmp_path: Path
) -> None:
    with AgentProcess(tmp_path, flooding.url, sink(free_port())) as agent:
        agent.connected()
        flood(flooding)
        agent.until(lambda: received(agent) >= COUNT, "reading stood still")
        agent.stop()
        text = agent.config.read_text().replace("[sinks.out]", "[sinks.other]")
        agent.config.write_text(text)
        agent.start()
        agent.until(lambda: "the spool of out holds" in agent.said)
