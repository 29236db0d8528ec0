"""A destination with bad manners is nobody's trouble but its own, and misses nothing once it has
learnt better; and it does not keep the agent from ending."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.testing.agent_process import AgentProcess
from tests.faults.containers import Containers
from tests.faults.peers import BAD, LumberjackPeer, Manners, SyslogPeer
from tests.servers.daemon import eventually

Peer = SyslogPeer | LumberjackPeer
BEFORE, AFTER = 40_000, 2_000
"""Lines that one container logs before the peer is well again, and another one afterwards. As a
message each has some 170 bytes; of those our kernel takes 4 MB for a peer that reads none."""
SCRIPT = "yes $(printf '%090d' 0) | head -n {count} | awk '{{ print NR, $0 }}'; sleep 600"
CONFIG = """
[logs]
containers = 'name.startswith("peer-")'
[stats]
every = "off"
[agent]
shutdown = "{shutdown}"
[sinks.bad]
{sink}
address = "{scheme}://127.0.0.1:{bad}"
buffer = {{ memory = "{memory}" }}
retry = {{ initial = "100ms", max = "300ms" }}
[sinks.good]
type = "syslog"
address = "tcp://127.0.0.1:{good}"
"""


def configuration(
    bad: Peer, good: SyslogPeer, *, shutdown: str = "1m", memory: str = "64MiB", scheme: str = ""
) -> str:
    """By default the bad one's buffer holds all that is ever logged."""
    return CONFIG.format(
        sink=bad.sink, scheme=scheme or bad.scheme, bad=bad.port, good=good.port,
        shutdown=shutdown, memory=memory,
    )  # fmt: skip


def numbers(peer: Peer, name: str) -> list[int]:
    return [int(text.partition(" ")[0]) for text in peer.texts(name)]


def counted(count: int) -> list[int]:
    return list(range(1, count + 1))


@pytest.mark.fault(25)
@pytest.mark.parametrize("make", [SyslogPeer, LumberjackPeer])
@pytest.mark.parametrize("manners", BAD, ids=lambda one: one.name.lower())
def test_a_peer_with_bad_manners_costs_another_sink_no_line(
    containers: Containers, tmp_path: Path, manners: Manners, make: type[Peer]
) -> None:
    with make(manners) as bad, SyslogPeer() as good:
        with AgentProcess(tmp_path, containers.url, configuration(bad, good)) as agent:
            agent.connected()
            containers.start("peer-one", SCRIPT.format(count=BEFORE))
            agent.until(lambda: len(good.messages) >= BEFORE, "the good one does not get its lines")
            assert agent.get("/readyz") == (200, "ok\n")
            if manners is Manners.RESETTING:  # of what comes slowly it may have all
                agent.until(lambda: bad.broken, "it breaks no connection")
            else:
                assert len(bad.texts("peer-one")) < BEFORE

            bad.manners = Manners.GOOD
            containers.start("peer-two", SCRIPT.format(count=AFTER))
            agent.until(lambda: len(numbers(bad, "peer-two")) >= AFTER, "it is not well again")
            assert agent.stop() == 0
        assert numbers(good, "peer-one") == counted(BEFORE)
        assert numbers(good, "peer-two") == counted(AFTER)
        assert numbers(bad, "peer-two") == counted(AFTER)
        if manners is not Manners.RESETTING:
            assert numbers(bad, "peer-one") == counted(BEFORE)
        elif make is LumberjackPeer:
            assert set(numbers(bad, "peer-one")) == set(counted(BEFORE))
        assert good.errors == []


# --------------------------------------------------------------------- stopping meanwhile


def dead_in_its_way(dead: str) -> Peer:
    if dead == "never acknowledges":
        peer = LumberjackPeer()
        peer.answers = False
        return peer
    return SyslogPeer(Manners.HALF_OPEN if "half open" in dead else Manners.SILENT)


@pytest.mark.fault(27, 34)
@pytest.mark.parametrize(
    "dead",
    [
        "refuses",
        "is half open",
        "is half open, and our kernel has taken all",
        "never reads",
        "never acknowledges",
        "stalls the TLS handshake",
    ],
)
def test_stopped_while_a_sink_is_dead_it_ends_in_time_and_goes_on_there_the_next_time(
    containers: Containers, tmp_path: Path, dead: str
) -> None:
    """A stop waits for the deadline, then gives `1`: data were left behind, where they are read
    again. The sink that is well has everything by then."""
    name, count = "peer-one", 2000 if "taken all" in dead else BEFORE
    with dead_in_its_way(dead) as bad, SyslogPeer() as good, LumberjackPeer() as healed:
        if dead == "refuses":
            bad.vanish()
        config = configuration(bad, good, shutdown="1s", scheme="tls" if "TLS" in dead else "")
        with AgentProcess(tmp_path, containers.url, config) as agent:
            agent.connected()
            containers.start(name, SCRIPT.format(count=count))
            agent.until(lambda: len(good.messages) >= count)
            assert agent.stop(timeout=60) == 1
            assert "could not be delivered in time" in agent.said
            assert "Traceback" not in agent.said
            assert numbers(good, name) == counted(count)

            # Where it was sent to, there is another one now.
            known = agent.config.read_text().partition("[logs]")[0]
            agent.config.write_text(known + configuration(healed, good).lstrip())
            agent.start()
            agent.until(lambda: numbers(healed, name)[-1:] == [count], "something is missing")
            assert agent.stop() == 0
        taken = numbers(healed, name)
        assert taken == list(range(taken[0], count + 1))
        if dead == "never reads":  # its kernel has what it has not read, and it may yet
            bad.manners = Manners.GOOD
        eventually("the first lines", lambda: len(numbers(bad, name)) >= taken[0] - 1)
        assert set(numbers(bad, name)) | set(taken) == set(counted(count))
