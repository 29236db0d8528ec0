"""`dockline run` as a user sees it: what it prints, how it stops, and what it leaves behind."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.testing.agent_process import AgentProcess
from pipeline.testing.private_engine import PrivateEngine
from pipeline.testing.receivers import SyslogReceiver
from tests.servers.ports import free_port

FOREVER = "i=0; while true; do echo line $i; i=$((i+1)); sleep 0.02; done"
SYSLOG = '[sinks.out]\ntype = "syslog"\naddress = "tcp://127.0.0.1:{port}"\n'
NAME = "run-steady"


@pytest.fixture(scope="module")
def cleared(engine: PrivateEngine) -> Iterator[None]:
    yield
    engine.docker("rm", "--force", NAME)


@pytest.fixture
def steady(engine: PrivateEngine, busybox: str, cleared: None) -> PrivateEngine:
    """An Engine with a container that logs a numbered line 50 times a second. It stays for the
    next test, unless a test removes it."""
    if not engine.docker("ps", "--quiet", "--filter", f"name={NAME}"):
        engine.docker(
            "run", "--detach", "--network", "none", "--name", NAME, busybox, "sh", "-c", FOREVER
        )
    return engine


def numbers(texts: list[str]) -> list[int]:
    return [int(text.split()[1]) for text in texts]


def test_without_sinks_it_prints_every_containers_lines_as_json(
    steady: PrivateEngine, tmp_path: Path
) -> None:
    with AgentProcess(tmp_path, steady.url, "") as agent:
        agent.until(lambda: len(agent.output) >= 10)
        assert agent.stop() == 0
        messages = [str(entry["message"]) for entry in agent.entries]
        assert numbers(messages) == list(range(numbers(messages)[0], numbers(messages)[-1] + 1))


def test_its_log_tells_what_it_follows_where_it_sends_and_what_was_delivered(
    steady: PrivateEngine, tmp_path: Path
) -> None:
    config = f"[logs]\ncontainers = 'name == \"{NAME}\"'\n" + '[agent]\nlog = "json"\n'
    with AgentProcess(tmp_path, steady.url, config) as agent:
        agent.until(lambda: len(agent.output) >= 10)
        assert agent.stop() == 0
        log = [json.loads(line) for line in agent.said.splitlines()]
    said = [entry["message"] for entry in log]
    assert {entry["log"]["level"] for entry in log} == {"info"}
    assert "route all: logs of all containers to console" in said
    assert any(one.startswith("sink console: console, standard output, ") for one in said)
    assert any(one.startswith(f"following 1 container: {NAME}") for one in said)
    assert f"sink console: {len(agent.output)} entries delivered" in said
    assert said[-1].startswith("stopped after ")


def test_sinks_given_as_addresses_get_what_their_filters_let_through(
    steady: PrivateEngine, tmp_path: Path
) -> None:
    with SyslogReceiver() as receiver:
        addresses = (
            f"syslog+tcp://127.0.0.1:{receiver.port}?filter.name=run-*&keep=message.endswith('7')",
            "console://?format=json&filter.name=other",
            f"file://{tmp_path}/all.json?buffer.memory=1MiB",
        )
        with AgentProcess(tmp_path, steady.url, "", *addresses) as agent:
            agent.until(lambda: len(receiver.messages) > 3)
            agent.process.send_signal(signal.SIGHUP)
            agent.until(lambda: "no sink and no route has changed" in agent.said)
            seen = len(receiver.messages)
            agent.until(lambda: len(receiver.messages) > seen + 3)
            assert agent.stop() == 0
            receiver.hear_out()
        assert "sinks of the command line" in agent.said
        assert {number % 10 for number in numbers(receiver.of(NAME))} == {7}
        assert agent.entries == []
        lines = (tmp_path / "all.json").read_text().splitlines()
        assert len(lines) > 10 * (len(receiver.messages) - 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_and_a_start_lose_and_repeat_nothing(
    steady: PrivateEngine, tmp_path: Path, number: int
) -> None:
    with SyslogReceiver() as receiver:
        config = SYSLOG.format(port=receiver.port)
        with AgentProcess(tmp_path, steady.url, config) as agent:
            for _ in range(2):
                seen = len(receiver.messages)
                agent.until(lambda seen=seen: len(receiver.messages) > seen + 20)
                assert agent.stop(number) == 0
                receiver.hear_out()  # before what the next one sends
                agent.start()
            seen = len(receiver.messages)
            agent.until(lambda: len(receiver.messages) > seen + 20)
            assert agent.stop(number) == 0
            receiver.hear_out()
        got = numbers(receiver.of("run-steady"))
        assert got == list(range(got[0], got[0] + len(got)))
        assert receiver.errors == []


def test_a_sink_that_is_gone_is_retried_and_said_and_the_agent_is_ready_while_it_can_buffer(
    steady: PrivateEngine, tmp_path: Path
) -> None:
    config = '[agent]\nshutdown = "1s"\n' + SYSLOG.format(port=free_port())
    with AgentProcess(tmp_path, steady.url, config) as agent:
        agent.until(lambda: "retrying" in agent.said)
        assert agent.get("/readyz")[0] == 200
        assert agent.metric('dockline_sink_up{sink="out"}') == 0
        assert agent.stop() == 1
        assert "could not be delivered in time" in agent.said


def test_readings_that_could_not_be_delivered_are_not_said_to_be_read_again(
    steady: PrivateEngine, tmp_path: Path
) -> None:
    config = (
        '[agent]\nshutdown = "1s"\n[stats]\nevery = "1s"\n'
        '[sinks.out]\ntype = "prometheus_remote_write"\nurl = "http://127.0.0.1:1/api/v1/write"\n'
    )
    with AgentProcess(tmp_path, steady.url, config) as agent:
        waiting = 'dockline_buffer_entries{sink="out",kind="memory"}'
        agent.until(lambda: (agent.metric(waiting) or 0) > 0)
        assert agent.stop() == 1
        assert "could not be delivered in time" in agent.said
        assert " lost, since stats cannot be read again" in agent.said
        assert "read again after the next start" not in agent.said


@pytest.mark.server
def test_what_is_left_of_a_source_that_nobody_repeats_is_said_to_be_lost(tmp_path: Path) -> None:
    nowhere = free_port()
    source = '[sources.hosts]\ntype = "syslog"\nlisten = "tcp://127.0.0.1:{port}"\n'
    sink = f'[sinks.out]\ntype = "syslog"\naddress = "tcp://127.0.0.1:{nowhere}"\n'
    port = free_port()
    config = '[agent]\nshutdown = "1s"\n' + source.format(port=port) + sink
    with AgentProcess(tmp_path, "", config) as agent:
        agent.until(lambda: agent.metric('dockline_source_up{source="hosts"}') == 1)
        with socket.create_connection(("127.0.0.1", port)) as peer:
            peer.sendall(b"<13>1 - h a - - - one\n<13>1 - h a - - - two\n")
        taken = 'dockline_source_taken_entries_total{source="hosts"}'
        agent.until(lambda: agent.metric(taken) == 2)
        assert agent.stop() == 1
        assert "2 entries could not be delivered in time" in agent.said
        assert "sent again" not in agent.said
        assert "2 of them are lost, since their senders do not send them again" in agent.said


@pytest.mark.fault(34)
def test_stopping_with_a_dead_sink_keeps_to_the_deadline_and_loses_nothing(
    steady: PrivateEngine, tmp_path: Path
) -> None:
    with SyslogReceiver() as receiver:
        config = '[agent]\nshutdown = "1s"\n' + SYSLOG.format(port=receiver.port)
        with AgentProcess(tmp_path, steady.url, config) as agent:
            agent.until(lambda: len(receiver.messages) > 20)
            receiver.leave()
            agent.until(lambda: "retrying" in agent.said)
            assert agent.stop() == 1  # else it would wait for as long as the sink is dead
        first = numbers(receiver.of("run-steady"))
    with SyslogReceiver() as second:
        agent.configure(SYSLOG.format(port=second.port))
        with agent:
            agent.until(lambda: len(second.messages) > 50)
            assert agent.stop() == 0
            second.hear_out()
        again = numbers(second.of("run-steady"))
    assert sorted(set(first + again)) == list(range(first[0], again[-1] + 1))


@pytest.mark.fault(34)
def test_a_second_signal_ends_it_at_once(steady: PrivateEngine, tmp_path: Path) -> None:
    config = '[agent]\nshutdown = "1h"\n' + SYSLOG.format(port=1)
    with AgentProcess(tmp_path, steady.url, config) as agent:
        agent.until(lambda: "retrying" in agent.said)
        agent.process.send_signal(signal.SIGTERM)
        agent.until(lambda: "stopping" in agent.said)
        assert agent.stop() == 1
        assert "Traceback" not in agent.said


def test_one_sink_that_stands_still_does_not_slow_the_other(
    steady: PrivateEngine, tmp_path: Path
) -> None:
    with SyslogReceiver() as stuck, SyslogReceiver() as healthy:
        stuck.reading.clear()
        config = SYSLOG.format(port=healthy.port) + SYSLOG.format(port=stuck.port).replace(
            "sinks.out", "sinks.stuck"
        )
        with AgentProcess(tmp_path, steady.url, config) as agent:
            agent.until(lambda: len(healthy.messages) > 200)
            assert agent.get("/readyz") == (200, "ok\n")


@pytest.mark.server
def test_it_waits_for_an_engine_that_is_not_there_and_says_so_once(tmp_path: Path) -> None:
    with AgentProcess(tmp_path, "unix:///nowhere/docker.sock") as agent:
        agent.until(lambda: "there is no socket at unix:///nowhere/docker.sock" in agent.said)
        status, body = agent.get("/readyz")
        assert status == 503
        assert "there is no socket" in body
        assert agent.get("/healthz")[0] == 200
        time.sleep(1)  # in which it tries three times more
        assert agent.said.count("there is no socket") == 1
        assert agent.stop() == 0


@pytest.mark.server
def test_a_hang_up_reloads_it_whether_the_engine_is_there_or_not(tmp_path: Path) -> None:
    with AgentProcess(tmp_path, "unix:///nowhere/docker.sock") as agent:
        agent.until(lambda: "there is no socket" in agent.said)
        agent.process.send_signal(signal.SIGHUP)
        agent.until(lambda: "no sink and no route has changed" in agent.said)
        assert agent.get("/healthz")[0] == 200


def test_two_agents_on_one_state_directory_are_refused(
    steady: PrivateEngine, tmp_path: Path
) -> None:
    with AgentProcess(tmp_path, steady.url) as agent:
        agent.connected()
        second = AgentProcess(tmp_path / "second", steady.url)
        second.config.write_text(agent.config.read_text())
        with second:
            assert second.process.wait(120) == 1
            assert "in use by another dockline" in second.said
            assert "Traceback" not in second.said


@pytest.mark.server
def test_a_bad_configuration_ends_it_with_2_and_every_error(tmp_path: Path) -> None:
    config = '[sinks.out]\ntype = "sylog"\n[logs]\nstrat = "now"\n'
    with AgentProcess(tmp_path, "unix:///nowhere/docker.sock", config) as agent:
        assert agent.process.wait(120) == 2
        assert "sylog" in agent.said
        assert "syslog" in agent.said
        assert "strat" in agent.said
        assert "start" in agent.said
        assert "Traceback" not in agent.said


def test_the_metrics_tell_what_went_through(steady: PrivateEngine, tmp_path: Path) -> None:
    with SyslogReceiver() as receiver:
        config = '[stats]\nevery = "1s"\n' + SYSLOG.format(port=receiver.port)
        with AgentProcess(tmp_path, steady.url, config) as agent:
            agent.until(lambda: len(receiver.messages) > 50)
            assert (
                agent.metric('dockline_received_entries_total{container="run-steady"}') or 0
            ) > 50
            delivered = 'dockline_delivered_entries_total{sink="out"}'
            agent.until(lambda: (agent.metric(delivered) or 0) > 50)
            assert agent.metric("dockline_engine_up") == 1
            agent.until(lambda: 'name="run-steady"' in agent.get("/metrics")[1])
            page = agent.get("/metrics")[1]
            assert "container_memory_working_set_bytes{" in page
            steady.docker("rm", "--force", "run-steady")
            agent.until(lambda: "run-steady" not in agent.get("/metrics")[1])
