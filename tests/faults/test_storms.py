"""Everything at once: starts, resumes, and too few file descriptors."""

from __future__ import annotations

import asyncio
import resource
from pathlib import Path

import pytest

from pipeline.testing.agent_process import AgentProcess
from pipeline.testing.fake_engine import FakeEngine, Fault, Request, Step, frame, head
from tests.faults.peers import LumberjackPeer

pytestmark = [pytest.mark.server, pytest.mark.fault(17)]

OPENING = 32
"""Logs that the agent opens at once, as `docs/reference/bounds.md` says."""
CONFIG = """
[logs]
start = "beginning"
[stats]
every = "off"
[events]
enabled = false
[sinks.out]
type = "logstash"
address = "lumberjack://127.0.0.1:{port}"
"""


class Busy(FakeEngine):
    """Takes a moment to find the place in a log, and notes how many logs it seeks in at once."""

    seeking = most = opened = 0

    async def _reply(self, request: Request, writer: asyncio.StreamWriter) -> None:
        if request.path.endswith("/logs") and "follow" in request.query:
            self.seeking += 1
            self.most = max(self.most, self.seeking)
            self.opened += 1
            while self.most < OPENING:  # however slow the agent is
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.02)
            self.seeking -= 1
        await super()._reply(request, writer)


def run_containers(fake: FakeEngine, count: int, *after: Step) -> dict[str, str]:
    """Names and ids of containers that run and have logged their names; `after` follows in the
    log."""
    made = {f"storm-{number}": f"{number:064x}" for number in range(count)}
    for name, key in made.items():
        fake.containers[key] = {"name": name}
        fake.answer(f"/containers/{key}/logs", [head(), frame(f"{name}\n".encode()), *after])
    return made


async def until(agent: AgentProcess, holds: object, what: str = "") -> None:
    await asyncio.to_thread(agent.until, holds, what)  # type: ignore[arg-type]


def names_in(receiver: LumberjackPeer) -> list[str]:
    return [entry["message"] for window in list(receiver.windows) for entry in window]


async def test_a_thousand_starts_at_once_lose_no_line_and_open_few_logs_at_a_time(
    tmp_path: Path,
) -> None:
    with LumberjackPeer() as receiver:
        async with Busy(tmp_path / "docker.sock") as fake:
            config = CONFIG.format(port=receiver.port)
            with AgentProcess(tmp_path / "agent", fake.url, config) as agent:
                await asyncio.to_thread(agent.connected)
                for name, key in (made := run_containers(fake, 1000, Fault.STALL)).items():
                    fake.emit("create", key, name=name)
                    fake.emit("start", key, name=name)
                await until(agent, lambda: len(names_in(receiver)) >= 1000, "lines are missing")
                assert sorted(names_in(receiver)) == sorted(made)
                assert (fake.opened, fake.most) == (1000, OPENING)
                assert await asyncio.to_thread(agent.stop) == 0


async def test_after_a_restart_three_hundred_logs_are_resumed_few_at_a_time(tmp_path: Path) -> None:
    """Each resume makes the Engine search a whole log, which took it 1.4 s for one of 159 MB."""
    with LumberjackPeer() as receiver:
        async with Busy(tmp_path / "docker.sock") as fake:
            made = run_containers(fake, 300, Fault.STALL)
            config = CONFIG.format(port=receiver.port)
            with AgentProcess(tmp_path / "agent", fake.url, config) as agent:
                await until(agent, lambda: len(names_in(receiver)) >= 300)
                assert await asyncio.to_thread(agent.stop) == 0
                fake.most = fake.opened = 0
                await asyncio.to_thread(agent.start)
                await until(agent, lambda: fake.opened == 300)
                assert fake.most == OPENING
                assert await asyncio.to_thread(agent.stop) == 0
            assert sorted(names_in(receiver)) == sorted(made)  # nothing came twice
            queries = (r.query for r in fake.requests if r.path.endswith("/logs"))
            asked = [query for query in queries if "follow" in query][300:]
            assert all("since" in query for query in asked)


async def test_without_file_descriptors_it_reads_what_it_can_and_the_rest_once_there_are_more(
    tmp_path: Path,
) -> None:
    with LumberjackPeer() as receiver:
        async with FakeEngine(tmp_path / "docker.sock") as fake:
            fake.containers["f" * 64] = {"name": "first"}
            fake.answer(f"/containers/{'f' * 64}/logs", [head(), frame(b"first\n"), Fault.STALL])
            config = CONFIG.format(port=receiver.port)
            with AgentProcess(tmp_path / "agent", fake.url, config) as agent:
                await until(agent, lambda: names_in(receiver) == ["first"])
                limit(agent, 64)
                for name, key in (made := run_containers(fake, 100, Fault.STALL)).items():
                    fake.emit("start", key, name=name)
                await until(agent, lambda: "Too many open files" in agent.said)
                await until(agent, lambda: len(names_in(receiver)) > 20)
                assert len(names_in(receiver)) < 64
                limit(agent, 1024)
                await until(agent, lambda: len(names_in(receiver)) > 100, "lines are missing")
                assert sorted(names_in(receiver)) == sorted([*made, "first"])
                assert await asyncio.to_thread(agent.stop) == 0
                assert "Traceback" not in agent.said


def limit(agent: AgentProcess, descriptors: int) -> None:
    resource.prlimit(agent.process.pid, resource.RLIMIT_NOFILE, (descriptors, 4096))


def test_it_takes_as_many_file_descriptors_as_it_may_have(tmp_path: Path) -> None:
    """Most systems start a service with 1024, which as many containers would use up."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
    try:
        with AgentProcess(tmp_path, "unix:///nowhere/docker.sock") as agent:
            agent.until(lambda: "there is no socket" in agent.said)
            limits = Path(f"/proc/{agent.process.pid}/limits").read_text()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    (line,) = [line for line in limits.splitlines() if line.startswith("Max open files")]
    assert line.split()[3:5] == [str(hard), str(hard)]
