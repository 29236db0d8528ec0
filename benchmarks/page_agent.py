"""What a viewer of the page costs the agent: CPU seconds of its process, and its loop's turns.

A viewer is a client that reads the heaviest stream, all rows of the table of containers; it is a
thread of this process, so that its own work is not the agent's.
"""

from __future__ import annotations

import json
import os
import statistics
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.page_crowd import OUT, Talking
from pipeline.testing.agent_process import AgentProcess
from tests.page.chromium.crowd import CONFIG, Crowd
from tests.servers.ports import free_port

SETTLING = 5.0
NOTED = 0.005
"""Seconds from which on a turn of the loop is noted."""
STREAMS = ("/api/now?containers=1",)


@dataclass(frozen=True)
class Watched:
    """An agent with a viewer, beside the same without one."""

    containers: int
    rate: float
    """Lines a second of all containers together."""
    without: float
    """Share of a core."""
    viewer: float
    more: float
    """Median of the differences, round by round."""
    turn: float
    """Seconds of CPU of the loop's longest turn with a viewer."""
    turn_without: float
    lost: int
    """Lines that were sent and did not come out."""


def cpu_of(process: int) -> float:
    """CPU seconds of all threads of a process."""
    tasks = Path(f"/proc/{process}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


@contextmanager
def agent_with(folder: Path, count: int, http: str = "") -> Iterator[tuple[AgentProcess, Crowd]]:
    """An agent that knows so many containers. What its loop's turns take is in `folder/turns`."""
    port = free_port()
    config = f"{http}\n{CONFIG.format(port=port)}{OUT.format(folder=folder)}"
    os.environ["TURNS_NOTED"] = str(NOTED)
    agent = AgentProcess(folder / "agent", "", config)
    agent._module = ("tests.hostile.turns", str(folder / "turns"))
    with agent, Crowd(port, count) as crowd:
        crowd.all_say("hello")
        agent.until(lambda: _delivered(agent) >= count)
        yield agent, crowd


def _delivered(agent: AgentProcess) -> int:
    """Lines that came out."""
    (sink,) = json.loads(agent.get("/top")[1])["sinks"]
    return int(sink.get("delivered", 0))


def watched(folder: Path, count: int, rate: float, seconds: float, rounds: int) -> Watched:
    """Measures rounds with and without a viewer, in turn."""
    with agent_with(folder, count) as (agent, crowd):
        with Talking(crowd, rate):
            time.sleep(SETTLING)
            pairs = [
                [_round(agent, folder, seconds, viewed) for viewed in (False, True)]
                for _ in range(rounds)
            ]
        with suppress(AssertionError):
            agent.until(lambda: _delivered(agent) >= sum(crowd._sequences))
        lost = sum(crowd._sequences) - _delivered(agent)
    return Watched(
        containers=count,
        rate=rate,
        without=statistics.median(without.share for without, _ in pairs),
        viewer=statistics.median(viewed.share for _, viewed in pairs),
        more=statistics.median(viewed.share - without.share for without, viewed in pairs),
        turn=max(viewed.turn for _, viewed in pairs),
        turn_without=max(without.turn for without, _ in pairs),
        lost=lost,
    )


@dataclass(frozen=True)
class _Round:
    share: float
    """Of a core."""
    turn: float
    """CPU seconds of the longest."""


def _round(agent: AgentProcess, folder: Path, seconds: float, viewed: bool) -> _Round:
    with _viewer(agent, viewed):
        time.sleep(2.0)
        began, cpu = time.time(), cpu_of(agent.process.pid)
        time.sleep(seconds)
        share = (cpu_of(agent.process.pid) - cpu) / (time.time() - began)
        return _Round(share, max(_turns(folder / "turns", began), default=0.0))


def _turns(file: Path, since: float) -> list[float]:
    """CPU seconds of the turns that were noted since then."""
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    return [line["cpu"] for line in lines if line["time"] >= since]


@contextmanager
def _viewer(agent: AgentProcess, viewed: bool) -> Iterator[None]:
    ended = threading.Event()
    threads = [
        threading.Thread(target=_read, args=(agent, path, ended), daemon=True)
        for path in (STREAMS if viewed else ())
    ]
    for thread in threads:
        thread.start()
    yield
    ended.set()
    for thread in threads:
        thread.join()


def _read(agent: AgentProcess, path: str, ended: threading.Event) -> None:
    headers = {"Authorization": f"Bearer {agent.token}"}
    request = urllib.request.Request(f"http://{agent.address}{path}", headers=headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        while not ended.is_set() and answer.readline():
            pass


def rings(folder: Path, count: int, seconds: float) -> tuple[float, float]:
    """Share of a core of an agent with so many idle containers that nobody looks at: with the page,
    and without it (`http.page = false`)."""
    shares = []
    for name, http in (("with", ""), ("none", "page = false")):
        (folder / name).mkdir()
        with agent_with(folder / name, count, http) as (agent, _):
            time.sleep(SETTLING)
            began, cpu = time.monotonic(), cpu_of(agent.process.pid)
            time.sleep(seconds)
            shares.append((cpu_of(agent.process.pid) - cpu) / (time.monotonic() - began))
    return shares[0], shares[1]
