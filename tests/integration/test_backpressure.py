"""A flood, and a destination that stands still, are nobody else's trouble, and cost little memory.

A container floods two sinks, of which one does not read for a while; others go on talking to the
one that does. Every line is accounted for.
"""

from __future__ import annotations

import time
from bisect import bisect
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest

from pipeline.testing.agent_process import AgentProcess
from pipeline.testing.private_engine import PrivateEngine
from pipeline.testing.receivers import TcpReceiver

LINES = 200_000
KEPT = LINES - LINES // 10
"""The route drops each line that ends in 7."""
MOST_MEMORY = 120
"""MiB. Measured: 65 to 70 at the most."""
FLOOD, STEADY = "pressure-flood", "pressure-steady"
FILTERED = 'dockline_filtered_entries_total{route="flood",stage="drop"}'

CONFIG = """
[logs]
containers = 'name.startswith("pressure-")'
[stats]
every = "off"
[sinks.still]
type = "syslog"
address = "tcp://127.0.0.1:{still}"
framing = "lf"
buffer = {{ memory = "4MiB", when_full = "{policy}" }}
[sinks.good]
type = "syslog"
address = "tcp://127.0.0.1:{good}"
framing = "lf"
buffer = {{ memory = "4MiB" }}
[routes.flood]
containers = 'name == "pressure-flood"'
stages = [{{ drop = "message.endswith('7')" }}]
to = ["still", "good"]
[routes.steady]
containers = 'name == "pressure-steady"'
to = ["good"]
"""


class Numbers(TcpReceiver):
    """RFC 5424 messages, one a line, each of which is a number: kept by APP-NAME."""

    def __init__(self) -> None:
        super().__init__()
        self.of: dict[bytes, list[int]] = {FLOOD.encode(): [], STEADY.encode(): []}

    def take(self, data: bytes) -> bytes:
        *lines, rest = data.split(b"\n")
        for line in lines:
            _, _, _, app, _, _, _, number = line.split(b" ")
            self.of[app].append(int(number))
        return rest

    @property
    def flood(self) -> list[int]:
        return self.of[FLOOD.encode()]

    @property
    def steady(self) -> list[int]:
        return self.of[STEADY.encode()]


class Pressure:
    """An agent, its two receivers, and its accounts."""

    def __init__(self, agent: AgentProcess, still: Numbers, good: Numbers) -> None:
        self.agent = agent
        self.still = still
        self.good = good

    def accounts(self) -> dict[str, float]:
        """All `dockline_*` samples of one scrape."""
        lines = self.agent.get("/metrics")[1].splitlines()
        pairs = [line.rpartition(" ") for line in lines if line.startswith("dockline_")]
        return {sample: float(value) for sample, _, value in pairs}

    def at_rest(self, policy: str) -> dict[str, float]:
        """The accounts once the flood moves no more: all is read, or as much as there is room."""
        last: list[float] = []

        def rests() -> bool:
            now = self.accounts()
            ours = (sample for sample in now if "still" in sample or FLOOD in sample)
            moving = [now[sample] for sample in ours if "entries" in sample]
            if policy == "block":
                ended = now['dockline_blocked_entries{sink="still"}'] > 0
            else:
                ended = now.get(FILTERED, 0) + sum(where_they_are(now, "still").values()) == LINES
            same = last == moving and ended
            last[:] = moving
            time.sleep(0.3)
            return same

        self.agent.until(rests, "the flood does not come to rest")
        return self.accounts()

    def memory(self, what: str) -> float:
        """`VmRSS` or `VmHWM` of the agent, in MiB."""
        status = Path(f"/proc/{self.agent.process.pid}/status").read_text()
        return int(status.partition(f"{what}:")[2].split()[0]) / 1024


def received(name: str) -> str:
    return f'dockline_received_entries_total{{container="{name}"}}'


def where_they_are(accounts: dict[str, float], sink: str) -> dict[str, float]:
    """What became of the entries that went to a sink, or where they are."""
    wanted = ("delivered_entries", "dropped_entries", "buffer_entries", "blocked_entries")
    return {
        sample: value
        for sample, value in accounts.items()
        if f'sink="{sink}"' in sample and any(word in sample for word in wanted)
    }


def assert_balanced(accounts: dict[str, float], sink: str, *names: str) -> None:
    """received = delivered + filtered + dropped + still waiting, to the entry, but for what is
    before the stages."""
    filtered = accounts[FILTERED]
    came = sum(accounts[received(name)] for name in names)
    went = where_they_are(accounts, sink)
    unseen = accounts["dockline_waiting_entries"]  # of all containers
    seen = filtered + sum(went.values())
    assert seen <= came <= seen + unseen, (came, filtered, went, unseen)


@contextmanager
def pressure(engine: PrivateEngine, folder: Path, policy: str) -> Iterator[Pressure]:
    with Numbers() as still, Numbers() as good:
        config = CONFIG.format(still=still.port, good=good.port, policy=policy)
        with AgentProcess(folder, engine.url, config) as agent:
            agent.connected()
            yield Pressure(agent, still, good)
            assert agent.stop() == 0
            assert "Traceback" not in agent.said
        assert still.errors + good.errors == []


@pytest.fixture
def start(engine: PrivateEngine, busybox: str) -> Iterator[Callable[[str, str], None]]:
    """Runs a script in a container of a name; its log is never rotated."""
    names: list[str] = []

    def run(name: str, script: str) -> None:
        names.append(name)
        engine.docker(
            "run", "--detach", "--network", "none", "--name", name, busybox, "sh", "-c", script
        )

    yield run
    engine.docker("rm", "--force", *names)


@pytest.mark.fault(25)
@pytest.mark.parametrize("policy", ["block", "drop_newest", "drop_oldest"])
def test_a_sink_that_stands_still(
    engine: PrivateEngine, start: Callable[[str, str], None], tmp_path: Path, policy: str
) -> None:
    with pressure(engine, tmp_path, policy) as made:
        still, good = made.still, made.good
        still.reading.clear()
        start(STEADY, "i=0; while true; do i=$((i+1)); echo $i; sleep 0.05; done")
        made.agent.until(lambda: good.steady)
        start(FLOOD, f"seq 1 {LINES}")
        accounts = made.at_rest(policy)

        # Everybody who does not depend on it goes on.
        seen = len(good.steady)
        made.agent.until(lambda: len(good.steady) > seen + 20)
        came = accounts[received(FLOOD)]
        went = where_they_are(accounts, "still")
        dropped = went.get(f'dockline_dropped_entries_total{{sink="still",reason="{policy}"}}', 0)
        if policy == "block":
            assert (came < LINES, dropped) == (True, 0)
            assert went['dockline_blocked_entries{sink="still"}'] > 0
        else:
            made.agent.until(lambda: len(good.flood) == KEPT)
            assert (came, dropped > 0) == (LINES, True)

        # What it costs is bounded, and nothing is unaccounted for.
        assert accounts['dockline_buffer_bytes{sink="still",kind="memory"}'] <= 4 * 2**20
        assert made.memory("VmHWM") < MOST_MEMORY
        assert_balanced(accounts, "still", FLOOD)

        # When it reads again, it gets what was kept, in order.
        still.reading.set()
        made.agent.until(lambda: len(still.flood) >= KEPT - dropped)
        delivered = 'dockline_delivered_entries_total{sink="still"}'
        made.agent.until(lambda: made.accounts()[delivered] >= KEPT - dropped)
        accounts = made.accounts()
        assert_balanced(accounts, "still", FLOOD)
        assert accounts[delivered] == KEPT - dropped
        assert len(still.flood) == KEPT - dropped
        assert still.flood == sorted(set(still.flood))
        if policy == "block":
            made.agent.until(lambda: len(good.flood) == KEPT)
        else:
            # Of the newest, a few fit where the many before them did not.
            together = sum(
                one == other for one, other in zip(still.flood, good.flood, strict=False)
            )
            assert (policy == "drop_newest") == (together > 0.9 * len(still.flood))
            assert policy == "drop_newest" or still.flood[-1] == LINES
        assert good.flood == [number for number in range(1, LINES + 1) if number % 10 != 7]
        steady = list(good.steady)
        assert steady == list(range(steady[0], steady[-1] + 1))
        assert made.memory("VmHWM") < MOST_MEMORY


QUIET = 20
FLOODED = 600_000
ONE_SINK = """
[logs]
containers = 'name.startswith("pressure-")'
[stats]
every = "off"
[sinks.all]
type = "syslog"
address = "tcp://127.0.0.1:{port}"
framing = "lf"
"""


class Lags(TcpReceiver):
    """How many lines of the flood came from a line's time, which is Docker's, until the line did,
    by APP-NAME. A machine that stands still for a while makes that no more."""

    def __init__(self) -> None:
        super().__init__()
        self.of: defaultdict[bytes, list[int]] = defaultdict(list)
        self._times: list[float] = []
        """When some of the flood came."""
        self._counts = [0]
        """How much there was before each of these times, and in the end."""

    def take(self, data: bytes) -> bytes:
        *lines, rest = data.split(b"\n")
        now = time.time()
        for line in lines:
            _, written, _, app, _ = line.split(b" ", 4)
            if app != FLOOD.encode():
                moment = datetime.fromisoformat(written.decode()).timestamp()
                before = self._counts[bisect(self._times, moment)]
                self.of[app].append(self._counts[-1] - before)
            elif self._times[-1:] == [now]:
                self._counts[-1] += 1
            else:
                self._times.append(now)
                self._counts.append(self._counts[-1] + 1)
        return rest


@pytest.mark.fault(18)
def test_no_quiet_line_waits_for_a_flood(
    engine: PrivateEngine, start: Callable[[str, str], None], tmp_path: Path
) -> None:
    with Lags() as lags:
        config = ONE_SINK.format(port=lags.port)
        with AgentProcess(tmp_path, engine.url, config) as agent:
            agent.connected()
            for number in range(QUIET):
                start(f"pressure-quiet-{number}", "while true; do echo hello; sleep 0.05; done")
            agent.until(lambda: len(lags.of) == QUIET)
            before = {app: len(all_) for app, all_ in lags.of.items()}
            start(FLOOD, f"seq 1 {FLOODED}")
            agent.until(lambda: agent.metric(received(FLOOD)) == FLOODED)
            agent.until(lambda: all(len(lags.of[app]) > before[app] + 10 for app in before))
            during = {app: all_[before[app] :] for app, all_ in lags.of.items()}
            assert agent.stop() == 0
        assert len(during) == QUIET
        assert max(map(max, during.values())) < FLOODED / 2
