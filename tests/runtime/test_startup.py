"""The agent says at its start what runs, with which configuration and state."""

from __future__ import annotations

import logging
import platform
from pathlib import Path

import pytest

from pipeline import __version__, native
from pipeline.config import Given
from pipeline.runtime.startup import announce

RUNS = f"dockline {__version__}, Python {platform.python_version()}, "


@pytest.fixture(autouse=True)
def everything_is_logged(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(native, "described", "loops in C")
    monkeypatch.setattr(native, "problem", None)


def test_it_is_one_line(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    (tmp_path / "checkpoint").touch()
    announce(Given((Path("/etc/dockline/dockline.toml"),)), str(tmp_path))
    assert caplog.messages == [
        f"{RUNS}loops in C; configuration /etc/dockline/dockline.toml; state in {tmp_path}"
    ]


def test_without_a_configuration_and_without_a_state_it_says_so(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    announce(Given(), f"{tmp_path}/state")
    assert caplog.messages == [
        f"{RUNS}loops in C; no configuration file, so defaults; "
        f"state in {tmp_path}/state, which is new"
    ]


def test_a_state_that_cannot_be_read_says_why(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    announce(Given(), f"{tmp_path}/file")
    assert caplog.messages[0].endswith(f"state in {tmp_path}/file (Not a directory)")


def test_a_package_without_c_says_why(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native, "problem", "there was no C compiler")
    monkeypatch.setattr(native, "described", "loops in Python: there was no C compiler")
    announce(Given(), "/nowhere")
    assert "loops in Python; " in caplog.messages[0]
    assert caplog.messages[1:] == [
        "loops in Python take more CPU than those in C: there was no C compiler"
    ]


def test_loops_in_python_that_were_chosen_are_no_warning(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    described = "loops in Python, since DOCKLINE_NATIVE=0 is set"
    monkeypatch.setattr(native, "described", described)
    announce(Given(), "/nowhere")
    assert len(caplog.messages) == 1
    assert described in caplog.messages[0]
