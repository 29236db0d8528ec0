"""Another configuration for an agent that runs, while a container logs."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from pipeline.runtime.reload import POLL
from pipeline.testing.agent_process import AgentProcess, whole_entries
from pipeline.testing.private_engine import PrivateEngine
from pipeline.testing.receivers import SyslogReceiver
from tests.servers.ports import free_port

COUNTING = (
    "i=0; while true; do n=0; while [ $n -lt 20 ]; do echo line $i; i=$((i+1)); n=$((n+1)); done; "
    "usleep 10000; done"
)
STEADY = """
[agent]
shutdown = "{shutdown}"
[stats]
every = "off"
[sinks.steady]
type = "syslog"
address = "tcp://127.0.0.1:{port}"
[routes.steady]
to = ["steady"]
"""
OTHER = """
[sinks.{name}]
type = "file"
path = "{path}"
{more}
[routes.{route}]
stages = [{stages}]
to = ["{name}"]
"""
SPOOLED = """
[sinks.spooled]
type = "syslog"
address = "tcp://127.0.0.1:{port}"
buffer = {{ {buffer} }}
retry = {{ max = "500ms" }}
[routes.spooled]
to = ["spooled"]
"""
ON_DISK = 'dockline_buffer_entries{sink="spooled",kind="disk"}'


@pytest.fixture
def counting(engine: PrivateEngine, busybox: str) -> Iterator[PrivateEngine]:
    """An Engine with a container that logs some 1,000 numbered lines a second."""
    engine.docker(
        "run", "--detach", "--network", "none", "--name", "reload-counting", busybox,
        "sh", "-c", COUNTING,
    )  # fmt: skip
    yield engine
    engine.docker("rm", "--force", "reload-counting")


def steady(port: int, shutdown: str = "60s") -> str:
    return STEADY.format(port=port, shutdown=shutdown)


def other(path: Path, name: str = "other", route: str = "other", stages: str = "") -> str:
    return OTHER.format(name=name, path=path, route=route, stages=stages, more="")


def spooled(port: int) -> str:
    return SPOOLED.format(port=port, buffer='memory = "64KiB", disk = "64MiB"')


def in_memory(port: int, memory: str = "64MiB") -> str:
    return SPOOLED.format(port=port, buffer=f'memory = "{memory}"')


def numbers(messages: list[str]) -> list[int]:
    return [int(message.split()[1]) for message in messages]


def written(path: Path) -> list[int]:
    return numbers([str(entry["message"]) for entry in whole_entries(path)])


def once_and_in_order(found: list[int]) -> bool:
    return found == list(range(found[0], found[0] + len(found)))


def balanced(agent: AgentProcess) -> bool:
    status, body = agent.get("/audit")
    assert status == 200
    report = json.loads(body)
    assert report["balanced"], json.dumps(report, indent=1)
    return True


def grows(agent: AgentProcess, receiver: SyslogReceiver, by: int = 50) -> None:
    before = len(receiver.messages)
    agent.until(lambda: len(receiver.messages) > before + by, "the steady sink gets nothing")


def test_the_sink_that_stays_gets_every_line_once_through_twenty_reloads(
    counting: PrivateEngine, tmp_path: Path, both_ways: str
) -> None:
    with SyslogReceiver() as receiver:
        plain = steady(receiver.port)
        with AgentProcess(tmp_path, counting.url, plain) as agent:
            grows(agent, receiver)
            for turn in range(20):
                grows(agent, receiver)
                path = tmp_path / f"out-{turn}"
                more = ""
                if turn % 2 == 0:
                    stage = f"{{ drop = \"message.endswith('{turn % 10}')\" }}"
                    more = other(path, stages=stage)
                agent.reload(plain + more)
                assert balanced(agent)
                if more:
                    agent.until(lambda: written(path))  # noqa: B023
            grows(agent, receiver)
            assert len(receiver._connections) == 1
            assert agent.metric('dockline_config_reloads_total{result="success"}') == 20
            assert agent.stop() == 0
        assert once_and_in_order(numbers(receiver.of("reload-counting")))
        for turn in range(0, 20, 2):
            found = written(tmp_path / f"out-{turn}")
            kept = [n for n in range(found[0], found[-1] + 1) if n % 10 != turn % 10]
            assert found == kept


def test_a_route_that_stays_counts_and_joins_on_through_reloads_that_change_others(
    counting: PrivateEngine, tmp_path: Path
) -> None:
    def staying(name: str, stage: str) -> str:
        return other(tmp_path / name, name=name, route=name, stages=stage)

    with SyslogReceiver() as receiver:
        plain = steady(receiver.port)
        plain += staying("sampled", "{ sample = 7 }")
        plain += staying("throttled", '{ throttle = { rate = 3, per = "24h" } }')
        plain += staying("joined", "{ join = { start = '0$', timeout = '60s' } }")
        with AgentProcess(tmp_path, counting.url, plain) as agent:
            for turn in range(10):
                grows(agent, receiver, 100)
                more = other(tmp_path / "out", stages=f"{{ set = {{ turn = {turn} }} }}")
                sinks = plain.replace(
                    "[sinks.joined]", f"[sinks.joined]\nbatch.entries = {turn + 9}"
                )
                agent.reload(sinks + more if turn % 3 else plain)
                assert balanced(agent)
            grows(agent, receiver, 100)
            assert agent.stop() == 0
        receiver.hear_out()
        sent = numbers(receiver.of("reload-counting"))
        assert once_and_in_order(sent)
        assert written(tmp_path / "sampled") == sent[::7]
        assert written(tmp_path / "throttled") == sent[:3]
        joined = (tmp_path / "joined").read_text().splitlines()
        messages = [str(json.loads(line)["message"]).splitlines() for line in joined]
        assert numbers([line for one in messages for line in one]) == sent
        assert {len(one) for one in messages[1:-1]} == {10}


def test_a_sink_that_was_away_for_a_while_has_nothing_of_that_time_and_all_of_before_and_after(
    counting: PrivateEngine, tmp_path: Path
) -> None:
    path = tmp_path / "out"
    with SyslogReceiver() as receiver:
        plain = steady(receiver.port)
        with AgentProcess(tmp_path, counting.url, plain + other(path)) as agent:
            agent.until(lambda: written(path))
            agent.reload(plain)
            agent.until(lambda: "sink other has ended" in agent.said)
            before = written(path)
            agent.until(lambda: numbers(receiver.of("reload-counting"))[-1:] > [before[-1] + 500])
            assert written(path) == before
            agent.reload(plain + other(path))
            agent.until(lambda: len(written(path)) > len(before) + 50)
            assert balanced(agent)
            agent.process.kill()
            agent.process.wait()
            agent.start()
            agent.connected()
            grows(agent, receiver)
            assert agent.stop() == 0
        found = written(path)
        assert once_and_in_order(before)
        after = sorted(set(found[len(before) :]))
        assert once_and_in_order(after)
        assert after[0] > before[-1] + 500


def test_a_changed_sink_takes_over_what_the_one_before_could_not_deliver(
    counting: PrivateEngine, tmp_path: Path
) -> None:
    with SyslogReceiver() as stays, SyslogReceiver() as receiver:
        plain = steady(stays.port)
        config = plain + in_memory(free_port())
        with AgentProcess(tmp_path, counting.url, config) as agent:
            grows(agent, stays, 1000)
            agent.reload(plain + in_memory(receiver.port))
            grows(agent, receiver, 2000)
            assert balanced(agent)
            assert agent.stop() == 0
        receiver.hear_out()
        stays.hear_out()
        found = numbers(receiver.of("reload-counting"))
        assert found == numbers(stays.of("reload-counting"))
        assert once_and_in_order(found)


def test_a_changed_sink_with_a_disk_sends_what_waits_there(
    counting: PrivateEngine, tmp_path: Path
) -> None:
    with SyslogReceiver() as stays, SyslogReceiver() as receiver:
        plain = steady(stays.port)
        config = plain + spooled(free_port())
        with AgentProcess(tmp_path, counting.url, config) as agent:
            agent.until(lambda: (agent.metric(ON_DISK) or 0) > 1000)
            agent.reload(plain + spooled(receiver.port))
            agent.until(lambda: (agent.metric(ON_DISK) or 0) == 0 and receiver.messages)
            grows(agent, receiver)
            assert balanced(agent)
            assert agent.stop() == 0
        receiver.hear_out()
        stays.hear_out()
        found = numbers(receiver.of("reload-counting"))
        assert once_and_in_order(found)
        assert found == numbers(stays.of("reload-counting"))


def test_what_a_removed_sink_has_on_disk_waits_until_it_is_there_again(
    counting: PrivateEngine, tmp_path: Path
) -> None:
    with SyslogReceiver() as stays, SyslogReceiver() as receiver:
        plain = steady(stays.port, "500ms")
        config = plain + spooled(free_port())
        with AgentProcess(tmp_path, counting.url, config) as agent:
            agent.until(lambda: (agent.metric(ON_DISK) or 0) > 1000)
            agent.reload(plain)
            agent.until(lambda: "the spool of spooled holds" in agent.said)
            assert "left in its spool" in agent.said
            assert balanced(agent)
            assert agent.metric(ON_DISK) is None
            agent.reload(steady(stays.port) + spooled(receiver.port))
            agent.until(lambda: (agent.metric(ON_DISK) or 0) == 0 and receiver.messages)
            grows(agent, receiver)
            assert balanced(agent)
            assert agent.stop() == 0
        receiver.hear_out()
        stays.hear_out()
        found = numbers(receiver.of("reload-counting"))
        assert found == sorted(set(found))
        assert found[0] == numbers(stays.of("reload-counting"))[0]


def test_a_removed_sink_that_is_dead_stops_no_container_and_holds_no_position(
    counting: PrivateEngine, tmp_path: Path
) -> None:
    dead = in_memory(free_port(), "64KiB")
    with SyslogReceiver() as receiver:
        plain = steady(receiver.port, "500ms")
        with AgentProcess(tmp_path, counting.url, plain + dead) as agent:
            blocked = 'dockline_blocked_entries{sink="spooled"}'
            agent.until(lambda: (agent.metric(blocked) or 0) > 0)
            agent.reload(plain)
            grows(agent, receiver, 1000)
            agent.until(lambda: "sink spooled has ended" in agent.said)
            assert "sink spooled is removed" in agent.said
            dropped = 'dockline_dropped_entries_total{sink="spooled",reason="sink_removed"}'
            assert (agent.metric(dropped) or 0) > 0
            assert balanced(agent)
            agent.process.kill()
            agent.process.wait()
            agent.configure(steady(receiver.port))
            receiver.hear_out()
            seen = len(receiver.messages)
            agent.start()
            agent.until(lambda: len(receiver.messages) > seen + 100)
            assert agent.stop() == 0
        found = numbers(receiver.of("reload-counting"))
        assert sorted(set(found)) == list(range(found[0], found[-1] + 1))


def test_a_bad_file_is_refused_with_every_problem_and_the_agent_goes_on(
    counting: PrivateEngine, tmp_path: Path
) -> None:
    with SyslogReceiver() as receiver:
        plain = steady(receiver.port)
        with AgentProcess(tmp_path, counting.url, plain) as agent:
            grows(agent, receiver)
            assert agent.metric("dockline_config_last_reload_success") == 1
            loaded = agent.metric("dockline_config_last_reload_success_timestamp_seconds")
            agent.configure(plain + '[sinks.x]\ntype = "sylog"\n[logs]\nstrat = "now"\n')
            agent.process.send_signal(signal.SIGHUP)
            agent.until(lambda: "the previous one stays in use" in agent.said)
            assert f"{agent.config}:" in agent.said
            assert 'there is no sink type "sylog"' in agent.said
            assert "strat" in agent.said
            assert agent.metric("dockline_config_last_reload_success") == 0
            assert agent.metric('dockline_config_reloads_total{result="refused"}') == 1
            now = agent.metric("dockline_config_last_reload_success_timestamp_seconds")
            assert now == loaded
            grows(agent, receiver)
            agent.reload(plain)
            assert agent.metric("dockline_config_last_reload_success") == 1
            assert "Traceback" not in agent.said
            assert agent.stop() == 0
        assert once_and_in_order(numbers(receiver.of("reload-counting")))


def test_a_request_reloads_and_is_told_what_has_changed_or_all_that_is_wrong(
    counting: PrivateEngine, tmp_path: Path
) -> None:
    path = tmp_path / "out"
    with SyslogReceiver() as receiver:
        plain = steady(receiver.port)
        with AgentProcess(tmp_path, counting.url, plain) as agent:
            grows(agent, receiver)
            agent.configure(plain.replace('"off"', '"5s"') + other(path))
            status, text = agent.post("/-/reload")
            assert status == 200
            assert "sinks added: other; routes changed: other" in text
            assert "a change of stats.every needs a restart" in text
            agent.until(lambda: written(path))
            agent.configure(plain)
            status, text = agent.post("/-/reload", Accept="application/json")
            told = json.loads(text)
            assert (status, told["reloaded"], told["routes"]) == (200, True, ["other"])
            assert told["sinks"] == {"added": [], "removed": ["other"], "changed": []}
            secret = '[sinks.x]\ntype = "logstash"\naddress = "tcp://:hunter2@x:1"\nnope = 1\n'
            agent.configure(plain + secret + "[logs]\nstrat = 'now'\n")
            status, text = agent.post("/-/reload")
            assert status == 400
            assert "nope" in text
            assert "strat" in text
            assert "^^^" in text
            assert "hunter2" not in text
            status, text = agent.post("/-/reload", Accept="application/json")
            assert (status, json.loads(text)["reloaded"]) == (400, False)
            assert len(json.loads(text)["errors"]) >= 2
            reloads = 'dockline_config_reloads_total{{result="{}"}}'.format
            assert agent.metric(reloads("refused")) == 2
            assert agent.get("/-/reload")[0] == 405
            for headers, refused in (
                ({"Origin": "http://a.example"}, 403),
                ({"Authorization": "Bearer x"}, 401),
                ({"Host": "a.example"}, 421),
            ):
                assert agent.post("/-/reload", **headers)[0] == refused
            assert agent.metric(reloads("refused")) == 2
            assert agent.metric(reloads("success")) == 2
            grows(agent, receiver)
            assert agent.stop() == 0
        assert once_and_in_order(numbers(receiver.of("reload-counting")))


def test_what_needs_a_restart_is_said_and_the_rest_applies(
    counting: PrivateEngine, tmp_path: Path
) -> None:
    path = tmp_path / "out"
    with SyslogReceiver() as receiver:
        plain = steady(receiver.port)
        with AgentProcess(tmp_path, counting.url, plain) as agent:
            grows(agent, receiver)
            address = agent.address
            agent.state = tmp_path / "elsewhere"
            agent.reload(plain.replace('"off"', '"5s"') + other(path))
            told = "a change of state.directory, stats.every needs a restart"
            assert agent.said.count(told) == 1
            agent.until(lambda: written(path))
            assert agent.address == address
            assert not agent.state.exists()
            assert agent.stop() == 0


def test_a_container_that_is_selected_no_more_is_read_no_further_and_later_from_there(
    counting: PrivateEngine, tmp_path: Path
) -> None:
    with SyslogReceiver() as receiver:
        plain = steady(receiver.port)
        without = "[logs]\ncontainers = 'name != \"reload-counting\"'\n"
        with AgentProcess(tmp_path, counting.url, plain) as agent:
            grows(agent, receiver)
            agent.reload(plain + without)
            delivered = 'dockline_delivered_entries_total{sink="steady"}'
            agent.until(lambda: agent.metric("dockline_containers") == 0)
            agent.until(lambda: agent.metric("dockline_waiting_entries") == 0)
            agent.until(
                lambda: agent.metric('dockline_buffer_bytes{sink="steady",kind="memory"}') == 0
            )
            agent.until(lambda: agent.metric(delivered) == len(receiver.messages))
            before = agent.metric(delivered)
            time.sleep(0.5)
            assert agent.metric(delivered) == len(receiver.messages) == before
            agent.reload(plain)
            grows(agent, receiver, 500)
            assert balanced(agent)
            assert agent.stop() == 0
        assert once_and_in_order(numbers(receiver.of("reload-counting")))


def in_pieces(path: Path, text: str) -> float:
    """Puts a text there bit by bit, none of which is TOML before the last; gives the longest time
    in seconds that the file has stayed the same meanwhile."""
    ends = [found.end() for found in re.finditer('= "', text)][1::3]
    first = path.with_suffix(".first")
    first.write_text(text[: ends[0]])
    began, longest = time.monotonic(), 0.0
    first.replace(path)
    with path.open("a") as file:
        for start, end in pairwise([*ends, len(text)]):
            time.sleep(0.3)
            next_ = time.monotonic()
            file.write(text[start:end])
            file.flush()
            longest = max(longest, time.monotonic() - began)
            began = next_
    return longest


def test_a_file_that_is_replaced_is_noticed_and_one_that_is_only_half_there_is_waited_for(
    counting: PrivateEngine, tmp_path: Path
) -> None:
    path = tmp_path / "out"
    with SyslogReceiver() as receiver:
        plain = steady(receiver.port)
        with AgentProcess(tmp_path, counting.url, plain, "--watch") as agent:
            grows(agent, receiver)
            agent.configure(plain + other(path))
            agent.until(lambda: written(path))
            text = agent.config.read_text()
            longest = in_pieces(agent.config, text)
            agent.until(lambda: agent.said.count("reloaded ") == 2)
            if longest < POLL:  # else it may have found the same half twice
                assert "stays in use" not in agent.said
            moved = tmp_path / "..data"
            moved.mkdir()
            (moved / "dockline.toml").write_text(text.replace("other", "another"))
            agent.config.unlink()
            agent.config.symlink_to(moved / "dockline.toml")
            agent.until(lambda: "sinks added: another; removed: other" in agent.said)
            assert agent.stop() == 0
        assert once_and_in_order(numbers(receiver.of("reload-counting")))


def test_a_stop_during_a_reload_ends_within_its_time(
    counting: PrivateEngine, tmp_path: Path
) -> None:
    dead = in_memory(free_port(), "64KiB")
    with SyslogReceiver() as receiver:
        plain = steady(receiver.port, "5s")
        with AgentProcess(tmp_path, counting.url, plain + dead) as agent:
            grows(agent, receiver)
            agent.reload(plain)
            status = agent.stop()  # else it would wait for as long as the sink is dead
            late = "sink spooled has ended" in agent.said.partition("stopping: ")[0]
            assert status == (0 if late else 1)
            assert "Traceback" not in agent.said


def test_what_stages_hold_back_and_what_goes_over_two_routes_is_accounted_through_reloads(
    counting: PrivateEngine, tmp_path: Path
) -> None:
    with SyslogReceiver() as receiver:
        plain = steady(receiver.port).replace(
            'to = ["steady"]', 'stages = [{ join = "indent" }]\nto = ["steady"]'
        )
        path = tmp_path / "out"
        over_two = (
            (plain.replace('to = ["steady"]', 'to = ["steady", "route:other"]') + other(path))
            .replace('to = ["other"]', 'to = ["file"]')
            .replace("[sinks.other]", "[sinks.file]")
        )
        with AgentProcess(tmp_path, counting.url, plain) as agent:
            grows(agent, receiver)
            for turn in range(6):
                agent.reload(plain if turn % 2 else over_two)
                grows(agent, receiver)
                assert balanced(agent)
            assert agent.stop() == 0
        assert once_and_in_order(numbers(receiver.of("reload-counting")))
        assert len(set(written(path))) == len(written(path))
