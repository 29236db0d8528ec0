"""`dockline page` prints how to reach the page, with a token that no other user gets to see."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from pipeline.cli import main
from pipeline.cli._agent import AgentClient
from pipeline.cli.page import address, browser
from pipeline.cli.page.place import Place
from pipeline.testing.agent_process import AgentProcess
from tests.cli.test_agent import listening
from tests.servers.ports import free_port

TOKEN = "0123456789abcdef"
Captured = pytest.CaptureFixture[str]

OPENS = """\
#!{python}
import os, sys, urllib.parse
path = urllib.parse.urlsplit(sys.argv[-1]).path
with open("{seen}", "w") as seen:
    seen.write(open("/proc/self/cmdline").read().replace("\\0", " ") + "\\n")
    seen.write(oct(os.stat(path).st_mode & 0o777) + "\\n" + open(path).read())
"""
"""A browser that notes how it was started, and what it found."""


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AgentProcess]:
    with AgentProcess(tmp_path_factory.mktemp("page"), "") as agent:
        yield agent


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a server's console, whatever these tests run on."""
    monkeypatch.setattr(Place, "here", classmethod(lambda cls: Place()))


@pytest.mark.server
def test_it_prints_the_address_and_nothing_else(agent: AgentProcess, capsys: Captured) -> None:
    url = f"http://{agent.address}"
    assert main(["page", "-c", str(agent.config), "--url", url]) == 0
    assert capsys.readouterr() == (f"{url}/#token={agent.token}\n", "")
    assert agent.token not in agent.said


@pytest.mark.server
def test_a_token_that_is_not_the_agents_is_not_printed(
    agent: AgentProcess, capsys: Captured
) -> None:
    url = f"http://{agent.address}"
    assert main(["page", "--url", url, "--token", TOKEN]) == 1
    out, err = capsys.readouterr()
    assert (out, "does not accept the token from --token" in err) == ("", True)


@pytest.mark.server
def test_an_agent_without_a_page_is_said_to_have_none(tmp_path: Path, capsys: Captured) -> None:
    with AgentProcess(tmp_path, "", "page = false\n") as agent:
        command = ["page", "-c", str(agent.config), "--url", f"http://{agent.address}"]
        assert main(command) == 1
    assert capsys.readouterr() == (
        "",
        f"dockline: the agent at http://{agent.address} shows no page: its http.page is false, or "
        "it is of a version without one\n",
    )


def test_no_agent_and_another_program_are_told_apart(capsys: Captured) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    assert main(["page", "--url", url, "--token", TOKEN]) == 1
    assert "no agent answers at" in capsys.readouterr().err
    with listening() as (url, _):
        assert main(["page", "--url", url, "--token", TOKEN]) == 1
        assert capsys.readouterr() == ("", f"dockline: what answers at {url} is not dockline\n")


def test_wrong_usage_and_a_wrong_configuration_are_told_apart(
    tmp_path: Path, capsys: Captured
) -> None:
    (tmp_path / "wrong.toml").write_text("[http]\nlisten = 9\n")
    assert main(["page", "-c", str(tmp_path / "wrong.toml")]) == 2
    assert main(["page", "--nonsense"]) == 2
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("place", "at", "printed", "note"),
    [
        (Place(), "http://127.0.0.1:9114", "http://127.0.0.1:9114", ""),
        (
            Place(in_container=True),
            "http://127.0.0.1:9114",
            "http://localhost:9114",
            "--publish 127.0.0.1:9114:9114",
        ),
        (
            Place(in_container=True),
            "https://[::1]:9443",
            "https://localhost:9443",
            "--publish 127.0.0.1:9443:9443",
        ),
        (
            Place(over_ssh=True),
            "http://127.0.0.1:9114",
            "http://127.0.0.1:9114",
            "ssh -L 9114:127.0.0.1:9114 HOST",
        ),
        (Place(), "http://web-1:9114", "http://web-1:9114", "go over plain HTTP"),
        (Place(in_container=True), "https://web-1:9114", "https://web-1:9114", ""),
    ],
)
def test_it_says_how_to_get_there_from_where_it_runs(
    place: Place, at: str, printed: str, note: str, capsys: Captured
) -> None:
    agent = AgentClient(at, "a+b/c=" + TOKEN)
    assert address.with_token(agent, place) == f"{printed}/#token=a%2Bb%2Fc%3D{TOKEN}"
    address.notes(agent, place)
    out, err = capsys.readouterr()
    assert (out, bool(err), note in err) == ("", bool(note), True)
    assert TOKEN not in err


def test_a_browser_is_opened_for_a_person_at_a_desktop_alone() -> None:
    desk = Place(desktop=True, terminal=True)
    assert browser.has_browser(desk)
    for less in (
        Place(desktop=True),
        Place(terminal=True),
        Place(desktop=True, terminal=True, in_container=True),
        Place(desktop=True, terminal=True, root=True),
    ):
        assert not browser.has_browser(less)


def test_the_place_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    found = Place.here({"WAYLAND_DISPLAY": "wayland-0", "SSH_CONNECTION": "10.0.0.1 1 10.0.0.2 22"})
    assert (found.desktop, found.over_ssh, found.root) == (True, True, os.geteuid() == 0)
    assert not Place.here({}).over_ssh


@pytest.mark.server
def test_the_browser_is_given_a_file_for_this_user_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "files"))
    (tmp_path / "files").mkdir()
    program = tmp_path / "browser"
    program.write_text(OPENS.format(python=sys.executable, seen=tmp_path / "seen"))
    program.chmod(0o755)

    def start(url: str) -> bool:
        return subprocess.run([program, url], check=False).returncode == 0

    def wait(seconds: float) -> None:
        assert list((tmp_path / "files").iterdir())

    browser.show(f"http://localhost:9114/#token={TOKEN}", start, wait)
    started, mode, page = (tmp_path / "seen").read_text().split("\n", 2)
    assert "file:///" in started and TOKEN not in started
    assert mode == "0o600"
    assert f'content="0; url=http://localhost:9114/#token={TOKEN}"' in page
    assert list((tmp_path / "files").iterdir()) == []
    assert capsys.readouterr() == ("", "dockline: opening a browser\n")


def test_a_browser_that_does_not_come_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    browser.show("http://localhost/#token=x", lambda url: False)
    with pytest.raises(KeyboardInterrupt):
        browser.show("http://localhost/#token=x", lambda url: True, _interrupted)
    assert list(tmp_path.iterdir()) == []
    assert "no browser could be opened: use the address" in capsys.readouterr().err


def _interrupted(seconds: float) -> None:
    raise KeyboardInterrupt


@pytest.mark.server
def test_the_command_line_of_the_process_has_no_token(agent: AgentProcess) -> None:
    """As a user runs it: the output alone has it."""
    command = [sys.executable, "-m", "pipeline", "page", "-c", str(agent.config)]
    done = subprocess.run(
        [*command, "--url", f"http://{agent.address}"], capture_output=True, text=True, check=True
    )
    parts = urlsplit(done.stdout.strip())
    assert re.fullmatch(r"token=[\w-]{43}", parts.fragment)
    assert (parts.path, parts.query) == ("/", "")
