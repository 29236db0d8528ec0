"""A disconnect in which more happens than the Engine remembers, and a reader of events that is
held up."""

from __future__ import annotations

import asyncio
import http.client
import socket
from pathlib import Path

import pytest

from pipeline.testing.agent_process import AgentProcess
from pipeline.testing.fake_engine import FakeEngine, Fault, frame, head
from pipeline.testing.following import follow
from tests.faults.containers import Containers
from tests.faults.peers import Manners, SyslogPeer
from tests.faults.relay import Relay

pytestmark = pytest.mark.usefixtures("both_ways")

EVENTS = 300
"""The Engine remembers 256 of all types."""
COUNT = "i=0; while true; do echo line $i; i=$((i+1)); sleep 0.05; done"


@pytest.mark.fault(15)
async def test_three_hundred_events_in_a_disconnect_leave_the_right_containers_followed(
    containers: Containers, tmp_path: Path
) -> None:
    """Among those forgotten are two starts, a removal and a rename."""
    removed = containers.start("missed-removed", COUNT)
    renamed = containers.start("missed-renamed", COUNT)
    socket_of_engine = containers.engine.directory / "docker.sock"
    with Relay(tmp_path / "relay.sock", socket_of_engine) as relay:
        async with follow(relay.url) as following:
            for name in ("missed-removed", "missed-renamed"):
                await following.until_lines(name, 25)  # a list has only whole seconds
            with relay.cut():
                await asyncio.to_thread(containers.engine.docker, "rm", "--force", removed)
                started = [
                    await asyncio.to_thread(containers.start, f"missed-new-{n}", COUNT)
                    for n in (1, 2)
                ]
                await asyncio.to_thread(rename_often, containers, renamed, "missed-other")
            for name in ("missed-new-1", "missed-new-2", "missed-other"):
                await following.until_lines(name, 20)
            await following.until(lambda: removed not in following.source.followed)
            assert {renamed, *started} <= following.source.followed.keys()
            for name in ("missed-new-1", "missed-new-2"):
                assert following.lines(name) == numbered(following.lines(name))
            lines = following.lines_of(renamed)  # a file is read on, under each name in turn
            assert lines == numbered(lines, int(lines[0].split()[1]))
            value = following.metrics.registry.get_sample_value
            received = "dockline_received_entries_total"
            for gone in ("missed-removed", "missed-renamed"):
                of_it = {"container": gone}  # it goes when the last of its log was read
                await following.until(lambda of_it=of_it: value(received, of_it) is None)  # type: ignore[misc]


def numbered(lines: list[str], first: int = 0) -> list[str]:
    """What so many lines should be."""
    return [f"line {number}" for number in range(first, first + len(lines))]


def rename_often(containers: Containers, container: str, last: str) -> None:
    """So often that the Engine has forgotten whatever was before; at last to the name `last`."""
    connection = http.client.HTTPConnection("docker")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(containers.engine.directory / "docker.sock"))
    for number in range(EVENTS):
        name = last if number == EVENTS - 1 else f"missed-{number}"
        connection.request("POST", f"/containers/{container}/rename?name={name}")
        answer = connection.getresponse()
        assert answer.status == 204, answer.read()
        answer.read()
    connection.close()


CONFIG = """
[stats]
every = "off"
[sinks.logs]
type = "syslog"
address = "tcp://127.0.0.1:{logs}"
[sinks.events]
type = "syslog"
address = "tcp://127.0.0.1:{events}"
buffer = {{ memory = "64KiB", when_full = "block" }}
[routes.logs]
to = ["logs"]
[routes.events]
from = ["events"]
to = ["events"]
"""
BACKLOG = 4096


@pytest.mark.fault(16)
@pytest.mark.server
async def test_a_sink_that_holds_events_up_keeps_nobody_from_reading_them(tmp_path: Path) -> None:
    """An events stream that is not read slows the Engine itself down, so it is read whatever the
    sinks do; beyond the backlog events are dropped, and counted."""
    web, late, events = "a" * 64, "b" * 64, 60_000
    with SyslogPeer(Manners.SILENT) as stuck, SyslogPeer() as good:
        config = CONFIG.format(logs=good.port, events=stuck.port)
        async with FakeEngine(tmp_path / "docker.sock") as fake:
            with AgentProcess(tmp_path / "agent", fake.url, config) as agent:
                await asyncio.to_thread(agent.connected)
                fake.answer(f"/containers/{web}/logs", [head(), Fault.STALL])
                fake.answer(f"/containers/{late}/logs", [head(), frame(b"late\n"), Fault.STALL])
                for _ in range(events):
                    fake.emit("health_status: healthy", web, name="web", padding="x" * 100)
                    await asyncio.sleep(0)
                fake.emit("start", late, name="late")
                await asyncio.to_thread(agent.until, lambda: good.of("late") == ["late"])
                dropped = agent.metric('dockline_source_errors_total{kind="event_backlog"}')
                assert dropped
                assert events - dropped > BACKLOG
                blocked = 'dockline_blocked_entries{sink="events"}'
                await asyncio.to_thread(agent.until, lambda: agent.metric(blocked))
