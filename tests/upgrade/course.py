"""One change of agents: the earlier is stopped or killed in the middle, and this one goes on."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.testing.agent_process import AgentProcess, whole_entries
from pipeline.testing.docker_client import BUSYBOX
from pipeline.testing.private_engine import PrivateEngine
from pipeline.testing.receivers import JsonLinesReceiver, SyslogReceiver
from tests.servers.ports import free_port
from tests.upgrade.earlier import ROOT, dockline
from tests.upgrade.tally import Entry, Tally, expected

SCRIPT = b"""#!/bin/sh
# numbered lines of some 100 bytes, 20 at a time, until there is /stop; then /last has the number
n=0
until [ -e /stop ]; do
  seq $((n + 1)) $((n + 20)) | awk '{
    print ($1 % 4 == 0 ? "debug" : $1 % 4 == 1 ? "begin" : "  at") " " $1 " of an order that was \
taken, paid, packed and sent to wherever it was to go"
  }'
  n=$((n + 20))
  sleep 0.05
done
echo $n > /last.new; mv /last.new /last
sleep 10000
"""
RATE = 400
"""Lines of a container in a second, at most."""
KINDS = {
    "rotated": "--log-opt max-size=256k --log-opt max-file=50 --log-opt compress=true",
    "local": "--log-driver local",
    "tty": "--tty",
}
"""The containers, by the ends of their names, and with what options they run."""
LINES = 2000
"""That each container writes under one agent, at least."""
OLD_CHECKPOINT = 0.7
"""Seconds since the checkpoint was saved, at which an agent is killed: it is saved once a second,
and what came since is in the journal alone."""
ALLOWED = RATE * len(KINDS) // 4
"""Lines that a sink may have twice after SIGKILL: what was in flight, and what came in a quarter of
a second. The journal is a hundredth behind; the rest is for a busy machine."""

CONFIG = """
[logs]
read = "{read}"
start = "beginning"
containers = 'name.startswith("{prefix}-")'
[stats]
every = "1s"
[agent]
shutdown = "5s"
[sinks.syslog]
type = "syslog"
address = "tcp://127.0.0.1:{syslog}"
[sinks.traces]
type = "file"
path = "{folder}/traces"
[sinks.file]
type = "file"
path = "{folder}/file"
[sinks.spooled]
type = "logstash"
address = "tcp://127.0.0.1:{spooled}"
buffer = {{ memory = "128KiB", disk = "1GiB" }}
retry.max = "1s"
[routes.all]
to = ["file", "spooled"]
[routes.traces]
stages = [{{ drop = "message.startswith('debug')" }}, {{ join = {{ continue = '^\\s' }} }}]
to = ["syslog", "traces"]
"""

ON_DISK = 'dockline_buffer_bytes{sink="spooled",kind="disk"}'
RECEIVED = 'dockline_received_entries_total{{container="{}"}}'


@dataclass
class Outcome:
    """What came of it."""

    sinks: dict[str, dict[str, int]]
    """The figures of `Tally.against`, by sink."""
    read_again: int
    """Lines that the new agent read, and the sink `file` had before."""
    odd: list[str]
    """What else is not as it should be."""
    old_metrics: set[str]
    """Names of the families."""
    new_metrics: set[str]


def change(engine: PrivateEngine, folder: Path, earlier: Path, read: str, number: int) -> Outcome:
    """Ends the agent of `earlier` with the signal `number`. `read`: `logs.read`. Raises
    `AssertionError`, with the agent's log, where the lines do not go on."""
    names = [f"{folder.name}-{kind}" for kind in KINDS]
    for name, options in zip(names, KINDS.values(), strict=True):
        run = ["run", "--detach", "--network", "none", "--name", name, *options.split()]
        engine.docker(*run, BUSYBOX, "/bin/write")
    with Sinks(folder) as sinks:
        ports = {"syslog": sinks.syslog.port, "spooled": sinks.away.port}
        config = CONFIG.format(read=read, folder=folder, prefix=folder.name, **ports)
        with AgentProcess(folder, engine.url, config, tree=earlier) as agent:
            sinks.flow(agent, dict.fromkeys(names, 0))
            old_metrics = _families(agent)
            _end(agent, sinks, number)
            had = sinks.tally("file").highest
            agent.tree = ROOT
            agent.start()
            sinks.flow(agent, had)
            sinks.back()
            last = {name: _last(engine, agent, name) for name in names}
            with suppress(AssertionError):  # the figures say what is missing
                agent.until(lambda: not any(one["lost"] for one in sinks.against(last).values()))
            read_here = sum(agent.metric(RECEIVED.format(name)) or 0 for name in names)
            read_again = int(read_here) - sum(last.values()) + sum(had.values())
            new_metrics = _families(agent)
            odd = _ended(agent, sinks)
        if number == signal.SIGTERM and read_again:
            odd.append("lines were read again that should have come out of the spool")
        return Outcome(sinks.against(last), read_again, odd, old_metrics, new_metrics)


class Sinks:
    """The ends of all sinks; that of `spooled` is away until `back`."""

    def __init__(self, folder: Path) -> None:
        self.syslog = SyslogReceiver()
        self.away = JsonLinesReceiver()
        self.away.port = free_port()
        self._folder = folder
        self._stack = ExitStack()

    def __enter__(self) -> Sinks:
        self._stack.enter_context(self.syslog)
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def back(self) -> None:
        self._stack.enter_context(self.away)

    def tally(self, sink: str) -> Tally:
        """What it has by now."""
        if sink == "syslog":
            return Tally(map(_of_syslog, list(self.syslog.messages)))
        if sink == "spooled":
            return Tally(map(_of_json, list(self.away.entries)))
        return Tally(map(_of_json, whole_entries(self._folder / sink)))

    def flow(self, agent: AgentProcess, had: Mapping[str, int]) -> None:
        """Waits until those that are there have `LINES` more of each container than it `had`."""
        for sink in ("file", "syslog", "traces"):

            def flown(sink: str = sink) -> bool:
                highest = self.tally(sink).highest
                return all(highest[name] > before + LINES for name, before in had.items())

            agent.until(flown, f"lines do not go on in {sink}")

    def against(self, last: Mapping[str, int]) -> dict[str, dict[str, int]]:
        """The figures of each, by the number of each container's last line."""
        debug = {"file": True, "spooled": True, "syslog": False, "traces": False}
        return {it: self.tally(it).against(expected(last, debug=debug[it])) for it in debug}


def _end(agent: AgentProcess, sinks: Sinks, number: int) -> None:
    """Of the old agent, when a part of its spool is on the disk."""
    agent.until(lambda: (agent.metric(ON_DISK) or 0) > 0, "nothing came into the spool")
    if number == signal.SIGKILL:
        checkpoint = agent.state / "checkpoint.json"
        agent.until(lambda: time.time() - checkpoint.stat().st_mtime > OLD_CHECKPOINT)
    agent.stop(number)
    sinks.syslog.hear_out()
    if number == signal.SIGKILL:
        sinks.syslog.errors.clear()  # its last message may be cut short


def _ended(agent: AgentProcess, sinks: Sinks) -> list[str]:
    """Ends the new agent; what was odd about it."""
    url = f"http://{agent.address}"
    audit = dockline(ROOT, "audit", "--url", url, "--token", agent.token)
    status = agent.stop()
    for receiver in (sinks.syslog, sinks.away):
        receiver.hear_out()
    odd = [*sinks.syslog.errors, *sinks.away.errors]
    odd += re.findall(r"(?m)^Traceback.*|^.* ERROR +.*", agent.said)
    odd += [f"the audit does not balance:\n{audit.stdout}"] if audit.returncode else []
    odd += [f"the new agent ended with {status}:\n{agent.said[-2000:]}"] if status else []
    return odd


def _last(engine: PrivateEngine, agent: AgentProcess, name: str) -> int:
    """Has a container write no more; the number of its last line."""
    engine.docker("exec", name, "touch", "/stop")
    agent.until(lambda: "last" in engine.docker("exec", name, "ls", "/").split())
    return int(engine.docker("exec", name, "cat", "/last"))


def _families(agent: AgentProcess) -> set[str]:
    return set(re.findall(r"^# TYPE ((?:dockline|container)_\S+)", agent.get("/metrics")[1], re.M))


def _of_json(entry: dict[str, Any]) -> Entry:
    return entry["container"]["name"], entry["event"]["sequence"], entry["message"]


def _of_syslog(message: dict[str, bytes]) -> Entry:
    return message["app"].decode(), None, message["message"].decode()
