"""The token is made once, for the agent's user alone, and kept."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.observe import token
from pipeline.testing.agent_process import AgentProcess


@pytest.fixture(autouse=True)
def careless_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def test_it_is_made_once_with_mode_0600_and_is_no_other_after_that(tmp_path: Path) -> None:
    first = token.kept(tmp_path)
    assert token.kept(tmp_path) == token.read(tmp_path) == first
    assert len(first) == 43
    assert first not in repr(first)
    assert [path.name for path in tmp_path.iterdir()] == ["token"]
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600


def test_it_is_never_taken_for_an_option_behind_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = iter(["-" + "a" * 42, "--" + "a" * 41, "a-" + "a" * 41])
    monkeypatch.setattr("secrets.token_urlsafe", lambda size: next(drawn))
    assert token.kept(tmp_path) == "a-" + "a" * 41


@pytest.mark.fault(119)
def test_at_no_moment_can_others_read_it(tmp_path: Path) -> None:
    seen, ended = set(), threading.Event()

    def look() -> None:
        while not ended.is_set():
            for path in tmp_path.iterdir():
                try:
                    seen.add(path.stat().st_mode & 0o777)
                except FileNotFoundError:
                    continue

    watcher = threading.Thread(target=look)
    watcher.start()
    for _ in range(100):
        (tmp_path / "token").unlink(missing_ok=True)
        token.kept(tmp_path)
    ended.set()
    watcher.join()
    assert seen <= {0o600}


@pytest.mark.parametrize("content", ["", "short", "two words are no token at all", "é" * 20])
def test_a_file_that_holds_no_token_is_replaced_and_this_is_said(
    tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "token").write_text(content)
    assert len(token.kept(tmp_path)) == 43
    assert "it holds no token" in caplog.text
    assert content not in caplog.text or not content


@pytest.mark.fault(119)
def test_what_somebody_else_has_put_there_is_not_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state, known = tmp_path / "state", tmp_path / "known"
    state.mkdir()
    known.write_text("k" * 43)
    (state / "token").symlink_to(known)
    assert token.kept(state) != "k" * 43
    assert "it is a link" in caplog.text
    (state / "token").write_text("k" * 43)
    if os.geteuid() == 0:
        os.chown(state / "token", 12345, -1)
        assert token.kept(state) != "k" * 43
        assert "it belongs to another user" in caplog.text


@pytest.mark.server
def test_an_agent_has_one_for_life_and_one_without_a_folder_lets_nobody_in(tmp_path: Path) -> None:
    nowhere = "unix:///nowhere/docker.sock"
    with AgentProcess(tmp_path / "one", nowhere) as agent:
        assert agent.get("/top")[0] == 200
        before = agent.token
        assert agent.stop() == 0
        agent.start()
        assert agent.get("/top")[0] == 200
        assert agent.token == before
        assert before not in agent.said
    blocked = tmp_path / "two"
    blocked.mkdir()
    (blocked / "state").write_text("not a folder")
    with AgentProcess(blocked, nowhere) as agent:
        agent.until(lambda: "no token can be kept" in agent.said)
        status, text = agent.ask("GET", "/top", {"Authorization": "Bearer None"})
        assert (status, "has no token" in text) == (403, True)
        assert agent.ask("GET", "/healthz", {})[0] == 200
