"""What was split is whole after every restart: no part is lost, and none comes twice to a sink that
had it."""

from __future__ import annotations

import io
import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.cli.audit.entries import Verifier
from pipeline.cli.audit.sequences import Series
from pipeline.testing.agent_process import AgentProcess
from pipeline.testing.private_engine import PrivateEngine
from tests.delivery.breaking import Breaking
from tests.integration.waiting import noted
from tests.servers.daemon import eventually
from tests.servers.ports import free_port

PARTS = 3
LINES = 5000
CONFIG = """
[stats]
every = "off"
[logs]
start = "beginning"
containers = 'name == "splitting"'
[agent]
shutdown = "{shutdown}"
[routes.all]
to = ["there", "away", "disk"]
stages = [{{ split = "message" }}]
[sinks.there]
type = "file"
path = "{there}"
[sinks.away]
type = "logstash"
address = "tcp://127.0.0.1:{away}"
retry = {{ max = "1s" }}
[sinks.disk]
type = "logstash"
address = "tcp://127.0.0.1:{disk}"
buffer = {{ memory = "64KiB", disk = "64MiB" }}
retry = {{ max = "1s" }}
"""
SCRIPT = r"""
line='["%d.1","%d.2",{"n":%d}]\n'
awk -v line="$line" 'BEGIN { for (i = 1; i <= LINES; i++) printf line, i, i, i }'
i=LINES
while true; do i=$((i+1)); printf "$line" $i $i $i; sleep 0.02; done
""".replace("LINES", str(LINES))


@pytest.fixture
def talking(engine: PrivateEngine, busybox: str) -> Iterator[PrivateEngine]:
    """A container that logs lists: many at once, then fifty a second."""
    run = ("run", "--detach", "--network", "none", "--name", "splitting", busybox)
    engine.docker(*run, "sh", "-c", SCRIPT)
    yield engine
    engine.docker("rm", "--force", "splitting")


def seen(data: bytes) -> Series:
    """What a sink has written, and that each part is the one that it says it is."""
    cut_short = 0
    for line in data.split(b"\n")[:-1]:
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            cut_short += 1
            continue
        event, message = entry["event"], entry["message"]
        expected = f"{event['sequence']}.{event['part']}"
        assert (message if event["part"] < PARTS else f"{entry['n']}.{PARTS}") == expected
    verifier = Verifier()
    verifier.read(io.BytesIO(data), "store")
    assert verifier.rubbish.count == cut_short <= 1  # by the kill
    (series,) = verifier.series
    return series


def whole(series: Series) -> bool:
    """Every part of every line has come, from the first one on."""
    entries = series.entries - series.repeats
    return not series.missing and entries == PARTS * (series.last - series.first + 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_parts_are_neither_lost_nor_repeated_by_a_restart(
    talking: PrivateEngine, tmp_path: Path, number: int
) -> None:
    there = tmp_path / "there.json"
    ports = {"away": free_port(), "disk": free_port()}
    config = CONFIG.format(there=there, shutdown="2s", **ports)
    with AgentProcess(tmp_path / "agent", talking.url, config) as agent:
        delivered = 'dockline_delivered_entries_total{sink="there"}'
        agent.until(lambda: (agent.metric(delivered) or 0) > PARTS * (LINES + 50))
        made = agent.metric('dockline_made_entries_total{route="all",stage="split"}') or 0
        assert made > (PARTS - 1) * LINES
        assert json.loads(agent.get("/audit")[1])["balanced"]
        on_disk = 'dockline_buffer_entries{sink="disk",kind="disk"}'
        settled = {"there": agent.metric(delivered) or 0, "disk": agent.metric(on_disk) or 0}
        noted(agent)
        agent.stop(number)
        logged = PARTS * len(talking.docker("logs", "splitting").splitlines())
        before = seen(there.read_bytes())
        assert before.repeats == 0
        agent.configure(CONFIG.format(there=there, shutdown="60s", **ports))
        with Breaking(port=ports["away"]) as away, Breaking(port=ports["disk"]) as disk:
            agent.start()
            agent.until(lambda: _lines(away) and _lines(disk))
            enough = PARTS * (before.last + 100)
            agent.until(lambda: min(_lines(away), _lines(disk)) > enough)
            assert json.loads(agent.get("/audit")[1])["balanced"]
            assert agent.stop() == 0
            agent_is_heard_out(away, disk)
            stores = {"there": there.read_bytes(), "away": bytes(away.data[0])}
            stores["disk"] = bytes(disk.data[0])
    for name, data in stores.items():
        series = seen(data)
        assert series.first == 1, name
        assert whole(series), name
        if number == signal.SIGTERM or name == "away":
            assert series.repeats == 0, name
        else:  # what was in flight
            assert series.repeats <= logged - settled[name], name


def _lines(receiver: Breaking) -> int:
    return receiver.data[0].count(b"\n") if receiver.data else 0


def agent_is_heard_out(*receivers: Breaking) -> None:
    eventually(
        "all that was sent is here",
        lambda: all(one.ended for receiver in receivers for one in receiver.connections),
    )
