"""The agent is killed, at the worst moments and at random ones; no line is lost, and what comes
twice is what its checkpoint did not know of, to the line."""

from __future__ import annotations

import itertools
import os
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pipeline.accounting.checkpoint import Checkpoint
from pipeline.testing.agent_process import PATIENCE, AgentProcess
from tests.faults.containers import Containers
from tests.faults.peers import LumberjackPeer
from tests.servers.daemon import eventually
from tests.servers.rsyslog import Rsyslog

pytestmark = [pytest.mark.usefixtures("both_ways"), pytest.mark.fault(32)]

AGENTS = 2
KILLS = 3
"""Of one agent."""
MOMENTS = [0.0] * 8 + [0.002, 0.02] * 2 + [-0.001, -0.001, -1.2]
"""Seconds after an acknowledgement; negative, so long without one. In the longest of these the
checkpoint is saved once."""
SCRIPT = "i=1; while true; do echo line $i; i=$((i+1)); sleep 0.02; done"
CONFIG = """
[logs]
start = "beginning"
containers = 'name.startswith("kill-")'
[stats]
every = "off"
[events]
enabled = false
[sinks.out]
type = "logstash"
address = "lumberjack://127.0.0.1:{port}"
"""


class Deadly(LumberjackPeer):
    """Kills the agent a moment after it has acknowledged a window, or just before it would."""

    def __init__(self) -> None:
        super().__init__()
        self.victim: AgentProcess | None = None
        self.left = 0
        """Windows until then."""
        self.moment = 0.0
        """One of `MOMENTS`."""
        self.acknowledged = 0
        """The highest `event.sequence` that the agent may know to be delivered."""

    def answer(self, connection: Any, count: int) -> None:
        self.left -= 1
        if self.left == 0 and self.moment < 0:
            time.sleep(-self.moment)
            self._kill()
        self.acknowledged = max(self.acknowledged, sequence(self.windows[-1][-1]))
        super().answer(connection, count)
        if self.left == 0:
            time.sleep(self.moment)
            self._kill()

    def _kill(self) -> None:
        assert self.victim is not None
        os.kill(self.victim.process.pid, signal.SIGKILL)
        raise EOFError  # what else it has sent comes again


def sequence(entry: dict[str, Any]) -> int:
    return int(entry["event"]["sequence"])


def checkpointed(agent: AgentProcess, container_id: str) -> int:
    """`event.sequence` of the last line that the one sink has, by the checkpoint on disk and its
    journal. The sink may be ahead of the position, which moves a moment later."""
    checkpoint = Checkpoint(agent.state)
    checkpoint.open()
    position, ahead = checkpoint[container_id], checkpoint.ahead(container_id)
    checkpoint.close()
    reached = (sequence for sinks in ahead.values() for sequence in sinks.values())
    return max(reached, default=0) or (position.sequence if position else 0)


def test_kills_between_acknowledgement_and_checkpoint(
    containers: Containers, tmp_path: Path
) -> None:
    """Of two agents, for there are two cores to start them on; once more with other ones, until
    some kill has hit between the two. Thousands of kills are simulated: see `tests/simulation`."""
    container_id = containers.start("kill-steady", SCRIPT)
    repeated, seeds = 0, itertools.count()

    def life() -> int:
        seed = next(seeds)
        return kill_often(KILLS, tmp_path / str(seed), containers.url, container_id, seed)

    with ThreadPoolExecutor(AGENTS) as pool:
        for _ in range(10):
            repeated += sum(one.result() for one in [pool.submit(life) for _ in range(AGENTS)])
            if repeated:
                return
    pytest.fail("no kill has hit between the two")


def kill_often(kills: int, folder: Path, url: str, container_id: str, seed: int) -> int:
    """How many lines came again."""
    dice = random.Random(seed)
    repeated = 0
    with Deadly() as receiver:
        agent = AgentProcess(folder, url, CONFIG.format(port=receiver.port))
        receiver.victim = agent
        try:
            for _ in range(kills):
                receiver.windows.clear()
                receiver.left = dice.choice([1, 1, 1, 2, 2, 3, 3, 60])  # after 60 some are saved
                receiver.moment = dice.choice(MOMENTS)
                saved, known = checkpointed(agent, container_id), receiver.acknowledged
                agent.start()
                assert agent.process.wait(PATIENCE) == -signal.SIGKILL, agent.said
                entries = [entry for window in receiver.windows for entry in window]
                numbers = [sequence(entry) for entry in entries]
                # It went on where its checkpoint was, and that was never ahead of what was taken.
                assert saved <= known
                assert numbers == list(range(saved + 1, saved + 1 + len(numbers)))
                assert [entry["message"] for entry in entries] == [f"line {n}" for n in numbers]
                repeated += len([n for n in numbers if n <= known])
        finally:
            agent.process.kill()
            agent.process.wait()
        assert receiver.errors == []
    return repeated


def test_killed_at_random_moments_a_syslog_server_misses_no_line(
    containers: Containers, rsyslog: Rsyslog, tmp_path: Path
) -> None:
    """No syslog transport acknowledges; but what the agent's kernel has taken, it still sends."""
    dice = random.Random(32)
    container_id = containers.start("kill-steady", SCRIPT)
    sink = f'type = "syslog"\naddress = "tcp://127.0.0.1:{rsyslog.tcp}"\n'
    config = CONFIG.partition('type = "logstash"')[0] + sink
    with AgentProcess(tmp_path, containers.url, config) as agent:
        for _ in range(KILLS):
            agent.until(lambda: lines_of(rsyslog), "nothing came")
            time.sleep(dice.uniform(0, 1.5))
            agent.process.kill()
            agent.process.wait()
            agent.start()
        seen = lines_of(rsyslog)
        agent.until(lambda: len(lines_of(rsyslog)) > len(seen) + 50, "it does not go on")
        agent.connected()  # else it may not listen to signals yet
        assert agent.stop() == 0
        last = checkpointed(agent, container_id)
    eventually("the last line", lambda: last in lines_of(rsyslog))
    assert set(lines_of(rsyslog)) == set(range(1, last + 1))


def lines_of(server: Rsyslog) -> list[int]:
    """Numbers of the lines that a server has, each of which is whole."""
    found = server.received(0)
    assert [one.message.split()[0] for one in found] == [b"line"] * len(found)
    return [int(one.message.split()[1]) for one in found]
