"""`dockline check --live`: a real Engine, and sinks that can and cannot be opened."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import Callable

import pytest
from msgspec.structs import fields

from pipeline.cli import main
from pipeline.cli.check import live
from pipeline.cli.check.live import Answer
from pipeline.model.registry import config_type
from pipeline.testing.private_engine import PrivateEngine
from tests.servers.certificates import Authority
from tests.servers.http_receiver import Request, answer, http_receiver
from tests.servers.ports import free_port
from tests.servers.receivers import Beats, Collector, serve, server_context, udp
from tests.suite.waiting import until

NO_ENGINE = '[engine]\nurl = "unix:///nowhere/docker.sock"\n'


def exporter(port: int) -> str:
    return f'[sinks.out]\ntype = "prometheus"\nlisten = "127.0.0.1:{port}"\n'


def test_a_reached_engine_and_an_opened_sink_are_told_with_status_0(
    engine: PrivateEngine, write: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(f'[engine]\nurl = "{engine.url}"\n' + exporter(0))
    assert main(["check", "--live", "-c", file]) == 0
    reached = [line.strip() for line in capsys.readouterr().out.splitlines() if "  reached" in line]
    assert reached[0].startswith(f"reached engine: {engine.url}, API 1.")
    assert re.fullmatch(r"reached sink out: prometheus \([0-9.e+]+ ms\)", reached[1])


async def check(file: str) -> int:
    return await asyncio.to_thread(main, ["check", "--live", "-c", file])


def found(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines about sinks, without their times."""
    lines = [line.strip() for line in capsys.readouterr().out.splitlines() if " ms)" in line]
    assert all(re.search(r" \([0-9.e+]+ ms\)$", line) for line in lines)
    return [line[: line.rindex(" (")] for line in lines if " sink " in line]


async def test_a_sink_is_told_with_what_was_agreed_and_gets_no_log_line(
    engine: PrivateEngine,
    authority: Authority,
    write: Callable[[str], str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    plain, secret, beats = Collector(), Collector(), Beats()
    tls = server_context(authority.issue("live"))
    async with (
        serve(plain) as first,
        serve(secret, tls=tls) as second,
        serve(beats) as third,
        udp() as sock,
    ):
        port = sock.getsockname()[1]
        file = write(
            f'[engine]\nurl = "{engine.url}"\n'
            f'[sinks.tcp]\ntype = "syslog"\naddress = "tcp://127.0.0.1:{first}"\n'
            f'[sinks.tls]\ntype = "syslog"\naddress = "tls://localhost:{second}"\n'
            f'tls = {{ ca = "{authority.ca}" }}\n'
            f'[sinks.beats]\ntype = "logstash"\naddress = "lumberjack://localhost:{third}"\n'
            f'[sinks.udp]\ntype = "logstash"\naddress = "udp://localhost:{port}"\n'
        )
        assert await check(file) == 0
        lines = found(capsys)
        with pytest.raises(BlockingIOError):
            sock.recv(1)
        await until(lambda: plain.connections and secret.connections and beats.connections)
    assert lines[0] == f"reached sink tcp: syslog, tcp://127.0.0.1:{first} (127.0.0.1)"
    assert re.fullmatch(
        rf"reached sink tls: syslog, tls://localhost:{second} \(127\.0\.0\.1\), TLSv1\.3, "
        r"certificate until \d{4}-\d\d-\d\d",
        lines[1],
    )
    assert lines[2].startswith(f"reached sink beats: logstash, lumberjack://localhost:{third} (")
    assert lines[3].endswith("over UDP nothing tells whether anybody listens")
    assert len(plain.connections) == len(secret.connections) == beats.connections == 1
    assert (plain.data, secret.data, beats.windows) == (b"", b"", [])


async def test_each_sink_that_cannot_be_reached_is_told_with_its_reason(
    authority: Authority,
    stranger: Authority,
    write: Callable[[str], str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    nobody = free_port()
    tls = server_context(stranger.issue("live"))
    async with serve(Collector(), tls=tls) as untrusted:
        file = write(
            NO_ENGINE
            + f'[sinks.a]\ntype = "syslog"\naddress = "tcp://127.0.0.1:{nobody}"\n'
            + f'[sinks.b]\ntype = "syslog"\naddress = "tls://localhost:{untrusted}"\n'
            + f'tls = {{ ca = "{authority.ca}" }}\n'
            + '[sinks.c]\ntype = "syslog"\naddress = "udp://no-such-host.invalid:514"\n'
        )
        assert await check(file) == 1
    refused, distrusted, nameless = found(capsys)
    assert refused.startswith(f"failed sink a: tcp://127.0.0.1:{nobody}")
    assert "refused" in refused
    assert distrusted.startswith(f"failed sink b: tls://localhost:{untrusted}")
    assert "not trusted here" in distrusted
    assert nameless.startswith("failed sink c: udp://no-such-host.invalid:514")


async def test_a_sink_with_a_wrong_path_is_told_though_somebody_answers_there(
    write: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    def judge(request: Request) -> bytes:
        return answer(200 if request.path.startswith("/right/") else 404)

    async with http_receiver(judge) as to:
        file = write(
            NO_ENGINE
            + f'[sinks.right]\ntype = "loki"\nurl = "{to.url}/right"\n'
            + f'[sinks.wrong]\ntype = "loki"\nurl = "{to.url}/wrong"\n'
        )
        assert await check(file) == 1
    right, wrong = found(capsys)
    assert right == f"reached sink right: loki, {to.url}"
    assert wrong == f"failed sink wrong: {to.url} answers 404; check the path in `url`"


def test_what_cannot_be_reached_is_told_with_its_reason_and_status_1(
    write: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        file = write(NO_ENGINE + exporter(taken.getsockname()[1]))
        assert main(["check", "--live", "-c", file]) == 1
    failed = [line.strip() for line in capsys.readouterr().out.splitlines() if "  failed" in line]
    assert "there is no socket at unix:///nowhere/docker.sock" in failed[0]
    assert failed[1].startswith("failed sink out: cannot listen on 127.0.0.1:")
    assert len(failed) == 2


def test_nothing_is_reached_for_when_the_file_is_wrong(
    write: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "--live", "-c", write(NO_ENGINE + "nope = 1")]) == 2
    assert "nowhere" not in capsys.readouterr().err


def test_json_says_what_was_reached_and_hides_what_was_substituted(
    write: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PLACE", "/hidden/docker.sock")
    file = write('[engine]\nurl = "unix://${PLACE}"\n' + exporter(0))
    assert main(["check", "--live", "--format", "json", "-c", file]) == 1
    live = json.loads(capsys.readouterr().out)["live"]
    assert [(one["what"], one["reached"]) for one in live] == [
        ("engine", False),
        ("sink out", True),
    ]
    assert "unix://${PLACE}" in live[0]["detail"]
    assert all(0 < one["seconds"] < 60 for one in live)
    assert "hidden" not in str(live)


@pytest.mark.parametrize("kind", ["forward", "gelf", "nats", "redis", "logstash", "syslog"])
def test_a_sink_has_the_time_to_say_what_is_wrong(kind: str) -> None:
    default = next(one for one in fields(config_type("sinks", kind)) if one.name == "timeout")
    assert float(default.default) < live.PATIENCE


def test_times_are_read_as_numbers() -> None:
    assert Answer("sink a", "there", "", 10.04).sentence == "there (10040 ms)"
    assert Answer("sink a", "there", "", 0.0123).sentence == "there (12.3 ms)"
