"""Commands that ask a running agent find its token themselves, or say what is to be done."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from pipeline.cli import main
from pipeline.cli._agent import find_agent
from pipeline.testing.agent_process import AgentProcess
from tests.servers.certificates import Authority

TOKEN = "0123456789abcdef"
SQUATTER = """
import os, socket
os.setuid(12345)
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
server.accept()
print("asked", flush=True)
"""


@contextmanager
def listening(status: int = 200, **headers: str) -> Iterator[tuple[str, list[str | None]]]:
    """A double that notes what it is sent: its URL, and the `Authorization` of each request."""
    seen: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers.get("Authorization"))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", seen
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.server
def test_that_of_an_agent_on_this_host_is_read_from_its_state_or_its_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with AgentProcess(tmp_path / "one", "") as agent:
        asked = ["audit", "--url", f"http://{agent.address}"]
        assert main([*asked, "-c", str(agent.config)]) == 0
        assert main([*asked, "--token", agent.token]) == 0
        monkeypatch.setenv("DOCKLINE_TOKEN", agent.token)
        assert main(asked) == 0
        assert main([*asked, "--token", "another-token-than-its"]) == 1
        said = capsys.readouterr().err
        assert "does not accept the token from --token: use the one in its state directory" in said
        assert "another-token" not in said
    monkeypatch.delenv("DOCKLINE_TOKEN")
    (tmp_path / "secret").write_text(f"{TOKEN}\n")
    agent = AgentProcess(tmp_path / "two", "")
    given = f'[http]\ntoken = "${{file:{tmp_path}/secret}}"'
    agent.config.write_text(agent.config.read_text().replace("[http]", given))
    with agent:
        assert main(["audit", "--url", f"http://{agent.address}", "-c", str(agent.config)]) == 0
        assert not (agent.state / "token").exists()
        assert TOKEN not in agent.said


@pytest.mark.server
def test_one_that_is_not_there_is_said_with_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.toml"
    other.write_text(f'[state]\ndirectory = "{tmp_path}/nowhere"\n')
    with AgentProcess(tmp_path / "agent", "") as agent:
        for command in (["audit"], ["top", "--once"], ["tap"]):
            url = f"http://{agent.address}"
            assert main([*command, "--url", url, "-c", str(other)]) == 1
            assert capsys.readouterr().err == (
                f"dockline: {url} needs its token, and {tmp_path}/nowhere/token cannot be read "
                "(No such file or directory): name its configuration with -c (in a container, with "
                "docker exec), or use --token or DOCKLINE_TOKEN\n"
            )


def test_one_that_may_not_be_read_is_said_with_whom_to_be(
    write: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A double of the refusal: tests run as root, who is refused nothing."""

    def refused(*_: object, **__: object) -> int:
        raise PermissionError(13, "Permission denied")

    config = write(f'[state]\ndirectory = "{tmp_path}"\n')
    monkeypatch.setattr("pipeline.cli._agent.read_token", refused)
    found = find_agent("http://localhost:1", None, config, {})
    assert "token cannot be read (no permission): run this as the agent's user" in found.origin


def test_a_token_goes_to_the_agent_alone(
    write: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text(TOKEN)
    config = write(f'[state]\ndirectory = "{tmp_path}"\n')
    assert find_agent("http://127.0.0.1:1", None, config, {}).token == TOKEN
    elsewhere = find_agent("http://web-1:9114", None, config, {})
    assert (elsewhere.token, "it runs on another host" in elsewhere.origin) == ("", True)
    assert TOKEN not in repr(find_agent("http://127.0.0.1:1", None, config, {}))
    with listening() as (url, seen), listening(302, Location=f"{url}/audit") as (first, passed):
        main(["audit", "--url", first, "-c", config])
        assert (passed, seen) == ([f"Bearer {TOKEN}"], [None])
    with listening(404) as (proxy, seen):
        monkeypatch.setenv("http_proxy", proxy)
        main(["audit", "--url", "http://127.0.0.1:1", "-c", config])
        assert seen == []


@pytest.mark.server
def test_another_users_program_that_has_taken_the_port_is_not_given_the_token(
    write: Callable[[str], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can start another user's program")
    (tmp_path / "token").write_text(TOKEN)
    config = write(f'[state]\ndirectory = "{tmp_path}"\n')
    with subprocess.Popen(
        [sys.executable, "-IS", "-c", SQUATTER], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        url = f"http://127.0.0.1:{int(other.stdout.readline())}"
        assert main(["audit", "--url", url, "-c", config]) == 1
        assert f"the program that listens at {url} belongs to user 12345" in capsys.readouterr().err
        other.terminate()
        assert other.stdout.read() == ""


def test_what_cannot_be_a_token_is_refused_and_not_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["audit", "--url", "http://127.0.0.1:1", "--token", "a b\r\nX: y"]) == 1
    assert capsys.readouterr().err == (
        "dockline: --token is not a token: it has characters that no token has\n"
    )


@pytest.mark.server
def test_an_agent_with_tls_is_asked_if_it_has_the_configured_certificate(
    tmp_path: Path, authority: Authority, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever names are in it, and behind whichever authority: it is that one, or none."""
    chain = Path(authority.ca).read_text()
    own, other = (authority.issue(name, "DNS:web-1") for name in ("own", "other"))
    for issued in (own, other):
        Path(issued.cert).write_text(Path(issued.cert).read_text() + chain)
    tls = 'tls = {{ cert = "{0.cert}", key = "{0.key}" }}\n'
    with AgentProcess(tmp_path / "agent", "", tls.format(own)) as agent:
        wrong = tmp_path / "wrong.toml"
        wrong.write_text(agent.config.read_text().replace(own.cert, other.cert))
        for command in (["audit"], ["top", "--once"]):
            for host in ("127.0.0.1", "localhost"):
                url = f"https://{agent.address.replace('127.0.0.1', host)}"
                assert main([*command, "--url", url, "-c", str(agent.config)]) == 0
                capsys.readouterr()
                assert main([*command, "--url", url, "-c", str(wrong)]) == 1
                said = capsys.readouterr().err
                assert f"{url} has another certificate than {other.cert} (http.tls.cert)" in said
        plain = f"http://{agent.address}"
        assert main(["audit", "--url", plain, "-c", str(agent.config)]) == 1
        assert "this port speaks HTTPS" in capsys.readouterr().err


@pytest.mark.server
def test_one_elsewhere_is_verified_by_the_systems_authorities(
    tmp_path: Path,
    authority: Authority,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = authority.issue("own")
    tls = f'tls = {{ cert = "{own.cert}", key = "{own.key}" }}\n'
    with AgentProcess(tmp_path / "agent", "", tls) as agent:
        nothing = tmp_path / "nothing.toml"
        nothing.touch()
        url = f"https://{agent.address}"
        asked = ["audit", "--url", url, "--token", agent.token, "-c", str(nothing)]
        assert main(asked) == 1
        assert f"the certificate of {url} is not trusted" in capsys.readouterr().err
        monkeypatch.setenv("SSL_CERT_FILE", authority.ca)
        assert main(asked) == 0


def test_a_certificate_that_cannot_be_read_is_said(
    write: Callable[[str], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cert = tmp_path / "cert.pem"
    config = write(f'[http]\ntls = {{ cert = "{cert}" }}\n[state]\ndirectory = "{tmp_path}"\n')
    asked = ["audit", "-c", config, "--token", TOKEN]
    for content, said in (
        (None, f"{cert} (http.tls.cert) cannot be read (No such file or directory)"),
        ("key", f"{cert} (http.tls.cert) holds no certificate in PEM"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "cannot be read"),
    ):
        if content is not None:
            cert.write_text(content)
        assert main(asked) == 1
        assert said in capsys.readouterr().err
