"""Many containers: what they cost an agent while they say nothing, and while all of them talk.

    python -m benchmarks.many [--containers 500] [--seconds 60] [--engine URL] [--write]
                              [--only idle|busy] [--rate 200] [--talk 15]

Idle: the agent has `--containers` of them attached.

- attached: from the start of its process until a line of each has come, written once it had reached
  the Engine;
- CPU, as a share of one core, over `--seconds` each without stats and with stats every 10 s. The
  first minutes cost the most: a log that says nothing is looked at after 30 s, 60 s, 120 s, and
  then every 300 s;
- memory and descriptors per container, from an agent that follows a fifth of them to one that
  follows all: resident, private to the process, once it has settled.

Busy: each logs `--rate` lines a second of 142 bytes for `--talk` seconds, which the agent sends as
RFC 5424 over TCP. CPU per line, beside that of one container which logs as many as all of them.
Where the machine cannot write that many, the figures say how many it could.

Goals: 1 % of a core without stats, 5 % with; 64 KiB; attached within 5 s of the agent's start; 1.5
times the CPU of a line of one container.

`--engine` takes an Engine that has the containers already (`python -m benchmarks.many --hold`
starts one and keeps it until it is interrupted: 500 take two minutes).
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.crowd import ALONE, PREFIX, Crowd, Pace, crowd_of, faults
from benchmarks.lines import LENGTH, cpu_of
from benchmarks.measured import memory
from benchmarks.receiver import Receiver
from pipeline.testing.agent_process import AgentProcess
from pipeline.testing.docker_client import DockerClient

STATS = "10s"
SETTLING = 12.0
"""Seconds after which what the beginning took is over: each container's stats were read once."""
PATIENCE = 60.0
IDLE = """
[logs]
start = "5s"
containers = 'name.startswith("{prefix}") and name < "{prefix}{end:04}"'
[stats]
every = "{stats}"
"""
BUSY = """
[logs]
{read}
[stats]
every = "off"
[sinks.out]
type = "syslog"
address = "tcp://127.0.0.1:{port}"
"""


@dataclass(frozen=True)
class Idle:
    """Of containers that say nothing."""

    containers: int
    attached: float
    """Seconds from the start of the process until a line of each had come."""
    cpu_idle: float
    """Share of a core without stats."""
    cpu_stats: float
    """The same with stats every 10 s."""
    dockerd_idle: float
    """Share of a core that dockerd takes meanwhile."""
    dockerd_stats: float
    kib_idle: float
    """Memory for each container, without stats."""
    kib_stats: float
    descriptors: float
    """For each container, with stats."""
    wakeups_idle: float
    """Times a second that the agent's threads go to sleep, without stats."""

    def __str__(self) -> str:
        return (
            f"{self.containers} idle containers: {self.cpu_idle:.2%} of a core (goal 1 %), with "
            f"stats {self.cpu_stats:.2%} (goal 5 %), {self.kib_idle:.1f} and "
            f"{self.kib_stats:.1f} KiB each (goal 64), attached after {self.attached:.2f} s "
            "(goal 5 s)"
        )


@dataclass(frozen=True)
class Talk:
    """Of some containers that log at the same pace."""

    containers: int
    lines: int
    took: float
    """Seconds in which they were written."""
    cpu: float
    """Microseconds for each line, the agent's."""
    dockerd: float
    """The same, dockerd's."""
    behind: float
    """Seconds from the last line's writing until all had come."""
    peak: float
    """MiB of resident memory."""
    faults: str
    """What came otherwise than it was written; empty for nothing."""

    @property
    def rate(self) -> float:
        return self.lines / self.took


@dataclass(frozen=True)
class Busy:
    """Of containers that all talk."""

    many: Talk
    one: Talk
    """One container with as many lines."""

    @property
    def ratio(self) -> float:
        """What a line costs of many containers, where one's of one is 1."""
        return self.many.cpu / self.one.cpu

    def __str__(self) -> str:
        many, one = self.many, self.one
        return (
            f"{many.containers} containers, {many.rate:,.0f} lines/s in all: {many.cpu:.2f} µs of "
            f"CPU a line, {self.ratio:.2f} of one container's {one.cpu:.2f} at {one.rate:,.0f} "
            f"lines/s (goal 1.5); dockerd {many.dockerd:.1f} and {one.dockerd:.1f} µs; "
            f"faults: {many.faults or one.faults or 'none'}"
        )


# ------------------------------------------------------------------------------------ idle


def measure_idle(crowd: Crowd, seconds: float) -> Idle:
    """Takes about three times `seconds`, and a minute."""
    containers = crowd.count
    few = containers // 5
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        alone = [_idle(place, crowd, few, 0, stats) for stats in ("off", STATS)]
        all_ = [_idle(place, crowd, containers, seconds, stats) for stats in ("off", STATS)]
    (idle_few, stats_few), (idle, stats) = alone, all_
    more = containers - few
    return Idle(
        containers=containers,
        attached=idle.attached,
        cpu_idle=idle.cpu,
        cpu_stats=stats.cpu,
        dockerd_idle=idle.dockerd,
        dockerd_stats=stats.dockerd,
        kib_idle=(idle.kib - idle_few.kib) / more,
        kib_stats=(stats.kib - stats_few.kib) / more,
        descriptors=(stats.descriptors - stats_few.descriptors) / more,
        wakeups_idle=idle.wakeups,
    )


@dataclass(frozen=True)
class _Run:
    attached: float
    cpu: float
    dockerd: float
    kib: int
    descriptors: int
    wakeups: float


def _idle(folder: Path, crowd: Crowd, containers: int, seconds: float, stats: str) -> _Run:
    config = IDLE.format(prefix=PREFIX, end=containers, stats=stats)
    began = time.perf_counter()
    with AgentProcess(folder / f"{containers}-{stats}", crowd.engine.url, config) as agent:
        pid, dockerd = agent.process.pid, crowd.dockerd
        agent.connected()
        tag = f"{pid} asks"
        crowd.say(crowd.names[:containers], tag.encode())
        agent.until(lambda: sum(tag in line for line in agent.output) >= containers)
        attached = time.perf_counter() - began
        time.sleep(SETTLING)
        began, cpu, theirs, sleeps = time.perf_counter(), cpu_of(pid), cpu_of(dockerd), _sleeps(pid)
        time.sleep(seconds)
        took = time.perf_counter() - began
        run = _Run(
            attached,
            (cpu_of(pid) - cpu) / took,
            (cpu_of(dockerd) - theirs) / took,
            _private_kib(pid),
            len(list(Path(f"/proc/{pid}/fd").iterdir())),
            (_sleeps(pid) - sleeps) / took,
        )
        agent.stop()
        return run


def _private_kib(pid: int) -> int:
    rows = (line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines())
    return sum(int(row[1]) for row in rows if row[0] in ("Private_Clean:", "Private_Dirty:"))


def _sleeps(pid: int) -> int:
    """Voluntary context switches of all its threads."""
    count = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        status = (task / "status").read_text()
        count += int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])
    return count


# ------------------------------------------------------------------------------------ busy


def measure_busy(crowd: Crowd, rate: float, seconds: float, read: str = "") -> Busy:
    """`rate`: lines a second of each container. `read`: how logs are read, if not as it is set.

    One agent has all containers attached, and first one of them talks, then all others."""
    with tempfile.TemporaryDirectory() as folder, Receiver() as receiver:
        how = f'read = "{read}"' if read else ""
        config = BUSY.format(read=how, port=receiver.port)
        with AgentProcess(Path(folder) / "agent", crowd.engine.url, config, http=False) as agent:
            agent.connected()
            _wait_until_attached(crowd, receiver)
            one = _talk(crowd, agent, receiver, [ALONE], rate * crowd.count, seconds)
            many = _talk(crowd, agent, receiver, crowd.names, rate, seconds)
            agent.stop()
    return Busy(many, one)


def _wait_until_attached(crowd: Crowd, receiver: Receiver) -> None:
    """A line of each comes: those written before the agent has met a container are none of its."""
    names = [ALONE, *crowd.names]
    for _ in range(10):
        before = receiver.count()
        crowd.say(names, b'{"seq":none}')
        if receiver.come(before + len(names), PATIENCE, 2.0):
            return
    raise TimeoutError(f"{receiver.count() - before} of {len(names)} containers are attached")


def _talk(
    crowd: Crowd,
    agent: AgentProcess,
    receiver: Receiver,
    names: Sequence[str],
    rate: float,
    seconds: float,
) -> Talk:
    pid, pace = agent.process.pid, Pace(crowd, names, rate, seconds)
    lines, before = pace.each * len(names), receiver.count()
    cpu, theirs = cpu_of(pid), cpu_of(crowd.dockerd)
    pace.go()
    pace.join()
    written = time.time()
    receiver.come(before + lines, PATIENCE, PATIENCE)
    return Talk(
        containers=len(names),
        lines=lines,
        took=pace.took,
        cpu=(cpu_of(pid) - cpu) / lines * 1e6,
        dockerd=(cpu_of(crowd.dockerd) - theirs) / lines * 1e6,
        behind=receiver.last() - written,
        peak=memory(pid, "VmHWM"),
        faults=faults(receiver, names, pace.each),
    )


# ---------------------------------------------------------------------------------- as text


def idle_table(figures: Idle) -> str:
    """As Markdown, each beside its goal."""
    rows = [
        ("CPU without stats", f"{figures.cpu_idle:.2%} of a core", "1 %"),
        (f"CPU with stats every {STATS}", f"{figures.cpu_stats:.2%}", "5 %"),
        ("dockerd meanwhile, without and with",
         f"{figures.dockerd_idle:.1%}, {figures.dockerd_stats:.1%}", ""),
        ("memory for each container, without and with stats",
         f"{figures.kib_idle:.1f}, {figures.kib_stats:.1f} KiB", "64 KiB"),
        ("descriptors for each container", f"{figures.descriptors:.2f}", ""),
        ("times a second that it wakes, without stats", f"{figures.wakeups_idle:.1f}", ""),
        ("all attached after", f"{figures.attached:.2f} s", "5 s"),
    ]  # fmt: skip
    return _table([f"{figures.containers} idle containers", "", "goal"], rows)


def busy_table(figures: Busy) -> str:
    many, one = figures.many, figures.one
    rows = [
        ("lines a second, in all", f"{one.rate:,.0f}", f"{many.rate:,.0f}", ""),
        ("CPU of the agent a line", f"{one.cpu:.2f} µs", f"{many.cpu:.2f} µs", ""),
        ("the same, as a ratio", "1", f"{figures.ratio:.2f}", "1.5"),
        ("CPU of dockerd a line", f"{one.dockerd:.2f} µs", f"{many.dockerd:.2f} µs", ""),
        ("all had come after the last was written",
         f"{one.behind:.2f} s", f"{many.behind:.2f} s", ""),
        ("memory at the most", f"{one.peak:.0f} MiB", f"{many.peak:.0f} MiB", ""),
        ("lost, repeated, out of order", one.faults or "none", many.faults or "none", "none"),
    ]  # fmt: skip
    head = [f"lines of {LENGTH} bytes", "one container", f"{many.containers} containers", "goal"]
    return _table(head, rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _hold(count: int) -> None:
    with crowd_of(count) as crowd:
        print(f"--containers {count} --engine {crowd.engine.url}", flush=True)
        ends = {signal.SIGINT, signal.SIGTERM}
        signal.pthread_sigmask(signal.SIG_BLOCK, ends)  # else it all stays there
        signal.sigwait(ends)


def _measure(crowd: Crowd, arguments: argparse.Namespace) -> list[str]:
    texts = []
    if arguments.only != "busy":
        idle = measure_idle(crowd, arguments.seconds)
        print(idle, file=sys.stderr, flush=True)
        texts.append(idle_table(idle))
    if arguments.only != "idle":
        busy = measure_busy(crowd, arguments.rate, arguments.talk, arguments.read)
        print(busy, file=sys.stderr, flush=True)
        texts.append(busy_table(busy))
    return texts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--containers", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=60, help="of idleness that are measured")
    parser.add_argument("--rate", type=float, default=200, help="lines a second of each container")
    parser.add_argument("--talk", type=float, default=15, help="seconds in which they log")
    parser.add_argument("--read", default="", help="api or file, instead of the default")
    parser.add_argument("--only", choices=["idle", "busy"])
    parser.add_argument("--engine", metavar="URL", help="an Engine that has them already")
    parser.add_argument("--hold", action="store_true", help="start such an Engine, and keep it")
    parser.add_argument("--write", action="store_true", help="keep the figures in results/")
    arguments = parser.parse_args()
    if arguments.hold:
        _hold(arguments.containers)
        return
    if arguments.engine:
        texts = _measure(Crowd(DockerClient(arguments.engine), arguments.containers), arguments)
    else:
        with crowd_of(arguments.containers) as crowd:
            texts = _measure(crowd, arguments)
    text = f"CPython {platform.python_version()}, {os.cpu_count()} cores\n\n" + "\n\n".join(texts)
    print(text)
    if arguments.write:
        file = Path(__file__).parent / "results" / "many.md"
        file.write_text(f"# Many containers\n\n{text}\n")


if __name__ == "__main__":
    main()
