"""Docker's own fluentd logging driver, and an agent that listens for it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.testing.agent_process import AgentProcess, whole_entries
from pipeline.testing.private_engine import PrivateEngine
from tests.servers.ports import free_port

CONFIG = """
[logs]
containers = 'name == "none"'
[sources.fluent]
type = "forward"
listen = "127.0.0.1:{port}"
[sinks.file]
type = "file"
path = "{folder}/lines"
[routes.driver]
from = ["fluent"]
to = ["file"]
"""
ACKNOWLEDGED = (
    "fluentd-request-ack=true",
    "fluentd-sub-second-precision=true",
    "fluentd-retry-wait=50ms",
)
NUMBERS = (
    "n=1; while [ ! -e /end ]; do echo line $n; n=$((n+1)); [ $((n%5)) = 0 ] && sleep 0.02; done; "
    "echo end; sleep 600"
)
"""Until it is told to end. It outlives the command that tells it."""
WAIT = "while [ ! -e /{} ]; do sleep 0.05; done"


def patiently(holds: Callable[[], bool], what: str) -> None:
    """Docker's driver waits longer after each attempt, and busy machines take their time."""
    deadline = time.monotonic() + 240
    while not holds():
        assert time.monotonic() < deadline, f"not within four minutes: {what}"
        time.sleep(0.1)


class Driven:
    """An agent, and containers whose driver sends to it."""

    def __init__(self, engine: PrivateEngine, busybox: str, agent: AgentProcess, port: int) -> None:
        self.engine = engine
        self.agent = agent
        self._busybox = busybox
        self._port = port
        self._names: list[str] = []

    def run(
        self, name: str, script: str, *options: str, labels: dict[str, str] | None = None
    ) -> str:
        """The container's id."""
        logging = [
            "--log-driver",
            "fluentd",
            "--log-opt",
            f"fluentd-address=127.0.0.1:{self._port}",
        ]
        for option in options:
            logging += ["--log-opt", option]
        for key, value in (labels or {}).items():
            logging += ["--label", f"{key}={value}"]
        self._names.append(name)
        run = ("run", "--detach", "--network", "none", "--name", name, *logging, self._busybox)
        return self.engine.docker(*run, "sh", "-c", script)

    def entries(self, name: str) -> list[dict[str, Any]]:
        lines = whole_entries(self.agent.folder / "lines")
        return [line for line in lines if line["container"]["name"] == name]

    def has(self, name: str, count: int) -> list[dict[str, Any]]:
        patiently(lambda: len(self.entries(name)) >= count, f"{count} entries of {name}")
        return self.entries(name)

    def tell(self, name: str, what: str) -> None:
        """A script that waits for that."""
        self.engine.docker("exec", name, "touch", f"/{what}")

    def until_end(self, name: str) -> list[str]:
        """Its messages, once the last one is there, without that."""
        self.tell(name, "end")
        patiently(lambda: self.messages(name)[-1] == "end", f"the end of {name}")
        return self.messages(name)[:-1]

    def messages(self, name: str) -> list[str]:
        return [one["message"] for one in self.entries(name)]

    def remove(self) -> None:
        for name in self._names:
            self.engine.docker("rm", "--force", name)


@pytest.fixture
def driven(engine: PrivateEngine, busybox: str, tmp_path: Path) -> Iterator[Driven]:
    port = free_port()
    config = CONFIG.format(port=port, folder=tmp_path)
    with AgentProcess(tmp_path, engine.url, config) as agent:
        agent.until(lambda: agent.get("/readyz")[0] == 200)
        it = Driven(engine, busybox, agent, port)
        try:
            yield it
        finally:
            it.remove()


def test_its_entries_have_container_stream_labels_and_an_exact_time(driven: Driven) -> None:
    label = {"com.docker.compose.project": "shop", "com.docker.compose.service": "api"}
    options = (*ACKNOWLEDGED, f"labels={','.join(label)}", "tag=any")
    one, two = WAIT.format("one"), WAIT.format("two")
    script = rf"echo out; {one}; echo err >&2; {two}; printf 'not \377\376 utf-8\n'; sleep 600"
    container_id = driven.run("driver-api", script, *options, labels=label)
    for count, what in enumerate(("one", "two"), 1):
        driven.has("driver-api", count)
        driven.tell("driver-api", what)
    found = driven.has("driver-api", 3)
    assert [one["message"] for one in found] == ["out", "err", "not \ufffd\ufffd utf-8"]
    assert [one["stream"] for one in found] == ["stdout", "stderr", "stdout"]
    assert {one["container"]["id"] for one in found} == {container_id.strip()}
    assert found[0]["orchestrator"] == {
        "type": "compose", "namespace": "shop", "resource": {"type": "service", "name": "api"},
    }  # fmt: skip
    assert [one["event"]["sequence"] for one in found] == [1, 2, 3]
    assert found[0]["host"]["name"] == os.uname().nodename
    assert not found[0]["@timestamp"].endswith(".000000000Z")
    times = [one["@timestamp"] for one in found]
    assert times == sorted(times)


def test_without_any_option_they_come_as_well(driven: Driven) -> None:
    driven.run("driver-plain", "echo one; echo two")
    found = driven.has("driver-plain", 2)
    assert [one["message"] for one in found] == ["one", "two"]
    assert found[0]["@timestamp"].endswith(".000000000Z")


@pytest.mark.parametrize("options", [ACKNOWLEDGED, ()])
def test_a_line_that_it_cuts_is_whole(driven: Driven, options: tuple[str, ...]) -> None:
    script = "i=0; while [ $i -lt 5000 ]; do printf 0123456789; i=$((i+1)); done; echo; echo after"
    driven.run("driver-long", script, *options)
    found = driven.has("driver-long", 2)
    assert [one["message"] for one in found] == ["0123456789" * 5000, "after"]


def test_a_clean_restart_neither_loses_nor_repeats_anything(driven: Driven) -> None:
    driven.run("driver-restart", NUMBERS, *ACKNOWLEDGED)
    driven.has("driver-restart", 50)
    assert driven.agent.stop() == 0
    before = len(driven.entries("driver-restart"))
    driven.agent.start()
    driven.has("driver-restart", before + 50)
    messages = driven.until_end("driver-restart")
    assert messages == [f"line {n}" for n in range(1, len(messages) + 1)]


def test_a_killed_agent_loses_nothing_and_repeats_what_was_not_acknowledged(driven: Driven) -> None:
    driven.run("driver-killed", NUMBERS, *ACKNOWLEDGED)
    driven.has("driver-killed", 50)
    driven.agent.stop(signal.SIGKILL)
    before = len(driven.entries("driver-killed"))
    driven.agent.start()
    driven.has("driver-killed", before + 50)
    messages = driven.until_end("driver-killed")
    once = list(dict.fromkeys(messages))
    assert once == [f"line {n}" for n in range(1, len(once) + 1)]
    assert len(messages) - len(once) <= 1, "it sends one line at a time, and waits"
