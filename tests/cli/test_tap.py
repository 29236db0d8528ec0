"""`dockline tap`, against a real agent on a real Engine."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import main
from pipeline.testing.agent_process import AgentProcess, whole_lines
from pipeline.testing.private_engine import PrivateEngine
from pipeline.testing.receivers import JsonLinesReceiver

NAME = "tapped-1"
CONFIG = """
[agent]
shutdown = "1s"
[stats]
every = "off"
[logs]
containers = 'name.startswith("tapped-")'
[sinks.good]
type = "logstash"
address = "tcp://127.0.0.1:{good}"
[sinks.full]
type = "syslog"
address = "tcp://127.0.0.1:1"
buffer = {{ memory = "64KiB", when_full = "drop_newest" }}
[routes.even]
stages = [{{ parse = "json" }}, {{ keep = "n % 2 == 0" }}, {{ set = {{ env = "prod" }} }}]
to = ["good"]
[routes.all]
to = ["full"]
"""
COUNTING = """
n=0
while true; do
  i=0; while [ $i -lt 20 ]; do i=$((i+1)); n=$((n+1)); echo "{\\"n\\":$n}"; done
  usleep 50000
done
"""
"""Fewer a second than a tap shows without sampling."""


@pytest.fixture(scope="module")
def agent(
    engine: PrivateEngine, busybox: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AgentProcess]:
    """One for all tests; what ends it starts it again."""
    folder = tmp_path_factory.mktemp("tap")
    with JsonLinesReceiver() as good, _running(folder, engine, good.port) as agent:
        agent.connected()
        engine.docker(
            "run", "--detach", "--network", "none", "--name", NAME, busybox, "sh", "-c", COUNTING
        )
        try:
            yield agent
        finally:
            engine.docker("rm", "--force", NAME)


def _running(folder: Path, engine: PrivateEngine, good: int) -> AgentProcess:
    return AgentProcess(folder, engine.url, CONFIG.format(good=good))


def command(agent: AgentProcess, *options: str) -> list[str]:
    return [
        sys.executable, "-m", "pipeline", "tap", "-c", str(agent.config),
        "--url", f"http://{agent.address}", *options,
    ]  # fmt: skip


def tapped(agent: AgentProcess, *options: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        command(agent, "--json", *options), capture_output=True, text=True, check=True, timeout=120
    )
    return [one for line in done.stdout.splitlines() if "entry" in (one := json.loads(line))]


def test_entries_are_shown_as_they_leave_the_stages(agent: AgentProcess) -> None:
    found = tapped(agent, "--sink", "good", "--limit", "20")
    assert len(found) == 20
    assert {(one["route"], one["sink"]) for one in found} == {("even", "good")}
    numbers = [one["entry"]["n"] for one in found]
    assert numbers == [*range(numbers[0], numbers[0] + 40, 2)]
    assert numbers[0] % 2 == 0
    assert {one["entry"]["env"] for one in found} == {"prod"}


def test_entries_of_all_routes_are_shown_to_who_does_not_choose(
    agent: AgentProcess, tmp_path: Path
) -> None:
    shown = tmp_path / "shown"
    with shown.open("w") as out:
        tap = subprocess.Popen(command(agent, "--json", "--container", "tapped-*"), stdout=out)
        try:
            agent.until(lambda: {"even", "all"} <= {one.get("route") for one in seen(shown)})
        finally:
            tap.send_signal(signal.SIGINT)
            assert tap.wait(60) == 0
    assert {one["route"] for one in seen(shown) if "entry" in one} == {"even", "all"}


def seen(shown: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in whole_lines(shown)]


def test_what_is_dropped_is_shown_with_why(agent: AgentProcess) -> None:
    found = tapped(agent, "--dropped", "--route", "even", "--limit", "10")
    assert {one["dropped"] for one in found} == {"filtered"}
    assert {one["stage"] for one in found} == {"keep"}
    assert all(one["entry"]["n"] % 2 for one in found)
    [full] = tapped(agent, "--dropped", "--sink", "full", "--limit", "1")
    assert (full["dropped"], full["sink"], full["route"]) == ("drop_newest", "full", "all")


def test_the_agent_searches(agent: AgentProcess) -> None:
    found = tapped(agent, "--route", "even", "--where", "n % 10 == 0", "--limit", "3")
    assert all(one["entry"]["n"] % 10 == 0 for one in found)
    found = tapped(agent, "--route", "even", "--match", "8}", "--limit", "3")
    assert all(one["entry"]["n"] % 10 == 8 for one in found)
    found = tapped(agent, "--dropped", "--route", "even", "--regex", r":\d*7\}$", "--limit", "3")
    assert all(one["entry"]["n"] % 10 == 7 for one in found)


def test_a_search_that_cannot_be_used_is_refused_in_the_words_of_the_expression(
    agent: AgentProcess,
) -> None:
    done = subprocess.run(
        command(agent, "--where", "n =="), check=False, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "this cannot be read as an expression" in done.stderr
    assert "Traceback" not in done.stderr


def test_people_see_a_line_for_each_entry(agent: AgentProcess) -> None:
    done = subprocess.run(
        command(agent, "--dropped", "--route", "even", "--limit", "1"),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    [line] = done.stdout.splitlines()
    time, name, way = line.split("  ")[:3]
    assert (len(time), name, way) == (len("12:00:00.000"), NAME, "even -> keep")
    assert "  filtered  n=" in line
    done = subprocess.run(
        command(agent, "--route", "even", "--limit", "1"),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert re.search(r"  n=\d+ env=prod$", done.stdout.rstrip())


def test_a_flood_is_sampled_and_the_agent_takes_all_of_it(
    agent: AgentProcess, engine: PrivateEngine, tmp_path: Path
) -> None:
    lines = 100_000
    with (tmp_path / "tap").open("w+") as out, (tmp_path / "said").open("w+") as said:
        tap = subprocess.Popen(
            command(agent, "--container", "tapped-*", "--route", "all"), stdout=out, stderr=said
        )
        try:
            agent.until(lambda: NAME in (tmp_path / "tap").read_text())
            engine.docker(
                "run", "--network", "none", "--name", "tapped-flood", "busybox:local",
                "seq", "1", str(lines),
            )  # fmt: skip
            taken = 'dockline_received_entries_total{container="tapped-flood"}'
            agent.until(lambda: "sampled: 1 in " in (tmp_path / "said").read_text())
            agent.until(lambda: agent.metric(taken) == lines)
            report = json.loads(agent.get("/audit")[1])
            assert report["balanced"]
        finally:
            tap.send_signal(signal.SIGINT)
            assert tap.wait(60) == 0
            engine.docker("rm", "--force", "tapped-flood")
        assert 0 < (tmp_path / "tap").read_text().count("  tapped-flood  ") < lines / 2


def test_it_ends_with_the_agent_and_says_so(agent: AgentProcess) -> None:
    with subprocess.Popen(
        command(agent), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as tap:
        assert tap.stdout is not None
        tap.stdout.readline()
        address = agent.address
        agent.stop()
        _, said = tap.communicate(timeout=60)
    agent.start()
    agent.connected()
    assert (tap.returncode, said.splitlines()[-1]) == (
        0,
        f"dockline: the agent at http://{address} has ended the stream",
    )


def test_what_the_agent_refuses_is_one_sentence(
    agent: AgentProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"http://{agent.address}"
    assert main(["tap", "-c", str(agent.config), "--url", url, "--route", "evn"]) == 1
    assert capsys.readouterr().err == ('dockline: there is no route "evn"; there are: all, even\n')


def test_no_agent_and_no_sense_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tap", "--url", "http://127.0.0.1:1"]) == 1
    assert "no agent answers at http://127.0.0.1:1 (Connection refused)" in capsys.readouterr().err
    assert main(["tap", "--limit", "0"]) == 2
    assert "must be 1 or more" in capsys.readouterr().err
