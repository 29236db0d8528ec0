"""Podman through the same API: all that it gives comes out once and in order.

What it gives, and what not, is written down in docs/guides/podman.md.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.model.container import EntryKind
from pipeline.sources.docker.engine.client import Engine, NotFound, Unreadable
from pipeline.sources.docker.engine.endpoint import resolve
from pipeline.sources.docker.engine.stream import ByteStream
from pipeline.sources.docker.logs.follower import Follower
from pipeline.testing.agent_process import AgentProcess
from pipeline.testing.following import Following, follow
from tests.servers.podman import PodmanServer

pytestmark = pytest.mark.server

LOGS = {"stdout": "1", "stderr": "1", "timestamps": "1"}
COUNT = "i=0; while [ $i -lt {} ]; do echo line $i; i=$((i+1)); done"
AT_ONCE = "seq 0 {} | sed 's/^/line /'"
"""Written 4 KiB at a time, so that Podman's monitor reads the end of one line with the next."""
MANY = 100_000
"""Lines, far more than sockets hold. Podman gives a third of them to who follows a container that
does not run."""
FOREVER = "i=0; while true; do echo line $i; i=$((i+1)); sleep 0.05; done"


def numbered(count: int, start: int = 0) -> list[str]:
    return [f"line {number}" for number in range(start, start + count)]


class Host:
    """Starts containers, and removes them at the end."""

    def __init__(self, podman: PodmanServer) -> None:
        self.podman = podman
        self.url = podman.url
        self._ids: list[str] = []

    async def do(self, *arguments: str) -> str:
        return await asyncio.to_thread(self.podman.podman, *arguments)

    async def run(self, script: str, *options: str) -> str:
        """Name of a container that runs `script`."""
        name = f"podman-{secrets.token_hex(4)}"
        arguments = [*options, "busybox:local", "sh", "-c", script]
        self._ids.append(await asyncio.to_thread(self.podman.run, name, *arguments))
        return name

    def clear(self) -> None:
        if self._ids:
            self.podman.podman("rm", "--force", "--ignore", "--time=0", *self._ids)


@pytest.fixture(scope="module")
def podman() -> Iterator[PodmanServer]:
    """In a folder with a short name: the path of a unix socket has 107 bytes at the most."""
    folder = Path(tempfile.mkdtemp(prefix="dockline-podman-"))
    with PodmanServer(folder) as server:
        yield server
    shutil.rmtree(folder)


@pytest.fixture
def host(podman: PodmanServer) -> Iterator[Host]:
    one = Host(podman)
    yield one
    one.clear()


@pytest.fixture
async def following(host: Host) -> AsyncIterator[Following]:
    async with follow(host.url) as running:
        await running.connected()
        yield running


@pytest.fixture
async def engine(host: Host) -> AsyncIterator[Engine]:
    one = Engine(resolve(host.url, None, {}))
    await one.connect()
    yield one
    await one.close()


# ------------------------------------------------------------------------------- its lines


@pytest.mark.fault(8)
async def test_a_thousand_lines_of_one_second_come_once_and_in_order(
    host: Host, following: Following
) -> None:
    name = await host.run(AT_ONCE.format(2999) + "; echo error >&2; sleep 60")
    await following.until_lines(name, 3001)
    assert following.lines(name, stream=1) == numbered(3000)
    assert following.lines(name, stream=2) == ["error"]
    assert following.sequences(name) == list(range(1, 3002))


async def test_a_long_line_in_parts_and_a_last_one_without_its_end_come_out_whole(
    host: Host, following: Following
) -> None:
    script = "echo one; head -c 100000 /dev/zero | tr '\\0' x; sleep 0.1; echo end; printf last"
    name = await host.run(script)
    await following.until_lines(name, 3)
    assert following.lines(name) == ["one", "x" * 100_000 + "end", "last"]


async def test_a_line_that_is_written_bit_by_bit_is_one_line(
    host: Host, following: Following
) -> None:
    name = await host.run("printf a; sleep 0.3; printf b; sleep 0.3; echo c; echo d; sleep 60")
    assert await following.until_lines(name, 2) == ["abc", "d"]


@pytest.mark.fault(11)
async def test_a_terminal_comes_out_as_lines(host: Host, following: Following) -> None:
    script = "head -c 40000 /dev/zero | tr '\\0' x; sleep 0.1; echo end; printf last"
    name = await host.run(AT_ONCE.format(1999) + "; " + script, "--tty")
    await following.until_lines(name, 2002)
    assert following.lines(name) == [*numbered(2000), "x" * 40_000 + "end", "last"]


async def test_a_container_started_again_goes_on(host: Host, following: Following) -> None:
    """Once Podman has noticed its end. docs/guides/podman.md: what if it starts at once."""
    name = await host.run(COUNT.format(50))
    for runs in (1, 2, 3):
        await following.until_lines(name, 50 * runs)
        await following.until(lambda: tail_of(following, name).idle)
        if runs < 3:
            await host.do("start", name)
    assert following.lines(name) == numbered(50) * 3


AWAY = {
    "ended": "",
    "paused": "sleep 5; echo on; sleep 600",
    "stopping": "while true; do sleep 0.1; done",
}
"""What a container does after its many lines, by what has become of it when the agent returns."""


@pytest.mark.parametrize("state", AWAY)
async def test_all_lines_come_of_a_container_that_does_not_run_when_the_agent_returns(
    host: Host, tmp_path: Path, state: str
) -> None:
    waits = "echo line 0; while [ ! $go ]; do sleep 0.05; done"
    traps = "trap go=1 USR1; trap 'sleep 5; echo on; exit' TERM"
    lines = f"seq 1 {MANY - 1} | sed 's/^/line /'"
    name = await host.run(f"go=; {traps}; {waits}; {lines}; {AWAY[state]}")
    async with follow(host.url, state=tmp_path, start="beginning") as following:
        assert await following.until_lines(name, 1) == ["line 0"]
    await host.do("kill", "--signal=USR1", name)
    log = await asyncio.to_thread(host.podman.log_of, name)
    while not log.read_bytes().endswith(f"line {MANY - 1}\n".encode()):
        await asyncio.sleep(0.1)
    async with asyncio.TaskGroup() as tasks:
        if state == "ended":
            await host.do("wait", name)
        elif state == "paused":
            await host.do("pause", name)
        else:
            tasks.create_task(host.do("stop", "--time=60", name))
            while "stopping" not in await host.do("inspect", "--format={{.State.Status}}", name):
                await asyncio.sleep(0.05)
        async with follow(host.url, state=tmp_path) as following:
            assert await following.until_lines(name, MANY - 1)
            if state == "paused":
                await host.do("unpause", name)
            last = [] if state == "ended" else ["on"]
            await following.until_lines(name, MANY - 1 + len(last))
            assert following.lines(name) == numbered(MANY - 1, start=1) + last
            assert following.gaps(name) == 0


async def test_a_line_comes_that_is_written_right_before_the_agent_learns_of_the_end(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a container that is being stopped, of which the log was read to its end just before."""
    traps = "trap '' TERM; trap 'echo last; exit' USR1"
    name = await host.run(f"{traps}; echo first; while true; do sleep 0.1; done")
    pid = int(await host.do("inspect", "--format={{.State.Pid}}", name))
    reads, logs, get = 0, Engine.logs, Engine.get

    async def counted(engine: Engine, container_id: str, **parameters: str) -> ByteStream:
        nonlocal reads
        reads += "follow" not in parameters
        return await logs(engine, container_id, **parameters)

    async def ended_before(engine: Engine, path: str, **parameters: str) -> Any:
        nonlocal reads
        if reads == 2 and path.startswith("/containers/") and not parameters:
            reads = 0
            os.kill(pid, signal.SIGUSR1)  # `podman kill` takes none that is being stopped
            await host.do("wait", name)
        return await get(engine, path, **parameters)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(host.do("stop", "--time=60", name))
        while "stopping" not in await host.do("inspect", "--format={{.State.Status}}", name):
            await asyncio.sleep(0.05)
        monkeypatch.setattr(Engine, "logs", counted)
        monkeypatch.setattr(Engine, "get", ended_before)
        async with follow(host.url, state=tmp_path, start="beginning") as following:
            assert await following.until_lines(name, 2) == ["first", "last"]
            assert following.gaps(name) == 0


@pytest.mark.parametrize("options", [[], ["--tty"]], ids=["streams", "terminal"])
async def test_all_lines_come_of_a_container_that_ends_while_a_sink_holds_back(
    host: Host, following: Following, options: list[str]
) -> None:
    name = await host.run("sleep 0.5; " + AT_ONCE.format(MANY - 1), *options)
    await following.until_follower(name)
    following.kept.has_room.clear()
    await host.do("wait", name)
    await asyncio.sleep(1)  # Podman leaves out lines by now
    following.kept.has_room.set()
    await following.until_lines(name, MANY)
    assert following.lines(name) == numbered(MANY)
    assert following.gaps(name) == 0


async def test_all_lines_come_of_a_container_that_starts_again_at_once(
    host: Host, following: Following
) -> None:
    name = await host.run(AT_ONCE.format(MANY - 1))
    for _ in range(3):
        await host.do("wait", name)
        await host.do("start", name)
    await following.until_lines(name, 4 * MANY)
    assert following.lines(name) == numbered(MANY) * 4
    assert following.gaps(name) == 0


def tail_of(following: Following, name: str) -> Follower:
    (tail,) = (one.follower for one in following.source.followed.values() if one.facts.name == name)
    assert tail
    return tail


async def test_a_container_that_is_gone_in_a_moment_is_read_or_seen(
    host: Host, following: Following
) -> None:
    """Its log file is removed with it, and read by name: what the removal overtakes is lost."""
    for number in range(5):
        wait = "while [ ! $go ]; do sleep 0.05; done"
        name = await host.run(f"trap go=1 USR1; echo {number}; {wait}", "--rm")
        assert await following.until_lines(name, 1) == [str(number)]
        await host.do("kill", "--signal=USR1", name)
        await following.until(lambda: "destroy" in following.actions(name))  # noqa: B023


# ------------------------------------------------------------------------------ its events


async def test_what_happens_to_a_container_is_told_and_its_removal_noticed(
    host: Host, following: Following
) -> None:
    name = await host.run("exit 3")
    await following.until(lambda: "die" in following.actions(name))
    await host.do("rename", name, f"{name}-new")
    await following.until(lambda: "rename" in following.actions(f"{name}-new"))
    await host.do("rm", f"{name}-new")
    await following.until(lambda: "destroy" in following.actions(f"{name}-new"))
    await following.until(
        lambda: all(one.facts.name != f"{name}-new" for one in following.source.followed.values())
    )
    assert following.actions(name) == ["create", "start", "die"]
    assert following.actions(f"{name}-new") == ["rename", "destroy"]
    (died,) = (b for b in following.kept.batches if b.lines[0].startswith(b"exited with code 3"))
    assert died.container.name == name


async def test_a_failure_and_lack_of_memory_are_told_from_an_end_by_a_signal(host: Host) -> None:
    """Podman has no event for a stop, so that is not said to be a failure."""
    hungry = ("--memory=32m", "--memory-swap=32m")
    async with follow(host.url, keep_ended=3600.0) as following:
        await following.connected()
        names = {
            "error": await host.run("sleep 0.5; exit 3"),
            "oom_killed": await host.run("exec tail /dev/zero", *hungry),
            "unknown": await host.run("exec sleep 600"),
        }
        await host.do("stop", "--time=1", names["unknown"])

        def reasons() -> dict[str, str]:
            reported = following.source.reported
            return {one.name: state.reason for one, state in reported if state.ended}

        await following.until(
            lambda: all(reasons().get(name) == reason for reason, name in names.items()),
            "not all have ended as they did",
        )


@pytest.mark.parametrize("takes", [["logs", "events"], ["events"]], ids=str)
async def test_its_end_comes_with_its_last_lines_and_whether_it_was_for_memory(
    host: Host, takes: list[EntryKind]
) -> None:
    """Podman has no event `oom`; its inspection says it."""
    async with follow(host.url, takes=takes, last_lines=2) as following:
        await following.connected()
        failing = await host.run("echo one; echo two; echo three; sleep 1; exit 3")
        hungry = await host.run("echo hungry; exec tail /dev/zero", "--memory", "32m")

        def died(name: str) -> list[dict[str, object]]:
            return [
                one.fields[0]["docker"]["event"]
                for one in following.kept.batches
                if one.source == "events" and one.container.name == name and one.fields
                if one.fields[0]["docker"]["event"]["action"] == "die"
            ]

        await following.until(lambda: died(failing) and died(hungry), "they have not died")
    (failed,), (starved,) = died(failing), died(hungry)
    assert failed["last_lines"] == ["two", "three"] and failed["last_lines_complete"] is True
    assert (failed["exit_code"], failed["oom_killed"]) == (3, False)
    assert starved["last_lines"] == ["hungry"]
    assert (starved["exit_code"], starved["oom_killed"]) == (137, True)


async def test_pausing_breaks_nothing(host: Host, following: Following) -> None:
    name = await host.run(FOREVER)
    await following.until_lines(name, 3)
    await host.do("pause", name)
    await host.do("unpause", name)
    lines = await following.until_lines(name, len(following.lines(name)) + 10)
    assert lines == numbered(len(lines))
    await following.until(lambda: "unpause" in following.actions(name))
    assert following.actions(name) == ["create", "start", "pause", "unpause"]


# ------------------------------------------------------------------- the service, its errors


async def test_it_is_known_for_what_it_is_and_by_no_name_of_its_own(engine: Engine) -> None:
    """Its id is another one in each answer, and must not pass for another Engine's."""
    assert engine.podman
    assert (engine.api, engine.id) == ((1, 41), "")
    assert engine.host
    assert abs(engine.clock_offset) < 30
    assert (await engine.get("/info"))["ID"] != (await engine.get("/info"))["ID"]


async def test_a_container_that_is_not_there_is_not_found(engine: Engine) -> None:
    with pytest.raises(NotFound, match="no such container"):
        await engine.get(f"/containers/{'0' * 64}/json")
    with pytest.raises(NotFound, match="no such container"):
        await engine.logs("0" * 64, **LOGS)


async def test_a_driver_that_keeps_nothing_is_unreadable_for_good(
    host: Host, engine: Engine
) -> None:
    """It answers 500 where Docker answers 501."""
    name = await host.run("sleep 60", "--log-driver=none")
    with pytest.raises(Unreadable, match=r"answers 500: .*'none' log driver"):
        await engine.logs(name, **LOGS)


# ------------------------------------------------------------------------------- restarts


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
async def test_the_service_may_stop_and_start_again_under_living_containers(
    host: Host, following: Following, number: int
) -> None:
    name = await host.run(FOREVER)
    await following.until_lines(name, 10)
    await asyncio.to_thread(host.podman.stop, number)
    await following.until(lambda: "there is no socket" in (following.source.watch.problem or ""))
    await asyncio.sleep(0.5)
    await asyncio.to_thread(host.podman.start)
    lines = await following.until_lines(name, len(following.lines(name)) + 20)
    assert lines == numbered(len(lines))


@pytest.mark.parametrize("options", [[], ["--tty"]], ids=["streams", "terminal"])
async def test_a_restart_of_the_agent_resumes_exactly_where_it_stopped(
    host: Host, tmp_path: Path, options: list[str]
) -> None:
    """Within a second of many lines, which Podman gives one and the same time."""
    script = (
        "i=0; while true; do echo line $i; i=$((i+1)); [ $((i % 20)) -eq 0 ] && sleep 0.05; done"
    )
    name = await host.run(script, *options)
    lines: list[str] = []
    for _ in range(3):
        async with follow(host.url, state=tmp_path, start="beginning") as following:
            await following.until_lines(name, 50)
        lines += following.lines(name)  # it takes what comes until it has ended
        sequences = following.sequences(name)
        assert sequences == list(range(len(lines) - len(sequences) + 1, len(lines) + 1))
        await asyncio.sleep(0.2)
    assert lines == numbered(len(lines))


# -------------------------------------------------------------------------------- the page


async def test_the_page_has_its_containers_and_their_older_lines(
    host: Host, tmp_path: Path
) -> None:
    talks = await host.run("for i in 1 2 3 4 5; do echo line $i; done; sleep 60")
    ended = await host.run("exit 3")

    def ask() -> tuple[dict[str, dict[str, object]], list[str]]:
        with AgentProcess(tmp_path / "agent", host.url) as agent:
            agent.connected()
            lines_of_it = f"/api/lines?container={talks}&before=2100-01-01T00:00:00Z"
            agent.until(lambda: agent.get(lines_of_it)[0] == 200, "not listed")
            listed = json.loads(agent.get("/api/containers")[1])["containers"]
            found = json.loads(agent.get(lines_of_it)[1])
        return {one["name"]: one for one in listed}, [one["message"] for one in found["lines"]]

    containers, lines = await asyncio.to_thread(ask)
    assert containers[talks]["state"] == "running"
    assert (containers[ended]["state"], containers[ended]["exit_code"]) == ("exited", 3)
    assert lines == [f"line {number}" for number in range(1, 6)]
