"""Labels of real containers, as the agent takes them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.testing.agent_process import AgentProcess, whole_lines
from pipeline.testing.private_engine import PrivateEngine
from tests.integration.waiting import eventually

CONFIG = """
[stats]
every = "off"
[sinks.all]
type = "file"
path = "{folder}/all"
[sinks.chosen]
type = "file"
path = "{folder}/chosen"
[routes.all]
to = ["all"]
[routes.chosen]
containers = 'name == "nobody"'
labels = true
stages = [{{ keep = "status >= 500" }}]
to = ["chosen"]
{more}
"""
SCRIPT = """echo '{"status":503,"a":1}'; echo '{"status":200}'; echo text; sleep 600"""
LABELS = {
    "dockline.parse": "json",
    "dockline.route": "chosen",
    "dockline.tag.team": "shop",
    "dockline.prase": "json",
    "dockline.tag.host": "x",
}
NAME = "labels-one"


@pytest.fixture
def running(engine: PrivateEngine, busybox: str) -> Iterator[None]:
    """A container with labels, and one that wants not to be followed."""
    options = [f"--label={name}={value}" for name, value in LABELS.items()]
    run = ("run", "--detach", "--network", "none", "--name")
    engine.docker(*run, NAME, *options, busybox, "sh", "-c", SCRIPT)
    engine.docker(*run, "labels-none", "--label=dockline.enable=false", busybox, "sh", "-c", SCRIPT)
    yield
    engine.docker("rm", "--force", NAME, "labels-none")


def came(agent: AgentProcess, sink: str) -> dict[str, list[dict[str, Any]]]:
    """Entries by container."""
    found = dict[str, list[dict[str, Any]]]()
    for line in whole_lines(agent.folder / sink):
        entry = json.loads(line)
        found.setdefault(entry["container"]["name"], []).append(entry)
    return found


def agent(folder: Path, engine: PrivateEngine, more: str = "") -> AgentProcess:
    config = CONFIG.format(folder=folder, more=more)
    return AgentProcess(folder, engine.url, config + '\n[logs]\nstart = "beginning"\n')


@pytest.mark.usefixtures("running")
def test_a_container_is_parsed_tagged_and_routed_as_it_asks(
    tmp_path: Path, engine: PrivateEngine
) -> None:
    with agent(tmp_path, engine) as one:
        one.until(lambda: len(came(one, "all").get(NAME, [])) == 3 and came(one, "chosen"))
        assert [entry.get("status") for entry in came(one, "all")[NAME]] == [503, 200, None]
        assert all(entry["team"] == "shop" for entry in came(one, "all")[NAME])
        assert [entry["a"] for entry in came(one, "chosen")[NAME]] == [1]
        assert "labels-none" not in came(one, "all")
        for label in ("dockline.prase", "dockline.tag.host"):
            sample = f'dockline_label_errors{{container="{NAME}",label="{label}"}}'
            assert one.metric(sample) == 1
            assert one.said.count(f"container {NAME}: label {label}: ") == 1
        assert "did you mean dockline.parse?" in one.said
        engine.docker("rename", NAME, f"{NAME}-b")
        engine.docker("rename", f"{NAME}-b", NAME)
        engine.docker("rm", "--force", NAME)
        one.until(lambda: f'container="{NAME}"' not in one.get("/metrics")[1])
        assert one.said.count("label dockline.prase: ") == 1
        assert one.stop() == 0


@pytest.mark.usefixtures("running")
@pytest.mark.parametrize("more", ['honour = "off"', "containers = 'name == \"other\"'"])
def test_an_operator_may_switch_labels_off(
    tmp_path: Path, engine: PrivateEngine, more: str
) -> None:
    with agent(tmp_path, engine, f"[labels]\n{more}") as one:
        one.until(lambda: len(came(one, "all").get("labels-none", [])) == 3)
        one.until(lambda: len(came(one, "all").get(NAME, [])) == 3)
        assert not any("status" in entry or "team" in entry for entry in came(one, "all")[NAME])
        assert one.stop() == 0
        assert not came(one, "chosen")
        assert f"container {NAME}: label" not in one.said


TRACE = r"""Traceback (most recent call last):
  File "/app/main.py", line 3, in <module>
    raise ValueError("boom")
ValueError: boom"""


@pytest.fixture
def tracing(engine: PrivateEngine, busybox: str) -> Iterator[str]:
    name = "labels-trace"
    script = f"echo '{{\"a\":1}}'; cat <<'END'\n{TRACE}\nEND\necho after; sleep 600"
    labels = ("--label=dockline.join=python", "--label=dockline.parse=auto")
    run = ("run", "--detach", "--network", "none", "--name", name, "--label=dockline.tag.team=shop")
    engine.docker(*run, *labels, busybox, "sh", "-c", script)
    # else the lines of the trace may come too far apart
    eventually(lambda: "after" in engine.docker("logs", name))
    yield name
    engine.docker("rm", "--force", name)


def test_lines_are_joined_before_they_are_parsed_and_tagged(
    tmp_path: Path, engine: PrivateEngine, tracing: str
) -> None:
    config = '[logs]\nstart = "beginning"\n[stats]\nevery = "off"\n'
    with AgentProcess(tmp_path, engine.url, config) as one:
        one.until(lambda: sum("after" in line for line in one.output) >= 1)
        assert one.stop() == 0
    entries = [entry for entry in one.entries if entry["container"]["name"] == tracing]
    assert [entry["message"] for entry in entries] == ['{"a":1}', TRACE, "after"]
    assert entries[0]["a"] == 1
    assert all(entry["team"] == "shop" for entry in entries)
    assert "label dockline." not in one.said


FILTERED = 'dockline_filtered_entries_total{{route="all",stage="{}"}}'
NOISY = 'i=0; while [ $i -lt 100 ]; do echo "[$i] line"; echo " of $i"; i=$((i+1)); done; sleep 600'


@pytest.fixture
def noisy(engine: PrivateEngine, busybox: str) -> Iterator[None]:
    """Containers that ask for what only they know, and one that Logspout would ignore."""
    run = ("run", "--detach", "--network", "none", "--name")
    wanted = {
        "labels-sampled": ["--label=dockline.sample=10", r"--label=dockline.join=^\["],
        "labels-throttled": [
            "--label=dockline.throttle=5/h",
            "--label=dockline.level.default=error",
        ],
        "labels-hinted": [
            r"--label=co.elastic.logs/multiline.pattern=^\[",
            "--label=co.elastic.logs/multiline.negate=true",
            "--label=co.elastic.logs/multiline.match=after",
            r"--label=co.elastic.logs/exclude_lines=^\[[0-9]\]",
            "--label=co.elastic.logs/module=nginx",
        ],
        "labels-burning": ["--label=dockline.join=^(.*)(.*)(.*)x", "--label=dockline.sample=0"],
        "labels-ignored": ["--env=LOGSPOUT=ignore", "--env=PASSWORD=s3cr3t"],
    }
    for name, options in wanted.items():
        engine.docker(*run, name, *options, busybox, "sh", "-c", NOISY)
    for name in wanted:  # else joined lines may come too far apart
        eventually(lambda name=name: " of 99" in engine.docker("logs", name))
    yield
    engine.docker("rm", "--force", *wanted)


@pytest.mark.usefixtures("noisy")
def test_a_container_is_joined_sampled_and_throttled_as_it_asks(
    tmp_path: Path, engine: PrivateEngine
) -> None:
    own = '"enable", "join", "level", "sample", "throttle"'
    more = f'[labels]\nhonour = [{own}, "filebeat", "logspout"]'
    with agent(tmp_path, engine, more) as one:
        one.until(lambda: len(came(one, "all").get("labels-burning", [])) == 200)
        one.until(lambda: len(came(one, "all").get("labels-hinted", [])) == 90)
        one.until(lambda: len(came(one, "all").get("labels-sampled", [])) == 10)
        one.until(lambda: len(came(one, "all").get("labels-throttled", [])) == 5)
        entries = came(one, "all")
        assert entries["labels-sampled"][1]["message"] == "[10] line\n of 10"
        assert {entry["sample_rate"] for entry in entries["labels-sampled"]} == {10}
        assert {entry["log"]["level"] for entry in entries["labels-throttled"]} == {"error"}
        assert entries["labels-hinted"][0]["message"] == "[10] line\n of 10"
        assert "labels-ignored" not in entries
        assert 'received_entries_total{container="labels-ignored"}' not in one.get("/metrics")[1]
        for label, count in (("dockline.sample", 90), ("dockline.throttle", 195)):
            assert one.metric(FILTERED.format(label)) == count
        for label in ("dockline.join", "dockline.sample"):
            sample = f'dockline_label_errors{{container="labels-burning",label="{label}"}}'
            assert one.metric(sample) == 1
        assert one.said.count("this hint of Filebeat's is not honoured here") == 1
        assert "s3cr3t" not in one.said
        engine.docker("restart", "--time", "0", "labels-ignored")
        engine.docker("restart", "--time", "0", "labels-throttled")
        one.until(lambda: one.metric(FILTERED.format("dockline.throttle")) >= 390)
        assert "labels-ignored" not in came(one, "all")
        assert one.stop() == 0


@pytest.mark.usefixtures("noisy")
def test_labels_of_other_tools_are_not_honoured_unless_asked_for(
    tmp_path: Path, engine: PrivateEngine
) -> None:
    with agent(tmp_path, engine) as one:
        for name in ("labels-ignored", "labels-hinted"):
            one.until(lambda name=name: len(came(one, "all").get(name, [])) == 200)
        assert one.stop() == 0
        assert "co.elastic" not in one.said
