"""`dockline check --live`: a real Engine, and sinks that can and cannot be opened."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable

import pytest

from pipeline.cli import main
from pipeline.testing.private_engine import PrivateEngine

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
    assert reached[1] == "reached sink out: prometheus"


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
    assert "hidden" not in str(live)
